/* See robust.h. */
#define _GNU_SOURCE 1
#include "robust.h"

#include <pthread.h>
#include <sys/mman.h>

void *robust_open(size_t size)
{
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    if (shared == MAP_FAILED)
        bench_die("mmap", errno);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(shared, &attr);
    return shared;
}

void robust_attach(void *shared)
{
    (void)shared;
}

void robust_lock(void *shared)
{
    pthread_mutex_lock(shared);
}

void robust_unlock(void *shared)
{
    pthread_mutex_unlock(shared);
}

void robust_rounds(void *shared, long count)
{
    for (long i = 0; i < count; i++) {
        pthread_mutex_lock(shared);
        pthread_mutex_unlock(shared);
    }
}

void robust_inherit(void *shared, void (*notified)(void *ctx), void *ctx)
{
    if (pthread_mutex_lock(shared) != EOWNERDEAD)
        bench_die("pthread_mutex_lock", 0);
    notified(ctx);
    pthread_mutex_consistent(shared);
    pthread_mutex_unlock(shared);
}
