/*
 * ring/bundle.c: does the kernel fill several buffers with one receive, as it says it does? The
 * thread that owns the ring.
 *
 * Its answer names the first buffer alone. The others are those that were given after it; but the
 * stable kernels 6.13.11 to 6.14.x have taken them in another order. So what is in the buffers is
 * compared with what was sent.
 */
#include "ring/ring.h"

#include <errno.h>
#include <sys/socket.h>

enum { GROUP = 0, BUFFERS = 4, SIZE = 16, SENT = 3 * SIZE + SIZE / 2 };
enum { FEAT_BUNDLE = 1 << 14 /* Linux 6.10; the system's headers may be older */ };

#define TEST_NS (100 * HEALD_MS)

/* The order in which they are given. */
static const unsigned char order[BUFFERS] = {2, 0, 3, 1};

struct test {
    struct heald_ring ring;
    int fds[2];
    unsigned done; /* buffers that were filled */
    unsigned got;  /* bytes */
    char data[BUFFERS][SIZE];
};

static char byte_at(unsigned n)
{
    return (char)(n * 7 + 1);
}

static void give_buffers(struct test *t, struct io_uring_buf_ring *buffers)
{
    for (int i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(buffers, t->data[order[i]], SIZE, order[i], BUFFERS - 1, i);
    io_uring_buf_ring_advance(buffers, BUFFERS);
}

static void submit_receive(struct test *t)
{
    struct io_uring_sqe *sqe = heald__ring_entry(&t->ring);

    io_uring_prep_recv_multishot(sqe, t->fds[0], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->ioprio |= HEALD_RING_BUNDLE;
}

/* Are these the next bytes, in the next buffers? */
static bool is_next(struct test *t, const struct io_uring_cqe *cqe)
{
    unsigned len = (unsigned)cqe->res;

    if (cqe->res <= 0 || t->got + len > SENT || !(cqe->flags & IORING_CQE_F_BUFFER) ||
        cqe->flags >> IORING_CQE_BUFFER_SHIFT != order[t->done])
        return false;
    for (unsigned i = 0; i < len; i++, t->got++)
        if (t->data[order[t->done + i / SIZE]][i % SIZE] != byte_at(t->got))
            return false;
    t->done += (len + SIZE - 1) / SIZE;
    return true;
}

/* The next completion, of which `cqe` is a copy. */
static bool await(struct test *t, struct io_uring_cqe *ret_cqe)
{
    struct heald_ring *r = &t->ring;
    struct io_uring_cqe *cqe = heald__ring_peek(r);

    if (!cqe && (heald__ring_enter(r, r->sys->now(HEALD_CLOCK_MONOTONIC) + TEST_NS) ||
                 !(cqe = heald__ring_peek(r))))
        return false;
    *ret_cqe = *cqe;
    heald__ring_seen(r);
    return true;
}

/* All arrives, and the end has no buffer. */
static bool receives(struct test *t)
{
    struct io_uring_cqe cqe;
    char data[SENT];

    for (unsigned i = 0; i < SENT; i++)
        data[i] = byte_at(i);
    if (t->ring.sys->send_now(t->fds[1], data, SENT, 0) != SENT)
        return false;
    submit_receive(t);
    while (t->got < SENT)
        if (!await(t, &cqe) || !is_next(t, &cqe))
            return false;
    /* It may have ended, as the kernel looks for one more buffer. */
    if (!(cqe.flags & IORING_CQE_F_MORE))
        return true;
    t->ring.sys->shutdown(t->fds[1], SHUT_WR);
    return await(t, &cqe) && (cqe.res == 0 || cqe.res == -ENOBUFS) &&
           !(cqe.flags & IORING_CQE_F_BUFFER);
}

static bool try_buffers(struct test *t)
{
    struct io_uring_buf_ring *buffers;

    if (heald__ring_provide(&t->ring, GROUP, BUFFERS, &buffers))
        return false;
    give_buffers(t, buffers);
    bool works = receives(t);
    heald__ring_unprovide(&t->ring, GROUP, BUFFERS, buffers);
    return works;
}

static bool try_bundle(const struct heald_sys *sys, const struct heald_allocator *alloc)
{
    struct test t = {.done = 0};
    bool works = false;

    if (heald__plat_socketpair(SOCK_STREAM, t.fds))
        return false;
    if (!heald__ring_open(&t.ring, sys, alloc, BUFFERS, false)) {
        works = try_buffers(&t);
        heald__ring_close(&t.ring, alloc);
    }
    sys->close(t.fds[0]);
    sys->close(t.fds[1]);
    return works;
}

bool heald__ring_bundles(struct heald_ring *r, const struct heald_allocator *alloc)
{
    if (!r->bundles)
        r->bundles = r->ring.features & FEAT_BUNDLE && try_bundle(r->sys, alloc) ? 1 : -1;
    return r->bundles > 0;
}
