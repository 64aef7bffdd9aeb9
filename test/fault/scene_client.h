/*
 * test/fault/scene_client.h: the client of a ring (ring/client.h) alone, with ops that count how
 * often they come back, and a system that refuses.
 */
#ifndef HEALD_TEST_FAULT_SCENE_CLIENT_H
#define HEALD_TEST_FAULT_SCENE_CLIENT_H

#include "ring/client.h"

#include <heald/heald.h>

enum { TURNS_MAX = 200000 /* more means that it does not go on */ };

/* What is refused, and how often it was asked for; count 0: nothing. */
struct refusal {
    int count, err, asked;
};

/* The gates' functions get no pointer of ours. */
extern struct refusal scene_refuses[HEALD_GATE_THREAD];

struct item {
    struct heald_op op;
    int ends;
    int64_t result;
};

struct scene {
    struct heald_client client;
    struct heald_sys sys;
    struct heald_allocator alloc;
    int event; /* an eventfd */
    int over;  /* ops that have come back */
};

/* Of a ring of so many entries. Skips the case where there is none. */
void scene_open(struct scene *s, unsigned entries);
void scene_close(struct scene *s);

/* Every enter is refused from now on, or is not. */
void scene_refuse_enters(bool refuse);

/* Makes the event readable, for all polls. */
void scene_ring(const struct scene *s);

void scene_submit(struct scene *s, struct item *item);
void scene_submit_polls(struct scene *s, struct item *items, int count);
void scene_cancel(struct scene *s, struct item *item);

/* Turns until so many have come back. */
void scene_turn_until(struct scene *s, int over);

/* Turns until everything is the kernel's. */
void scene_hand_over(struct scene *s);

/* Each has come back once, with that. */
void scene_check(const struct item *items, int count, int64_t result);

#endif
