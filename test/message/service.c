/* test/message/service.c: requests and replies, and servers and clients that die. */
#include "message/service.h"

#include <pthread.h>

/* A server, for children: replies with the request in capitals; "fail" fails, "stop" stops it. */
static bool serves(struct fixture *f)
{
    struct heald_request request;
    char text[32];
    int err;

    set_flag(&shared_of(f)->ready);
    while ((err = heald_service_receive(service_of(f), f->me, &request, HEALD_FOREVER)) == 0) {
        must(request.size < sizeof text);
        memcpy(text, request.data, request.size);
        text[request.size] = 0;
        if (strcmp(text, "fail") == 0) {
            must(heald_service_fail(&request, f->me, -EDOM) == 0);
        } else if (strcmp(text, "stop") == 0) {
            must(heald_service_reply(&request, f->me, "bye", 3) == 0);
            break;
        } else {
            for (size_t i = 0; i < request.size; i++)
                text[i] = (char)(text[i] - 'a' + 'A');
            must(heald_service_reply(&request, f->me, text, request.size) != -EINVAL);
        }
    }
    must(err == 0 || err == -ENODATA);
    heald_detach(f->me);
    return false;
}

/* One that receives a request, and then does nothing. */
static bool receives_and_waits(struct fixture *f)
{
    struct heald_request request;

    must(heald_service_receive(service_of(f), f->me, &request, HEALD_FOREVER) == 0);
    set_flag(&shared_of(f)->go);
    return true;
}

static struct fixture service_fixture(unsigned flags, struct heald_service_client *client)
{
    struct fixture f = queue_fixture();

    service_make(&f, flags);
    ck_assert_int_eq(heald_service_client_open(service_of(&f), f.me, client), 0);
    return f;
}

static void service_fixture_close(struct fixture *f, struct heald_service_client *client)
{
    ck_assert_int_eq(heald_service_client_close(client), 0);
    fixture_close(f);
}

HEALD_CASE(calls_and_replies)
{
    struct heald_service_client client, other, third;
    struct fixture f = service_fixture(0, &client);
    char reply[32];

    pid_t pid = child_start(&f, serves);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(call_with(&client, "hello", reply, HEALD_FOREVER), 0);
        ck_assert_str_eq(reply, "HELLO");
    }
    ck_assert_int_eq(call_with(&client, "", reply, HEALD_FOREVER), 0);
    ck_assert_str_eq(reply, "");
    ck_assert_int_eq(call_with(&client, "fail", reply, HEALD_FOREVER), -EDOM);
    ck_assert_int_eq(heald_service_client_open(service_of(&f), f.me, &other), 0);
    ck_assert_int_eq(heald_service_client_open(service_of(&f), f.me, &third), -EUSERS);
    ck_assert_int_eq(call_with(&other, "other", reply, HEALD_FOREVER), 0);
    ck_assert_str_eq(reply, "OTHER");
    ck_assert_int_eq(heald_service_client_close(&other), 0);
    ck_assert_int_eq(call_with(&client, "stop", reply, HEALD_FOREVER), 0);
    ck_assert_int_eq(child_end(pid), 0);
    service_fixture_close(&f, &client);
}

HEALD_CASE(it_is_described)
{
    struct heald_service_client client;
    struct fixture f = service_fixture(AT_MOST_ONCE, &client);
    struct heald_service_info info;
    struct heald_object_state state;
    struct heald_request request;
    char reply[32];

    ck_assert_int_eq(call_with(&client, "one", reply, 0), -ETIMEDOUT);
    ck_assert_int_eq(call_with(&client, "two", reply, 0), -ETIMEDOUT);
    ck_assert_int_eq(heald_service_receive(service_of(&f), f.me, &request, 0), 0);
    ck_assert_int_eq(heald_service_describe(service_of(&f), f.me, &info), 0);
    ck_assert_uint_eq(info.sent, 2);
    ck_assert_uint_eq(info.depth, 1);
    ck_assert_uint_eq(info.serving, 1);
    ck_assert_uint_eq(info.clients, 1);
    ck_assert_uint_eq(info.options.capacity, 4);
    ck_assert_uint_eq(info.options.clients, 2);
    ck_assert_uint_eq(info.options.calls, CALLS);
    ck_assert_uint_eq(info.options.request_max, 32);
    ck_assert_uint_eq(info.options.reply_max, 32);
    ck_assert_uint_eq(info.options.flags, AT_MOST_ONCE);
    ck_assert_int_eq(info.closed, 0);
    uint64_t at = heald_offset(f.region, service_of(&f));
    ck_assert_int_eq(heald_object_inspect(f.region, at, HEALD_OBJECT_SERVICE, &state), 0);
    ck_assert_uint_eq(state.messages, 1);
    ck_assert_uint_eq(state.sent, 2);
    ck_assert_uint_eq(state.capacity, 4);
    ck_assert_uint_eq(state.free, 2);
    ck_assert_uint_eq(state.clients, 1);
    ck_assert_uint_eq(state.holder_count, 1);
    ck_assert_int_eq(heald_service_reply(&request, f.me, "x", 1), -ECANCELED);
    ck_assert_int_eq(heald_service_close(service_of(&f), f.me), 0);
    ck_assert_int_eq(heald_service_client_close(&client), 0);
    ck_assert_int_eq(heald_service_describe(service_of(&f), f.me, &info), 0);
    ck_assert_uint_eq(info.clients + info.serving, 0);
    ck_assert_int_eq(info.closed, 1);
    fixture_close(&f);
}

