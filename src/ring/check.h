/*
 * ring/check.h: does the kernel do, and may the program ask for, all that our entries need? Asked
 * once, when a ring is opened, so that what is refused later is the fault of one op.
 */
#ifndef HEALD_SRC_RING_CHECK_H
#define HEALD_SRC_RING_CHECK_H

#include "ring/ring.h"

enum { HEALD_RING_TRIED = 32 /* the least size of a ring for heald__ring_try() */ };

/* Of the opcodes and registrations that there is no other way for, which ones the kernel knows; and
 * its options, into r->options. Any thread, also before the ring is enabled. 0, or -ENOSYS: not
 * all. */
int heald__ring_check(struct heald_ring *r);

/* Are there limits to what this thread may do in a ring, that heald__ring_check() does not find
 * (Linux 7.0)? */
bool heald__ring_is_restricted(void);

/* Has the kernel refuse an entry of each of these opcodes for its arguments, to see whether that is
 * why; takes the options out of r->options that are not allowed. Asked of a ring in which there is
 * nothing else. 0, or -ENOSYS: some are not allowed. */
int heald__ring_try(struct heald_ring *r);

#endif
