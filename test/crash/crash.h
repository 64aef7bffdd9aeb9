/*
 * test/crash/crash.h: the kill matrix. A victim is stepped N instructions into an operation and
 * killed there, for every N until the operation is through; the survivors must make progress.
 *
 * The scenes with a wait are played in three ways: by blocking, and by ops in loops with each
 * waiter.
 */
#ifndef HEALD_TEST_CRASH_H
#define HEALD_TEST_CRASH_H

#include <heald/heald.h>

#include <stdbool.h>
#include <sys/types.h>

/* The data of the region. */
struct scene_data {
    struct heald_mutex mutex;
    struct heald_cond cond;
    HEALD_SEM(1) ticket;
    struct heald_rwlock lock;
    struct heald_barrier barrier;
    struct heald_once once;
    struct heald_sem never;          /* zeroed: it counts, and is never posted */
    long a, b;                       /* equal but while the mutex is held */
    int turn;                        /* the condition: guarded by the mutex */
    int waiting;                     /* the one about to wait for the turn; guarded by the mutex */
    int ready;                       /* atomic: the survivor is about to do its operation */
    int through;                     /* atomic: it has done it */
    long mended;                     /* how often what a dead process left was repaired */
    uint64_t where[3];               /* what was allocated */
    _Alignas(8) uint64_t queue[256]; /* a queue */
    _Alignas(8) uint64_t topic[256]; /* a topic */
    unsigned char got[8];            /* how often a message was received */
};

/* How the victim and the survivor wait. */
struct waiter {
    const char *name;
    const char *backend; /* of their loops; NULL: they block */
    const char *await;   /* the loop's waiter: HEALD_AWAIT */
};

enum { WAITERS = 3 };

extern const struct waiter crash_waiters[WAITERS]; /* the first blocks */

struct stage {
    const struct waiter *waiter;
    struct heald_region *region;
    struct heald_participant *me; /* of the process that looks at this */
    struct heald_loop *loop;      /* of that process; NULL: it blocks, as the director does */
    struct scene_data *data;
    pid_t victim, survivor, holder;
};

/* SURVIVOR: a process that runs survive() is blocked from the start. LOOP: there may be a wait, so
 * it is played in all ways. */
enum scene_flag { SCENE_SURVIVOR = 1, SCENE_LOOP = 2 };

struct scene {
    const char *name;
    unsigned flags;
    void (*set)(struct stage *stage);   /* the director, before all */
    void (*enter)(struct stage *stage); /* the victim, up to the operation */
    void (*act)(struct stage *stage);   /* the operation */
    void (*cue)(struct stage *stage);   /* the director, when the victim blocks in it; or NULL */
    void (*survive)(struct stage *stage);
    bool (*check)(struct stage *stage); /* the director, when the victim is dead and the survivor
                                           through */
};

struct scene_list {
    const struct scene *scenes;
    unsigned count;
};

extern const struct scene_list crash_objects, crash_memory, crash_messages, crash_topics;

/* Waits until the survivor is through; false: not in time. */
bool crash_through(struct stage *stage);

/* Kills a process, if there is one, and sees it end. */
void crash_bury(pid_t *pid);

/* The loop of this process, for the stage's waiter: all that an op needs to wait is there. 0,
 * -errno: there is no such loop here. */
int crash_open_loop(struct stage *stage);
void crash_close_loop(struct stage *stage);

#endif
