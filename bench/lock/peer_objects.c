/*
 * Objects in shared memory, of the C library: see objects.h. All are process-shared; the mutex is
 * robust, as heald's, or with the argument `plain` not. The others cannot be.
 *
 * There is no fair mutex. Of its own it prints `token_ns T`: eight processes pass a token round, by
 * a futex each: the time for each pass. A lock that is handed over in strict order cannot take
 * less.
 */
#define _GNU_SOURCE 1
#include "objects.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSERS = OBJECTS_CONTENDERS, ROUNDS = 1000, READY_US = 20000 };

/* In a cache line of its own. */
struct passer {
    _Alignas(64) atomic_uint round; /* it has the token for this one */
};

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    char apart[128];
    pthread_rwlock_t lock;
    struct passer passers[PASSERS];
};

static bool is_plain;

static void mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!is_plain)
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attr);
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(cond, &attr);
}

static void rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(lock, &attr);
}

static void *peer_open(void)
{
    struct shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        bench_die("mmap", errno);
    mutex_init(&s->mutex);
    cond_init(&s->cond);
    rwlock_init(&s->lock);
    return s;
}

static void peer_attach(void *shared)
{
    (void)shared;
}

static void peer_writes(void *shared, long count)
{
    pthread_rwlock_t *lock = &((struct shared *)shared)->lock;

    for (long i = 0; i < count; i++) {
        pthread_rwlock_wrlock(lock);
        pthread_rwlock_unlock(lock);
    }
}

static void peer_lock(void *shared)
{
    pthread_mutex_lock(&((struct shared *)shared)->mutex);
}

static void peer_unlock(void *shared)
{
    pthread_mutex_unlock(&((struct shared *)shared)->mutex);
}

static void peer_wait(void *shared)
{
    struct shared *s = shared;

    pthread_cond_wait(&s->cond, &s->mutex);
}

static void peer_signal(void *shared)
{
    pthread_cond_signal(&((struct shared *)shared)->cond);
}

static void token_pass(struct passer *to, unsigned round)
{
    to->round = round;
    syscall(SYS_futex, &to->round, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void token_await(struct passer *me, unsigned round)
{
    for (unsigned seen = me->round; seen != round; seen = me->round)
        syscall(SYS_futex, &me->round, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void passer(struct passer passers[], int who)
{
    int next = (who + 1) % PASSERS;

    for (unsigned round = 1; round <= ROUNDS; round++) {
        token_await(&passers[who], round);
        token_pass(&passers[next], next ? round : round + 1);
    }
    _exit(0);
}

static void peer_more(void *shared)
{
    struct passer *passers = ((struct shared *)shared)->passers;

    for (int i = 0; i < PASSERS; i++)
        if (fork() == 0)
            passer(passers, i);
    usleep(READY_US);
    int64_t start = bench_now_ns();
    token_pass(&passers[0], 1);
    for (int i = 0; i < PASSERS; i++)
        wait(NULL);
    printf(" token_ns %.0f", (double)(bench_now_ns() - start) / ROUNDS / PASSERS);
}

int main(int argc, char *argv[])
{
    const struct objects_peer peer = {peer_open, peer_attach, peer_writes, peer_lock, peer_unlock,
                                      peer_wait, peer_signal, NULL,        peer_more};

    is_plain = argc == 2 && strcmp(argv[1], "plain") == 0;
    if (argc > 1 && !is_plain)
        return 2;
    return objects_main(&peer);
}
