/* await/futex.h: what lock.c asks of the ops on other people's locks. */
#ifndef HEALD_SRC_AWAIT_FUTEX_H
#define HEALD_SRC_AWAIT_FUTEX_H

#include "await/waiter.h"

/* u.futex.waited: it waited, and others must be thought of; its result is there. */
enum { FUTEX_OP_WAITED = 1, FUTEX_OP_TAKEN = 2 };

/* The first look, and each later one: the result of the op, or -EBUSY and what to wait for. */
int heald__futex_begin(struct heald_op *op, struct heald_wait *ret_wait);
int heald__futex_try(struct heald_op *op, struct heald_wait *ret_wait);

/* The op takes nothing, and nothing waits for it any more. */
void heald__futex_abandon(struct heald_op *op);

#endif
