/*
 * platform/attr.h: what a notification by a thread or to a thread needs (SIGEV_THREAD,
 * SIGEV_THREAD_ID). Linux alone. 0 or -errno; nothing blocks.
 */
#ifndef HEALD_SRC_PLATFORM_ATTR_H
#define HEALD_SRC_PLATFORM_ATTR_H

#include <pthread.h>
#include <signal.h>

/* A copy that shares nothing with the original, to be destroyed by the caller. */
int heald__plat_attr_copy(pthread_attr_t *to, const pthread_attr_t *from);

/* Starts a detached thread, with attributes that say so (NULL: the usual ones); its signal mask is
 * the caller's. -EINVAL as well: the attributes cannot be had. */
int heald__plat_thread_detached(const pthread_attr_t *attr, void *(*main)(void *), void *arg);

/* Lets every signal through, on the calling thread. */
void heald__plat_thread_unblock(void);

/* The thread that SIGEV_THREAD_ID names; and a signal with a value to it, si_code SI_ASYNCIO. */
pid_t heald__plat_sigevent_thread(const struct sigevent *ev);
int heald__plat_signal_thread(pid_t thread, int signo, void *value);

#endif
