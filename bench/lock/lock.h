/*
 * Locks in shared memory: the method. A program fills in a struct lock_peer and calls lock_main().
 *
 * Prints `uncontended_ns N contended R longest_us L wake_ns W wake_q1_ns V death_p50_us D
 * death_p99_us E op_ns O permit_ns P read_ns Q`:
 * uncontended  one lock and unlock by one process
 * contended    sections a second of two processes that do nothing else, each section 20 steps long
 *              and 20 steps apart; and the longest that one of them waited
 * wake         from the call that wakes to the callback in an event loop of another process: median
 *              and lower quartile
 * death        from the SIGKILL of the holder until another has the lock, heald's in a loop
 * op           one lock as an operation of a loop, and unlock; 0 where there is none
 * permit       a permit of a semaphore acquired and posted by one process; 0 where there is none
 * read         the same of a read-write lock, for reading
 * and the sizes of the objects, in bytes
 */
#ifndef BENCH_LOCK_H
#define BENCH_LOCK_H

#include "../common/common.h"

struct lock_peer {
    const char *name;
    void *(*open)(void);          /* what all processes share; before they are forked */
    void (*attach)(void *shared); /* in each process, once */
    void (*rounds)(void *shared, long count);
    void (*lock)(void *shared);
    void (*unlock)(void *shared);
    void (*ring)(void *shared); /* wakes the loop of the other process */
    void (*listen)(void *shared, void (*woken)(void *ctx), void *ctx, long count);
    /* Waits for a lock whose holder is about to be killed, reports when it has it, and unlocks it
     * consistent. */
    void (*inherit)(void *shared, void (*notified)(void *ctx), void *ctx);
    double (*op_ns)(void *shared); /* or NULL */
    /* Acquire a permit and post it; lock for reading and unlock. Or NULL. */
    void (*permits)(void *shared, long count);
    void (*reads)(void *shared, long count);
    void (*sizes)(void); /* or NULL: prints `mutex N cond N sem N rwlock N barrier N
                            participant N`, bytes */
};

int lock_main(const struct lock_peer *peer);

#endif
