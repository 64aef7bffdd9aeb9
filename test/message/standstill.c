/*
 * test/message/standstill.c: one is stopped after any instruction of what it does with a topic or a
 * service. All that others do there returns in its time, and does what it is for where the headers
 * say that the stopped one holds up nobody. When it has gone on and detached, nothing is lost.
 *
 * HEALD_CRASH_STRIDE=N: as in test/shm/standstill.c, but each scene with one way in which a loop
 * waits.
 */
#include "shm/standstill.h"

enum { RING = 2, CHUNKS = RING + 4, CALLS = 3 };

struct shared {
    struct heald_sem never;
    _Alignas(8) uint64_t topic[512], service[1024];
};

static struct shared *shared_of(struct fixture *f)
{
    return f->data;
}

static struct heald_topic *topic_of(struct fixture *f)
{
    return (struct heald_topic *)shared_of(f)->topic;
}

static struct heald_service *service_of(struct fixture *f)
{
    return (struct heald_service *)shared_of(f)->service;
}

/* The test's own, of the service: it has a call that is always pending. */
static struct heald_service_client client;
static struct heald_call standing;
static struct heald_op standing_op;
static bool is_answered;

/* Topics: what the others do. */

static int published(struct stage *st, struct heald_topic_loan *loan, int err)
{
    ck_assert(err == 0 || err == -EAGAIN || err == -ETIMEDOUT);
    if (err)
        ck_assert_int_eq(AT_ONCE(st, heald_topic_return(loan, st->f->me)), 0);
    return err;
}

/* 0: one is published. */
static int publish(struct stage *st)
{
    struct heald_topic_loan loan;
    int err = IN_TIME(st, heald_topic_loan, topic_of(st->f), st->f->me, &loan);

    if (err)
        return err;
    *(uint64_t *)loan.data = 1;
    return published(st, &loan, IN_TIME(st, heald_topic_publish, &loan, st->f->me, 8));
}

static void try_to_publish(struct stage *st)
{
    struct heald_topic_loan loan;
    int err = AT_ONCE(st, heald_topic_tryloan(topic_of(st->f), st->f->me, &loan));

    ck_assert(err == 0 || err == -EAGAIN);
    if (!err)
        published(st, &loan, AT_ONCE(st, heald_topic_trypublish(&loan, st->f->me, 8)));
}

static void publish_in_a_loop(struct stage *st)
{
    struct heald_topic_loan loan;
    struct heald_op op = {0};
    int err = awaited(st, &op, heald_prep_topic_loan(&op, topic_of(st->f), st->f->me, &loan));

    ck_assert(err == 0 || err == -ETIMEDOUT);
    if (err)
        return;
    op = (struct heald_op){0};
    err = awaited(st, &op, heald_prep_topic_publish(&op, &loan, st->f->me, 8));
    published(st, &loan, err);
}

static void release(struct stage *st, struct heald_topic_sample *sample, int err)
{
    ck_assert(err == 0 || err == -EAGAIN || err == -ETIMEDOUT);
    if (!err)
        ck_assert_int_eq(AT_ONCE(st, heald_topic_release(sample, st->f->me)), 0);
}

/* Publishes, and takes that. False: somebody is in the way. */
static bool pass_one(struct stage *st)
{
    struct heald_participant *me = st->f->me;
    struct heald_topic_subscriber sub;
    struct heald_topic_sample sample;
    struct heald_op op = {0};

    ck_assert_int_eq(AT_ONCE(st, heald_topic_subscribe(topic_of(st->f), me, NULL, &sub)), 0);
    ck_assert_int_eq(IN_TIME(st, heald_topic_wait, topic_of(st->f), me, HEALD_TOPIC_SUBSCRIBED), 0);
    int err = publish(st);
    if (!err)
        release(st, &sample, err = IN_TIME(st, heald_topic_take, &sub, me, &sample));
    release(st, &sample, AT_ONCE(st, heald_topic_trytake(&sub, me, &sample)));
    release(st, &sample, awaited(st, &op, heald_prep_topic_take(&op, &sub, me, &sample)));
    ck_assert_int_eq(AT_ONCE(st, heald_topic_unsubscribe(&sub, me)), 0);
    return err == 0;
}

static void use_topic(struct stage *st)
{
    try_to_publish(st);
    publish_in_a_loop(st);
    pass_one(st);
}

/* Nobody is in the way. */
static void use_topic_freely(struct stage *st)
{
    ck_assert(pass_one(st));
    use_topic(st);
    ck_assert(pass_one(st));
}

/* Topics: what the stopped one does. */

static void publish_two(struct fixture *f)
{
    struct heald_topic_loan loan;

    for (int i = 0; i < 2; i++) {
        if (heald_topic_loan(topic_of(f), f->me, &loan, in_a_moment()) != 0)
            continue;
        *(uint64_t *)loan.data = 2;
        if (heald_topic_publish(&loan, f->me, 8, in_a_moment()) != 0)
            must(heald_topic_return(&loan, f->me) == 0);
    }
}

