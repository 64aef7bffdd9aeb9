/*
 * test/crash/messages.c: which process is killed, in which operation on a queue, and what must then
 * hold. The director comes after the dead one: it sends, or receives, and then nobody sleeps on.
 */
#include "crash/take.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The messages: what they say is their number. */
enum { FIRST = 1, SECOND, THIRD, FOURTH, LAST };

static struct heald_queue *queue_of(struct stage *st)
{
    return (struct heald_queue *)st->data->queue;
}

static void make(struct stage *st, unsigned priorities, unsigned flags)
{
    struct heald_queue_options o = {
        .capacity = 2, .priorities = priorities, .message_max = sizeof(int), .flags = flags};

    must(heald_queue_size(&o) <= sizeof st->data->queue);
    must(heald_queue_init(queue_of(st), &o) == 0);
}

static void make_ring(struct stage *st)
{
    make(st, 1, 0);
}

static void make_priorities(struct stage *st)
{
    make(st, 2, 0);
}

static void make_lane(struct stage *st)
{
    make(st, 1, HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER);
}

/* Of which a message takes one cell; the next lap begins in the middle of the scene. */
static void make_variable_lane(struct stage *st)
{
    make(st, 1, HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER | HEALD_QUEUE_VARIABLE);
}

static void put(struct stage *st, int number)
{
    must(heald_queue_trysend(queue_of(st), st->me, &number, sizeof number, 0) == 0);
}

/* Another participant of the director's: as the lane's sender it would have to die. */
static void fill(struct stage *st)
{
    struct heald_participant *me = st->me;

    must(heald_attach(st->region, &st->me) == 0);
    put(st, FIRST);
    put(st, SECOND);
    heald_detach(st->me);
    st->me = me;
}

static void make_full(struct stage *st)
{
    make_ring(st);
    fill(st);
}

static void make_full_lane(struct stage *st)
{
    make_lane(st);
    fill(st);
}

static void make_full_variable_lane(struct stage *st)
{
    make_variable_lane(st);
    fill(st);
}

static void make_full_at_most_once(struct stage *st)
{
    make(st, 1, HEALD_QUEUE_AT_MOST_ONCE);
    fill(st);
}

static void make_one(struct stage *st)
{
    make_ring(st);
    put(st, FIRST);
}

static void nothing(struct stage *st)
{
    (void)st;
}

/* What is received is counted. */
static int get(struct stage *st)
{
    int number = 0;

    must(take_message(st, &number) == 0);
    must(number >= FIRST && number <= LAST);
    st->data->got[number]++;
    return number;
}

static void send_third(struct stage *st)
{
    must(take_room(st, THIRD, 0) == 0);
}

static void send_high(struct stage *st)
{
    must(take_room(st, THIRD, 1) == 0);
}

static void send_fourth(struct stage *st)
{
    must(take_room(st, FOURTH, 0) == 0);
}

static void send_two(struct stage *st)
{
    int numbers[] = {SECOND, THIRD};
    struct iovec two[] = {{&numbers[0], sizeof(int)}, {&numbers[1], sizeof(int)}};

    must(heald_queue_send_many(queue_of(st), st->me, two, 2, 0, HEALD_FOREVER) > 0);
}

static void reserve_and_abandon(struct stage *st)
{
    struct heald_queue_slot slot;

    must(heald_queue_reserve(queue_of(st), st->me, 0, &slot, HEALD_FOREVER) == 0);
    must(heald_queue_abandon(&slot, st->me) == 0);
}

static void close_queue(struct stage *st)
{
    must(heald_queue_close(queue_of(st), st->me) == 0);
}

static void receive_to_the_end(struct stage *st)
{
    int number;

    must(take_message(st, &number) == -ENODATA);
}

static void receive_one(struct stage *st)
{
    get(st);
}

static void receive_to_last(struct stage *st)
{
    while (get(st) != LAST)
        continue;
}

static bool send_last(struct stage *st)
{
    return take_room(st, LAST, 0) == 0 && crash_through(st);
}

/* What the dead one may have sent is received before the next sender sends. */
static bool receive_and_send_last(struct stage *st)
{
    int number = 0;
    ssize_t n = heald_queue_tryrecv(queue_of(st), st->me, &number, sizeof number, NULL);

    must(n == -EAGAIN || number == THIRD);
    put(st, LAST);
    n = heald_queue_tryrecv(queue_of(st), st->me, &number, sizeof number, NULL);
    return n == sizeof number && number == LAST;
}

