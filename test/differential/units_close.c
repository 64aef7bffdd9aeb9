/*
 * test/differential/units_close.c: descriptors that are closed in all ways, while ops wait on them
 * or are in flight to a file, and whose numbers are used again at once by descriptors of other
 * types. A round: a descriptor is opened, some ops name it, it is closed, and the next is opened
 * before anything else can happen. What the next one holds is its own.
 */
#include "differential/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 10, OLD_OPS = 3, TEXT = 16 };

enum { DATA = 8 /* bytes of text_of() */ };
enum holder { H_UNIX, H_TCP, H_PACKET, H_PIPE, H_FILE, H_DIR, HOLDERS };
enum way { CLOSE_OP, CLOSE, FORGET, WAYS };

struct hold {
    enum holder type;
    int fd, peer;
};

/* The ops of one round; they may outlive it. */
struct turn {
    struct hold hold;
    enum way way;
    unsigned round, count;
    struct heald_op old[OLD_OPS], fresh, close;
    struct heald_stat stat;
    char in[OLD_OPS][TEXT], got[TEXT];
};

struct reuse {
    struct turn turn[ROUNDS];
    unsigned count, left;
    bool last;
};

static void reuse_begin(struct unit *u, unsigned round);

/* Each round's data is its own: "r00-data". */
static void text_of(const struct unit *u, unsigned round, char text[TEXT])
{
    snprintf(text, TEXT, "%c%02u-data", 'a' + (int)u->index % 26, round % 100);
}

static void name_of(const struct unit *u, unsigned round, char name[TEXT])
{
    snprintf(name, TEXT, "c%u-%u", u->index % 100, round % 100);
}

