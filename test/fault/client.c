/*
 * test/fault/client.c: the client of a ring (ring/client.h) alone: more ops than entries, more
 * completions than room, enters that are refused, and cancels wherever an op is. Each op is brought
 * back exactly once.
 */
#include "fault/scene_client.h"
#include "harness/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A multishot op ends when a completion of it has no room, so for these there is ROOM. */
enum { ENTRIES = 2, ROOM = 8, MANY = 10000, FLOOD = 1000, CONNECTIONS = 5, BATCH = 20, STEPS = 8 };

static const int errors[] = {EAGAIN, EBUSY, ENOMEM, EINTR};

HEALD_CASE(many_through_two_entries)
{
    struct item *items = calloc(MANY, sizeof *items);
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_ring(&s);
    scene_submit_polls(&s, items, MANY);
    scene_turn_until(&s, MANY);
    scene_check(items, MANY, POLLIN);
    scene_close(&s);
    free(items);
}

HEALD_CASE(more_completions_than_room)
{
    struct item *items = calloc(FLOOD, sizeof *items);
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_submit_polls(&s, items, FLOOD);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, 0);
    scene_ring(&s);
    scene_turn_until(&s, FLOOD);
    scene_check(items, FLOOD, POLLIN);
    scene_close(&s);
    free(items);
}

HEALD_CASE(all_are_cancelled)
{
    struct item *items = calloc(FLOOD, sizeof *items);
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_submit_polls(&s, items, FLOOD);
    scene_hand_over(&s);
    for (int i = 0; i < FLOOD; i++)
        scene_cancel(&s, &items[i]);
    scene_turn_until(&s, FLOOD);
    scene_check(items, FLOOD, -ECANCELED);
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

    scene_open(&s, ENTRIES);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    scene_refuse_enters(true);
    for (int i = 0; i < count; i++) {
        heald_prep_send(&items[i].op, fds[0], "x", 1, 0);
        scene_submit(&s, &items[i]);
    }
    for (int i = count - 1; i >= 0; i--) {
        scene_cancel(&s, &items[i]);
        ck_assert_int_eq(s.over, count - i);
    }
    scene_refuse_enters(false);
    scene_hand_over(&s);
    scene_check(items, count, -ECANCELED);
    ck_assert_int_eq(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
}

HEALD_CASE(a_cancel_waits_for_room)
{
    struct item taken[ENTRIES] = {0}, filling[ENTRIES] = {0};
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_submit_polls(&s, taken, ENTRIES);
    scene_hand_over(&s);
    scene_refuse_enters(true);
    scene_submit_polls(&s, filling, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        scene_cancel(&s, &taken[i]);
        ck_assert_int_eq(taken[i].op.stage, STAGE_RECALL);
    }
    ck_assert_int_eq(heald__client_turn(&s.client, 0), 0);
    ck_assert_int_eq(s.over, 0);
    scene_refuse_enters(false);
    scene_turn_until(&s, ENTRIES);
    scene_check(taken, ENTRIES, -ECANCELED);
    scene_ring(&s);
    scene_turn_until(&s, 2 * ENTRIES);
    scene_check(filling, ENTRIES, POLLIN);
    scene_close(&s);
}

/* It has ended before there was room for its cancel, and its end comes once. */
HEALD_CASE(a_cancel_that_waits_comes_too_late)
{
    struct item taken = {0}, filling[ENTRIES] = {0};
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_submit_polls(&s, &taken, 1);
    scene_hand_over(&s);
    scene_refuse_enters(true);
    scene_submit_polls(&s, filling, ENTRIES);
    scene_cancel(&s, &taken);
    scene_ring(&s);
    scene_refuse_enters(false);
    scene_turn_until(&s, 1 + ENTRIES);
    ck_assert_int_eq(taken.ends, 1);
    ck_assert(taken.result == POLLIN || taken.result == -ECANCELED);
    scene_check(filling, ENTRIES, POLLIN);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, 1 + ENTRIES);
    scene_close(&s);
}

/* The only enters that fail are those that are said to. */
static void turn_whatever(struct scene *s, int error)
{
    int err = heald__client_turn(&s->client, 0);
    ck_assert_msg(!err || err == -error, "a turn gives %d", err);
}

/* A batch of more than has room, of which some enter is refused, so many times: the kernel gets all
 * of it once, in its order. */
HEALD_CASE(enters_are_refused_within_a_batch)
{
    struct refusal *enters = &scene_refuses[HEALD_GATE_RING_ENTER];
    int error = errors[_i / STEPS], from = _i % STEPS, fds[2], got = 0;
    struct item items[BATCH] = {0};
    char text[BATCH], byte;
    struct scene s;

    scene_open(&s, ENTRIES);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    for (int i = 0; i < BATCH; i++) {
        text[i] = (char)('a' + i);
        if (enters->asked >= from && enters->asked < from + STEPS)
            *enters = (struct refusal){.count = 1, .err = error, .asked = enters->asked};
        heald_prep_send(&items[i].op, fds[0], &text[i], 1, 0);
        scene_submit(&s, &items[i]);
    }
    for (int i = 0; s.over < BATCH && i < TURNS_MAX; i++)
        turn_whatever(&s, error);
    scene_check(items, BATCH, 1);
    while (recv(fds[1], &byte, 1, MSG_DONTWAIT) == 1)
        ck_assert_int_eq(byte, text[got++]);
    ck_assert_int_eq(got, BATCH);
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
}

