/*
 * test/differential/program.h: a random program of ops, the same for every back end and engine.
 *
 * A program is a set of units that run at the same time in one loop. A unit is a small story (a
 * stream from end to end, a row of timers, …) that is written so that its outcome does not depend
 * on what the kernel does first: it writes down what must be the same everywhere, as numbers, and
 * asserts what it knows beforehand. Two generators: `plan` decides what the outcome depends on and
 * is drawn from in a fixed order; `noise` decides what must not matter (which call, which class,
 * how large a portion) and is drawn from whenever.
 */
#ifndef HEALD_TEST_PROGRAM_H
#define HEALD_TEST_PROGRAM_H

#include "harness/harness.h"
#include "harness/seeds.h"

#include <heald/heald.h>

enum { UNIT_VALUES = 24, UNITS_MAX = 8, FAR_SECONDS = 1000 };

struct run;

struct unit {
    struct run *run;
    const struct unit_kind *kind;
    unsigned index;
    struct rng plan, noise;
    void *state;
    int64_t value[UNIT_VALUES]; /* what is compared */
    bool over;
};

struct unit_kind {
    const char *name;
    size_t size; /* of its state, zeroed */
    void (*start)(struct unit *u);
    unsigned weight;
};

struct run {
    struct heald_loop *loop;
    uint64_t seed;
    const char *backend, *engine;
    int dir; /* an empty directory for files */
    unsigned count, left;
    struct unit unit[UNITS_MAX];
    struct heald_op watchdog;
};

/* All kinds of units, in a fixed order; the end has no name. */
extern const struct unit_kind *const unit_kinds[];

extern const struct unit_kind unit_stream, unit_pair, unit_duplex, unit_datagram, unit_accept,
    unit_refused, unit_timers, unit_period, unit_deadline, unit_cancel, unit_poll, unit_close,
    unit_file, unit_names, unit_posts, unit_signals, unit_child, unit_tell, unit_pass, unit_reuse,
    unit_tree;

/* The unit has come to its end. */
void unit_over(struct unit *u);

/*
 * Submits an op of the unit; its class is noise, and so is a deadline that never comes if the op
 * has none. op->data is the unit.
 */
void unit_go(struct unit *u, struct heald_op *op, heald_fn *fn);

static inline struct unit *unit_of(const struct heald_op *op)
{
    return op->data;
}

/* Two connected sockets of a kind. */
enum pair_kind { PAIR_UNIX, PAIR_TCP, PAIR_PIPE, PAIR_PACKET, PAIR_DGRAM, PAIR_UDP };
void unit_pair_open(enum pair_kind kind, int ret_fds[2]);

/* Sometimes makes a descriptor blocking, which must not matter. */
void unit_vary(struct unit *u, int fd);

/* The byte at a place of a stream of the unit. */
static inline unsigned char unit_byte(const struct unit *u, uint64_t place)
{
    uint64_t z = (place + 1) * UINT64_C(0x9e3779b97f4a7c15) + u->index * 77;
    return (unsigned char)(z >> 40);
}

/* Asserts that `n` bytes are those from `place` on. */
void unit_check_bytes(const struct unit *u, const unsigned char *data, uint64_t place, size_t n);

#endif
