/*
 * message/lane.h: a ring with one sender and one receiver. A send is one store of `tail`, a receive
 * one store of `head`: a participant that is killed has done it or not. Whoever is killed or
 * stopped in between holds up the other side only.
 *
 * Nobody sleeps in vain. A waiter prepares, makes all processors that run one of the two processes
 * pass a barrier (platform/fence.h), and looks. One that changes the other's word reads the bell
 * afterwards, with no more than the compiler's barrier between, where its process takes part in
 * that. So the change comes before the look, or the bell is seen. If it is killed between the two
 * the waiter finds that out, since it watches the only one who can change what it waits for.
 */
#ifndef HEALD_SRC_MESSAGE_LANE_H
#define HEALD_SRC_MESSAGE_LANE_H

#include "message/ring.h"

/* The caller is the only sender. 0: the position; -EAGAIN: the lane is full. */
int heald__lane_claim(const struct ring *r, uint64_t *ret_position);
void heald__lane_commit(const struct ring *r, uint64_t position, uint32_t size);

/* The caller is the only receiver. 0: the position; -EAGAIN: the lane is empty; -EMSGSIZE. */
int heald__lane_take(const struct ring *r, size_t size, uint64_t *ret_position);
void heald__lane_release(const struct ring *r, uint64_t position);

#endif
