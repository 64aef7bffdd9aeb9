/*
 * loop/outcome.h: the one decision: what the result of an attempt means, whether the loop itself, a
 * ring or a thread made the attempt. Pure.
 */
#ifndef HEALD_SRC_LOOP_OUTCOME_H
#define HEALD_SRC_LOOP_OUTCOME_H

#include "op/op.h"
#include "platform/sys.h"

enum outcome {
    OUTCOME_FINAL, /* the op completes with the result */
    OUTCOME_MORE,  /* multishot: the result is one of several */
    OUTCOME_AGAIN, /* nothing happened: attempt it again */
    OUTCOME_WAIT,  /* attempt it again when the descriptor is ready */
    OUTCOME_PAUSE  /* attempt it again after a while */
};

enum { OUTCOME_RACES = 64 /* with renames, before openat2(2) is given up */ };

/* Not the fault of the listener: it may accept again when others have closed something. */
static inline bool outcome_is_lack(int64_t result)
{
    return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

static inline enum outcome outcome_of_eagain(struct heald_op *op)
{
    /* The queue of a Unix listener is full: an answer, and no event would say when it changes. */
    if (op->kind == OP_CONNECT)
        return op->flags & OP_STARTED ? OUTCOME_WAIT : OUTCOME_FINAL;
    /* A rename was in the way, or with O_NONBLOCK a lease, which would be so again and again. */
    if (op->kind == OP_OPEN_BENEATH)
        return op->buffer++ < OUTCOME_RACES ? OUTCOME_AGAIN : OUTCOME_FINAL;
    /* The thread did not wait, as on some file systems: no other thread is to try that. */
    if (heald__op_traits[op->kind] & OP_LOCKS) {
        op->buffer = OP_UNAWAITED;
        return OUTCOME_AGAIN;
    }
    if (op->flags & OP_FILE)
        return OUTCOME_FINAL;
    return heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE) ? OUTCOME_WAIT : OUTCOME_FINAL;
}

static inline enum outcome outcome_of_error(struct heald_op *op, int64_t result)
{
    if (result == -EINTR)
        return OUTCOME_AGAIN;
    if (result == -EAGAIN)
        return outcome_of_eagain(op);
    /* A connection that was reset before it was accepted is nobody's error. */
    if (result == -ECONNABORTED && op_accepts(op))
        return OUTCOME_AGAIN;
    if (op->kind == OP_ACCEPT_MULTI && op->u.accept.flags & OP_PERSISTENT &&
        outcome_is_lack(result))
        return OUTCOME_PAUSE;
    return OUTCOME_FINAL;
}

/* One attempt has moved so many bytes; 0: the end, or nothing was left. */
static inline enum outcome outcome_of_part(struct heald_op *op, int64_t *result)
{
    struct heald_transfer *t = op->u.transfer.transfer;

    t->done += (size_t)*result;
    if (!*result || t->done >= t->len) {
        *result = (int64_t)t->done;
        return OUTCOME_FINAL;
    }
    if (!op_is_ending(op))
        return OUTCOME_AGAIN;
    *result = -ECANCELED;
    return OUTCOME_FINAL;
}

/* Of an op whose attempt gave *result, on a descriptor of that enum fd_type. What does not go on
 * because its end was asked for ends with -ECANCELED in *result. */
static inline enum outcome heald__outcome(struct heald_op *op, int type, int64_t *result)
{
    if (*result >= 0 && heald__op_traits[op->kind] & OP_ALL)
        return outcome_of_part(op, result);
    if (*result >= 0) {
        bool more = op->kind == OP_ACCEPT_MULTI || op->kind == OP_POLL_MULTI ||
                    op->kind == OP_RECVFROM_MULTI ||
                    (heald__op_traits[op->kind] & OP_GROUP && (*result > 0 || type == FD_DATAGRAM));
        return more ? OUTCOME_MORE : OUTCOME_FINAL;
    }
    enum outcome next = outcome_of_error(op, *result);
    if (next != OUTCOME_FINAL && op_is_ending(op)) {
        *result = -ECANCELED;
        next = OUTCOME_FINAL;
    }
    return next;
}

#endif
