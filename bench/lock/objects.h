/*
 * Objects in shared memory, beyond the mutex of lock.h: the method. A program fills in a struct
 * objects_peer and calls objects_main().
 *
 * Prints `write_ns W held_ns H after_ns A together_ns T sections_ns S longest_us L spread P`:
 * write     one lock of a read-write lock for writing, and unlock, by one process
 * held      a round trip of two processes that take turns: each locks the mutex, waits with the
 *           condition until it is its turn, gives the turn to the other, signals, and unlocks
 * after     the same, but it unlocks and then signals
 * together  the same, but signal and unlock are one call; 0 where there is none
 * sections  eight processes that do nothing but take the mutex (contend.h): the time for each
 *           section; and the longest wait, and how unequal they were
 * and what a program has of its own.
 */
#ifndef BENCH_OBJECTS_H
#define BENCH_OBJECTS_H

#include "contend.h"

enum { OBJECTS_CONTENDERS = 8 };

struct objects_peer {
    void *(*open)(void);          /* what all processes share; before they are forked */
    void (*attach)(void *shared); /* in each process, once */
    void (*writes)(void *shared, long count);
    void (*lock)(void *shared);
    void (*unlock)(void *shared);
    void (*wait)(void *shared); /* for the condition, with the mutex locked */
    void (*signal)(void *shared);
    void (*signal_unlock)(void *shared); /* or NULL */
    void (*more)(void *shared);          /* or NULL: prints ` key value` pairs of its own */
};

/* The time for each of so many, the median of some batches. */
double objects_each_ns(void (*rounds)(void *shared, long count), void *shared, long count);

/* Prints ` NAMEsections_ns S NAMElongest_us L NAMEspread P`. */
void objects_contend(const char *name, void *shared, void (*attach)(void *shared),
                     void (*lock)(void *shared), void (*unlock)(void *shared));

int objects_main(const struct objects_peer *peer);

#endif