HEALD_CASE(a_client_that_is_closed)
{
    struct heald_service_client client;
    struct fixture f = service_fixture(0, &client);
    char reply[32];

    ck_assert_int_eq(heald_service_client_close(&client), 0);
    ck_assert_int_eq(heald_service_client_close(&client), -EINVAL);
    ck_assert_int_eq(call_with(&client, "x", reply, HEALD_FOREVER), -EINVAL);
    fixture_close(&f);
}

HEALD_CASE(what_is_refused)
{
    struct heald_service_client client;
    struct fixture f = service_fixture(0, &client);
    struct heald_request request, copy;
    struct heald_call call = {.request = "x", .request_size = 33};
    char text[64] = "";

    ck_assert_int_eq(heald_service_call(&client, &call, 0), -EMSGSIZE);
    call = (struct heald_call){.request_size = 1};
    ck_assert_int_eq(heald_service_call(&client, &call, 0), -EINVAL);
    call = (struct heald_call){.request = "x", .request_size = 1, .reply_size = 1};
    ck_assert_int_eq(heald_service_call(&client, &call, 0), -EINVAL);
    ck_assert_int_eq(heald_service_receive(service_of(&f), f.me, &request, 0), -ETIMEDOUT);
    /* Nobody serves it in time, and then nobody waits. */
    call = (struct heald_call){.request = "abc", .request_size = 3, .reply = text, .reply_size = 8};
    ck_assert_int_eq(heald_service_call(&client, &call, in_ms(2)), -ETIMEDOUT);
    ck_assert_int_eq(call.was_taken, 0);
    ck_assert_int_eq(heald_service_receive(service_of(&f), f.me, &request, 0), 0);
    ck_assert_uint_eq(request.size, 3);
    ck_assert_int_eq(heald_request_is_awaited(&request, f.me), 0);
    ck_assert_int_eq(heald_service_reply(&request, f.me, text, 33), -EMSGSIZE);
    ck_assert_int_eq(heald_service_fail(&request, f.me, 1), -EINVAL);
    copy = request;
    ck_assert_int_eq(heald_service_reply(&request, f.me, "late", 4), -ECANCELED);
    ck_assert_int_eq(heald_service_reply(&request, f.me, "again", 5), -EINVAL);
    ck_assert_int_eq(heald_service_reply(&copy, f.me, "again", 5), -EINVAL);
    ck_assert_int_eq(heald_service_close(service_of(&f), f.me), 0);
    call.reply_size = 8;
    ck_assert_int_eq(heald_service_call(&client, &call, HEALD_FOREVER), -EPIPE);
    ck_assert_int_eq(heald_service_receive(service_of(&f), f.me, &request, HEALD_FOREVER),
                     -ENODATA);
    service_fixture_close(&f, &client);
}

static struct heald_service_client here; /* of the thread that calls */

struct caller {
    struct fixture *f;
    int result;
    struct heald_call call;
    char reply[32];
};

/* A call of another thread, with a participant and a client of its own. */
static void *calls(void *arg)
{
    struct caller *c = arg;
    struct fixture f = *c->f;

    must(heald_attach(f.region, &f.me) == 0);
    must(heald_service_client_open(service_of(&f), f.me, &here) == 0);
    c->call = (struct heald_call){
        .request = "hello", .request_size = 5, .reply = c->reply, .reply_size = 31};
    c->result = heald_service_call(&here, &c->call, HEALD_FOREVER);
    must(heald_service_client_close(&here) == 0);
    heald_detach(f.me);
    return NULL;
}

