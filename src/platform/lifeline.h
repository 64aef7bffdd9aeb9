/*
 * platform/lifeline.h: something in shared memory that one thread holds for as long as it lives,
 * and that the kernel lets go of when the thread ends, however it ends: return, exec, SIGKILL.
 *
 * It is a robust process-shared mutex of the C library, held from the attaching to the detaching of
 * a participant. The library keeps it in the thread's robust list, which the kernel walks when the
 * thread ends: the mutex's word then carries FUTEX_OWNER_DIED, and one of those who wait for it is
 * woken. fork(2) gives the child none of them. PIDs play no part, so their reuse and their name
 * spaces cannot deceive.
 */
#ifndef HEALD_SRC_PLATFORM_LIFELINE_H
#define HEALD_SRC_PLATFORM_LIFELINE_H

#include <pthread.h>
#include <stdint.h>

struct heald_lifeline {
    pthread_mutex_t mutex;
};

/* Nobody holds it. 0, or -ENOSYS: the system has no robust mutexes. */
int heald_plat_life_init(struct heald_lifeline *life);

/*
 * The calling thread takes it, without waiting. 0: nobody had it. -EOWNERDEAD: its holder died; it
 * is the caller's now, who settles the estate and then calls heald_plat_life_settled(). -EBUSY: it
 * is held. -EBADMSG: these bytes are no lifeline.
 */
int heald_plat_life_take(struct heald_lifeline *life);
void heald_plat_life_settled(struct heald_lifeline *life);
void heald_plat_life_release(struct heald_lifeline *life);

/*
 * A word that changes when the holder dies, for whose waiters the kernel then wakes one, and what
 * it is now. NULL: nobody who lives holds it, or the system has no such word;
 * heald_plat_life_take() tells.
 */
uint32_t *heald_plat_life_watch(struct heald_lifeline *life, uint32_t *ret_seen);

#endif
