/* await/foreign.h: what lock.c asks of the ops on other people's locks. */
#ifndef HEALD_SRC_AWAIT_FOREIGN_H
#define HEALD_SRC_AWAIT_FOREIGN_H

#include "await/road.h"

/* u.foreign.waited: it waited, and others must be thought of; its result is there. */
enum { FOREIGN_WAITED = 1, FOREIGN_TAKEN = 2 };

/* The first look, and each later one: the result of the op, or -EBUSY and what to wait for. */
int heald__foreign_begin(struct heald_op *op, struct heald_wait *ret_wait);
int heald__foreign_look(struct heald_op *op, struct heald_wait *ret_wait);

/* The op takes nothing, and nothing waits for it any more. */
void heald__foreign_give_up(struct heald_op *op);

#endif
