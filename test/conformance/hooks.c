/* test/conformance/hooks.c: functions that run in each turn, and sends without an op. */
#include "conformance/conformance.h"

#include <sys/socket.h>

struct trace {
    struct heald_hook hook[3];
    struct heald_op op;
    char order[32];
    int n, waits;
};

static void note(struct trace *t, char what)
{
    if (t->n < (int)sizeof t->order - 1)
        t->order[t->n++] = what;
}

static void on_prepare(struct heald_loop *loop, struct heald_hook *hook)
{
    struct trace *t = heald_container_of(hook, struct trace, hook[0]);

    note(t, 'p');
    ck_assert_int_eq(heald_loop_turn(loop, 0), -EBUSY);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
}

static void on_check(struct heald_loop *loop, struct heald_hook *hook)
{
    (void)loop;
    note(heald_container_of(hook, struct trace, hook[1]), 'c');
}

static void on_timer(struct heald_op *op)
{
    note(heald_container_of(op, struct trace, op), 't');
}

HEALD_CASE(before_the_wait_and_after_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct trace t = {0};

    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_PREPARE, NULL), -EINVAL);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_PREPARE, on_prepare), 0);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_CHECK, on_prepare), -EBUSY);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[1], HEALD_HOOK_CHECK, on_check), 0);
    heald_prep_timer(&t.op, 0);
    ck_assert_int_eq(heald_submit(loop, &t.op, on_timer), 0);
    while (!strchr(t.order, 't'))
        must(heald_loop_turn(loop, now() + HEALD_SEC) >= 0);
    /* Each turn is "pc"; the callback comes last. */
    ck_assert_int_eq(t.n % 2, 1);
    for (int i = 0; i + 1 < t.n; i += 2)
        ck_assert(t.order[i] == 'p' && t.order[i + 1] == 'c');
    ck_assert_int_eq(t.order[t.n - 1], 't');
    heald_hook_remove(&t.hook[0]);
    heald_hook_remove(&t.hook[0]);
    t.n = 0;
    ck_assert_int_eq(heald_loop_turn(loop, 0), 0);
    ck_assert_int_eq(t.order[0], 'c');
    ck_assert_int_eq(t.n, 1);
    /* A hook keeps no loop running, and goes with the loop. */
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

static void submit_timer(struct heald_loop *loop, struct heald_hook *hook)
{
    struct trace *t = heald_container_of(hook, struct trace, hook[0]);

    if (t->waits++)
        return;
    heald_prep_timer(&t->op, now() + HEALD_MS);
    ck_assert_int_eq(heald_submit(loop, &t->op, on_timer), 0);
}

/* What a hook submits bounds the wait that follows; what it completes is not waited for. */
HEALD_CASE(a_hook_shortens_the_wait)
{
    struct heald_loop *loop = loop_on(_i);
    struct trace t = {0};
    int64_t before = now();

    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_PREPARE, submit_timer), 0);
    while (!t.n)
        must(heald_loop_turn(loop, before + 5 * HEALD_SEC) >= 0);
    ck_assert_int_lt(now() - before, 2 * HEALD_SEC);
    loop_end(loop);
}

static void remove_all(struct heald_loop *loop, struct heald_hook *hook)
{
    struct trace *t = heald_container_of(hook, struct trace, hook[1]);

    (void)loop;
    note(t, 'r');
    for (int i = 0; i < 3; i++)
        heald_hook_remove(&t->hook[i]);
}

static void add_last(struct heald_loop *loop, struct heald_hook *hook)
{
    struct trace *t = heald_container_of(hook, struct trace, hook[2]);

    note(t, 'a');
    heald_hook_remove(hook);
    ck_assert_int_eq(heald_hook_add(loop, hook, HEALD_HOOK_PREPARE, add_last), 0);
}

HEALD_CASE(a_hook_removes_and_adds_hooks)
{
    struct heald_loop *loop = loop_on(_i);
    struct trace t = {0};

    ck_assert_int_eq(heald_hook_add(loop, &t.hook[2], HEALD_HOOK_PREPARE, add_last), 0);
    must(heald_loop_turn(loop, 0) >= 0);
    must(heald_loop_turn(loop, 0) >= 0);
    ck_assert_str_eq(t.order, "aa");
    heald_hook_remove(&t.hook[2]);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_PREPARE, on_prepare), 0);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[1], HEALD_HOOK_PREPARE, remove_all), 0);
    ck_assert_int_eq(heald_hook_add(loop, &t.hook[2], HEALD_HOOK_PREPARE, add_last), 0);
    must(heald_loop_turn(loop, 0) >= 0);
    must(heald_loop_turn(loop, 0) >= 0);
    ck_assert_str_eq(t.order, "aapr");
    loop_end(loop);
}

