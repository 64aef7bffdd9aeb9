/*
 * test/crash/take.h: waiting, on the road that is played: by blocking, or by an op in the loop of
 * the stage, which is turned until the op is over. Each waits for long enough, and has the results
 * of the call that blocks.
 */
#ifndef HEALD_TEST_CRASH_TAKE_H
#define HEALD_TEST_CRASH_TAKE_H

#include "crash/crash.h"

#include <stdlib.h>

static inline void must(bool condition)
{
    if (!condition)
        abort();
}

int take_mutex(struct stage *st);
int take_signal(struct stage *st);
int take_ticket(struct stage *st);
int take_reading(struct stage *st);
int take_writing(struct stage *st);
int take_barrier(struct stage *st);
int take_once(struct stage *st);

/* With the mutex held: what it guards is in order, or is mended if the holder died. */
bool scene_mend(struct stage *st, int err);

/* The mutex is had, and what it guards in order. */
bool scene_lock(struct stage *st);
bool scene_section_works(struct stage *st);

#endif
