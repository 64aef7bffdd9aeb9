/*
 * op/sink.h: "here is a finished op": the way in which engines and back ends give an op back to its
 * loop.
 */
#ifndef HEALD_SRC_OP_SINK_H
#define HEALD_SRC_OP_SINK_H

#include <heald/op.h>

#include <stdbool.h>

struct heald_sink {
    /*
     * On the loop's thread: the end of an attempt; with `more` the op stays with the part that made
     * it. Not to be called for an op with OP_DUE set.
     */
    void (*done)(struct heald_sink *sink, struct heald_op *op, int64_t result, bool more);

    /* From any thread: the end of an attempt. */
    void (*done_remote)(struct heald_sink *sink, struct heald_op *op, int64_t result);

    /* The same where others are about to follow: a loop that naps is not woken for it. */
    void (*done_in_passing)(struct heald_sink *sink, struct heald_op *op, int64_t result);
};

#endif
