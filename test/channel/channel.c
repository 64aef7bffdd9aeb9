/* test/channel/channel.c: messages between two sides that keep to the rules. */
#include "channel/sides.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int64_t soon(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * 1000 * 1000;
}

HEALD_CASE(options_and_sockets_are_checked)
{
    static const struct heald_channel_options wrong[] = {
        {.room = (size_t)HEALD_CHANNEL_ROOM_MAX + 1},
        {.peer_room_max = (size_t)HEALD_CHANNEL_ROOM_MAX + 1},
        {.peer_room_max = 4095},
        {.recv_max = (size_t)HEALD_CHANNEL_ROOM_MAX + 1},
    };
    struct pair p = pair_open(SOCK_STREAM, NULL);
    struct heald_channel *c = NULL;
    int fds[2], tcp = socket(AF_INET, SOCK_STREAM, 0), lone = socket(AF_UNIX, SOCK_STREAM, 0);

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(heald_channel_open(&c, p.fds[0], &wrong[i]), -EINVAL);
    ck_assert_int_eq(heald_socketpair(SOCK_DGRAM, fds), 0);
    ck_assert_int_eq(heald_channel_open(&c, fds[0], NULL), -EOPNOTSUPP);
    ck_assert_int_eq(heald_channel_open(&c, tcp, NULL), -ENOTCONN);
    ck_assert_int_eq(heald_channel_open(&c, lone, NULL), -ENOTCONN);
    ck_assert_int_eq(heald_channel_open(&c, -1, NULL), -EBADF);
    ck_assert_ptr_null(c);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    close(tcp);
    close(lone);
    ck_assert_int_eq(heald_channel_arm(p.a, 0), -EINVAL);
    ck_assert_int_eq(heald_channel_arm(p.a, 4), -EINVAL);
    pair_close(&p);
    heald_channel_close(NULL);
}

/* Many times round the room, with messages of every length, in both directions. */
HEALD_CASE(messages_arrive_in_order)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    char text[400], got[400];

    for (int type = 0; type < 2; type++) {
        struct pair p = pair_open(types[type], &(struct heald_channel_options){.room = 4096});
        for (unsigned i = 0; i < 2000; i++) {
            struct heald_channel *from = i & 1 ? p.a : p.b, *to = i & 1 ? p.b : p.a;
            size_t size = i % (sizeof text + 1);
            memset(text, (int)i, sizeof text);
            ck_assert_int_eq(heald_channel_send(from, text, size, HEALD_FOREVER), 0);
            ck_assert_int_eq(heald_channel_recv(to, got, sizeof got, HEALD_FOREVER), (int)size);
            ck_assert_mem_eq(got, text, size);
        }
        pair_close(&p);
    }
}

HEALD_CASE(a_full_room_and_an_empty_one)
{
    struct pair p = pair_open(SOCK_STREAM, &(struct heald_channel_options){.room = 4096});
    char data[2040] = {0};
    struct heald_channel_info info;

    ck_assert_int_eq(heald_channel_tryrecv(p.b, data, sizeof data), -EAGAIN);
    ck_assert_int_eq(heald_channel_recv(p.b, data, sizeof data, soon()), -ETIMEDOUT);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, sizeof data), 0);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, sizeof data), 0);
    ck_assert_int_eq(heald_channel_trysend(p.a, NULL, 0), -EAGAIN);
    ck_assert_int_eq(heald_channel_send(p.a, data, 1, soon()), -ETIMEDOUT);
    ck_assert_int_eq(heald_channel_send(p.a, data, 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(heald_channel_send(p.a, data, 1, INT64_MIN), -ETIMEDOUT);
    ck_assert_int_eq(heald_channel_next(p.b), (int)sizeof data);
    ck_assert_int_eq(heald_channel_tryrecv(p.b, data, 10), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_tryrecv(p.b, data, sizeof data), (int)sizeof data);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 1), 0);
    heald_channel_describe(p.a, &info);
    ck_assert_uint_eq(info.sent, 3);
    ck_assert_uint_eq(info.queued, 2048 + 16);
    ck_assert(info.is_open && !info.has_ended && !info.why);
    pair_close(&p);
}

/* It neither sends nor waits, so that only its tries can see that the peer has come. */
HEALD_CASE(a_side_that_only_tries_receives)
{
    struct pair p = pair_open(SOCK_STREAM, NULL);
    char got[8];

    ck_assert_int_eq(heald_channel_trysend(p.a, "there", 5), 0);
    ck_assert_int_eq(heald_channel_next(p.b), 5);
    ck_assert_int_eq(heald_channel_tryrecv(p.b, got, sizeof got), 5);
    ck_assert_int_eq(heald_channel_tryrecv(p.b, got, sizeof got), -EAGAIN);
    pair_close(&p);
}