/* There was one for each; what the dead one has not had is there for the other. */
static bool survivor_is_through(struct stage *st)
{
    return crash_through(st);
}

static bool is_closed_again(struct stage *st)
{
    close_queue(st);
    return crash_through(st);
}

/* Receives up to the message that the survivor sends: what the victim had no hand in is there once.
 */
static bool receive_to(struct stage *st, int last)
{
    unsigned char *got = st->data->got;

    while (get(st) != last)
        continue;
    return got[FIRST] <= 1 && got[SECOND] == 1 && crash_through(st);
}

static bool receive_to_third(struct stage *st)
{
    return receive_to(st, THIRD);
}

static void receive_two(struct stage *st)
{
    get(st);
    get(st);
}

static void put_second(struct stage *st)
{
    put(st, SECOND);
}

static void put_two(struct stage *st)
{
    put_second(st);
    put(st, THIRD);
}

static struct heald_queue_slot slot; /* the victim's, or the holder's */

static void peek(struct stage *st)
{
    must(heald_queue_peek(queue_of(st), st->me, &slot, HEALD_FOREVER) == 0);
}

static void give_back(struct stage *st)
{
    must(heald_queue_return(&slot, st->me) == 0);
}

/* Nobody but the survivor can have got it. */
static bool first_was_given_again(struct stage *st)
{
    return crash_through(st) && st->data->got[FIRST] == 1;
}

static void let_one_have(struct stage *st, void (*have)(struct stage *))
{
    if ((st->holder = fork()) == 0) {
        must(heald_attach(st->region, &st->me) == 0);
        have(st);
        __atomic_store_n(&st->data->turn, 1, __ATOMIC_RELEASE);
        for (;;)
            pause();
    }
    while (!__atomic_load_n(&st->data->turn, __ATOMIC_ACQUIRE))
        usleep(50);
}

static void reserve(struct stage *st)
{
    must(heald_queue_reserve(queue_of(st), st->me, 0, &slot, HEALD_FOREVER) == 0);
}

static void let_one_send(struct stage *st)
{
    make_ring(st);
    let_one_have(st, reserve);
}

static void let_one_receive(struct stage *st)
{
    make_one(st);
    let_one_have(st, peek);
}

static void kill_the_sender(struct stage *st)
{
    crash_bury(&st->holder);
    put_two(st);
}

static void kill_the_receiver(struct stage *st)
{
    crash_bury(&st->holder);
    put_second(st);
}

static struct heald_service *service_of(struct stage *st)
{
    return (struct heald_service *)st->data->queue;
}

static void make_any_service(struct stage *st, unsigned flags)
{
    struct heald_service_options o = {.capacity = 2,
                                      .clients = 2,
                                      .calls = 1,
                                      .request_max = sizeof(int),
                                      .reply_max = sizeof(int),
                                      .flags = flags};

    must(heald_service_size(&o) <= sizeof st->data->queue);
    must(heald_service_init(service_of(st), &o) == 0);
}

static void make_service(struct stage *st)
{
    make_any_service(st, 0);
}

static void make_service_at_most_once(struct stage *st)
{
    make_any_service(st, HEALD_SERVICE_AT_MOST_ONCE);
}

/* The reply is the request and one. -ETIMEDOUT: there was none in that time. */
static int serve(struct stage *st, int64_t deadline_ns, int *ret_number)
{
    struct heald_request request;
    int err = heald_service_receive(service_of(st), st->me, &request, deadline_ns);

    if (err)
        return err;
    memcpy(ret_number, request.data, sizeof *ret_number);
    st->data->got[*ret_number]++;
    int answer = *ret_number + 1;
    err = heald_service_reply(&request, st->me, &answer, sizeof answer);
    return err == -ECANCELED ? 0 : err;
}

static void serve_one(struct stage *st)
{
    int number;

    must(serve(st, HEALD_FOREVER, &number) == 0);
}

static void serve_to_last(struct stage *st)
{
    int number = 0;

    while (number != LAST)
        must(serve(st, HEALD_FOREVER, &number) == 0);
}

/* 0: the reply is right. -EOWNERDEAD: a server had the request, and died. */
static int ask(struct stage *st, int number)
{
    struct heald_service_client client;
    int answer = 0;
    struct heald_call call = {.request = &number,
                              .request_size = sizeof number,
                              .reply = &answer,
                              .reply_size = sizeof answer};

    must(heald_service_client_open(service_of(st), st->me, &client) == 0);
    int err = heald_service_call(&client, &call, HEALD_FOREVER);
    must(err ? call.was_taken : answer == number + 1);
    must(heald_service_client_close(&client) == 0);
    return err;
}