/* A worker of the kernel's may have it, which is not found, or is interrupted. */
HEALD_CASE(a_worker_of_the_kernels_is_cancelled)
{
    struct item item = {0};
    struct scene s;
    int fds[2];
    char byte;

    scene_open(&s, ENTRIES);
    ck_assert_int_eq(pipe(fds), 0);
    for (int i = 1; i <= BATCH; i++) {
        heald_prep_read(&item.op, fds[0], &byte, 1, -1);
        item.op.buffer = OP_ASYNC;
        scene_submit(&s, &item);
        scene_hand_over(&s);
        if (i % 2)
            usleep(1000);
        scene_cancel(&s, &item);
        scene_turn_until(&s, i);
        ck_assert(item.result == -ECANCELED || item.result == -EINTR);
        item.op.state = OP_IDLE;
    }
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
}

/* What polls first: its end is that of the op, whether the poll has ended or not. */
HEALD_CASE(what_polls_first_is_cancelled)
{
    struct item items[3] = {0};
    struct scene s;
    int fds[2];

    scene_open(&s, ENTRIES);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    for (int i = 0; i < 3; i++) {
        heald_prep_send(&items[i].op, fds[0], "x", 1, 0);
        items[i].op.flags |= OP_POLLED;
    }
    scene_submit(&s, &items[0]);
    scene_cancel(&s, &items[0]);
    ck_assert_int_eq(s.over, 1);
    scene_submit(&s, &items[1]);
    scene_hand_over(&s);
    scene_submit(&s, &items[2]);
    ck_assert_int_eq(heald__ring_flush(&s.client.ring), 0);
    scene_cancel(&s, &items[2]);
    scene_turn_until(&s, 3);
    scene_check(&items[0], 1, -ECANCELED);
    scene_check(&items[1], 1, 1);
    scene_check(&items[2], 1, -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
}

static struct {
    struct heald_op *op;
    int found, ends; /* when the answer came */
} answer;

static void on_answer(struct heald_client *c, struct heald_op *op, bool found)
{
    (void)c;
    answer.op = op;
    answer.found = found;
    answer.ends = heald_container_of(op, struct item, op)->ends;
}

static void turn_until_answered(struct scene *s, const struct item *item)
{
    answer.op = NULL;
    for (int i = 0; !answer.op && i < TURNS_MAX; i++)
        ck_assert_int_eq(heald__client_turn(&s->client, 0), 0);
    ck_assert_ptr_eq(answer.op, &item->op);
}

HEALD_CASE(asked_to_end_and_answered)
{
    struct item items[2] = {0};
    struct scene s;

    scene_open(&s, ENTRIES);
    s.client.answered = on_answer;
    scene_submit_polls(&s, items, 2);
    scene_hand_over(&s);
    ck_assert(heald__client_ask(&s.client, &items[0].op));
    turn_until_answered(&s, &items[0]);
    ck_assert(answer.found);
    scene_turn_until(&s, 1);
    scene_check(&items[0], 1, -ECANCELED);
    /* It has ended before the kernel gets the question. */
    ck_assert(heald__client_ask(&s.client, &items[1].op));
    scene_ring(&s);
    turn_until_answered(&s, &items[1]);
    scene_turn_until(&s, 2);
    ck_assert_int_eq(items[1].result, answer.found ? -ECANCELED : POLLIN);
    ck_assert(heald__client_ask(&s.client, &items[1].op));
    turn_until_answered(&s, &items[1]);
    ck_assert(!answer.found);
    ck_assert_int_eq(answer.ends, 1);
    /* No room: no answer. */
    scene_refuse_enters(true);
    for (int i = 0; heald__client_ask(&s.client, &items[1].op); i++)
        ck_assert_int_lt(i, ENTRIES);
    scene_close(&s);
}

HEALD_CASE(taken_back_unless_the_kernel_has_it)
{
    struct item items[2 * ENTRIES] = {0};
    struct scene s;

    scene_open(&s, ENTRIES);
    scene_submit_polls(&s, items, 1);
    scene_hand_over(&s);
    ck_assert(!heald__client_withdraw(&s.client, &items[0].op));
    scene_refuse_enters(true);
    scene_submit_polls(&s, items + 1, 2 * ENTRIES - 1);
    for (int i = 1; i < 2 * ENTRIES; i++) {
        ck_assert(heald__client_withdraw(&s.client, &items[i].op));
        ck_assert_int_eq(items[i].op.stage, STAGE_LOOP);
    }
    ck_assert(heald__client_pending(&s.client));
    scene_refuse_enters(false);
    scene_ring(&s);
    scene_turn_until(&s, 1);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, 1);
    scene_check(items, 1, POLLIN);
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
        ck_assert_int_eq(heald__client_turn(&s->client, 0), 0);
}

