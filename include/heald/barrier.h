/*
 * heald/barrier.h: a barrier in a region: its participants wait until all of them have come. One
 * that dies while it waits there breaks it: all others hear of it. Not safe in a signal handler.
 */
#ifndef HEALD_BARRIER_H
#define HEALD_BARRIER_H

#include <heald/mutex.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_BARRIER_ROOM = 64, /* for so many participants; see heald_barrier_init_sized() */
    HEALD_BARRIER_MAX = 4095
};

/* All private. */
struct heald_barrier {
    uint64_t state; /* atomic: the round, how many have come to it, how the last rounds ended */
    uint32_t needed, check;               /* how many must come; and the complement of that */
    uint64_t arrived[HEALD_BARRIER_ROOM]; /* atomic: who has come; or `needed` of them */
};

/* How many bytes one for `n` participants has. */
#define HEALD_BARRIER_SIZE(n) (offsetof(struct heald_barrier, arrived) + (n) * sizeof(uint64_t))

/* Memory for one, to embed: `HEALD_BARRIER(4) start;`, made by heald_barrier_init_sized(
 * heald_barrier_of(&start), sizeof start, 4); heald_barrier_init() is for the ordinary ones. */
#define HEALD_BARRIER(n)                                                \
    struct {                                                            \
        uint64_t heald_words[HEALD_BARRIER_SIZE(n) / sizeof(uint64_t)]; \
    }

static inline struct heald_barrier *heald_barrier_of(void *memory)
{
    return (struct heald_barrier *)memory;
}

/* For so many. Before anybody else can see it. 0, -EINVAL: none, or over HEALD_BARRIER_ROOM. */
HEALD_API int heald_barrier_init(struct heald_barrier *barrier, unsigned needed);

/* The same in memory of `size` bytes. -EINVAL: none, or more than have room there, or than
 * HEALD_BARRIER_MAX. */
HEALD_API int heald_barrier_init_sized(struct heald_barrier *barrier, size_t size, unsigned needed);

/*
 * Comes to the barrier and waits until the deadline for the others. 1: to the last that came; 0: to
 * the others. -EOWNERDEAD: a participant that had come, or was coming, has died, or the round was
 * reset; all who came to this round get that, and all who come until it is reset. -ETIMEDOUT: the
 * caller has not come. -ESTALE, -EBADMSG.
 *
 * *ret_round, if not NULL, is the round that the result is about, for heald_barrier_reset(). A
 * caller that sleeps while 12 more rounds end gets -EOWNERDEAD whatever became of its own.
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
