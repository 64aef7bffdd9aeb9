/*
 * sync/lockdep.h: in which order locks are taken, in regions that record it.
 */
#ifndef HEALD_SRC_SYNC_LOCKDEP_H
#define HEALD_SRC_SYNC_LOCKDEP_H

#include "region/region.h"

/* The participant is about to lock an object, at `site`. */
void heald__lockdep_acquire(struct heald_participant *me, void *object, uint64_t site);

/* It has it; or not any more. */
void heald__lockdep_acquired(struct heald_participant *me, void *object);
void heald__lockdep_release(struct heald_participant *me, void *object);

#endif
