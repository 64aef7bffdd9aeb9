/*
 * op/op.h: the states and kinds of an op, and the one function that moves it from state to state.
 *
 *   idle -> queued -> armed -> done -> idle, with `cancelling` beside `armed`.
 *
 * An op lives from the moment it leaves idle. Only the loop's thread moves it, with two exceptions:
 * a post leaves idle on the poster's thread, and an op that is notified on a pool thread becomes
 * idle there.
 */
#ifndef HEALD_SRC_OP_OP_H
#define HEALD_SRC_OP_OP_H

#include "op/kinds.h"

#include <heald/io.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum op_state {
    OP_IDLE = 0, /* the owner's; submit or post moves it to queued */
    OP_QUEUED,   /* the loop's: waits behind others on its descriptor; a post, for the loop */
    OP_ARMED, /* the kernel's, or at the head of its descriptor's queue: its end will wake the loop
               */
    OP_CANCELLING, /* as armed, and its end was asked for; only its result moves it to done */
    OP_DONE,       /* over; the policy holds it until its callback is due, which moves it to idle */
    OP_STATES
};

enum op_kind {
#define OP_KIND_ROW(kind, ...) OP_##kind,
    HEALD_KINDS(OP_KIND_ROW)
#undef OP_KIND_ROW
        OP_KINDS
};

/* heald_op.notify: a callback, a callback unless it was done at once, a thread, or else the number
 * of the signal. */
enum { OP_NOTIFY_CALLBACK = 0, OP_NOTIFY_DEFERRED = UINT8_MAX - 1, OP_NOTIFY_THREAD };

/* The private bits of heald_op.flags. */
enum {
    OP_DUE = 0x02, /* its callback is due, and not the last: the result may not be overwritten */
    OP_TIMED_OUT = 0x04, /* its deadline asked for the end: -ECANCELED becomes -ETIMEDOUT */
    OP_ENDING = 0x08,    /* multishot: its end was asked for, and comes after what it has brought */
    OP_STARTED = 0x10,   /* a connect is in progress; of others: was polled for and tried in vain
                        */
    OP_FILE = 0x20,      /* an engine does it, and names its descriptor by number until its end */
    OP_DETACHED = 0x40,  /* names no descriptor, or one that is closed */
    OP_POLLED = 0x80     /* its entry in the ring polls: it is tried again when that has ended */
};

/* In the flags of an idle op, where no callback is due: its deadline was set for the next
 * submission, and preps keep it. */
enum { OP_HAS_DEADLINE = OP_DUE };

/*
 * Where a pending op is, below its state. A ring has at most one entry of an op at a time.
 *
 *   loop -> backlog -> ring -> loop          ring -> recall -> recalled -> loop
 */
enum op_stage {
    STAGE_LOOP = 0, /* the lists of the loop alone */
    STAGE_POOL,     /* the pool of threads for files */
    STAGE_THREAD, /* a thread that may wait as long as it likes, on a duplicate of the descriptor */
    STAGE_BACKLOG,  /* waits for an entry of the ring; the kernel does not know it */
    STAGE_RING,     /* has an entry, which the kernel has taken or will take with the next enter */
    STAGE_RECALL,   /* as before, and its cancel waits for an entry */
    STAGE_RECALLED, /* as before, and its cancel has one */
    STAGES
};

extern const uint8_t
    heald__op_stage_moves[STAGES]; /* bit t of heald__op_stage_moves[f]: f may become t */

/* The only writer of op->stage. */
static inline void op_stage_move(struct heald_op *op, enum op_stage to)
{
    assert(heald__op_stage_moves[op->stage] & 1u << to);
    op->stage = (uint8_t)to;
}

/* Its class, without the bit of the background. */
static inline unsigned op_class_of(const struct heald_op *op)
{
    return op->op_class & ~(unsigned)HEALD_BACKGROUND;
}

/* Is it in the background? With other bits it is no class at all. */
static inline bool op_is_background(const struct heald_op *op)
{
    return (op->op_class & ~3u) == HEALD_BACKGROUND;
}

/* Is its completion notified by a signal? */
static inline bool op_notifies_by_signal(const struct heald_op *op)
{
    return op->notify != OP_NOTIFY_CALLBACK && op->notify < OP_NOTIFY_DEFERRED;
}

static inline bool op_in_ring(const struct heald_op *op)
{
    return op->stage >= STAGE_BACKLOG;
}

