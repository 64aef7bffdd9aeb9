/*
 * test/differential/units_end.c: ops that are ended from outside: by a cancel, or because their
 * descriptor is closed or forgotten; and poll ops, of which much the same holds.
 */
#include "differential/program.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { WAITERS = 5 };

/* Some of several receives on a silent socket are cancelled; what is sent then goes to the rest. */
struct cancel {
    int fds[2];
    unsigned count, left;
    bool cancelled[WAITERS];
    struct heald_op recv[WAITERS], send[WAITERS];
    unsigned char in[WAITERS][8];
};

static void cancel_over(struct unit *u)
{
    struct cancel *c = u->state;
    unsigned next = 0;

    if (--c->left)
        return;
    /* A packet each, in order. */
    for (unsigned i = 0; i < c->count; i++) {
        u->value[i] = c->recv[i].result;
        if (c->cancelled[i])
            ck_assert_int_eq(c->recv[i].result, -ECANCELED);
        else
            ck_assert_uint_eq(c->in[i][0], next++);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_close(u->run->loop, c->fds[i]), 0);
    unit_over(u);
}

static void on_cancel_op(struct heald_op *op)
{
    cancel_over(unit_of(op));
}

static void cancel_send(struct unit *u)
{
    static const unsigned char packets[WAITERS] = {0, 1, 2, 3, 4};
    struct cancel *c = u->state;
    unsigned packet = 0;

    for (unsigned i = 0; i < c->count; i++)
        if (!c->cancelled[i]) {
            heald_prep_send(&c->send[i], c->fds[1], &packets[packet++], 1, 0);
            unit_go(u, &c->send[i], on_cancel_op);
            c->left++;
        }
}

/* In the first turn or a later one: the ops may have reached the kernel by then. */
static void on_cancel_time(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct cancel *c = u->state;

    for (unsigned i = 0; i < c->count; i++)
        if (c->cancelled[i]) {
            ck_assert_int_eq(heald_cancel(&c->recv[i]), 0);
            ck_assert_int_eq(heald_cancel(&c->recv[i]), -EALREADY);
        }
    cancel_send(u);
    cancel_over(u);
}

static void cancel_start(struct unit *u)
{
    struct cancel *c = u->state;

    unit_pair_open(PAIR_PACKET, c->fds);
    unit_vary(u, c->fds[0]);
    c->count = rng_range(&u->plan, 1, WAITERS);
    c->left = c->count + 1;
    for (unsigned i = 0; i < c->count; i++) {
        c->cancelled[i] = rng_one_in(&u->plan, 2);
        heald_prep_recv(&c->recv[i], c->fds[0], c->in[i], sizeof c->in[i], 0);
        ck_assert_int_eq(heald_cancel(&c->recv[i]), -EINVAL);
        unit_go(u, &c->recv[i], on_cancel_op);
    }
    heald_prep_timer(&c->send[0],
                     rng_below(&u->noise, 2) * (heald_clock_now(HEALD_CLOCK_MONOTONIC) +
                                                rng_below(&u->noise, 500) * HEALD_US));
    if (rng_one_in(&u->noise, 2)) {
        unit_go(u, &c->send[0], on_cancel_time);
    } else {
        c->send[0].data = u;
        on_cancel_time(&c->send[0]);
    }
}

const struct unit_kind unit_cancel = {"cancel", sizeof(struct cancel), cancel_start, 4};

/* Polls on a silent socket that is then written to, and on one that can be written at once. */
struct polls {
    int fds[2];
    struct heald_op in, out, both, never, recv, byte[2];
    unsigned left;
    char data[8];
};

static void polls_over(struct unit *u)
{
    struct polls *p = u->state;

    if (--p->left)
        return;
    u->value[0] = p->in.result & (POLLIN | POLLOUT | POLLERR | POLLNVAL);
    u->value[1] = p->out.result;
    u->value[2] = p->both.result;
    u->value[3] = p->never.result;
    u->value[4] = p->recv.result;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_close(u->run->loop, p->fds[i]), 0);
    unit_over(u);
}

static void on_polls_op(struct heald_op *op)
{
    polls_over(unit_of(op));
}

/* The receive may have taken the first byte before a ring looked for the poll: another one. */
static void on_polls_recv(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct polls *p = u->state;

    ck_assert_int_eq(heald_cancel(&p->never), 0);
    heald_prep_write(&p->byte[1], p->fds[1], "b", 1, HEALD_NO_OFFSET);
    p->left++;
    unit_go(u, &p->byte[1], on_polls_op);
    polls_over(u);
}

