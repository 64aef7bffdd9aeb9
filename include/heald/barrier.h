/*
 * heald/barrier.h: a barrier in a region: its participants wait until all of them have come. One
 * that dies while it waits there breaks it: all others hear of it. Not safe in a signal handler.
 */
#ifndef HEALD_BARRIER_H
#define HEALD_BARRIER_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HEALD_BARRIER_MAX = 64 };

/* All private. */
struct heald_barrier {
    struct heald_monitor monitor;
    uint32_t needed, round; /* how many must come; how many rounds have ended */
    uint64_t turn;          /* while a round ends: the next one, and how; else 0 */
    uint64_t resets;        /* of the last 64 rounds: bit round % 64: it ended by a reset */
    uint32_t broken, unused;
    uint64_t arrived[HEALD_BARRIER_MAX];
};

/* For so many. Before anybody else can see it. 0, -EINVAL: none, or more than HEALD_BARRIER_MAX. */
HEALD_API int heald_barrier_init(struct heald_barrier *barrier, unsigned needed);

/*
 * Comes to the barrier and waits until the deadline for the others. 1: to the last that came; 0: to
 * the others. -EOWNERDEAD: a participant that had come has died, or the round was reset; all who
 * came to this round get that, and all who come until it is reset. -ETIMEDOUT: the caller has not
 * come. -ESTALE, -EBADMSG.
 *
 * *ret_round, if not NULL, is the round that the result is about, for heald_barrier_reset(). A
 * caller that sleeps while 64 more rounds end gets -EOWNERDEAD whatever became of its own.
 */
HEALD_API int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                                 int64_t deadline_ns, uint32_t *ret_round);

/*
 * Ends a round: those who have come get -EOWNERDEAD, and the next round begins, to which nobody has
 * come. A round that has ended already is left alone: so everyone who gets -EOWNERDEAD resets the
 * round of that result and comes again, all at once or one after another. 0, -ESTALE, -EBADMSG.
 */
HEALD_API int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me,
                                  uint32_t round);

/* The present round, for who resets a barrier without having waited there. Any thread. */
HEALD_API uint32_t heald_barrier_round(const struct heald_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
