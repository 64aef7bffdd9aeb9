/* platform/common/thread.c: threads of the library's own. */
#include "platform/sys.h"

int heald_plat_thread_start(pthread_t *ret_thread, void *(*main)(void *), void *arg)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(ret_thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -err;
}
