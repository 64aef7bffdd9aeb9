/* bench/soak/peer_libc.c: the workers' objects by the C library: a robust mutex and a condition
 * variable, both shared between processes; see soak.h. */
#include "soak.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

struct objects {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
};

size_t peer_size(void)
{
    return sizeof(struct objects);
}

void *peer_open(size_t size)
{
    struct objects *o = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;

    if (o == MAP_FAILED)
        return NULL;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&o->mutex, &mutex);
    pthread_condattr_init(&cond);
    pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&o->cond, &cond);
    return o;
}

void peer_attach(void *shared)
{
    (void)shared;
}

static int checked(int err)
{
    return err == 0 ? 0 : err == EOWNERDEAD ? 1 : -1;
}

int peer_lock(void *shared)
{
    return checked(pthread_mutex_lock(&((struct objects *)shared)->mutex));
}

int peer_wait(void *shared)
{
    struct objects *o = shared;
    return checked(pthread_cond_wait(&o->cond, &o->mutex));
}

void peer_consistent(void *shared)
{
    pthread_mutex_consistent(&((struct objects *)shared)->mutex);
}

void peer_unlock(void *shared)
{
    pthread_mutex_unlock(&((struct objects *)shared)->mutex);
}

void peer_broadcast(void *shared)
{
    pthread_cond_broadcast(&((struct objects *)shared)->cond);
}
