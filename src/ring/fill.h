/* ring/fill.h: an op becomes an entry of an io_uring. The thread that owns the ring. */
#ifndef HEALD_SRC_RING_FILL_H
#define HEALD_SRC_RING_FILL_H

#include "op/op.h"
#include "ring/ring.h"

/*
 * Fills an entry that does the op; what completes it carries `op` as user data. Of an op on a
 * descriptor op->buffer is the type of that (enum fd_type), 0 on a file; of a multishot receive the
 * id of its group of buffers; of a read, write or sync it may have bits besides (OP_ASYNC and the
 * next ones in op.h), which are what its client asks for. OP_WORDS waits until a
 * word is woken or is not what was seen (u.rw: the struct futex_waitv), OP_TICK for a while
 * (u.rw.buf: the struct __kernel_timespec); both stay there until it ends.
 */
void heald__ring_fill(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op);

/* The same of a receive or a send. A send that needs no callback if it is done at once becomes
 * OP_TRIED: it completes in silence then. */
void heald__ring_fill_plain(struct io_uring_sqe *sqe, struct heald_op *op);

/* The opcodes that entries have and that there is no other way for: see check.c. */
extern const uint8_t heald__ring_opcodes[];
extern const unsigned heald__ring_opcode_count;

/* Fills an entry that polls for the op, with the op as user data. */
void heald__ring_fill_poll(struct io_uring_sqe *sqe, struct heald_op *op);

/* Fills an entry that cancels that of the op; its own completion carries `answer`. */
void heald__ring_fill_cancel(struct io_uring_sqe *sqe, const struct heald_op *op, uint64_t answer);

#endif