extern const uint8_t heald__op_moves[OP_STATES]; /* bit t of heald__op_moves[f]: f may become t */

/* The only writer of op->state. Release: a thread that sees the new state with op_load_state() sees
 * the result too. */
static inline void op_move(struct heald_op *op, enum op_state to)
{
    assert(heald__op_moves[op->state] & 1u << to);
    __atomic_store_n(&op->state, (uint8_t)to, __ATOMIC_RELEASE);
}

/* Acquire: pairs with the release in op_move(). */
static inline enum op_state op_load_state(const struct heald_op *op)
{
    return (enum op_state)__atomic_load_n(&op->state, __ATOMIC_ACQUIRE);
}

/* In op->buffer of a read, write, send or sync that a ring has, beside the type of its
 * descriptor. */
enum {
    OP_LATE = 0x100,   /* a worker of the kernel's looks its number up */
    OP_ASYNC = 0x200,  /* a worker does it: the submitting thread does not try it */
    OP_NOWAIT = 0x400, /* where it would wait, it fails with -EAGAIN */
    OP_PLACED = 0x800, /* op->data is the place of its file among the ring's own (ring/files.h) */
    OP_TRIED = 0x1000  /* a send that does not wait, and completes in silence if all was sent */
};

/* In op->buffer of a lock of a file: no thread waits for it; it is tried now and then. */
enum { OP_UNAWAITED = 1 };

/* u.accept.flags of a multishot accept: a lack of descriptors or memory is no end of it. */
enum { OP_PERSISTENT = 1 };

/* What the loop must know of a kind before it looks closer: the traits of kinds.h. */
enum {
    OP_ON_FD = 0x01,  /* waits in the queue of a descriptor */
    OP_INWARD = 0x02, /* … in that of reading */
    OP_PLAIN =
        0x04, /* one attempt, one result, and nothing to see to before or after: recv and send */
    OP_RW = 0x08,        /* may be for a file */
    OP_MULTI = 0x10,     /* may complete more than once */
    OP_TIDIES = 0x20,    /* holds something that its end releases */
    OP_PUBLIC = 0x40,    /* may be submitted */
    OP_NO_REGION = 0x80, /* waits for a lock of others, which wake one waiter */
    OP_SOCKET = 0x100,   /* for sockets alone */
    OP_BESIDE = 0x200,   /* waits on a descriptor, and for nobody before it */
    OP_ACCEPTS = 0x400,
    OP_VECTOR = 0x800,       /* its buffer is an array of struct iovec */
    OP_WHOLE = 0x1000,       /* an engine that waits takes it: its attempt may be one that blocks */
    OP_KEEPS = 0x2000,       /* its results are kept in u.group while its callback is due */
    OP_NAMES_FD = 0x4000,    /* names a descriptor and does not wait for it */
    OP_NAMES_PATH = 0x8000,  /* names a path, and a descriptor if that is relative to one */
    OP_DIRECT = 0x20000,     /* its result goes to fn at once */
    OP_COUNTS = 0x40000,     /* its result is how much of u.rw.len was done */
    OP_SHOWN = 0x80000,      /* a region shows that it waits, and until when */
    OP_GROUP = 0x200000,     /* receives into the buffers of u.group.group */
    OP_ALL = 0x100000,       /* it has a transfer, and goes on until all of that is done */
    OP_ON_THREAD = 0x400000, /* threads, or other ops, do it: its result is no attempt's */
    OP_FLAGS = 0x10000,      /* its flags are in op->buffer: there is no room for them in `u` */
    OP_READINESS = 0x800000, /* waits for readiness on every back end: no ring attempts it */
    OP_LOCKS = 0x1000000,    /* waits for a lock of a file, see loop/file_lock.c */
    OP_MESSAGE = 0x2000000,  /* u.lock.u.message is what it sends, or where to receive, or
                               an event */
    OP_MQ = 0x4000000        /* on a message queue of POSIX */
};

extern const uint32_t heald__op_traits[OP_KINDS];

enum { OP_SPAN_MAX = 0x7ffff000 /* HEALD_MAX_LEN */ };

static inline bool op_is_multishot(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_MULTI &&
           (op->kind != OP_TIMER || op->u.timer.period > 0);
}

static inline bool op_is_inward(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_INWARD;
}

/* Was all done that was asked for? */
static inline bool op_is_whole(const struct heald_op *op, int64_t result)
{
    return result >= 0 && (!(heald__op_traits[op->kind] & OP_COUNTS) || result == op->u.rw.len);
}