HEALD_CASE(too_long_is_refused_by_the_sender)
{
    static char data[70000];
    struct heald_channel_options small = {.recv_max = 100};
    struct pair p = pair_open(SOCK_SEQPACKET, &small);

    ck_assert_int_eq(heald_channel_trysend(p.a, data, sizeof data), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 101), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 100), 0);
    ck_assert_int_eq(heald_channel_recv(p.b, data, sizeof data, HEALD_FOREVER), 100);
    pair_close(&p);
}

/* A wait for room that began before the peer came, for a message that it does not accept. */
HEALD_CASE(a_wait_for_room_that_fails)
{
    static const char data[4000];
    struct heald_channel_options small = {.room = 4096, .recv_max = 101};
    struct pair p;

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, p.fds), 0);
    channel_make(&p.a, p.fds[0], &small);
    for (int i = 0; i < 36; i++)
        ck_assert_int_eq(heald_channel_trysend(p.a, data, 101), 0);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 102), -EAGAIN);
    ck_assert_int_eq(heald_channel_arm(p.a, HEALD_CHANNEL_OUT), 0);
    channel_make(&p.b, p.fds[1], &small);
    ck_assert(is_readable(p.fds[0]));
    ck_assert_int_eq(heald_channel_arm(p.a, HEALD_CHANNEL_OUT), HEALD_CHANNEL_OUT);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 102), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_trysend(p.a, data, 101), -EAGAIN);
    ck_assert_int_eq(heald_channel_arm(p.a, HEALD_CHANNEL_OUT), 0);
    pair_close(&p);
}

/* Sent before the peer came; received after the sender has gone. */
HEALD_CASE(messages_outlive_their_sender)
{
    int fds[2];
    struct heald_channel *a, *b;
    char got[8];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    channel_make(&a, fds[0], NULL);
    ck_assert_int_eq(heald_channel_trysend(a, "early", 5), 0);
    heald_channel_close(a);
    close(fds[0]);
    /* The peer cannot say hello to it any more. */
    ck_assert_int_eq(heald_channel_open(&b, fds[1], NULL), -EPIPE);
    close(fds[1]);

    struct pair p = pair_open(SOCK_STREAM, NULL);
    ck_assert_int_eq(heald_channel_trysend(p.a, "last", 4), 0);
    heald_channel_close(p.a);
    close(p.fds[0]);
    ck_assert_int_eq(heald_channel_recv(p.b, got, sizeof got, HEALD_FOREVER), 4);
    ck_assert_int_eq(heald_channel_recv(p.b, got, sizeof got, HEALD_FOREVER), -EPIPE);
    ck_assert_int_eq(heald_channel_arm(p.b, HEALD_CHANNEL_OUT), HEALD_CHANNEL_OUT);
    ck_assert_int_eq(heald_channel_trysend(p.b, "x", 1), -EPIPE);
    heald_channel_close(p.b);
    close(p.fds[1]);
}

/* No bell while nobody waits; one for all that comes while somebody does. */
HEALD_CASE(the_socket_is_readable_when_there_is_reason)
{
    struct pair p = pair_open(SOCK_STREAM, NULL);
    char got[8];

    ck_assert_int_eq(heald_channel_arm(p.a, HEALD_CHANNEL_IN), 0);
    ck_assert_int_eq(heald_channel_arm(p.b, HEALD_CHANNEL_IN), 0);
    ck_assert(!is_readable(p.fds[1]));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_channel_trysend(p.a, "x", 1), 0);
    ck_assert(is_readable(p.fds[1]));
    ck_assert_int_eq(read(p.fds[1], got, sizeof got), 1);
    ck_assert_int_eq(write(p.fds[0], got, 1), 1); /* as it was */
    ck_assert_int_eq(heald_channel_arm(p.b, HEALD_CHANNEL_IN), HEALD_CHANNEL_IN);
    ck_assert(!is_readable(p.fds[1]));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_channel_tryrecv(p.b, got, sizeof got), 1);
    ck_assert_int_eq(heald_channel_trysend(p.a, "x", 1), 0);
    ck_assert(!is_readable(p.fds[1]));
    pair_close(&p);
}

enum { MANY = 20000 };

/* A child that sends numbers, and one that sends them back. */
static void send_back(int fd)
{
    struct heald_channel *c;
    char data[4096];
    ssize_t n;

    must(heald_channel_open(&c, fd, &(struct heald_channel_options){.room = 4096}) == 0);
    while ((n = heald_channel_recv(c, data, sizeof data, HEALD_FOREVER)) >= 0)
        must(heald_channel_send(c, data, (size_t)n, HEALD_FOREVER) == 0);
    must(n == -EPIPE);
    heald_channel_close(c);
}

