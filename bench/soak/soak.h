/*
 * bench/soak/soak.h: workers that are killed at random while they change what they share under a
 * mutex and a condition: over heald's objects and, to compare, over those of the C library.
 */
#ifndef HEALD_BENCH_SOAK_H
#define HEALD_BENCH_SOAK_H

#include <stdbool.h>
#include <stddef.h>

/* Shared memory that children of fork(2) have as well, zeroed, its objects ready. NULL: not here.
 */
void *peer_open(size_t size);
size_t peer_size(void); /* of its objects, at the beginning */

/* The worker, after fork(2). */
void peer_attach(void *shared);

/* 0; 1: it is the caller's, and its last holder died with it; -1: it cannot be had any more. */
int peer_lock(void *shared);
int peer_wait(void *shared);
void peer_consistent(void *shared);
void peer_unlock(void *shared);
void peer_broadcast(void *shared);

#endif
