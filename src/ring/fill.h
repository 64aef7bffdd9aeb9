/* ring/fill.h: an op becomes an entry of an io_uring. The thread that owns the ring. */
#ifndef HEALD_SRC_RING_FILL_H
#define HEALD_SRC_RING_FILL_H

#include "op/op.h"
#include "ring/ring.h"

/*
 * Fills an entry that does the op; what completes it carries `op` as user data. Of an op on a
 * descriptor op->buffer is the type of that (enum fd_type), 0 on a file; of an op with a group of
 * buffers the id of that, and u.group.last is the type. Of a read, write or sync it may have bits
 * besides (OP_ASYNC and the next ones in op.h), which are what its client asks for. OP_WORDS waits
 * until a word is woken or is not what was seen (u.rw: the struct futex_waitv), OP_TICK for a while
 * (u.rw.buf: the struct __kernel_timespec); both stay there until it ends.
 */
void heald__ring_fill(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op);

/* The opcodes that entries have and that there is no other way for: see check.c. */
extern const uint8_t heald__ring_opcodes[];
extern const unsigned heald__ring_opcode_count;

/* Entries that a kernel or a sandbox may lack, since threads do the same. */
enum heald_ring_option {
    OPTION_NONE = 0, /* every ring has it */
    OPTION_UNLINK,
    OPTION_RENAME,
    OPTION_MKDIR,
    OPTION_SYMLINK,
    OPTION_LINK,
    OPTION_FALLOCATE,
    OPTION_FTRUNCATE,
    OPTION_READ_MULTISHOT, /* else one read after another */
    HEALD_RING_OPTIONS
};

/* Their opcodes. The first is that of no option. */
extern const uint8_t heald__ring_options[HEALD_RING_OPTIONS];

/* Does the ring have an entry for the op? */
bool heald__ring_takes(const struct heald_ring *r, const struct heald_op *op);

/* How a send waits for room: see the quirks in fill.c. */
static inline int heald__ring_send_flags(const struct heald_op *op)
{
    return op->buffer == FD_STREAM ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_DONTWAIT;
}

/* Of a send: is no callback needed if it is done at once, and has it not been tried in vain? */
static inline bool heald__ring_may_try(const struct heald_op *op)
{
    bool silent = op->notify == OP_NOTIFY_DEFERRED || (op->notify == OP_NOTIFY_CALLBACK && !op->fn);
    return silent && op->buffer == FD_STREAM && !(op->flags & OP_STARTED);
}

/* The same of a receive or a send. A send that needs no callback if it is done at once becomes
 * OP_TRIED: it completes in silence then. */
static inline void heald__ring_fill_plain(struct io_uring_sqe *sqe, struct heald_op *op)
{
    bool in = op->kind == OP_RECV;
    uint32_t flags = (uint32_t)op->u.rw.off;
    uint8_t how = 0;

    if (!in && heald__ring_may_try(op)) {
        /* With MSG_WAITALL less than all is a failure, which completes as any other. */
        flags |= MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
        how = IOSQE_CQE_SKIP_SUCCESS;
        op->buffer |= OP_TRIED;
    } else if (!in) {
        flags |= (uint32_t)heald__ring_send_flags(op);
    }
    *sqe = (struct io_uring_sqe){.opcode = in ? IORING_OP_RECV : IORING_OP_SEND,
                                 .flags = how,
                                 .fd = op->u.rw.fd,
                                 .addr = (uint64_t)(uintptr_t)op->u.rw.buf,
                                 .len = op->u.rw.len,
                                 .msg_flags = flags,
                                 .user_data = (uint64_t)(uintptr_t)op};
}

/* Fills an entry that polls for the op, with the op as user data. */
void heald__ring_fill_poll(struct io_uring_sqe *sqe, struct heald_op *op);

/* Fills an entry that cancels that of the op; its own completion carries `answer`. */
void heald__ring_fill_cancel(struct io_uring_sqe *sqe, const struct heald_op *op, uint64_t answer);

#endif
