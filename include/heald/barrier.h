/*
 * heald/barrier.h: a barrier in a region, where participants wait until a given number has arrived.
 *
 * The participants pass in rounds. If one dies while it waits, the round is broken: all others get
 * -EOWNERDEAD. `me` is as in heald/mutex.h. No function is async-signal-safe. Each function with
 * `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the barrier is corrupt
 */
#ifndef HEALD_BARRIER_H
#define HEALD_BARRIER_H

#include <heald/mutex.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_BARRIER_ROOM = 64, /* maximum for heald_barrier_init() */
    HEALD_BARRIER_MAX = 4095 /* maximum for heald_barrier_init_sized() */
};

/* All members are private. */
struct heald_barrier {
    uint64_t state;         /* atomic: the round, the arrivals, the results of the last rounds */
    uint32_t needed, check; /* arrivals that end a round; the complement of that */
    uint64_t arrived[HEALD_BARRIER_ROOM]; /* atomic: the arrivals; as many as `needed` */
};

/* The size in bytes of a barrier for `n` participants. */
#define HEALD_BARRIER_SIZE(n) (offsetof(struct heald_barrier, arrived) + (n) * sizeof(uint64_t))

/*
 * Memory for a barrier of `n` participants, to embed: `HEALD_BARRIER(4) start;`. Initialize it with
 * heald_barrier_init_sized(heald_barrier_of(&start), sizeof start, 4), not with
 * heald_barrier_init().
 */
#define HEALD_BARRIER(n)                                                \
    struct {                                                            \
        uint64_t heald_words[HEALD_BARRIER_SIZE(n) / sizeof(uint64_t)]; \
    }

/* The barrier in such memory. */
static inline struct heald_barrier *heald_barrier_of(void *memory)
{
    return (struct heald_barrier *)memory;
}

/*
 * Initialize a barrier for `needed` participants: of the size of the struct, or in memory of `size`
 * bytes. The caller ensures that no other participant uses it yet. Do not block.
 *
 *   0         done
 *   -EINVAL   needed is 0, or above HEALD_BARRIER_ROOM
 *   -EINVAL   (sized) needed is 0, above HEALD_BARRIER_MAX, or more than fit in size
 */
HEALD_API int heald_barrier_init(struct heald_barrier *barrier, unsigned needed);
HEALD_API int heald_barrier_init_sized(struct heald_barrier *barrier, size_t size, unsigned needed);

/*
 * Arrives at the barrier and waits for the others. Blocks until `deadline_ns` (absolute, monotonic;
 * HEALD_FOREVER). *ret_round, if not NULL, is the round of the result, for heald_barrier_reset().
 *
 *   1             passed; the caller was the last to arrive
 *   0             passed; another was the last
 *   -EOWNERDEAD   the round is broken: a participant that had arrived, or was arriving, died; or
 *                 the round was reset. All in this round get it, and all that arrive until a reset
 *   -ETIMEDOUT    the deadline has passed; the caller does not count as arrived
 *
 * If 12 more rounds end while the caller sleeps, it gets -EOWNERDEAD regardless of its own round.
 */
HEALD_API int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                                 int64_t deadline_ns, uint32_t *ret_round);

/*
 * Ends a round: its participants get -EOWNERDEAD, and the next round begins without arrivals. Has
 * no effect if the round has ended. So every participant that gets -EOWNERDEAD may reset the round
 * of that result and arrive again, at the same time or one after another. Does not block. Returns
 * 0.
 */
HEALD_API int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me,
                                  uint32_t round);

/* Returns the present round, for a caller of heald_barrier_reset() that has not waited. Does not
 * block. Any thread. */
HEALD_API uint32_t heald_barrier_round(const struct heald_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
