/*
 * test/fault/client.c: the client of a ring (ring/client.h) alone: more ops than entries, more
 * completions than room, and enters that are refused. Each op is brought back exactly once.
 */
#include "ring/client.h"

#include "check/harness.h"

#include "base/list.h"
#include <heald/heald.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ENTRIES = 2,
    MANY = 10000,
    FLOOD = 1000,
    CONNECTIONS = 5,
    TURNS_MAX = 200000 /* more means that it does not go on */
};

static bool refusing; /* every enter */

static int gate(enum heald_gate what)
{
    return what == HEALD_GATE_RING_ENTER && refusing ? -EAGAIN : 0;
}

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

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    struct scene *s = heald_container_of(c, struct scene, client);
    struct item *item = heald_container_of(op, struct item, op);

    item->result = result;
    if (flags & IORING_CQE_F_MORE) {
        op->flags |= OP_DUE;
        return;
    }
    item->ends++;
    s->over++;
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static void scene_open(struct scene *s)
{
    refusing = false;
    *s = (struct scene){.sys = heald_sys_native, .alloc = {.resize = resize}};
    s->sys.gate = gate;
    int err = heald_client_open(&s->client, &s->sys, &s->alloc, ENTRIES);
    if (err == -ENOSYS)
        harness_skip("no io_uring here");
    ck_assert_int_eq(err, 0);
    s->client.done = on_done;
    s->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(s->event, 0);
}

static void scene_close(struct scene *s)
{
    heald_client_close(&s->client);
    close(s->event);
}

static void ring_event(const struct scene *s)
{
    ck_assert_int_eq(eventfd_write(s->event, 1), 0);
}

static void submit(struct scene *s, struct item *item)
{
    op_move(&item->op, OP_QUEUED);
    op_move(&item->op, OP_ARMED);
    heald_client_submit(&s->client, &item->op);
}

static void submit_polls(struct scene *s, struct item *items, int count)
{
    for (int i = 0; i < count; i++) {
        heald_prep_poll(&items[i].op, s->event, POLLIN);
        submit(s, &items[i]);
    }
}

static void cancel(struct scene *s, struct item *item)
{
    op_move(&item->op, OP_CANCELLING);
    heald_client_cancel(&s->client, &item->op);
}

static void turn_until(struct scene *s, int over)
{
    for (int i = 0; s->over < over && i < TURNS_MAX; i++) {
        int err = heald_client_turn(&s->client, 0);
        ck_assert_msg(!err || err == -EINTR, "a turn gives %d", err);
    }
    ck_assert_int_eq(s->over, over);
}

/* Everything is the kernel's. */
static void hand_all_over(struct scene *s)
{
    for (int i = 0; i < TURNS_MAX && heald_client_busy(&s->client); i++)
        ck_assert_int_eq(heald_client_turn(&s->client, 0), 0);
    ck_assert(!heald_client_busy(&s->client));
}

static void check_all(const struct item *items, int count, int64_t result)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(items[i].ends, 1);
        ck_assert_int_eq(items[i].result, result);
    }
}

HEALD_CASE(many_through_two_entries)
{
    struct item *items = calloc(MANY, sizeof *items);
    struct scene s;

    scene_open(&s);
    ring_event(&s);
    submit_polls(&s, items, MANY);
    turn_until(&s, MANY);
    check_all(items, MANY, POLLIN);
    scene_close(&s);
    free(items);
}

HEALD_CASE(more_completions_than_room)
{
    struct item *items = calloc(FLOOD, sizeof *items);
    struct scene s;

    scene_open(&s);
    submit_polls(&s, items, FLOOD);
    hand_all_over(&s);
    ck_assert_int_eq(s.over, 0);
    ring_event(&s);
    turn_until(&s, FLOOD);
    check_all(items, FLOOD, POLLIN);
    scene_close(&s);
    free(items);
}

HEALD_CASE(all_are_cancelled)
{
    struct item *items = calloc(FLOOD, sizeof *items);
    struct scene s;

    scene_open(&s);
    submit_polls(&s, items, FLOOD);
    hand_all_over(&s);
    for (int i = 0; i < FLOOD; i++)
        cancel(&s, &items[i]);
    turn_until(&s, FLOOD);
    check_all(items, FLOOD, -ECANCELED);
    scene_close(&s);
    free(items);
}

