/*
 * test/conformance/spin.h: a table of conditions that last and for which no op waits. Each row runs
 * in a process of its own, all of them at the same time: it makes the condition, lets things calm
 * down, counts the turns in 300 ms of nothing to do, and then checks that what it waits for is
 * still reported.
 */
#ifndef HEALD_TEST_SPIN_H
#define HEALD_TEST_SPIN_H

#include "conformance/workers.h"

#include <sys/socket.h>

enum { SPIN_OPS = 3, SPIN_ROOM = 256 };

/* An op of a row. */
struct spin_op {
    struct heald_op op;
    struct spin *spin;
    int calls, finals;
    int64_t result;
    struct iovec iov;
    struct msghdr msg;
    char buf[SPIN_ROOM], control[SPIN_ROOM];
};

struct spin {
    struct workers *all;
    struct worker *me;
    struct heald_loop *loop;
    const struct spin_row *row;
    int fd, peer, other;
    pid_t child[2];
    struct heald_addr addr;
    struct spin_op op[SPIN_OPS];
};

struct spin_row {
    const char *name;
    void (*start)(struct spin *s);
    void (*after)(struct spin *s);
    unsigned arg; /* for rows that differ in little */
};

/* What the rows do in their processes. */
void spin_submit(struct spin *s, int i);
void spin_submit_fn(struct spin *s, int i, heald_fn *fn);
void spin_notified(struct heald_op *op);

/* The op completes within so many ms. Returns its result. */
int64_t spin_await(struct spin *s, int i, int ms);

/* It has not completed; cancels it. */
void spin_cancel(struct spin *s, int i);

/* A pair of descriptors, s->fd and s->peer. */
void spin_pair(struct spin *s, enum pair_kind kind);

void spin_drain(int fd);

/* Runs a table of rows on a combination. */
void spin_run(int combination, const struct spin_row rows[], unsigned count);

enum { SPIN_SOON = 240, SPIN_BACKOFF = 300, SPIN_WHILE = 100 };

#endif
