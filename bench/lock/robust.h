/* The C library's robust process-shared mutex, for the peers that lock with it: it lies first in
 * what they share. The functions are those of struct lock_peer. */
#ifndef BENCH_ROBUST_H
#define BENCH_ROBUST_H

#include "lock.h"

/* Zeroed memory that children of fork(2) have as well, with the mutex made in it. */
void *robust_open(size_t size);
void robust_attach(void *shared);
void robust_rounds(void *shared, long count);
void robust_lock(void *shared);
void robust_unlock(void *shared);
void robust_inherit(void *shared, void (*notified)(void *ctx), void *ctx);

#endif
