/*
 * test/message/service_stopped.c: a server that is stopped in a receive or in a reply while its
 * client gives up, and resumes late.
 *
 * A rehearsal finds the instructions that change the service. The server is stopped before each of
 * them and after it; with HEALD_CRASH_STRIDE after every instruction from the first to the last.
 */
#include "message/service.h"
#include "shm/step.h"

/* The server and the client of one play. */
struct play {
    struct fixture f;
    struct heald_service_client client;
    struct heald_loop *loop;
    void (*server)(struct fixture *);
    unsigned flags;
};

enum { PLACES_MAX = 4096 };

/* Where the server is stopped: after so many instructions. */
struct places {
    int count, after[PLACES_MAX];
};

/* One call whose client has gone when it is received. */
static void set_up(struct play *p)
{
    char reply[32];

    service_make(&p->f, p->flags);
    ck_assert_int_eq(heald_service_client_open(service_of(&p->f), p->f.me, &p->client), 0);
    ck_assert_int_eq(call_with(&p->client, "old", reply, 0), -ETIMEDOUT);
}

static void add_place(struct places *ret, int after)
{
    int *last = &ret->after[ret->count - 1];

    while (getenv("HEALD_CRASH_STRIDE") && ret->count && *last < after - 1) {
        last[1] = *last + 1;
        last++;
        ck_assert_int_lt(++ret->count, PLACES_MAX);
    }
    if (ret->count && *last == after)
        return;
    ck_assert_int_lt(ret->count, PLACES_MAX);
    ret->after[ret->count++] = after;
}

static const struct places *rehearse(struct play *p, pid_t pid)
{
    static char before[1 << 16];
    static struct places places;
    size_t size = heald_service_size(&usual);

    ck_assert_uint_le(size, sizeof before);
    memcpy(before, service_of(&p->f), size);
    for (int n = 1; step_on(pid, 1) == 1; n++) {
        if (memcmp(before, service_of(&p->f), size) == 0)
            continue;
        memcpy(before, service_of(&p->f), size);
        add_place(&places, n - 1);
        add_place(&places, n);
    }
    step_end(pid);
    ck_assert_int_gt(places.count, 0);
    return &places;
}

static void open_play(struct play *p, void (*server)(struct fixture *), unsigned flags)
{
    if (harness_has_tsan())
        harness_skip("its instructions are ThreadSanitizer's");
    *p = (struct play){.f = queue_fixture(), .server = server, .flags = flags};
    ck_assert_int_eq(heald_loop_open(&p->loop, NULL), 0);
}

static void close_play(struct play *p)
{
    ck_assert_int_eq(heald_loop_close(p->loop), 0);
    fixture_close(&p->f);
}

static void receive_late(struct fixture *f)
{
    struct heald_request request;

    must(heald_service_receive(service_of(f), f->me, &request, 0) == 0);
    must(memcmp(request.data, "old", 3) == 0);
}

static void on_end(struct heald_op *op)
{
    *(bool *)op->data = true;
}

static void start_call(struct play *p, struct heald_call *call, struct heald_op *op, bool *over)
{
    *over = false;
    *op = (struct heald_op){0};
    ck_assert_int_eq(heald_prep_service_call(op, &p->client, call), 0);
    op->data = over;
    ck_assert_int_eq(heald_submit(p->loop, op, on_end), 0);
}

static int result_of(struct play *p, const struct heald_op *op, const bool *over)
{
    while (!*over)
        ck_assert_int_ge(heald_loop_turn(p->loop, HEALD_FOREVER), 0);
    return (int)heald_op_result(op);
}

/* The server that resumes, and then detaches with the old request, has not had the new one, which
 * has the same mail. */
static void play_late_mark(struct play *p, int steps)
{
    struct heald_call call = {.request = "new", .request_size = 3};
    struct heald_op op;
    bool over;

    set_up(p);
    pid_t pid = step_start(&p->f, p->server);
    step_on(pid, steps);
    start_call(p, &call, &op, &over);
    step_end(pid);
    ck_assert_int_ge(heald_loop_turn(p->loop, 0), 0);
    ck_assert_int_eq(heald_cancel(&op), 0);
    ck_assert_msg(result_of(p, &op, &over) == -ECANCELED && !call.was_taken,
                  "stopped at instruction %d: %s, was_taken %d", steps,
                  strerror(-(int)heald_op_result(&op)), call.was_taken);
}

