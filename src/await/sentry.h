/*
 * await/sentry.h: a thread that waits for words of shared memory in the place of a loop, and rings
 * it when there is a reason to look again.
 */
#ifndef HEALD_SRC_AWAIT_SENTRY_H
#define HEALD_SRC_AWAIT_SENTRY_H

#include "base/alloc.h"
#include "platform/sys.h"
#include "region/region.h"

#include <pthread.h>

struct heald_sentry {
    const struct heald_sys *sys;
    const struct heald_allocator *alloc;
    int bell[2]; /* [0] is readable when the loop should look */
    pthread_t thread;
    uint32_t control;     /* atomic: changes when the thread should look here */
    pthread_mutex_t lock; /* guards all below */
    struct region_wait *waits;
    unsigned count, size;
    bool rung; /* the loop has been told, and has not looked since */
    bool closing;
};

/* Starts the thread. 0; -ENOMEM, -EMFILE, -EAGAIN: no thread can be had. */
int heald_sentry_open(struct heald_sentry *s, const struct heald_sys *sys,
                      const struct heald_allocator *alloc);
void heald_sentry_close(struct heald_sentry *s);

/* Room for so many waits. 0, -ENOMEM. */
int heald_sentry_reserve(struct heald_sentry *s, unsigned count);

/*
 * What to wait for: begin, any number of additions, for which there is room, and end; nothing of
 * what was there before stays. From begin on the thread looks at nothing.
 */
void heald_sentry_begin(struct heald_sentry *s);
void heald_sentry_add(struct heald_sentry *s, const struct region_wait *wait);
void heald_sentry_end(struct heald_sentry *s);

/* One more; or nothing any more, and the loop is told to look. */
void heald_sentry_add_one(struct heald_sentry *s, const struct region_wait *wait);
void heald_sentry_forget(struct heald_sentry *s);

#endif
