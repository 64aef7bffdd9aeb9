/*
 * ipc/order.h: in which order locks are taken, in regions that record it.
 */
#ifndef HEALD_SRC_IPC_ORDER_H
#define HEALD_SRC_IPC_ORDER_H

#include "region/region.h"

/* The participant is about to lock an object, at `site`. */
void heald__ipc_order_wants(struct heald_participant *me, void *object, uint64_t site);

/* It has it; or not any more. */
void heald__ipc_order_took(struct heald_participant *me, void *object);
void heald__ipc_order_gave(struct heald_participant *me, void *object);

#endif