static void borrow_and_return(struct fixture *f)
{
    struct heald_topic_loan loan;

    must(heald_topic_loan(topic_of(f), f->me, &loan, HEALD_FOREVER) == 0);
    must(heald_topic_return(&loan, f->me) == 0);
    must(heald_topic_tryloan(topic_of(f), f->me, &loan) == 0);
    must(heald_topic_return(&loan, f->me) == 0);
}

/* Waits for samples, which the others publish. */
static void take_as(struct fixture *f, enum heald_topic_policy policy)
{
    struct heald_topic_subscription how = {.policy = policy};
    struct heald_topic_subscriber sub;
    struct heald_topic_sample sample;

    must(heald_topic_subscribe(topic_of(f), f->me, &how, &sub) == 0);
    for (int i = 0; i < 2; i++)
        if (heald_topic_take(&sub, f->me, &sample, in_a_moment()) == 0)
            must(heald_topic_release(&sample, f->me) == 0);
    if (heald_topic_trytake(&sub, f->me, &sample) == 0)
        must(sample.size == 8);
    must(heald_topic_unsubscribe(&sub, f->me) == 0);
}

static void take_what_is_left(struct fixture *f)
{
    take_as(f, HEALD_TOPIC_DROP_OLDEST);
}

static void take_all(struct fixture *f)
{
    take_as(f, HEALD_TOPIC_BLOCK);
}

static void take_the_latest(struct fixture *f)
{
    take_as(f, HEALD_TOPIC_LATEST);
}

static void await_events(struct fixture *f)
{
    heald_topic_wait(topic_of(f), f->me, HEALD_TOPIC_SUBSCRIBED, in_a_moment());
    heald_topic_wait(topic_of(f), f->me, HEALD_TOPIC_UNSUBSCRIBED, in_a_moment());
}

/* No chunk is on loan, held, or lost. */
static void check_topic(struct stage *st)
{
    struct heald_topic_loan loans[CHUNKS];
    struct heald_topic_info info;
    int n = 0;

    use_topic_freely(st);
    for (int i = 0; i < RING; i++)
        ck_assert_int_eq(publish(st), 0);
    ck_assert_int_eq(heald_topic_describe(topic_of(st->f), st->f->me, &info), 0);
    ck_assert(info.loaned == 0 && info.held == 0 && info.subscribers == 0);
    while (heald_topic_tryloan(topic_of(st->f), st->f->me, &loans[n]) == 0)
        n++;
    ck_assert_int_eq(n, CHUNKS - RING);
    while (n--)
        ck_assert_int_eq(heald_topic_return(&loans[n], st->f->me), 0);
}

/* Services: what the others do. */

static void call_again(struct stage *st)
{
    if (!is_answered)
        return;
    is_answered = false;
    standing = (struct heald_call){.request = "standing", .request_size = 8};
    standing_op = (struct heald_op){.data = &is_answered};
    ck_assert_int_eq(heald_prep_service_call(&standing_op, &client, &standing), 0);
    ck_assert_int_eq(heald_submit(st->loop, &standing_op, on_end), 0);
    ck_assert_int_ge(AT_ONCE(st, heald_loop_turn(st->loop, 0)), 0);
}

static void answer(struct stage *st, struct heald_request *request, int err)
{
    ck_assert(err == 0 || err == -ETIMEDOUT);
    if (err)
        return;
    heald_request_is_awaited(request, st->f->me);
    err = AT_ONCE(st, heald_service_reply(request, st->f->me, "", 0));
    ck_assert(err == 0 || err == -ECANCELED);
}

/* Calls, and replies to all that is there. The result of the call. */
static int call_and_serve(struct stage *st)
{
    struct heald_call call = {.request = "one", .request_size = 3};
    struct heald_op op = {0};
    struct heald_request request;
    bool over = false;
    int err = 0;

    ck_assert_int_eq(heald_prep_service_call(&op, &client, &call), 0);
    op.data = &over;
    op.deadline_ns = soon(st, "a call");
    ck_assert_int_eq(heald_submit(st->loop, &op, on_end), 0);
    ck_assert_int_ge(heald_loop_turn(st->loop, 0), 0);
    while (!err) {
        err = heald_service_receive(service_of(st->f), st->f->me, &request, 0);
        answer(st, &request, err);
    }
    soon(st, "a call that has a deadline");
    while (!over)
        ck_assert_int_ge(heald_loop_turn(st->loop, HEALD_FOREVER), 0);
    return back(st, (int)op.result);
}

static void use_service(struct stage *st)
{
    struct heald_service *service = service_of(st->f);
    struct heald_participant *me = st->f->me;
    struct heald_call call = {.request = "alone", .request_size = 5};
    struct heald_request request;
    struct heald_op op = {0};

    /* One server is stopped, so at most one of three mails is lost. */
    int err = call_and_serve(st);
    ck_assert(err == 0 || err == -ETIMEDOUT);
    err = IN_TIME(st, heald_service_call, &client, &call);
    ck_assert(err == 0 || err == -ETIMEDOUT);
    answer(st, &request, IN_TIME(st, heald_service_receive, service, me, &request));
    answer(st, &request, awaited(st, &op, heald_prep_service_receive(&op, service, me, &request)));
    call_again(st);
}

