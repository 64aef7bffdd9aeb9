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
    uint32_t needed, round; /* how many must come; how often all have */
    uint32_t opening;       /* the round to come + 1 while the barrier opens, else 0 */
    uint32_t broken;
    uint64_t arrived[HEALD_BARRIER_MAX];
};

/* For so many. Before anybody else can see it. 0, -EINVAL: none, or more than HEALD_BARRIER_MAX. */
HEALD_API int heald_barrier_init(struct heald_barrier *barrier, unsigned needed);

/*
 * Comes to the barrier and waits until the deadline for the others. 1: to the last that came; 0: to
 * the others. -EOWNERDEAD: one that had come has died; so it is to all until
 * heald_barrier_reset(). -ETIMEDOUT: the caller has not come. -ESTALE, -EBADMSG.
 */
HEALD_API int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                                 int64_t deadline_ns);

/* Nobody has come, and it is whole. Those who wait there get -EOWNERDEAD. 0, -ESTALE. */
HEALD_API int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
