/*
 * test/fault/threads.c: a thread waits in a system call for what another process has taken first.
 * What it waits for ends all the same when it is cancelled, when its deadline has come, and when
 * its descriptor is closed, given away or used again; and a connection or byte that comes later
 * goes to the next waiter.
 */
#include "harness/harness.h"
#include "platform/sys.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum what { ACCEPT, ACCEPT_MULTI, READ, WHATS, CONNECT = WHATS };
enum how { CANCEL, DEADLINE, CLOSE, CLOSE_OP, FORGET, HOWS };
enum { ROUNDS = 4, CLIENTS = 4, LIMIT_MS = 3000, STUCK_MS = 20 };

static const char *const backends[] = {"epoll", "poll", "select"};
enum { BACKENDS = sizeof backends / sizeof *backends };

/* The other process: it takes the data just after a poll reported it. */
static struct {
    int fd; /* -1: nobody takes anything */
    bool is_listener;
} thief;

static int taken_after_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns)
{
    int n = heald__sys_native.poll(fds, count, timeout_ns);
    char byte;

    if (n != 1 || fds->fd != thief.fd || fds->revents != POLLIN)
        return n;
    if (thief.is_listener)
        close(accept(thief.fd, NULL, NULL));
    else
        ck_assert_int_eq(read(thief.fd, &byte, 1), 1);
    thief.fd = -1;
    return n;
}

static int not_again(int fd)
{
    (void)fd;
    return -ENXIO;
}

struct scene {
    struct heald_sys sys;
    struct heald_loop *loop;
    enum what what;
    struct heald_addr addr;
    int fd, peer; /* a listener, which blocks; or a terminal and its master */
    struct heald_op op, close;
    int ends, closes;
    int64_t result;
    char byte;
};

static void notified(struct heald_op *op)
{
    struct scene *s = heald_container_of(op, struct scene, op);

    if (op->flags & HEALD_MORE && op->result >= 0)
        heald_close(op->loop, (int)op->result);
    s->ends += !(op->flags & HEALD_MORE);
    s->result = op->result;
}

static void notified_closed(struct heald_op *op)
{
    struct scene *s = heald_container_of(op, struct scene, close);

    ck_assert_int_eq(op->result, 0);
    s->closes++;
}

static void open_listener(struct scene *s)
{
    ck_assert_int_eq(heald_addr_parse("127.0.0.1:0", &s->addr), 0);
    s->fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 8);
    ck_assert_int_ge(s->fd, 0);
    s->addr.len = sizeof s->addr.u;
    ck_assert_int_eq(getsockname(s->fd, &s->addr.u.sa, &s->addr.len), 0);
    ck_assert_int_eq(fcntl(s->fd, F_SETFL, 0), 0);
    s->peer = -1;
}

