/*
 * platform/linux/attr.c: see attr.h. The C library gives no copy of a pthread_attr_t: one is made
 * of what can be asked. Where a stack was not set, glibc's pthread_attr_getstack(3) answers with an
 * address that ends at 0.
 */
#include "platform/attr.h"

#include <sched.h>
#include <stdint.h>

static void copy_sizes(pthread_attr_t *to, const pthread_attr_t *from)
{
    void *stack;
    size_t size;

    if (pthread_attr_getguardsize(from, &size) == 0)
        pthread_attr_setguardsize(to, size);
    if (pthread_attr_getstack(from, &stack, &size) == 0 && (uintptr_t)stack + size != 0)
        pthread_attr_setstack(to, stack, size);
    else if (pthread_attr_getstacksize(from, &size) == 0 && size)
        pthread_attr_setstacksize(to, size);
}

static void copy_scheduling(pthread_attr_t *to, const pthread_attr_t *from)
{
    struct sched_param param;
    int n;

    if (pthread_attr_getschedpolicy(from, &n) == 0)
        pthread_attr_setschedpolicy(to, n);
    if (pthread_attr_getschedparam(from, &param) == 0)
        pthread_attr_setschedparam(to, &param);
    if (pthread_attr_getinheritsched(from, &n) == 0)
        pthread_attr_setinheritsched(to, n);
    if (pthread_attr_getscope(from, &n) == 0)
        pthread_attr_setscope(to, n);
}

static void copy_processors(pthread_attr_t *to, const pthread_attr_t *from)
{
    cpu_set_t set;

    /* A set that was not given reads as all; all need not be said. */
    if (pthread_attr_getaffinity_np(from, sizeof set, &set) == 0 && CPU_COUNT(&set) < CPU_SETSIZE)
        pthread_attr_setaffinity_np(to, sizeof set, &set);
}

int heald__plat_attr_copy(pthread_attr_t *to, const pthread_attr_t *from)
{
    int err = pthread_attr_init(to);

    if (err)
        return -err;
    copy_sizes(to, from);
    copy_scheduling(to, from);
    copy_processors(to, from);
    pthread_attr_setdetachstate(to, PTHREAD_CREATE_DETACHED);
    return 0;
}

int heald__plat_thread_detached(const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
    pthread_attr_t usual;
    pthread_t thread;
    int err;

    if (attr)
        return -pthread_create(&thread, attr, main, arg);
    /* From the start: it may look at itself, or be gone before anybody detaches it. */
    if ((err = pthread_attr_init(&usual)))
        return -err;
    pthread_attr_setdetachstate(&usual, PTHREAD_CREATE_DETACHED);
    err = pthread_create(&thread, &usual, main, arg);
    pthread_attr_destroy(&usual);
    return -err;
}

void heald__plat_thread_unblock(void)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

pid_t heald__plat_sigevent_thread(const struct sigevent *ev)
{
    return ev->_sigev_un._tid;
}
