/*
 * test/crash/crash.h: the kill matrix. A victim is stepped N instructions into an operation and
 * killed there, for every N until the operation is through; those who survive must get on.
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
    long a, b;         /* equal but while the mutex is held */
    int turn;          /* the condition: guarded by the mutex */
    int waiting;       /* who is about to wait for the turn; guarded by the mutex */
    int through;       /* atomic: the survivor has done what he came for */
    long mended;       /* how often what a dead one left was mended */
    uint64_t where[3]; /* what was handed out */
};

struct stage {
    struct heald_region *region;
    struct heald_participant *me; /* of the process that looks at this */
    struct scene_data *data;
    pid_t victim, survivor, holder;
};

struct scene {
    const char *name;
    bool survivor;                    /* a process that runs survive() is blocked from the start */
    void (*set)(struct stage *stage); /* the director, before all */
    void (*enter)(struct stage *stage); /* the victim, up to the operation */
    void (*act)(struct stage *stage);   /* the operation */
    void (*cue)(struct stage *stage);   /* the director, when the victim blocks in it; or NULL */
    void (*survive)(struct stage *stage);
    bool (*check)(struct stage *stage); /* the director, when the victim is dead and the survivor
                                           through */
};

/* Waits until the survivor is through; false: not in time. */
bool crash_through(struct stage *stage);

extern const struct scene crash_scenes[];
extern const unsigned crash_scene_count;

#endif