/* A server dies with the request. */
static void server_dies(unsigned flags, struct caller *c)
{
    struct fixture f = queue_fixture();
    pthread_t thread;

    *c = (struct caller){.f = &f};
    service_make(&f, flags);
    pid_t pid = child_start(&f, receives_and_waits);
    ck_assert_int_eq(pthread_create(&thread, NULL, calls, c), 0);
    until_set(&shared_of(&f)->go);
    pid_t other = child_start(&f, serves); /* while the thread runs: no leak there */
    child_kill(pid);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(heald_service_close(service_of(&f), f.me), 0);
    ck_assert_int_eq(child_end(other), 0);
    fixture_close(&f);
}

HEALD_CASE(another_server_gets_the_request)
{
    struct caller c;

    server_dies(0, &c);
    ck_assert_int_eq(c.result, 0);
    ck_assert_uint_eq(c.call.reply_size, 5);
    ck_assert_mem_eq(c.reply, "HELLO", 5);
}

HEALD_CASE(no_other_server_may_get_it)
{
    struct caller c;

    server_dies(AT_MOST_ONCE, &c);
    ck_assert_int_eq(c.result, -EOWNERDEAD);
    ck_assert_int_eq(c.call.was_taken, 1);
}

/* Nobody else is there to tell. */
HEALD_CASE(the_only_server_dies)
{
    struct fixture f = queue_fixture();
    struct caller c = {.f = &f};
    pthread_t thread;

    service_make(&f, AT_MOST_ONCE);
    pid_t pid = child_start(&f, receives_and_waits);
    ck_assert_int_eq(pthread_create(&thread, NULL, calls, &c), 0);
    until_set(&shared_of(&f)->go);
    child_kill(pid);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(c.result, -EOWNERDEAD);
    fixture_close(&f);
}

static bool calls_and_waits(struct fixture *f)
{
    struct heald_service_client client;
    char reply[32];

    must(heald_service_client_open(service_of(f), f->me, &client) == 0);
    must(call_with(&client, "lost", reply, in_ms(1)) == -ETIMEDOUT);
    set_flag(&shared_of(f)->go);
    call_with(&client, "lost too", reply, HEALD_FOREVER);
    return true;
}

/* A client that is killed leaves its place, and nobody gets its replies. */
HEALD_CASE(a_client_dies)
{
    struct heald_service_client client, other;
    struct fixture f = service_fixture(0, &client);
    char reply[32];

    pid_t pid = child_start(&f, calls_and_waits);
    until_set(&shared_of(&f)->go);
    child_kill(pid);
    ck_assert_int_eq(heald_service_client_open(service_of(&f), f.me, &other), 0);
    pid = child_start(&f, serves);
    ck_assert_int_eq(call_with(&other, "new", reply, HEALD_FOREVER), 0);
    ck_assert_str_eq(reply, "NEW");
    ck_assert_int_eq(call_with(&other, "stop", reply, HEALD_FOREVER), 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_service_client_close(&other), 0);
    service_fixture_close(&f, &client);
}

static void on_end(struct heald_op *op)
{
    ++*(int *)op->data;
}

/* As many at a time as there may be, and one more. */
HEALD_CASE(calls_in_a_loop)
{
    static struct heald_op ops[CALLS + 1];
    static struct heald_call calls_made[CALLS + 1];
    struct heald_service_client client;
    struct fixture f = service_fixture(0, &client);
    struct heald_loop *loop;
    char replies[CALLS + 1][32];
    int done = 0;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    memset(ops, 0, sizeof ops);
    for (int i = 0; i <= CALLS; i++) {
        calls_made[i] = (struct heald_call){
            .request = "loop", .request_size = 4, .reply = replies[i], .reply_size = 31};
        ck_assert_int_eq(heald_prep_service_call(&ops[i], &client, &calls_made[i]), 0);
        ops[i].data = &done;
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_end), 0);
    }
    ck_assert_int_eq(heald_service_client_close(&client), -EBUSY);
    ck_assert_int_eq(heald_cancel(&ops[0]), 0);
    while (done < 2)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_op_result(&ops[0]), -ECANCELED);
    ck_assert_int_eq(heald_op_result(&ops[CALLS]), -ENOBUFS);
    pid_t pid = child_start(&f, serves);
    while (done < CALLS + 1)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    for (int i = 1; i < CALLS; i++) {
        ck_assert_int_eq(heald_op_result(&ops[i]), 0);
        ck_assert_uint_eq(calls_made[i].reply_size, 4);
        ck_assert_mem_eq(replies[i], "LOOP", 4);
    }
    ck_assert_int_eq(heald_service_close(service_of(&f), f.me), 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    service_fixture_close(&f, &client);
}

