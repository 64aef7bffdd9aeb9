/*
 * test/crash/take.h: waiting, in the way that is played: by blocking, or by an op in the loop of
 * the stage, which is turned until the op has completed. Each waits for long enough, and has the
 * results of the call that blocks.
 */
#ifndef HEALD_TEST_CRASH_TAKE_H
#define HEALD_TEST_CRASH_TAKE_H

#include "crash/crash.h"

#include <stdio.h>
#include <stdlib.h>

/* In the victim and the survivor, where Check cannot report. */
static inline void must_at(bool condition, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: not as it must be\n", file, line);
    abort();
}

#define must(condition) must_at(condition, __FILE__, __LINE__)

int take_mutex(struct stage *st);
int take_signal(struct stage *st);
int take_ticket(struct stage *st);
int take_reading(struct stage *st);
int take_writing(struct stage *st);
int take_barrier(struct stage *st);
int take_once(struct stage *st);
int take_message(struct stage *st, int *ret_number);
int take_room(struct stage *st, int number, unsigned priority); /* sends it */

int take_loan(struct stage *st, struct heald_topic_loan *loan);
int take_publication(struct stage *st, struct heald_topic_loan *loan, size_t size);
int take_sample(struct stage *st, const struct heald_topic_subscriber *subscriber,
                struct heald_topic_sample *sample);
int take_event(struct stage *st, enum heald_topic_event event);

/* With the mutex held: what it guards is in order, or is repaired if the holder died. */
bool scene_mend(struct stage *st, int err);

/* The mutex is had, and what it guards in order. */
bool scene_lock(struct stage *st);
bool scene_section_works(struct stage *st);

#endif
