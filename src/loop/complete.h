/* loop/complete.h: the final completion of an op, in line for the paths that every message takes;
 * see complete.c. */
#ifndef HEALD_SRC_LOOP_COMPLETE_H
#define HEALD_SRC_LOOP_COMPLETE_H

#include "loop/loop.h"

#include <errno.h>

/* The rarer half: what the op held goes back; and the end of an op that nobody is told of. */
void heald__complete_tidy(struct heald_loop *loop, struct heald_op *op);
void heald__complete_silent(struct heald_loop *loop, struct heald_op *op);

static inline void heald__complete_inline(struct heald_loop *loop, struct heald_op *op,
                                          int64_t result)
{
    assert(!(op->flags & OP_DUE));
    if (list_linked(&op->timer) || heald__op_traits[op->kind] & OP_TIDIES)
        heald__complete_tidy(loop, op);
    /* What a deadline ended says so, by our own knowledge and not by the kernel's codes. */
    if (op->flags & OP_TIMED_OUT && result == -ECANCELED)
        result = -ETIMEDOUT;
    op->result = result;
    op_move(op, OP_DONE);
    if (!op->fn && !op_tells_signal(op)) {
        heald__complete_silent(loop, op);
        return;
    }
    op->flags |= OP_DUE;
    heald__due_push(&loop->due, op);
}

#endif