static void open_terminal(struct scene *s)
{
    struct termios raw;

    s->peer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->peer < 0 || grantpt(s->peer) || unlockpt(s->peer))
        harness_skip("there are no pseudo-terminals here");
    s->fd = open(ptsname(s->peer), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(s->fd, 0);
    ck_assert_int_eq(tcgetattr(s->fd, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(s->fd, TCSANOW, &raw), 0);
}

static void loop_open(struct scene *s, const char *backend)
{
    struct heald_why why = {0};

    *s = (struct scene){.sys = heald__sys_native};
    s->sys.poll = taken_after_poll;
    s->sys.open_again = not_again;
    thief.fd = -1;
    struct heald_loop_options o = {
        .backend = backend, .engine = "threads", .sys = &s->sys, .ret_why = &why};
    int err = heald_loop_open(&s->loop, &o);
    if (err == -ENOSYS)
        harness_skip("%s", why.text);
    ck_assert_msg(err == 0, "%s", why.text);
}

static void scene_open(struct scene *s, const char *backend, enum what what)
{
    loop_open(s, backend);
    s->what = what;
    if (what == READ)
        open_terminal(s);
    else
        open_listener(s);
}

/* A peer connects, or types: its descriptor. */
static int offer(struct scene *s)
{
    if (s->what == READ) {
        ck_assert_int_eq(write(s->peer, "x", 1), 1);
        return -1;
    }
    int client = heald_socket(&s->addr, SOCK_STREAM);
    ck_assert_int_eq(fcntl(client, F_SETFL, 0), 0);
    ck_assert_int_eq(connect(client, &s->addr.u.sa, s->addr.len), 0);
    return client;
}

static int64_t clock_now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static void turn_until(struct scene *s, const int *count, const char *what)
{
    int64_t end = clock_now() + LIMIT_MS * harness_slow() * HEALD_MS;

    while (!*count) {
        ck_assert_int_ge(heald_loop_turn(s->loop, end), 0);
        ck_assert_msg(clock_now() < end, "no end: %s", what);
    }
}

static void begin(struct scene *s, int64_t deadline)
{
    if (s->what == READ)
        heald_prep_read(&s->op, s->fd, &s->byte, 1, HEALD_NO_OFFSET);
    else if (s->what == ACCEPT)
        heald_prep_accept(&s->op, s->fd, NULL, NULL);
    else
        heald_prep_accept_multishot(&s->op, s->fd);
    s->op.deadline_ns = deadline;
    s->ends = 0;
    ck_assert_int_eq(heald_submit(s->loop, &s->op, notified), 0);
}

/* The op waits in a thread for what another has taken; or is on its way there. */
static void get_stuck(struct scene *s, int64_t deadline, bool asleep)
{
    begin(s, deadline);
    thief.fd = s->fd;
    thief.is_listener = s->what != READ;
    int client = offer(s);
    int64_t end = clock_now() + LIMIT_MS * harness_slow() * HEALD_MS;
    while (thief.fd >= 0) {
        ck_assert_int_ge(heald_loop_turn(s->loop, end), 0);
        /* Where it is a form that cannot block, nobody asks before. */
        if (s->ends || clock_now() >= end)
            harness_skip("no thread waits for this here");
    }
    close(client);
    if (asleep)
        heald__sys_native.poll(NULL, 0, STUCK_MS * HEALD_MS);
}

static void replace(struct scene *s)
{
    ck_assert_int_eq(close(s->fd), 0);
    ck_assert_int_eq(dup2(STDERR_FILENO, s->fd), s->fd);
}

static void end(struct scene *s, enum how how)
{
    switch (how) {
    case CANCEL: ck_assert_int_eq(heald_cancel(&s->op), 0); break;
    case CLOSE: ck_assert_int_eq(heald_close(s->loop, s->fd), 0); break;
    case CLOSE_OP:
        heald_prep_close(&s->close, s->fd);
        ck_assert_int_eq(heald_submit(s->loop, &s->close, notified_closed), 0);
        turn_until(s, &s->closes, "of the close");
        ck_assert_int_eq(s->ends, 1);
        break;
    case FORGET:
        heald_forget(s->loop, s->fd);
        replace(s);
        break;
    default: break;
    }
    turn_until(s, &s->ends, "of what waits in a thread");
    ck_assert_int_eq(s->result, how == DEADLINE ? -ETIMEDOUT : -ECANCELED);
}

/* What comes now is for the next op. */
static void check_next(struct scene *s)
{
    begin(s, HEALD_FOREVER);
    int client = offer(s);
    if (s->what == ACCEPT_MULTI) {
        for (int64_t until = clock_now() + LIMIT_MS * HEALD_MS; s->result < 0;) {
            ck_assert_int_ge(heald_loop_turn(s->loop, until), 0);
            ck_assert_int_lt(clock_now(), until);
        }
        heald_cancel(&s->op);
    }
    turn_until(s, &s->ends, "of the next");
    if (s->what == ACCEPT) {
        ck_assert_int_ge(s->result, 0);
        ck_assert_int_eq(heald_close(s->loop, (int)s->result), 0);
    } else if (s->what == READ) {
        ck_assert_int_eq(s->result, 1);
    }
    close(client);
}

static void scene_close(struct scene *s, enum how how)
{
    int64_t end = clock_now() + LIMIT_MS * harness_slow() * HEALD_MS;

    if (how == CANCEL || how == DEADLINE)
        ck_assert_int_eq(heald_close(s->loop, s->fd), 0);
    while (how != FORGET && fcntl(s->fd, F_GETFD) >= 0) {
        ck_assert_int_ge(heald_loop_turn(s->loop, clock_now() + HEALD_MS), 0);
        ck_assert_msg(clock_now() < end, "the descriptor stays open");
    }
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
    if (how == FORGET)
        close(s->fd);
    close(s->peer);
}

/* _i: what, how, back end, and whether the thread sleeps already. */
HEALD_CASE(ends_in_time)
{
    enum what what = _i % WHATS;
    enum how how = _i / WHATS % HOWS;
    const char *backend = backends[_i / WHATS / HOWS];
    struct scene s;

    for (int round = 0; round < ROUNDS; round++) {
        scene_open(&s, backend, what);
        int64_t deadline = how == DEADLINE ? clock_now() + 3 * STUCK_MS * HEALD_MS : HEALD_FOREVER;
        get_stuck(&s, deadline, round % 2);
        end(&s, how);
        if (how == CANCEL || how == DEADLINE)
            check_next(&s);
        scene_close(&s, how);
    }
}

static int handled;

static void count(int signo)
{
    (void)signo;
    handled++;
}

/* A Unix listener whose queue is full: a blocking socket waits in connect(2) for room. */
static void fill_queue(struct scene *s, int clients[static CLIENTS])
{
    char text[HEALD_ADDR_TEXT];

    snprintf(text, sizeof text, "unix:@heald-threads-%ld", (long)getpid());
    s->peer = heald_listen(text, SOCK_STREAM, 1);
    ck_assert_int_ge(s->peer, 0);
    ck_assert_int_eq(heald_addr_parse(text, &s->addr), 0);
    s->fd = -1;
    int err = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = heald_socket(&s->addr, SOCK_STREAM);
        err = connect(clients[i], &s->addr.u.sa, s->addr.len);
    }
    ck_assert(err == -1 && errno == EAGAIN);
    s->fd = heald_socket(&s->addr, SOCK_STREAM);
    ck_assert_int_eq(fcntl(s->fd, F_SETFL, 0), 0);
}

