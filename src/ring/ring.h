/*
 * ring/ring.h: an io_uring, as the back end and the engine share it.
 *
 * Set up for one issuing thread with deferred task work (Linux 6.1): the kernel does nothing behind
 * our back, and completions are seen when we ask. The ring is enabled by its first use, so the
 * thread that uses it first owns it. A ring is not for a child of fork(2).
 */
#ifndef HEALD_SRC_RING_RING_H
#define HEALD_SRC_RING_RING_H

#include "base/alloc.h"
#include "platform/sys.h"

#include <heald/op.h>

#include <liburing.h>
#include <linux/futex.h>
#include <linux/openat2.h>

/* What an entry points to until it is handed over. */
union heald_ring_scratch {
    struct msghdr msg;
    struct open_how how;
};

struct heald_ring {
    struct io_uring ring;
    const struct heald_sys *sys;
    bool enabled;
    bool stranded; /* resized and not mapped; not `enabled` then, so that an enter maps it */
    unsigned enter_flags[2]; /* of every enter that does not wait, and of one that does */
    signed char pipes;       /* 0: not known; 1: know RWF_NOWAIT; -1: do not */
    signed char bundles;     /* the same: receives into several buffers of a group at a time */
    bool refused;            /* the last enter, for now: it was not an error */
    bool absolute;           /* the kernel takes the time of a wait as a deadline (Linux 6.12) */
    unsigned options;        /* bit o: it has that enum heald_ring_option */
    unsigned entries, limit; /* how many there are; to how many it may grow */
    union heald_ring_scratch *scratch; /* one for each entry that there may be */
    unsigned scratch_count;
    int bell;   /* readable when completions came; -1 until it is asked for */
    bool drain; /* the bell, at every enter */
};

/* With `grows` the ring may be smaller at first, and becomes so large when it is needed. -ENOSYS:
 * the kernel has no such ring, forbids it, or HEALD_NO_URING is set. */
int heald__ring_open(struct heald_ring *r, const struct heald_sys *sys,
                     const struct heald_allocator *alloc, unsigned entries, bool grows);
void heald__ring_close(struct heald_ring *r, const struct heald_allocator *alloc);

/*
 * Opens the bell: a descriptor for other loops to wait for: it, or -errno. With `drain` every
 * heald__ring_enter() empties it; without, the waiter gets changes.
 */
int heald__ring_bell(struct heald_ring *r, bool drain);

/*
 * Makes the calling thread the owner and lets it use the ring without its descriptor, which is the
 * caller's to close: it, or -errno. A child of fork(2) does not get the ring's memory. No bell
 * afterwards, and it does not grow.
 */
int heald__ring_hide(struct heald_ring *r);

/* Hands over what the kernel does not know of yet, and does not wait. 0 or -errno. */
int heald__ring_flush(struct heald_ring *r);

/* An entry to fill, after handing over what is there if that makes room, which may move the entries
 * of a ring that grows; NULL: the kernel takes no more just now. */
struct io_uring_sqe *heald__ring_entry(struct heald_ring *r);

/* The same if there is room already; else NULL. */
static inline struct io_uring_sqe *heald__ring_room(struct heald_ring *r)
{
    struct io_uring_sq *sq = &r->ring.sq;
    unsigned tail = sq->sqe_tail;

    /* Acquire: pairs with the kernel's release; it has read what lay there. */
    if (tail - __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE) >= r->entries)
        return NULL;
    sq->sqe_tail = tail + 1;
    return &sq->sqes[tail & (r->entries - 1)];
}

/* Has an entry been allocated that the kernel does not know? */
static inline bool heald__ring_pending(const struct heald_ring *r)
{
    return io_uring_sq_ready(&r->ring) != 0;
}

/* Submits all entries and waits for a completion until the deadline (monotonic): 0: does not wait;
 * HEALD_FOREVER. 0, -EINTR, -errno. */
int heald__ring_enter(struct heald_ring *r, int64_t deadline_ns);

/* Has the kernel completions that had no room? */
static inline bool heald__ring_overflows(const struct heald_ring *r)
{
    /* Relaxed: it is set before the enter returns that leaves some behind. */
    return __atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW;
}

/* Has the kernel something for us that only an enter brings to light? */
bool heald__ring_behind(const struct heald_ring *r);

/* The next completion, or NULL; it stays until heald__ring_seen(). */
static inline struct io_uring_cqe *heald__ring_peek(struct heald_ring *r)
{
    struct io_uring_cq *cq = &r->ring.cq;
    unsigned head = *cq->khead;

    /* Acquire: pairs with the kernel's release; the completion is written. */
    if (head == __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE))
        return NULL;
    return &cq->cqes[head & *cq->kring_mask];
}

static inline void heald__ring_seen(struct heald_ring *r)
{
    io_uring_cq_advance(&r->ring, 1);
}

/* How many entries have been allocated, of which the last is one less; has the kernel taken one? */
static inline unsigned heald__ring_last(const struct heald_ring *r)
{
    return r->ring.sq.sqe_tail - 1;
}

static inline bool heald__ring_taken(const struct heald_ring *r, unsigned entry)
{
    /* Acquire: pairs with the kernel's release. Counted modulo 2^32. */
    return (int)(__atomic_load_n(r->ring.sq.khead, __ATOMIC_ACQUIRE) - entry) > 0;
}

/* Does a pipe read and write in the ring without blocking the submitter (Linux 6.4)? */
bool heald__ring_pipes_nowait(struct heald_ring *r);

/* provided.c: a ring of `count` (a power of two) provided buffers, which is known as `id`; nothing
 * is in it yet. provide: 0 or -errno. */
int heald__ring_provide(struct heald_ring *r, uint16_t id, unsigned count,
                        struct io_uring_buf_ring **ret_buffers);
void heald__ring_unprovide(struct heald_ring *r, uint16_t id, unsigned count,
                           struct io_uring_buf_ring *buffers);

/* bundle.c: does a receive fill several buffers of a group, in the order in which they were given
 * (Linux 6.10)? Tried once, in a ring of its own. HEALD_RING_BUNDLE: the flag in ioprio. */
enum { HEALD_RING_BUNDLE = 1 << 4 };
bool heald__ring_bundles(struct heald_ring *r, const struct heald_allocator *alloc);

/* Room beside an entry for what it points to. */
static inline union heald_ring_scratch *heald__ring_scratch(struct heald_ring *r,
                                                            const struct io_uring_sqe *sqe)
{
    return &r->scratch[sqe - r->ring.sq.sqes];
}

/* The user data of an entry that does nothing and is nobody's. The last two bits of an op's address
 * are 0. */
enum { HEALD_RING_NOBODY = 2, HEALD_RING_NO_OP = 3 /* these bits */ };

/* Withdraws entry `entry` of `op`, if it is that and the kernel has not taken it: it belongs to no
 * op then. False: it cannot be withdrawn. */
bool heald__ring_withdraw(struct heald_ring *r, unsigned entry, const struct heald_op *op);

/* Does the kernel wait for words in a ring? Asked of a ring in which there is nothing else; without
 * success it may still hold what was asked, and is to be closed. */
bool heald__ring_waits(struct heald_ring *r);

#endif