/* As a guest: the other loop waits, so the hook runs before that wait. */
HEALD_CASE(a_guest_runs_them_too)
{
    struct heald_loop *loop = loop_on(_i);
    struct trace t = {0};
    int64_t deadline = 0;

    ck_assert_int_eq(heald_hook_add(loop, &t.hook[0], HEALD_HOOK_PREPARE, submit_timer), 0);
    ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
    ck_assert_int_gt(deadline, 0);
    ck_assert_int_ne(deadline, HEALD_FOREVER);
    while (!t.n)
        must(heald_loop_turn(loop, now() + HEALD_SEC) >= 0);
    loop_end(loop);
}

HEALD_CASE(a_send_without_an_op)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    char buf[8], *much = calloc(1, 65536);
    struct probe p = {0}, again = {0};
    int64_t n;
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_loop_stats(loop, &before);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "abc", 3, 0), 3);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "", 0, 0), 0);
    heald_loop_stats(loop, &after);
    ck_assert_uint_eq(before.turns, after.turns);
    ck_assert_uint_eq(before.submitted, after.submitted);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, sizeof buf), 3);
    ck_assert_int_eq(heald_try_send(loop, fds[1], NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "a", 1, MSG_DONTWAIT), -EINVAL);
    ck_assert_int_eq(heald_try_send(loop, 987, "a", 1, 0), -EBADF);
    while ((n = heald_try_send(loop, fds[1], much, 65536, 0)) > 0)
        continue;
    ck_assert_int_eq(n, -EAGAIN);
    /* An op waits: what is tried now would overtake it. */
    heald_prep_send(&p.op, fds[1], "x", 1, 0);
    probe_start(loop, &p);
    must(heald_loop_turn(loop, 0) >= 0);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "y", 1, 0), -EAGAIN);
    while (!p.finals) {
        ssize_t got = recv(fds[0], much, 65536, MSG_DONTWAIT);
        ck_assert(got > 0 || errno == EAGAIN);
        must(heald_loop_turn(loop, now() + HEALD_MS) >= 0);
    }
    ck_assert_int_eq(p.result, 1);
    heald_prep_send(&again.op, fds[1], "z", 1, 0);
    ck_assert_int_eq(probe_do(loop, &again), 1);
    free(much);
    pair_close(loop, fds);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "a", 1, 0), -ENOTSOCK);
    pair_close(loop, fds);
    loop_end(loop);
}

/* The peer is gone: an error, and no signal. */
HEALD_CASE(a_send_to_nobody)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    close(fds[0]);
    ck_assert_int_eq(heald_try_send(loop, fds[1], "abc", 3, 0), -EPIPE);
    heald_close(loop, fds[1]);
    loop_end(loop);
}

static void step(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);

    if (++p->calls < 1000)
        ck_assert_int_eq(heald_loop_post(op->loop, op, step), 0);
}

/* Idle work: each step a callback of the class `bulk`, which goes after the others. */
HEALD_CASE(idle_work_holds_up_nobody)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe idle = {0}, p = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    idle.op.op_class = HEALD_BULK;
    ck_assert_int_eq(heald_loop_post(loop, &idle.op, step), 0);
    for (int i = 0; i < 5; i++) {
        int before = idle.calls;
        heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
        p.finals = 0;
        probe_start(loop, &p);
        ck_assert_int_eq(heald_try_send(loop, fds[1], "x", 1, 0), 1);
        ck_assert_int_eq(probe_end(&p), 1);
        ck_assert_int_lt(idle.calls - before, 150);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(idle.calls, 1000);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_hooks(TCase *group)
{
    add_everywhere(group, before_the_wait_and_after_it);
    add_everywhere(group, a_hook_shortens_the_wait);
    add_everywhere(group, a_hook_removes_and_adds_hooks);
    add_everywhere(group, a_guest_runs_them_too);
    add_everywhere(group, idle_work_holds_up_nobody);
    add_everywhere(group, a_send_without_an_op);
    add_everywhere(group, a_send_to_nobody);
}