/* _i: how, and back end. */
HEALD_CASE(a_connect_without_room_ends_in_time)
{
    enum how how = _i % HOWS;
    struct scene s;
    int clients[CLIENTS];

    loop_open(&s, backends[_i / HOWS]);
    s.what = CONNECT;
    fill_queue(&s, clients);
    heald_prep_connect(&s.op, s.fd, &s.addr.u.sa, s.addr.len);
    if (how == DEADLINE)
        s.op.deadline_ns = clock_now() + STUCK_MS * HEALD_MS;
    ck_assert_int_eq(heald_submit(s.loop, &s.op, notified), 0);
    ck_assert_int_ge(heald_loop_turn(s.loop, clock_now() + STUCK_MS / 2 * HEALD_MS), 0);
    heald__sys_native.poll(NULL, 0, STUCK_MS / 2 * HEALD_MS);
    end(&s, how);
    scene_close(&s, how);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* What was cancelled in a thread, however often, does not hold up the next. */
HEALD_CASE(the_next_begins_at_once)
{
    struct scene s;

    scene_open(&s, backends[_i], ACCEPT);
    for (int i = 0; i < 5; i++) {
        get_stuck(&s, HEALD_FOREVER, true);
        end(&s, CANCEL);
    }
    int client = offer(&s);
    begin(&s, clock_now() + STUCK_MS * harness_slow() * HEALD_MS);
    turn_until(&s, &s.ends, "of the next");
    ck_assert_int_ge(s.result, 0);
    heald_close(s.loop, (int)s.result);
    close(client);
    scene_close(&s, CANCEL);
}

/* However many wait in threads for what others have taken: what can be done is done. */
HEALD_CASE(waiters_leave_room)
{
    enum { MANY = 65 };
    static struct scene s[MANY];
    struct linger lingers = {.l_onoff = 1, .l_linger = 1};
    struct heald_loop *loop = NULL;

    for (int i = 0; i < MANY; i++) {
        if (i)
            s[i] = (struct scene){.loop = loop, .what = ACCEPT};
        else
            loop_open(&s[i], backends[_i]);
        loop = s[i].loop;
        open_listener(&s[i]);
        get_stuck(&s[i], HEALD_FOREVER, false);
    }
    int client = offer(&s[0]), fd = heald_socket(&s[1].addr, SOCK_STREAM);
    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers, sizeof lingers), 0);
    heald_prep_connect(&s[1].close, fd, &s[1].addr.u.sa, s[1].addr.len);
    ck_assert_int_eq(heald_submit(loop, &s[1].close, notified_closed), 0);
    turn_until(&s[0], &s[0].ends, "of an accept whose connection is there");
    turn_until(&s[1], &s[1].closes, "of a connect");
    s[1].closes = 0;
    heald_prep_close(&s[1].close, fd);
    ck_assert_int_eq(heald_submit(loop, &s[1].close, notified_closed), 0);
    turn_until(&s[1], &s[1].closes, "of a close that lingers");
    ck_assert_int_ge(s[0].result, 0);
    heald_close(loop, (int)s[0].result);
    close(client);
    for (int i = 0; i < MANY; i++) {
        heald_close(loop, s[i].fd);
        turn_until(&s[i], &s[i].ends, "of one that waits");
        if (i && s[i].result >= 0)
            heald_close(loop, (int)s[i].result);
    }
    while (heald_loop_close(loop) == -EBUSY)
        ck_assert_int_ge(heald_loop_turn(loop, clock_now() + HEALD_MS), 0);
}

