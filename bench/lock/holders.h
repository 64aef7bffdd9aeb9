/* Participants that are attached and do nothing. */
#ifndef BENCH_HOLDERS_H
#define BENCH_HOLDERS_H

#include "../common/common.h"

#include <heald/heald.h>

/* A region with room for so many; without memfd_create(2) the bench is skipped. */
struct heald_region *holders_region(unsigned participants);

/* Attaches so many, in processes that sleep. From a region that was just opened. */
void holders_start(struct heald_region *region, long count);

/* Ends them. */
void holders_end(void);

#endif
