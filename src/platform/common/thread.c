/* platform/common/thread.c: threads of the library's own. */
#include "platform/sys.h"

#include <errno.h>
#include <unistd.h>

static int start(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*main)(void *),
                 void *arg)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(ret_thread, attr, main, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -err;
}

int heald__plat_thread_start(pthread_t *ret_thread, void *(*main)(void *), void *arg)
{
    return start(ret_thread, NULL, main, arg);
}

int heald__plat_thread_start_small(pthread_t *ret_thread, size_t stack, void *(*main)(void *),
                                   void *arg)
{
    pthread_attr_t attr;
    int err = -pthread_attr_init(&attr);

    if (err)
        return err;
    /* A size that is refused here leaves the usual one. */
    pthread_attr_setstacksize(&attr, stack);
    err = start(ret_thread, &attr, main, arg);
    pthread_attr_destroy(&attr);
    /* The program's thread-local variables take it all. */
    return err == -EINVAL ? start(ret_thread, NULL, main, arg) : err;
}

unsigned heald__plat_processors(unsigned max)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < 1)
        return 1;
    return n < (long)max ? (unsigned)n : max;
}

int heald__plat_mutex_init_short(pthread_mutex_t *mutex)
{
#ifdef __GLIBC__
    /* Waits awake for a while. Others do that anyhow. */
    const int type = PTHREAD_MUTEX_ADAPTIVE_NP;
#else
    const int type = PTHREAD_MUTEX_DEFAULT;
#endif
    pthread_mutexattr_t attr;
    int err = pthread_mutexattr_init(&attr);

    if (err)
        return err;
    if (!(err = pthread_mutexattr_settype(&attr, type)))
        err = pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return err;
}