/* A thread that was in accept(2) before the connection came, and comes back after it without. */
static struct {
    int result;                /* 0: accepts */
    int is_inside, may_return; /* atomic, by release and acquire */
} late;

static void await_flag(const int *flag)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
        heald__sys_native.poll(NULL, 0, HEALD_MS);
}

static int accept_late(int fd, struct sockaddr *addr, socklen_t *len)
{
    int result = late.result;

    if (!result)
        return heald__sys_native.accept(fd, addr, len);
    late.result = 0;
    __atomic_store_n(&late.is_inside, 1, __ATOMIC_RELEASE);
    await_flag(&late.may_return);
    return result;
}

/* _i: what the thread comes back with, and back end. */
HEALD_CASE(what_comes_meanwhile_is_noticed)
{
    static const int results[] = {-EINTR, -EAGAIN};
    struct scene s;

    late.result = results[_i % 2];
    late.is_inside = late.may_return = 0;
    scene_open(&s, backends[_i / 2], ACCEPT);
    s.sys.accept = accept_late;
    get_stuck(&s, HEALD_FOREVER, false);
    await_flag(&late.is_inside);
    int client = offer(&s);
    ck_assert_int_ge(heald_loop_turn(s.loop, clock_now() + STUCK_MS * HEALD_MS), 0);
    ck_assert_int_eq(s.ends, 0);
    __atomic_store_n(&late.may_return, 1, __ATOMIC_RELEASE);
    turn_until(&s, &s.ends, "of an accept whose connection came while a thread tried");
    ck_assert_int_ge(s.result, 0);
    heald_close(s.loop, (int)s.result);
    close(client);
    scene_close(&s, CANCEL);
}

/* Where a thread serves all signals and the others block them, too. */
HEALD_CASE(in_a_thread_that_blocks_all_signals)
{
    struct scene s;
    sigset_t all, old;

    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, &old), 0);
    scene_open(&s, backends[_i], ACCEPT);
    get_stuck(&s, HEALD_FOREVER, true);
    end(&s, CANCEL);
    scene_close(&s, CANCEL);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

/* A thread is interrupted by a signal that the program does not use: neither one that it handles
 * nor one that it blocks; and a program that awaits it afterwards gets an error. */
HEALD_CASE(signals_of_the_program_are_its_own)
{
    sigset_t blocked;
    struct sigaction action = {.sa_handler = count}, taken;
    struct scene s;
    struct heald_op op = {0};

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMAX - 3);
    ck_assert_int_eq(sigaction(SIGRTMAX - 2, &action, NULL), 0);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    scene_open(&s, "poll", ACCEPT);
    get_stuck(&s, HEALD_FOREVER, true);
    end(&s, CANCEL);
    ck_assert_int_eq(handled, 0);
    ck_assert_int_eq(sigaction(SIGRTMAX - 2, NULL, &taken), 0);
    ck_assert(taken.sa_handler == count);
    ck_assert_int_eq(sigaction(SIGRTMAX - 3, NULL, &taken), 0);
    ck_assert(taken.sa_handler == SIG_DFL);
    ck_assert_int_eq(sigaction(SIGRTMAX - 4, NULL, &taken), 0);
    ck_assert(taken.sa_handler != SIG_DFL);
    heald_prep_signal(&op, SIGRTMAX - 4, NULL);
    ck_assert_int_eq(heald_submit(s.loop, &op, notified), -EBUSY);
    scene_close(&s, CANCEL);
}

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *group = harness_group(suite, "threads");

    harness_add_range(group, ends_in_time, 0, WHATS * HOWS * BACKENDS);
    harness_add_range(group, a_connect_without_room_ends_in_time, 0, HOWS * BACKENDS);
    harness_add_range(group, the_next_begins_at_once, 0, BACKENDS);
    harness_add_range(group, waiters_leave_room, 0, BACKENDS);
    harness_add_range(group, what_comes_meanwhile_is_noticed, 0, 2 * BACKENDS);
    harness_add_range(group, in_a_thread_that_blocks_all_signals, 0, BACKENDS);
    harness_add(group, signals_of_the_program_are_its_own);
    return harness_run(suite);
}