/* _i: the flags. */
HEALD_CASE(a_late_mark_is_of_no_other_call)
{
    struct play p;

    open_play(&p, receive_late, (unsigned)_i);
    set_up(&p);
    const struct places *places = rehearse(&p, step_start(&p.f, p.server));
    for (int i = 0; i < places->count; i++)
        play_late_mark(&p, places->after[i]);
    close_play(&p);
}

static void serve_late(struct fixture *f)
{
    struct heald_request request;

    must(heald_service_receive(service_of(f), f->me, &request, 0) == 0);
    int err = heald_service_reply(&request, f->me, "late", 4);
    must(err == 0 || err == -ECANCELED);
}

/* How many calls more than the client can have pending there are of CALLS, each given up. */
static int count_lost_mails(struct play *p)
{
    static struct heald_call calls[CALLS];
    static struct heald_op ops[CALLS];
    bool over[CALLS];
    int lost = 0;

    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct heald_call){.request = "new", .request_size = 3};
        start_call(p, &calls[i], &ops[i], &over[i]);
    }
    ck_assert_int_ge(heald_loop_turn(p->loop, 0), 0);
    for (int i = 0; i < CALLS; i++) {
        heald_cancel(&ops[i]);
        int result = result_of(p, &ops[i], &over[i]);
        ck_assert(result == -ECANCELED || result == -ENOBUFS);
        lost += result == -ENOBUFS;
    }
    return lost;
}

/* The call that is pending when the server begins. */
static struct heald_call old;
static struct heald_op old_op;
static bool old_over;

static pid_t start_both(struct play *p)
{
    service_make(&p->f, p->flags);
    ck_assert_int_eq(heald_service_client_open(service_of(&p->f), p->f.me, &p->client), 0);
    old = (struct heald_call){.request = "old", .request_size = 3};
    start_call(p, &old, &old_op, &old_over);
    ck_assert_int_ge(heald_loop_turn(p->loop, 0), 0);
    return step_start(&p->f, p->server);
}

/* There is no room for the reply. */
static void end_old(struct play *p)
{
    heald_cancel(&old_op);
    int result = result_of(p, &old_op, &old_over);
    ck_assert(result == -ECANCELED || result == -EMSGSIZE);
}

static int play_late_reply(struct play *p, int steps, bool dies)
{
    pid_t pid = start_both(p);

    step_on(pid, steps);
    end_old(p);
    int lost = count_lost_mails(p);
    if (dies)
        child_kill(pid);
    else
        step_end(pid);
    ck_assert_msg(lost <= 1 && count_lost_mails(p) == 0, "stopped at instruction %d: %d lost",
                  steps, lost);
    ck_assert_int_eq(heald_service_client_close(&p->client), 0);
    return lost;
}

/* The mail of a call that was given up while its reply is being written is back as soon as the
 * server goes on, or dies; and no other is lost meanwhile. _i: does it die? */
HEALD_CASE(a_late_reply_keeps_one_mail)
{
    struct play p;
    int lost = 0;

    open_play(&p, serve_late, 0);
    const struct places *places = rehearse(&p, start_both(&p));
    end_old(&p);
    for (int i = 0; i < places->count; i++)
        lost += play_late_reply(&p, places->after[i], _i);
    ck_assert_int_gt(lost, 0);
    close_play(&p);
}

int main(void)
{
    Suite *suite = suite_create("message-service-stopped");
    TCase *group = harness_group(suite, "service-stopped");

    if (getenv("HEALD_CRASH_STRIDE"))
        harness_limit(group, 900);
    harness_add_range(group, a_late_mark_is_of_no_other_call, 0, AT_MOST_ONCE + 1);
    harness_add_range(group, a_late_reply_keeps_one_mail, 0, 2);
    return harness_run(suite);
}
