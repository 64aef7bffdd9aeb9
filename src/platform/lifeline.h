/*
 * platform/lifeline.h: something in shared memory that one thread holds for as long as it lives,
 * and that the kernel releases when the thread ends, however it ends: return, exec, SIGKILL.
 *
 * It is a robust process-shared mutex of the C library, held from the attaching to the detaching of
 * a participant. The library keeps it in the thread's robust list, which the kernel walks when the
 * thread ends: the mutex's word then has FUTEX_OWNER_DIED, and one of its waiters is woken. fork(2)
 * gives the child none of them.
 *
 * The kernel identifies the holder by its thread id. Two things follow. When a thread other than
 * the first of its process calls exec, it gets the first one's id before its list is walked, and is
 * not found in its own lifelines: whether a holder exists at all must be checked besides
 * (heald__plat_thread_is_absent()). And a process that dies while it tries to acquire a lifeline
 * that another holds with the same id, in another PID name space, would be mistaken for the holder:
 * so one that is held is not tried. A thread's list has room for 2048 locks of all kinds.
 */
#ifndef HEALD_SRC_PLATFORM_LIFELINE_H
#define HEALD_SRC_PLATFORM_LIFELINE_H

#include <pthread.h>
#include <stdint.h>

struct heald_lifeline {
    pthread_mutex_t mutex;
};

/* Nobody holds it. 0, or -ENOSYS: the system has no robust mutexes. */
int heald__plat_life_init(struct heald_lifeline *life);

/*
 * The calling thread takes it, without waiting. 0: nobody had it. -EOWNERDEAD: its holder died; the
 * caller holds it now, repairs what the dead process left, and calls heald__plat_life_recovered().
 * -EBUSY: it is held. -EBADMSG: these bytes are no lifeline.
 */
int heald__plat_life_acquire(struct heald_lifeline *life);
void heald__plat_life_recovered(struct heald_lifeline *life);
void heald__plat_life_release(struct heald_lifeline *life);

/* Before the thread locks a robust mutex: it does not hold what its parent held at fork(2). */
void heald__plat_robust_list_check(void);

/* What its word says, without taking it. */
enum heald_life {
    HEALD_LIFE_UNKNOWN, /* the system does not say where the word is: take it to learn */
    HEALD_LIFE_FREE,
    HEALD_LIFE_HELD,
    HEALD_LIFE_ENDED /* its holder died, and nobody has taken it since */
};
enum heald_life heald__plat_life_state(struct heald_lifeline *life);

/*
 * A word that changes when the holder dies, of which the kernel then wakes one waiter, and its
 * value now. NULL: it has no living holder, or the system has no such word;
 * heald__plat_life_acquire() distinguishes them.
 */
uint32_t *heald__plat_life_watch(struct heald_lifeline *life, uint32_t *ret_seen);

#endif
