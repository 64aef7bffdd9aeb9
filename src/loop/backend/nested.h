/*
 * loop/backend/nested.h: a queue of events of the system's inside a back end that has none: for
 * what poll(2) and select(2) cannot say (report changes only, errors alone), and for what an
 * io_uring is slow to cancel (very many polls). It is one more descriptor that the back end waits
 * for. The loop's thread.
 */
#ifndef HEALD_SRC_LOOP_BACKEND_NESTED_H
#define HEALD_SRC_LOOP_BACKEND_NESTED_H

#include "loop/backend.h"

struct heald_nested {
    int fd; /* -1: not made yet */
    unsigned count;
    unsigned long *has; /* bit n: descriptor n is in it */
    unsigned words;
};

void heald__nested_init(struct heald_nested *n);
void heald__nested_close(struct heald_nested *n, struct heald_backend *b);

/* Reports `events` of a descriptor from now on; 0: not any more, also of one that is not in it.
 * -ENOSYS: the system has none. */
int heald__nested_arm(struct heald_nested *n, struct heald_backend *b, int fd, unsigned events);

/* Hands on what has come, without waiting, to heald__ready_event() or heald__ready_nested(). */
typedef void heald_nested_event(struct heald_loop *loop, int fd, uint32_t key, unsigned events);
void heald__nested_report(struct heald_nested *n, struct heald_backend *b,
                          heald_nested_event *event);

#endif