/* The callback of a result that it had. */
static void run_callback(struct item *accept)
{
    close((int)accept->result);
    accept->op.flags &= (uint8_t)~OP_DUE;
}

/* In order, one for each callback; and the end comes after them. */
static void take_results(struct scene *s, struct item *item)
{
    int before = -1;

    for (int i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_gt(item->result, before);
        before = (int)item->result;
        run_callback(item);
        item->result = -1;
        ck_assert_int_eq(heald__client_next(&s->client, &item->op), i + 1 < CONNECTIONS);
    }
}

HEALD_CASE(results_are_kept_while_a_callback_is_due)
{
    struct item accept = {0}, other = {0};
    struct heald_addr addr;
    int fds[CONNECTIONS], listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct scene s;

    scene_open(&s, ROOM);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    heald_prep_accept_multishot(&accept.op, listener);
    scene_submit(&s, &accept);
    connect_all(&s, &addr, fds);
    /* They hold up nobody else. */
    scene_submit_polls(&s, &other, 1);
    scene_ring(&s);
    scene_turn_until(&s, 1);
    ck_assert_int_eq(accept.ends, 0);
    take_results(&s, &accept);
    scene_cancel(&s, &accept);
    scene_turn_until(&s, 2);
    ck_assert_int_eq(accept.result, -ECANCELED);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    close(listener);
    scene_close(&s);
}

static void *no_memory(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    if (!size)
        free(ptr);
    return NULL;
}

/* What cannot be kept stays in the ring, and what came after it as well; nobody waits for that in a
 * loop without an end, and the client says that there is something. */
HEALD_CASE(no_memory_for_results)
{
    struct item accept = {0}, *others = calloc(FLOOD, sizeof *others);
    struct heald_addr addr;
    int fds[CONNECTIONS], listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct scene s;

    scene_open(&s, ROOM);
    void *(*with_memory)(void *, void *, size_t, size_t) = s.alloc.resize;
    ck_assert_int_ge(heald__ring_bell(&s.client.ring, true), 0);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    heald_prep_accept_multishot(&accept.op, listener);
    scene_submit(&s, &accept);
    s.alloc.resize = no_memory;
    connect_all(&s, &addr, fds);
    /* So many that there is no room for all. */
    scene_ring(&s);
    scene_submit_polls(&s, others, FLOOD);
    for (int i = 0; i < BATCH; i++)
        ck_assert_int_eq(heald__client_catch_up(&s.client), 0);
    ck_assert_int_eq(s.over, 0);
    ck_assert(heald__client_busy(&s.client));
    for (int i = 1; i < CONNECTIONS; i++) {
        run_callback(&accept);
        accept.result = -1;
        ck_assert(!heald__client_next(&s.client, &accept.op));
        ck_assert_int_eq(heald__client_catch_up(&s.client), 0);
        ck_assert_int_ge(accept.result, 0);
    }
    run_callback(&accept);
    s.alloc.resize = with_memory;
    scene_turn_until(&s, FLOOD);
    scene_check(others, FLOOD, POLLIN);
    scene_cancel(&s, &accept);
    scene_turn_until(&s, FLOOD + 1);
    ck_assert_int_eq(accept.result, -ECANCELED);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    close(listener);
    scene_close(&s);
    free(others);
}

/* Cancelled while its callback is due, with and without room, and again once that has run. */
HEALD_CASE(cancelled_while_a_callback_is_due)
{
    struct item accept = {0}, filling[ROOM] = {0};
    struct heald_addr addr;
    int fds[CONNECTIONS], listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct scene s;

    scene_open(&s, ROOM);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    heald_prep_accept_multishot(&accept.op, listener);
    scene_submit(&s, &accept);
    connect_all(&s, &addr, fds);
    scene_refuse_enters(_i);
    if (_i)
        scene_submit_polls(&s, filling, ROOM);
    scene_cancel(&s, &accept);
    ck_assert_int_eq(accept.op.stage, _i ? STAGE_RING : STAGE_RECALLED);
    scene_refuse_enters(false);
    scene_hand_over(&s);
    while (!accept.ends) {
        run_callback(&accept);
        if (!heald__client_next(&s.client, &accept.op))
            break;
    }
    if (!accept.ends)
        heald__client_cancel(&s.client, &accept.op);
    scene_turn_until(&s, 1);
    ck_assert_int_eq(accept.result, -ECANCELED);
    scene_ring(&s);
    scene_turn_until(&s, _i ? 1 + ROOM : 1);
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
    harness_add_range(group, enters_are_refused_within_a_batch, 0,
                      STEPS * (int)(sizeof errors / sizeof *errors));
    harness_add(group, a_worker_of_the_kernels_is_cancelled);
    harness_add(group, what_polls_first_is_cancelled);
    harness_add(group, asked_to_end_and_answered);
    harness_add(group, taken_back_unless_the_kernel_has_it);
    harness_add(group, results_are_kept_while_a_callback_is_due);
    harness_add(group, no_memory_for_results);
    harness_add_range(group, cancelled_while_a_callback_is_due, 0, 2);
    return harness_run(suite);
}