static void on_polls_both(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct polls *p = u->state;

    heald_prep_write(&p->byte[0], p->fds[1], "a", 1, HEALD_NO_OFFSET);
    p->left++;
    unit_go(u, &p->byte[0], on_polls_op);
    polls_over(u);
}

static void polls_start(struct unit *u)
{
    struct polls *p = u->state;

    unit_pair_open(rng_one_in(&u->plan, 2) ? PAIR_UNIX : PAIR_TCP, p->fds);
    unit_vary(u, p->fds[0]);
    p->left = 5;
    heald_prep_poll(&p->in, p->fds[0], POLLIN);
    unit_go(u, &p->in, on_polls_op);
    heald_prep_poll(&p->never, p->fds[1], POLLIN);
    unit_go(u, &p->never, on_polls_op);
    heald_prep_recv(&p->recv, p->fds[0], p->data, sizeof p->data, 0);
    unit_go(u, &p->recv, on_polls_recv);
    heald_prep_poll(&p->out, p->fds[1], POLLOUT);
    unit_go(u, &p->out, on_polls_op);
    heald_prep_poll(&p->both, p->fds[0], POLLIN | POLLOUT);
    unit_go(u, &p->both, on_polls_both);
}

const struct unit_kind unit_poll = {"poll", sizeof(struct polls), polls_start, 3};

/* A descriptor is closed, in one of two ways, or forgotten, while ops wait on it. */
enum { END_CLOSE_OP, END_CLOSE, END_FORGET, ENDS };

struct closing {
    int fds[2], how;
    unsigned count, left;
    bool multi;
    struct heald_op wait[WAITERS], poll, end;
    struct heald_buf_group *group;
    char in[WAITERS][64];
    char memory[256];
};

static void closing_over(struct unit *u)
{
    struct closing *c = u->state;

    if (--c->left)
        return;
    for (unsigned i = 0; i < c->count; i++)
        ck_assert_int_eq(c->wait[i].result, -ECANCELED);
    u->value[0] = c->poll.result;
    u->value[1] = c->end.result;
    if (c->group)
        ck_assert_int_eq(heald_buf_group_close(c->group), 0);
    if (c->how == END_FORGET)
        close(c->fds[0]);
    close(c->fds[1]);
    unit_over(u);
}

static void on_closing_op(struct heald_op *op)
{
    closing_over(unit_of(op));
}

static void on_closing_time(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct closing *c = u->state;

    if (c->how == END_CLOSE_OP) {
        heald_prep_close(op, c->fds[0]);
        unit_go(u, op, on_closing_op);
        return;
    }
    if (c->how == END_CLOSE)
        ck_assert_int_eq(heald_close(u->run->loop, c->fds[0]), 0);
    else
        heald_forget(u->run->loop, c->fds[0]);
    closing_over(u);
}

static void closing_start(struct unit *u)
{
    struct closing *c = u->state;

    unit_pair_open(rng_one_in(&u->plan, 2) ? PAIR_UNIX : PAIR_TCP, c->fds);
    unit_vary(u, c->fds[0]);
    c->how = (int)rng_below(&u->plan, ENDS);
    c->multi = rng_one_in(&u->plan, 2);
    c->count = rng_range(&u->plan, 1, WAITERS);
    c->left = c->count + 2;
    for (unsigned i = 0; i < c->count; i++) {
        if (i == 0 && c->multi) {
            ck_assert_int_eq(heald_buf_group_open(&c->group, u->run->loop, c->memory, 4, 64), 0);
            heald_prep_recv_multishot(&c->wait[i], c->fds[0], c->group, 0);
        } else {
            heald_prep_recv(&c->wait[i], c->fds[0], c->in[i], sizeof c->in[i], 0);
        }
        unit_go(u, &c->wait[i], on_closing_op);
    }
    heald_prep_poll(&c->poll, c->fds[0], POLLIN);
    unit_go(u, &c->poll, on_closing_op);
    heald_prep_timer(&c->end,
                     heald_clock_now(HEALD_CLOCK_MONOTONIC) + rng_below(&u->noise, 500) * HEALD_US);
    unit_go(u, &c->end, on_closing_time);
}

const struct unit_kind unit_close = {"close", sizeof(struct closing), closing_start, 4};
