/*
 * platform/linux/robust_list_musl.c: see lifeline.h.
 *
 * In a child of fork(2), musl (1.2.5 and older) leaves the thread's robust list as it was in the
 * parent. The first robust lock in the child would be linked before what the parent holds: into
 * shared memory, with an address of the child. The kernel knows that the child holds nothing (it
 * has no list of the thread), so the list is emptied then, before the first lock.
 */
#include "platform/lifeline.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MUSL_WAITERS = 2 }; /* the word in pthread_mutex_t, whose layout processes share */

/* The thread's list; NULL: it has locked no robust mutex since it was made. */
static struct robust_list_head *robust_list(void)
{
    struct robust_list_head *list = NULL;
    size_t size;

    return syscall(SYS_get_robust_list, 0, &list, &size) < 0 ? NULL : list;
}

/* musl registers the list with the kernel at the first trylock of a robust mutex. This one inherits
 * priority and has waiters, so that the trylock fails before it links anything. */
static void make_list(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;

    if (pthread_mutexattr_init(&attr))
        return;
    if (!pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) &&
        !pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) &&
        !pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) &&
        !pthread_mutex_init(&mutex, &attr)) {
        ((int *)(void *)&mutex)[MUSL_WAITERS] = 1;
        pthread_mutex_trylock(&mutex);
    }
    pthread_mutexattr_destroy(&attr);
}

void heald__plat_robust_list_check(void)
{
    struct robust_list_head *list;

    if (robust_list())
        return;
    make_list();
    if ((list = robust_list()))
        list->list.next = &list->list;
}
