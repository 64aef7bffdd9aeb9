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
    unsigned entries;
    union heald_ring_scratch *scratch; /* one for each entry */
    int bell;   /* readable when completions came; -1 until it is asked for */
    bool drain; /* the bell, at every enter */
};

/* -ENOSYS: the kernel has no such ring, forbids it, or HEALD_NO_URING is set. */
int heald_ring_open(struct heald_ring *r, const struct heald_sys *sys,
                    const struct heald_allocator *alloc, unsigned entries);
void heald_ring_close(struct heald_ring *r, const struct heald_allocator *alloc);

/*
 * Opens the bell: a descriptor for other loops to wait for: it, or -errno. With `drain` every
 * heald_ring_enter() empties it; without, whoever waits is told of changes.
 */
int heald_ring_bell(struct heald_ring *r, bool drain);

/*
 * Makes the calling thread the owner and lets it use the ring without its descriptor, which is the
 * caller's to close: it, or -errno. A child of fork(2) does not get the ring's memory. No bell
 * afterwards.
 */
int heald_ring_hide(struct heald_ring *r);

/* Hands over what the kernel does not know of yet, and does not wait. 0 or -errno. */
int heald_ring_flush(struct heald_ring *r);

/* An entry to fill, after handing over what is there if that makes room; NULL: the kernel takes no
 * more just now. */
struct io_uring_sqe *heald_ring_entry(struct heald_ring *r);

/* Has one been handed out that the kernel does not know of? */
static inline bool heald_ring_pending(const struct heald_ring *r)
{
    return io_uring_sq_ready(&r->ring) != 0;
}

/* Hands over what there is and waits for a completion: timeout_ns 0: not; -1: for ever. 0, -EINTR,
 * -errno. */
int heald_ring_enter(struct heald_ring *r, int64_t timeout_ns);

/* Has the kernel something for us that only an enter brings to light? */
bool heald_ring_behind(const struct heald_ring *r);

/* The next completion, or NULL; it stays until heald_ring_seen(). */
struct io_uring_cqe *heald_ring_peek(struct heald_ring *r);

static inline void heald_ring_seen(struct heald_ring *r)
{
    io_uring_cq_advance(&r->ring, 1);
}

/* Which entry was handed out last; and has the kernel taken it? */
static inline unsigned heald_ring_last(const struct heald_ring *r)
{
    return r->ring.sq.sqe_tail - 1;
}

static inline bool heald_ring_taken(const struct heald_ring *r, unsigned entry)
{
    /* Acquire: pairs with the kernel's release. Counted modulo 2^32. */
    return (int)(__atomic_load_n(r->ring.sq.khead, __ATOMIC_ACQUIRE) - entry) > 0;
}

/* Room beside an entry for what it points to. */
static inline union heald_ring_scratch *heald_ring_scratch(struct heald_ring *r,
                                                           const struct io_uring_sqe *sqe)
{
    return &r->scratch[sqe - r->ring.sq.sqes];
}

/* Fills an entry for a file operation; what completes it carries `op` as user data. */
void heald_ring_fill_file(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op);

/*
 * Fills an entry that waits: OP_WORDS until a word is woken or is not what was seen (u.rw: the
 * struct futex_waitv), OP_TICK for a while (u.rw.buf: the struct __kernel_timespec). Both stay
 * there until it ends. heald_ring_waits: does the kernel wait for words so? Asked of a ring in
 * which there is nothing else.
 */
void heald_ring_fill_wait(struct io_uring_sqe *sqe, struct heald_op *op);
bool heald_ring_waits(struct heald_ring *r);

/* Fills an entry that asks for the end of what carries `user_data`; its own completion carries 0.
 */
void heald_ring_fill_cancel(struct io_uring_sqe *sqe, uint64_t user_data);

#endif