/* Services: what the stopped one does. */

static void call_twice(struct fixture *f)
{
    struct heald_service_client mine;
    struct heald_call call = {.request = "stopped", .request_size = 7};

    must(heald_service_client_open(service_of(f), f->me, &mine) == 0);
    for (int i = 0; i < 2; i++) {
        int err = heald_service_call(&mine, &call, in_a_moment());
        must(err == 0 || err == -ETIMEDOUT || err == -ENOBUFS);
    }
    must(heald_service_client_close(&mine) == 0);
}

static void serve_two(struct fixture *f)
{
    struct heald_request request;

    for (int i = 0; i < 2; i++) {
        if (heald_service_receive(service_of(f), f->me, &request, in_a_moment()) != 0)
            continue;
        int err = i ? heald_service_fail(&request, f->me, -EDOM)
                    : heald_service_reply(&request, f->me, "", 0);
        must(err == 0 || err == -ECANCELED);
    }
}

/* A call that gets its reply, and as many at a time as there may be. */
static void check_service(struct stage *st)
{
    struct heald_call calls[CALLS];
    struct heald_op ops[CALLS];
    bool over[CALLS] = {false};

    ck_assert_int_eq(call_and_serve(st), 0);
    heald_cancel(&standing_op);
    while (!is_answered)
        ck_assert_int_ge(heald_loop_turn(st->loop, HEALD_FOREVER), 0);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct heald_call){.request = "last", .request_size = 4};
        ops[i] = (struct heald_op){.data = &over[i]};
        ck_assert_int_eq(heald_prep_service_call(&ops[i], &client, &calls[i]), 0);
        ck_assert_int_eq(heald_submit(st->loop, &ops[i], on_end), 0);
    }
    ck_assert_int_ge(heald_loop_turn(st->loop, 0), 0);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(heald_cancel(&ops[i]), 0);
        while (!over[i])
            ck_assert_int_ge(heald_loop_turn(st->loop, HEALD_FOREVER), 0);
    }
    ck_assert_int_eq(heald_service_client_close(&client), 0);
}

static const struct message_scene {
    struct scene scene;
    void (*check)(struct stage *st); /* when the stopped one is through and detached */
} scenes[] = {
    {{"publisher", publish_two, use_topic, NULL}, check_topic},
    {{"loan that is returned", borrow_and_return, use_topic_freely, NULL}, check_topic},
    {{"subscriber", take_what_is_left, use_topic_freely, NULL}, check_topic},
    {{"subscriber that blocks", take_all, use_topic, NULL}, check_topic},
    {{"subscriber of the latest", take_the_latest, use_topic_freely, NULL}, check_topic},
    {{"one that awaits events", await_events, use_topic_freely, NULL}, check_topic},
    {{"client", call_twice, use_service, NULL}, check_service},
    {{"server", serve_two, use_service, NULL}, check_service},
    {{"server, at most once", serve_two, use_service, NULL}, check_service},
};

enum { SCENES = sizeof scenes / sizeof scenes[0] };

static void set_up(struct stage *st, unsigned flags)
{
    struct heald_topic_options topic = {
        .type = {.size = 8}, .capacity = RING, .chunks = CHUNKS, .subscribers = 3, .holds = 2};
    struct heald_service_options service = {.capacity = 4,
                                            .clients = 2,
                                            .calls = CALLS,
                                            .request_max = 16,
                                            .reply_max = 16,
                                            .flags = flags};

    ck_assert_uint_le(heald_topic_size(&topic), sizeof st->s->topic);
    ck_assert_int_eq(heald_topic_init(topic_of(st->f), &topic), 0);
    ck_assert_uint_le(heald_service_size(&service), sizeof st->s->service);
    ck_assert_int_eq(heald_service_init(service_of(st->f), &service), 0);
    ck_assert_int_eq(heald_service_client_open(service_of(st->f), st->f->me, &client), 0);
    is_answered = true;
}

/* _i: the scene. */
HEALD_CASE(nobody_waits_for_one_who_is_stopped)
{
    const struct message_scene *scene = &scenes[_i];
    unsigned waiter = (unsigned)_i % WAITERS;

    if (harness_has_tsan())
        harness_skip("its instructions are ThreadSanitizer's");
    struct fixture f = fixture_open_with(
        &(struct heald_region_options){.participants = 4, .size = sizeof(struct shared)});
    struct stage st = {.f = &f, .s = f.data};

    set_up(&st, strstr(scene->scene.name, "once") ? HEALD_SERVICE_AT_MOST_ONCE : 0);
    open_loop(&st, &st.s->never, waiters[waiter].backend, waiters[waiter].await);
    play(&st, &scene->scene);
    scene->check(&st);
    ck_assert_int_eq(heald_loop_close(st.loop), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-standstill");
    TCase *group = harness_group(suite, "standstill");

    harness_limit(group, is_whole() ? 900 : 60);
    harness_add_range(group, nobody_waits_for_one_who_is_stopped, 0, SCENES);
    return harness_run(suite);
}
