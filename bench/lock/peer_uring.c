/*
 * Locks in shared memory, of the C library, as in peer_libc.c; but what wakes is a word, awaited by
 * a futex entry of an io_uring, set up as heald's is.
 */
#define _GNU_SOURCE 1
#include "robust.h"

#include <liburing.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FUTEX_WAIT_ENTRY = 51, FUTEX_SIZE_U32 = 2, ENTRIES = 8 };

struct shared {
    pthread_mutex_t mutex; /* first: robust.h */
    uint32_t rings;
};

static void *peer_open(void)
{
    return robust_open(sizeof(struct shared));
}

static void peer_ring(void *shared)
{
    struct shared *s = shared;

    __atomic_fetch_add(&s->rings, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &s->rings, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void ring_open(struct io_uring *ring)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_TASKRUN_FLAG};
    int err = io_uring_queue_init_params(ENTRIES, ring, &p);

    if (err)
        exit(BENCH_SKIP);
}

/* The result of one wait: 0, or -EAGAIN where the word is another already. */
static int wait_for(struct io_uring *ring, uint32_t *word, uint32_t seen)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;

    if (!sqe)
        bench_die("io_uring_get_sqe", 0);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = FUTEX_WAIT_ENTRY;
    sqe->fd = FUTEX_SIZE_U32;
    sqe->addr = (uint64_t)(uintptr_t)word;
    sqe->off = seen;
    sqe->addr3 = FUTEX_BITSET_MATCH_ANY;
    int err = io_uring_submit_and_wait(ring, 1);
    if (err < 0)
        bench_die("io_uring_submit_and_wait", -err);
    if (io_uring_peek_cqe(ring, &cqe))
        return -EINTR;
    err = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return err;
}

static void peer_listen(void *shared, void (*woken)(void *ctx), void *ctx, long count)
{
    struct shared *s = shared;
    struct io_uring ring;
    uint32_t seen = __atomic_load_n(&s->rings, __ATOMIC_SEQ_CST);

    ring_open(&ring);
    while (count > 0) {
        int err = wait_for(&ring, &s->rings, seen);
        if (err == -EINVAL)
            exit(BENCH_SKIP);
        for (; seen != __atomic_load_n(&s->rings, __ATOMIC_SEQ_CST) && count; seen++, count--)
            woken(ctx);
    }
    io_uring_queue_exit(&ring);
}

int main(void)
{
    const struct lock_peer peer = {
        "uring",       peer_open, robust_attach, robust_rounds,  robust_lock,
        robust_unlock, peer_ring, peer_listen,   robust_inherit, NULL,
        NULL,          NULL,      NULL};

    return lock_main(&peer);
}