/* The server in a loop, the client in this thread would wait for itself: so by ops, too. */
HEALD_CASE(both_in_one_loop)
{
    struct heald_service_client client;
    struct fixture f = service_fixture(0, &client);
    struct heald_op call_op = {0}, serve_op = {0};
    struct heald_request request;
    struct heald_loop *loop;
    char reply[32];
    struct heald_call call = {
        .request = "one", .request_size = 3, .reply = reply, .reply_size = sizeof reply};
    int called = 0, served = 0;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(heald_prep_service_receive(&serve_op, service_of(&f), f.me, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_service_receive(&serve_op, service_of(&f), f.me, &request), 0);
    ck_assert_str_eq(heald_op_kind(&serve_op), "service-receive");
    serve_op.data = &served;
    ck_assert_int_eq(heald_submit(loop, &serve_op, on_end), 0);
    ck_assert_int_eq(heald_prep_service_call(&call_op, &client, &call), 0);
    call_op.data = &called;
    ck_assert_int_eq(heald_submit(loop, &call_op, on_end), 0);
    while (!served)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_request_is_awaited(&request, f.me), 1);
    ck_assert_int_eq(heald_service_reply(&request, f.me, "1", 2), 0);
    while (!called)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_op_result(&call_op), 0);
    ck_assert_str_eq(reply, "1");
    ck_assert_int_eq(heald_loop_close(loop), 0);
    service_fixture_close(&f, &client);
}

HEALD_CASE(a_corrupt_service)
{
    struct heald_service_client client;
    struct fixture f = queue_fixture();
    struct heald_request request;
    char reply[32];
    struct heald_object_state state;
    int refused = 0;

    size_t words =
        heald_service_size(&(struct heald_service_options){
            .capacity = 4, .clients = 2, .calls = CALLS, .request_max = 32, .reply_max = 32}) /
        4;
    for (size_t i = 0; i < words; i++) {
        service_make(&f, 0);
        ((uint32_t *)shared_of(&f)->memory)[i] = 0x5a5a5a5a;
        int err = heald_service_client_open(service_of(&f), f.me, &client);
        if (!err)
            err = call_with(&client, "x", reply, 0);
        int other = heald_service_receive(service_of(&f), f.me, &request, 0);
        if (!other)
            other = heald_service_reply(&request, f.me, "y", 1);
        refused += err == -EBADMSG || other == -EBADMSG;
        ck_assert_int_eq(heald_object_inspect(f.region, heald_offset(f.region, service_of(&f)),
                                              HEALD_OBJECT_SERVICE, &state),
                         0);
    }
    ck_assert_int_gt(refused, 0);
    fixture_close(&f);
}

HEALD_CASE(by_name)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024, .heap_max = 1 << 20});
    struct heald_service_options o = usual;
    struct heald_service *a, *b;
    struct heald_why why = {""};

    o.ret_why = &why;
    o.capacity = 3;
    ck_assert_int_eq(heald_service_open(f.me, "sums", &usual, &a), 0);
    ck_assert_int_eq(heald_service_open(f.me, "sums", &o, &b), 0);
    ck_assert_ptr_eq(a, b);
    b = NULL;
    ck_assert_int_eq(heald_service_open(f.me, "sums", NULL, &b), 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(
        heald_service_open(f.me, "sums", &(struct heald_service_options){.calls = 4}, &b), 0);
    o.reply_max = 64;
    ck_assert_int_eq(heald_service_open(f.me, "sums", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "reply_max: the service has 32, not 64");
    o.flags = AT_MOST_ONCE;
    ck_assert_int_eq(heald_service_open(f.me, "sums", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "flags: the service has 0, not 1");
    o.calls = HEALD_SERVICE_CALLS_MAX + 1;
    ck_assert_int_eq(heald_service_open(f.me, "sums", &o, &b), -EINVAL);
    ck_assert_str_eq(why.text, "calls: 65 is above 64");
    o = usual;
    o.ret_why = &why;
    o.flags = 6;
    ck_assert_int_eq(heald_service_open(f.me, "sums", &o, &b), -EINVAL);
    ck_assert_str_eq(why.text, "flags: there is none of 6");
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-service");
    TCase *group = harness_group(suite, "service");

    harness_add(group, calls_and_replies);
    harness_add(group, it_is_described);
    harness_add(group, a_client_that_is_closed);
    harness_add(group, what_is_refused);
    harness_add(group, another_server_gets_the_request);
    harness_add(group, no_other_server_may_get_it);
    harness_add(group, the_only_server_dies);
    harness_add(group, a_client_dies);
    harness_add(group, calls_in_a_loop);
    harness_add(group, both_in_one_loop);
    harness_add(group, a_corrupt_service);
    harness_add(group, by_name);
    return harness_run(suite);
}