/* Both rooms are full and empty in turn. */
static void exchange(struct heald_channel *c)
{
    uint32_t sent = 0, received = 0, data[64];

    while (received < MANY) {
        size_t size = 4 * (1 + sent % 64);
        int err = -EAGAIN;
        data[0] = data[size / 4 - 1] = sent;
        if (sent < MANY && (err = heald_channel_trysend(c, data, size)) == 0) {
            sent++;
            continue;
        }
        ck_assert_int_eq(err, -EAGAIN);
        ssize_t n = heald_channel_recv(c, data, sizeof data, HEALD_FOREVER);
        ck_assert_int_eq(n, (int)(4 * (1 + received % 64)));
        ck_assert_uint_eq(data[0], received);
        ck_assert_uint_eq(data[n / 4 - 1], received++);
    }
}

HEALD_CASE(two_processes_echo)
{
    int fds[2], status;
    struct heald_channel *c;

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    channel_make(&c, fds[0], &(struct heald_channel_options){.room = 8192});
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        heald_channel_close(c);
        send_back(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    exchange(c);
    heald_channel_close(c);
    close(fds[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

HEALD_CASE(a_peer_that_is_killed_or_stopped)
{
    int fds[2], status;
    struct heald_channel *c;
    char got[8];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    channel_make(&c, fds[0], NULL);
    pid_t child = fork();
    if (child == 0) {
        struct heald_channel *mine;
        close(fds[0]);
        must(heald_channel_open(&mine, fds[1], NULL) == 0);
        must(heald_channel_send(mine, "x", 1, HEALD_FOREVER) == 0);
        raise(SIGSTOP);
        _exit(0);
    }
    close(fds[1]);
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert_int_eq(heald_channel_recv(c, got, sizeof got, HEALD_FOREVER), 1);
    ck_assert_int_eq(heald_channel_recv(c, got, sizeof got, soon()), -ETIMEDOUT);
    kill(child, SIGKILL);
    ck_assert_int_eq(heald_channel_recv(c, got, sizeof got, HEALD_FOREVER), -EPIPE);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    heald_channel_close(c);
    close(fds[0]);
}

/* Neither for an own segment, nor for the peer's. */
HEALD_CASE(without_descriptors)
{
    struct pair p;
    struct rlimit usual, none;
    struct heald_channel *c;
    char got[8];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, p.fds), 0);
    channel_make(&p.a, p.fds[0], NULL);
    channel_make(&p.b, p.fds[1], NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int err = heald_channel_open(&c, p.fds[0], NULL);
    ssize_t n = heald_channel_recv(p.a, got, sizeof got, HEALD_FOREVER);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_int_eq(err, -EMFILE);
    ck_assert_int_eq(n, -EPROTO);
    ck_assert_str_eq(why_of(p.a), "no descriptor is free for what the peer passed");
    pair_close(&p);
}

/* In a loop the socket is polled, as any other. */
static void on_bell(struct heald_op *op)
{
    struct heald_channel *c = op->data;
    char got[8];

    ck_assert_int_ge(op->result, 0);
    while (heald_channel_arm(c, HEALD_CHANNEL_IN))
        if (heald_channel_tryrecv(c, got, sizeof got) < 0)
            return; /* the end */
    heald_submit(op->loop, op, on_bell);
}

HEALD_CASE(in_a_loop)
{
    struct pair p = pair_open(SOCK_STREAM, NULL);
    struct heald_op op = {.data = p.b};
    struct heald_loop *loop;
    struct heald_channel_info info;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    heald_prep_poll(&op, p.fds[1], POLLIN);
    ck_assert_int_eq(heald_submit(loop, &op, on_bell), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(heald_channel_trysend(p.a, "hello", 5), 0);
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    }
    heald_channel_close(p.a);
    close(p.fds[0]);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    heald_channel_describe(p.b, &info);
    ck_assert_uint_eq(info.received, 100);
    heald_loop_close(loop);
    heald_channel_close(p.b);
    close(p.fds[1]);
}

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *group = harness_group(suite, "channel");

    harness_add(group, options_and_sockets_are_checked);
    harness_add(group, messages_arrive_in_order);
    harness_add(group, a_full_room_and_an_empty_one);
    harness_add(group, a_side_that_only_tries_receives);
    harness_add(group, too_long_is_refused_by_the_sender);
    harness_add(group, a_wait_for_room_that_fails);
    harness_add(group, messages_outlive_their_sender);
    harness_add(group, the_socket_is_readable_when_there_is_reason);
    harness_add(group, two_processes_echo);
    harness_add(group, a_peer_that_is_killed_or_stopped);
    harness_add(group, without_descriptors);
    harness_add(group, in_a_loop);
    return harness_run(suite);
}
