/*
 * Locks in shared memory, of the C library: a robust process-shared mutex. It has nothing that an
 * event loop could wait for: what wakes is an eventfd, awaited with epoll.
 */
#define _GNU_SOURCE 1
#include "robust.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t mutex; /* first: robust.h */
    int bell;
    char apart[128];
    sem_t permits;
    pthread_rwlock_t lock;
};

static void *peer_open(void)
{
    struct shared *s = robust_open(sizeof *s);

    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s;
}

/* Neither knows its holder. */
static void peer_permits(void *shared, long count)
{
    sem_t *sem = &((struct shared *)shared)->permits;

    sem_init(sem, 1, 4);
    for (long i = 0; i < count; i++) {
        sem_wait(sem);
        sem_post(sem);
    }
}

static void peer_reads(void *shared, long count)
{
    pthread_rwlock_t *lock = &((struct shared *)shared)->lock;
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(lock, &attr);
    for (long i = 0; i < count; i++) {
        pthread_rwlock_rdlock(lock);
        pthread_rwlock_unlock(lock);
    }
}

static void peer_sizes(void)
{
    printf("mutex %zu cond %zu sem %zu rwlock %zu barrier %zu participant 0",
           sizeof(pthread_mutex_t), sizeof(pthread_cond_t), sizeof(sem_t), sizeof(pthread_rwlock_t),
           sizeof(pthread_barrier_t));
}

static void peer_ring(void *shared)
{
    eventfd_write(((struct shared *)shared)->bell, 1);
}

static void peer_listen(void *shared, void (*woken)(void *ctx), void *ctx, long count)
{
    struct shared *s = shared;
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    eventfd_t n;

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, s->bell, &event))
        bench_die("epoll", errno);
    while (count > 0)
        if (epoll_wait(epoll, &event, 1, -1) == 1 && eventfd_read(s->bell, &n) == 0)
            for (; n && count; n--, count--)
                woken(ctx);
    close(epoll);
}

int main(void)
{
    const struct lock_peer peer = {"libc",         peer_open,     robust_attach, robust_rounds,
                                   robust_lock,    robust_unlock, peer_ring,     peer_listen,
                                   robust_inherit, NULL,          peer_permits,  peer_reads,
                                   peer_sizes};

    return lock_main(&peer);
}