static void ask_first(struct stage *st)
{
    must(ask(st, FIRST) == 0);
}

static void ask_at_most_once(struct stage *st)
{
    int err = ask(st, FIRST);

    must(err == 0 || err == -EOWNERDEAD);
}

/* Whatever the dead server did, the client gets its reply, if need be from this one. */
static bool serve_the_survivor(struct stage *st)
{
    int number, err = 0;

    while (!err && !__atomic_load_n(&st->data->through, __ATOMIC_ACQUIRE)) {
        err = serve(st, heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS, &number);
        err = err == -ETIMEDOUT ? 0 : err;
    }
    return err == 0 && crash_through(st);
}

/* Once the dead server has begun, its client is notified without another one. Before that the
 * request is there for another. */
static bool serve_what_was_not_begun(struct stage *st)
{
    bool through = st->data->got[FIRST] ? crash_through(st) : serve_the_survivor(st);

    return through && st->data->got[FIRST] <= 1;
}

static bool ask_last(struct stage *st)
{
    return ask(st, LAST) == 0 && crash_through(st);
}

enum { NONE, SEEN = SCENE_SURVIVOR, BOTH = SCENE_SURVIVOR | SCENE_LOOP };

static const struct scene scenes[] = {
    {"queue: sender, a receiver waits", BOTH, make_ring, nothing, send_third, NULL, receive_to_last,
     send_last},
    {"queue: sender of a higher priority", SEEN, make_priorities, nothing, send_high, NULL,
     receive_to_last, send_last},
    {"queue: sender of two", BOTH, make_ring, nothing, send_two, NULL, receive_to_last, send_last},
    {"queue: sender that abandons", SEEN, make_ring, nothing, reserve_and_abandon, NULL,
     receive_to_last, send_last},
    {"queue: receiver, a sender waits", BOTH, make_full, nothing, receive_one, NULL, send_third,
     receive_to_third},
    {"queue: receiver, at most once", SEEN, make_full_at_most_once, nothing, receive_one, NULL,
     send_third, receive_to_third},
    {"queue: woken receiver, another waits", BOTH, make_ring, nothing, receive_one, put_two,
     receive_one, survivor_is_through},
    {"queue: woken sender, another waits", SEEN, make_full, nothing, send_third, receive_two,
     send_fourth, survivor_is_through},
    {"queue: receiver that returns", SEEN, make_one, peek, give_back, NULL, receive_one,
     first_was_given_again},
    {"queue: one that closes", SEEN, make_ring, nothing, close_queue, NULL, receive_to_the_end,
     is_closed_again},
    {"queue: one that finds a dead sender", BOTH, let_one_send, nothing, receive_one,
     kill_the_sender, receive_one, survivor_is_through},
    {"queue: one that finds a dead receiver", SEEN, let_one_receive, nothing, receive_one,
     kill_the_receiver, receive_one, survivor_is_through},
    {"service: server, a client waits", SEEN, make_service, nothing, serve_one, NULL, ask_first,
     serve_the_survivor},
    {"service: server, at most once", SEEN, make_service_at_most_once, nothing, serve_one, NULL,
     ask_at_most_once, serve_what_was_not_begun},
    {"service: client", SEEN, make_service, nothing, ask_first, NULL, serve_to_last, ask_last},
    {"lane: sender, a receiver waits", BOTH, make_lane, nothing, send_third, NULL, receive_to_last,
     send_last},
    {"lane: sender, another sends", 0, make_lane, nothing, send_third, NULL, NULL,
     receive_and_send_last},
    {"lane: receiver, a sender waits", SEEN, make_full_lane, nothing, receive_one, NULL, send_third,
     receive_to_third},
    {"variable lane: sender, a receiver waits", BOTH, make_variable_lane, nothing, send_third, NULL,
     receive_to_last, send_last},
    {"variable lane: sender, another sends", 0, make_variable_lane, nothing, send_third, NULL, NULL,
     receive_and_send_last},
    {"variable lane: receiver, a sender waits", SEEN, make_full_variable_lane, nothing, receive_one,
     NULL, send_third, receive_to_third},
};

const struct scene_list crash_messages = {scenes, sizeof scenes / sizeof scenes[0]};