/* What an attempt of a read, write, recv or send is about: of a transfer what is left of it. */
struct op_span {
    void *buf;
    uint32_t len;
    int64_t off; /* of a read or a write: -1: the file position */
};

static inline struct op_span op_span(const struct heald_op *op)
{
    if (!(heald__op_traits[op->kind] & OP_ALL))
        return (struct op_span){op->u.rw.buf, op->u.rw.len, op->u.rw.off};
    const struct heald_transfer *t = op->u.transfer.transfer;
    size_t left = t->done < t->len ? t->len - t->done : 0;
    int64_t off = op->u.transfer.off;
    return (struct op_span){.buf = (char *)t->buf + t->done,
                            .len = left > OP_SPAN_MAX ? OP_SPAN_MAX : (uint32_t)left,
                            .off = off < 0 ? off : off + (int64_t)t->done};
}

/* Kinds that wait in the queue of a descriptor. Reads and writes of regular files are the
 * exception: see submit.c. */
static inline bool op_is_queued_on_fd(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_ON_FD;
}

static inline bool op_has_no_region(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_NO_REGION;
}

/* A poll, once or more often. */
static inline bool op_polls(const struct heald_op *op)
{
    return op->kind == OP_POLL || op->kind == OP_POLL_MULTI;
}

/* An accept, once or more often. */
static inline bool op_accepts(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_ACCEPTS;
}

/* Was its end asked for? Then it does not go on. */
static inline bool op_is_ending(const struct heald_op *op)
{
    return op->state == OP_CANCELLING || op->flags & OP_ENDING;
}

/* The descriptor of an op that has one (OP_ON_FD, OP_BESIDE, OP_NAMES_FD, OP_NAMES_PATH): of those
 * with a path the directory. */
static inline int op_fd(const struct heald_op *op)
{
    return op->u.rw.fd;
}

extern unsigned (*const heald__op_events[OP_KINDS])(const struct heald_op *op);

/* What of poll(2) an op on a descriptor waits for; 0: errors alone. */
static inline unsigned op_events(const struct heald_op *op)
{
    return heald__op_events[op->kind](op);
}

/*
 * What a submission asks first, in one word: class, how it notifies, kind and state, which lie side
 * by side. OP_HOW_PLAIN: an idle op of that kind, of the usual class, with a callback or without
 * notification; OP_HOW_DEFERRED: the same, with a callback unless it is done at once. The state is
 * read without order: an op that another thread has made idle is known to be so from
 * heald_op_error(), or is none of these.
 */
static inline uint32_t op_how(const struct heald_op *op)
{
    uint32_t how;

    memcpy(&how, (const char *)op + offsetof(struct heald_op, op_class), sizeof how);
    return how;
}

#define OP_HOW_PLAIN(k) op_how(&(const struct heald_op){.kind = (k)})
#define OP_HOW_DEFERRED(k) \
    op_how(&(const struct heald_op){.kind = (k), .notify = OP_NOTIFY_DEFERRED})

/* The eight bytes of an op from `buffer` on, and what of them a prep must look at. */
static inline uint64_t op_bytes(const struct heald_op *op)
{
    uint64_t bytes;

    memcpy(&bytes, (const char *)op + offsetof(struct heald_op, buffer), sizeof bytes);
    return bytes;
}

#define OP_NOT_PLAIN op_bytes(&(const struct heald_op){.flags = OP_HAS_DEADLINE, .state = 0xff})

/* Begins a prep: 0 and a clean op, or -EBUSY. The state is read without order, as by op_how(). */
static inline int op_prepare(struct heald_op *op)
{
    bool special = op_bytes(op) & OP_NOT_PLAIN;

    if (__builtin_expect(special && op->state != OP_IDLE, 0))
        return -EBUSY;
    if (__builtin_expect(special, 0)) {
        op->flags = OP_HAS_DEADLINE;
    } else {
        op->flags = 0;
        op->deadline_ns = HEALD_FOREVER;
    }
    op->kind = OP_NONE;
    op->result = 0;
    return 0;
}

/* Begins a prep of that kind: 0; -EBUSY; -EINVAL: its arguments are not valid, and it has none. */
static inline int op_prepare_kind(struct heald_op *op, enum op_kind kind, bool is_valid)
{
    int err = op_prepare(op);

    if (!err && !is_valid)
        err = -EINVAL;
    if (!err)
        op->kind = (uint8_t)kind;
    return err;
}

#endif
