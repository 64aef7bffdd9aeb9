/*
 * loop/since.h: when each pending op was submitted, where the program has asked for that
 * (heald_loop_options.since). The loop's thread.
 *
 * An op has no room for a time, and the clock is not free. So the times lie beside the ops, by
 * address, and only a loop that was asked to keeps them: in all others no submission pays for it.
 */
#ifndef HEALD_SRC_LOOP_SINCE_H
#define HEALD_SRC_LOOP_SINCE_H

#include <heald/loop.h>

struct heald_since;

/* 0 or -ENOMEM. close: of NULL as well. */
int heald__since_open(struct heald_loop *loop);
void heald__since_close(struct heald_loop *loop);

/* An op is submitted now. */
void heald__since_note(struct heald_loop *loop, const struct heald_op *op);

/* When a pending op was submitted; 0: not known. */
int64_t heald__since_of(const struct heald_loop *loop, const struct heald_op *op);

#endif