static void hold_open(struct unit *u, struct turn *t)
{
    static const enum pair_kind kinds[] = {PAIR_UNIX, PAIR_TCP, PAIR_PACKET, PAIR_PIPE};
    char name[TEXT], text[TEXT];
    int fds[2];

    text_of(u, t->round, text);
    name_of(u, t->round, name);
    if (t->hold.type <= H_PIPE) {
        unit_pair_open(kinds[t->hold.type], fds);
        t->hold.fd = fds[0];
        t->hold.peer = fds[1];
        unit_vary(u, t->hold.fd);
        ck_assert_int_eq(write(t->hold.peer, text, strlen(text)), (ssize_t)strlen(text));
        return;
    }
    t->hold.peer = openat(u->run->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(t->hold.peer, 0);
    ck_assert_int_eq(write(t->hold.peer, text, strlen(text)), (ssize_t)strlen(text));
    t->hold.fd = t->hold.type == H_FILE ? openat(u->run->dir, name, O_RDWR | O_CLOEXEC)
                                        : openat(u->run->dir, ".", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(t->hold.fd, 0);
}

/* All ops of a round have completed: says what must be the same everywhere. */
static void turn_over(struct unit *u)
{
    struct reuse *r = u->state;

    if (--r->left || !r->last)
        return;
    for (unsigned i = 0; i < r->count; i++) {
        struct turn *t = &r->turn[i];
        u->value[2 * i] = t->fresh.result;
        u->value[2 * i + 1] = t->way == CLOSE_OP ? t->close.result : 0;
        close(t->hold.peer);
        if (t->hold.type >= H_FILE) {
            char name[TEXT];
            name_of(u, t->round, name);
            ck_assert_int_eq(unlinkat(u->run->dir, name, 0), 0);
        }
    }
    unit_over(u);
}

/* An op that was in flight when its descriptor was closed. */
static void on_old(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct reuse *r = u->state;
    struct turn *t = &r->turn[((char *)op - (char *)r->turn) / (ptrdiff_t)sizeof *t];
    unsigned i = (unsigned)(op - t->old);
    char text[TEXT];

    text_of(u, t->round, text);
    if (t->hold.type <= H_PIPE) {
        ck_assert_msg(op->result == -ECANCELED, "unit %u, round %u: %s ends with %d", u->index,
                      t->round, heald_op_kind(op), (int)op->result);
    } else if (op->result == -ECANCELED) {
        ck_assert_msg(t->way != CLOSE_OP,
                      "unit %u, round %u: %s came before the close op, and is "
                      "cancelled",
                      u->index, t->round, heald_op_kind(op));
    } else if (t->hold.type == H_FILE && i != 2) {
        ck_assert_msg(op->result == (int64_t)strlen(text), "unit %u, round %u: %s ends with %d",
                      u->index, t->round, heald_op_kind(op), (int)op->result);
        if (i == 0)
            ck_assert_mem_eq(t->in[0], text, strlen(text));
    } else {
        ck_assert_int_eq(op->result, 0);
    }
    turn_over(u);
}

static void start_old(struct unit *u, struct turn *t)
{
    struct reuse *r = u->state;
    struct hold *h = &t->hold;

    for (unsigned i = 0; i < t->count; i++) {
        struct heald_op *op = &t->old[i];
        if (h->type == H_FILE && i == 0)
            heald_prep_read(op, h->fd, t->in[i], DATA, 0); /* the write is behind that */
        else if (h->type == H_FILE && i == 1)
            heald_prep_write(op, h->fd, "xxx-data", 8, 8);
        else if (h->type == H_FILE)
            heald_prep_fsync(op, h->fd, (int)rng_below(&u->noise, 2));
        else if (h->type == H_DIR)
            heald_prep_stat(op, h->fd, "", 0, &t->stat);
        else if (rng_one_in(&u->noise, 4))
            heald_prep_poll(op, h->fd, POLLIN);
        else
            heald_prep_read(op, h->fd, t->in[i], TEXT, HEALD_NO_OFFSET);
        r->left++;
        unit_go(u, op, on_old);
    }
}

static void on_closed(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct turn *t = heald_container_of(op, struct turn, close);

    reuse_begin(u, t->round + 1);
    turn_over(u);
}

/* Closes the descriptor; the next one is opened in the same breath. */
static void end_turn(struct unit *u, struct turn *t)
{
    struct reuse *r = u->state;
    int fd = t->hold.fd;

    start_old(u, t);
    if (t->way == CLOSE_OP) {
        heald_prep_close(&t->close, fd);
        r->left++;
        unit_go(u, &t->close, on_closed);
        return;
    }
    if (t->way == CLOSE) {
        ck_assert_int_eq(heald_close(u->run->loop, fd), 0);
    } else {
        heald_forget(u->run->loop, fd);
        close(fd);
    }
    reuse_begin(u, t->round + 1);
}

static void on_fresh(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct turn *t = heald_container_of(op, struct turn, fresh);
    char text[TEXT];

    text_of(u, t->round, text);
    if (t->hold.type == H_DIR) {
        ck_assert_int_eq(op->result, 0);
        ck_assert_uint_eq(t->stat.size, strlen(text));
    } else {
        ck_assert_msg(op->result == (int64_t)strlen(text), "unit %u, round %u: %d bytes", u->index,
                      t->round, (int)op->result);
        ck_assert_mem_eq(t->got, text, strlen(text));
    }
    end_turn(u, t);
    turn_over(u);
}

/* The fresh descriptor holds its own data. */
static void reuse_begin(struct unit *u, unsigned round)
{
    struct reuse *r = u->state;
    struct turn *t = &r->turn[round];

    if (round == r->count) {
        r->last = true;
        return;
    }
    hold_open(u, t);
    if (t->hold.type == H_DIR) {
        name_of(u, round, t->got);
        heald_prep_stat(&t->fresh, t->hold.fd, t->got, 0, &t->stat);
    } else {
        heald_prep_read(&t->fresh, t->hold.fd, t->got, TEXT, HEALD_NO_OFFSET);
    }
    r->left++;
    unit_go(u, &t->fresh, on_fresh);
}

static void reuse_start(struct unit *u)
{
    struct reuse *r = u->state;

    r->count = rng_range(&u->plan, 2, ROUNDS);
    for (unsigned i = 0; i < r->count; i++) {
        struct turn *t = &r->turn[i];
        t->round = i;
        t->hold.type = (enum holder)rng_below(&u->plan, HOLDERS);
        t->way = (enum way)rng_below(&u->plan, WAYS);
        t->count = rng_range(&u->plan, 0, OLD_OPS);
    }
    reuse_begin(u, 0);
}

const struct unit_kind unit_reuse = {"reuse", sizeof(struct reuse), reuse_start, 4};