/* Of these the first are in the ring, and the others wait for room. */
HEALD_CASE(what_the_kernel_has_not_taken_ends_at_once)
{
    struct item items[3 * ENTRIES] = {0};
    const int count = sizeof items / sizeof *items;
    struct scene s;
    int fds[2];
    char byte;

    scene_open(&s);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    refusing = true;
    for (int i = 0; i < count; i++) {
        heald_prep_send(&items[i].op, fds[0], "x", 1, 0);
        submit(&s, &items[i]);
    }
    for (int i = count - 1; i >= 0; i--) {
        cancel(&s, &items[i]);
        ck_assert_int_eq(s.over, count - i);
    }
    refusing = false;
    hand_all_over(&s);
    check_all(items, count, -ECANCELED);
    ck_assert_int_eq(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
}

HEALD_CASE(a_cancel_waits_for_room)
{
    struct item taken[ENTRIES] = {0}, filling[ENTRIES] = {0};
    struct scene s;

    scene_open(&s);
    submit_polls(&s, taken, ENTRIES);
    hand_all_over(&s);
    refusing = true;
    submit_polls(&s, filling, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        cancel(&s, &taken[i]);
        ck_assert_int_eq(taken[i].op.stage, STAGE_RECALL);
    }
    ck_assert_int_eq(heald_client_turn(&s.client, 0), 0);
    ck_assert_int_eq(s.over, 0);
    refusing = false;
    turn_until(&s, ENTRIES);
    check_all(taken, ENTRIES, -ECANCELED);
    ring_event(&s);
    turn_until(&s, 2 * ENTRIES);
    check_all(filling, ENTRIES, POLLIN);
    scene_close(&s);
}

/* It has ended before there was room for its cancel, and its end comes once. */
HEALD_CASE(a_cancel_that_waits_comes_too_late)
{
    struct item taken = {0}, filling[ENTRIES] = {0};
    struct scene s;

    scene_open(&s);
    submit_polls(&s, &taken, 1);
    hand_all_over(&s);
    refusing = true;
    submit_polls(&s, filling, ENTRIES);
    cancel(&s, &taken);
    ring_event(&s);
    refusing = false;
    turn_until(&s, 1 + ENTRIES);
    ck_assert_int_eq(taken.ends, 1);
    ck_assert(taken.result == POLLIN || taken.result == -ECANCELED);
    check_all(filling, ENTRIES, POLLIN);
    hand_all_over(&s);
    ck_assert_int_eq(s.over, 1 + ENTRIES);
    scene_close(&s);
}

/* Connects so often, and has the kernel accept all. */
static void connect_all(struct scene *s, const struct heald_addr *addr, int fds[])
{
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(fds[i], &addr->u.sa, addr->len), 0);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        ck_assert_int_eq(heald_client_turn(&s->client, 0), 0);
}

/* In order, one for each callback; and the end comes after them. */
static void take_results(struct scene *s, struct item *item)
{
    int before = -1;

    for (int i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_gt(item->result, before);
        before = (int)item->result;
        close(before);
        /* The callback runs. */
        item->op.flags &= (uint8_t)~OP_DUE;
        item->result = -1;
        ck_assert_int_eq(heald_client_next(&s->client, &item->op), i + 1 < CONNECTIONS);
    }
}

HEALD_CASE(results_are_kept_while_a_callback_is_due)
{
    struct item accept = {0}, other = {0};
    struct heald_addr addr;
    int fds[CONNECTIONS], listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct scene s;

    scene_open(&s);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    heald_prep_accept_multishot(&accept.op, listener);
    submit(&s, &accept);
    connect_all(&s, &addr, fds);
    /* They hold up nobody else. */
    submit_polls(&s, &other, 1);
    ring_event(&s);
    turn_until(&s, 1);
    ck_assert_int_eq(accept.ends, 0);
    take_results(&s, &accept);
    cancel(&s, &accept);
    turn_until(&s, 2);
    ck_assert_int_eq(accept.result, -ECANCELED);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    close(listener);
    scene_close(&s);
}

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *group = harness_group(suite, "client");

    harness_add(group, many_through_two_entries);
    harness_add(group, more_completions_than_room);
    harness_add(group, all_are_cancelled);
    harness_add(group, what_the_kernel_has_not_taken_ends_at_once);
    harness_add(group, a_cancel_waits_for_room);
    harness_add(group, a_cancel_that_waits_comes_too_late);
    harness_add(group, results_are_kept_while_a_callback_is_due);
    return harness_run(suite);
}
