/*
 * test/fault/enters.c: enters of a ring are refused while a descriptor is closed whose ops the
 * kernel has not taken, and its number is in use again at once. Nothing of the old one reaches the
 * new one, nothing of the new one goes to the old, and each op ends once, whichever enters are
 * refused and why.
 */
#include "harness/harness.h"
#include "platform/sys.h"

#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FROM_MAX = 5, COUNT_MAX = 8, OPS_MAX = 8, LIMIT_MS = 2000 };

static const int errors[] = {EAGAIN, EBUSY, EINTR, ENOMEM};
static const char *const backends[][2] = {
    {"uring", "uring"}, {"uring", "sync"}, {"epoll", "uring"}};

enum { ERRORS = sizeof errors / sizeof *errors, RINGS = sizeof backends / sizeof *backends };

/* Which enters are refused: `count` after the first `from`. */
static struct {
    int from, count, err;
} refusal;

static int gate(enum heald_gate what)
{
    if (what != HEALD_GATE_RING_ENTER || !refusal.count)
        return 0;
    if (refusal.from) {
        refusal.from--;
        return 0;
    }
    refusal.count--;
    return -refusal.err;
}

struct entry {
    struct heald_op op;
    int ends;
    int64_t result;
};

struct scene {
    struct heald_sys sys;
    struct heald_loop *loop;
    struct entry entry[OPS_MAX];
    unsigned count;
    bool by_op; /* descriptors are closed by an op, which waits for nobody */
    char text[96];
};

static void notified(struct heald_op *op)
{
    struct entry *e = heald_container_of(op, struct entry, op);

    e->ends += !(op->flags & HEALD_MORE);
    e->result = op->result;
}

static struct entry *fresh(struct scene *s)
{
    ck_assert_uint_lt(s->count, OPS_MAX);
    return &s->entry[s->count++];
}

static void go(struct scene *s, struct entry *e)
{
    ck_assert_int_eq(heald_submit(s->loop, &e->op, notified), 0);
}

static void close_old(struct scene *s, int fd)
{
    if (!s->by_op) {
        heald_close(s->loop, fd);
        return;
    }
    struct entry *e = fresh(s);
    heald_prep_close(&e->op, fd);
    go(s, e);
}

/* Ends the case of a ring that is not here. */
static void scene_open(struct scene *s, int ring)
{
    *s = (struct scene){.sys = heald__sys_native};
    s->sys.gate = gate;
    struct heald_loop_options o = {
        .backend = backends[ring][0], .engine = backends[ring][1], .entries = 4, .sys = &s->sys};
    int err = heald_loop_open(&s->loop, &o);
    if (err == -ENOSYS)
        harness_skip("no io_uring here");
    ck_assert_int_eq(err, 0);
    ck_assert_int_ge(heald_loop_turn(s->loop, 0), 0);
}

/* What is refused for good reason is what a turn says. */
static void turn(struct scene *s, int64_t deadline)
{
    int n = heald_loop_turn(s->loop, deadline);
    ck_assert_msg(n >= 0 || n == -ENOMEM, "%s: a turn gives %s", s->text, heald_strerror(n));
}

static void end_all(struct scene *s)
{
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + LIMIT_MS * harness_slow() * HEALD_MS;
    struct heald_loop_stats stats;

    for (;;) {
        heald_loop_stats(s->loop, &stats);
        if (!stats.pending)
            break;
        ck_assert_msg(heald_clock_now(HEALD_CLOCK_MONOTONIC) < end, "%s: no end", s->text);
        turn(s, end);
    }
    for (unsigned i = 0; i < s->count; i++)
        ck_assert_msg(s->entry[i].ends == 1, "%s: op %u ended %d times", s->text, i,
                      s->entry[i].ends);
}

static void scene_close(struct scene *s)
{
    refusal.count = 0;
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
}

static void check_nothing_more(const struct scene *s, int fd)
{
    char byte;
    ck_assert_msg(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN,
                  "%s: it got what was another's", s->text);
}

/* Sends that were not handed over, and a receive that was, when their socket is closed. */
static void reuse_socket(struct scene *s)
{
    static const char old_text[] = "of the old", new_text[] = "of the new";
    int before[2], after[2];
    char lost[32] = "", got[32] = "";
    struct entry *receive;

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, before), 0);
    heald_prep_recv(&(receive = fresh(s))->op, before[0], lost, sizeof lost, 0);
    go(s, receive);
    turn(s, 0);
    for (int i = 0; i < 3; i++) {
        struct entry *send = fresh(s);
        heald_prep_send(&send->op, before[0], old_text, sizeof old_text, 0);
        go(s, send);
    }
    close_old(s, before[0]);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, after), 0);
    heald_prep_recv(&(receive = fresh(s))->op, after[0], got, sizeof got, 0);
    go(s, receive);
    turn(s, 0);
    ck_assert_int_eq(send(after[1], new_text, sizeof new_text, 0), sizeof new_text);
    end_all(s);
    ck_assert_msg(strcmp(got, new_text) == 0 && receive->result == sizeof new_text,
                  "%s: the new one got \"%s\", %d", s->text, got, (int)receive->result);
    ck_assert_str_eq(lost, "");
    check_nothing_more(s, after[1]);
    heald_close(s->loop, after[0]);
    end_all(s);
    close(after[1]);
    close(before[1]);
}

/* An accept that was not handed over takes no connection of the next listener. */
static void reuse_listener(struct scene *s)
{
    int before = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct entry *old = fresh(s), *next = fresh(s);
    struct heald_addr addr;

    heald_prep_accept(&old->op, before, NULL, NULL);
    go(s, old);
    close_old(s, before);
    int after = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    ck_assert_int_eq(heald_local_addr(after, &addr), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, &addr.u.sa, addr.len), 0);
    heald_prep_accept(&next->op, after, NULL, NULL);
    go(s, next);
    end_all(s);
    ck_assert_msg(old->result == -ECANCELED, "%s: the old accept: %d", s->text, (int)old->result);
    ck_assert_msg(next->result >= 0, "%s: the new accept: %d", s->text, (int)next->result);
    heald_close(s->loop, (int)next->result);
    heald_close(s->loop, after);
    end_all(s);
    close(client);
}

static void refuse_one(int ring, int error, int from, int count, bool by_op,
                       void (*play)(struct scene *s))
{
    struct scene s;

    scene_open(&s, ring);
    s.by_op = by_op;
    snprintf(s.text, sizeof s.text, "%s/%s, %s, closed by %s, %d enters after %d",
             backends[ring][0], backends[ring][1], strerror(errors[error]), by_op ? "op" : "call",
             count, from);
    refusal.from = from;
    refusal.count = count;
    refusal.err = errors[error];
    play(&s);
    scene_close(&s);
}

/* The enters that are refused begin with each step in turn. */
static void refuse_each(int ring, int error, void (*play)(struct scene *s))
{
    for (int from = 0; from < FROM_MAX; from++)
        for (int count = 1; count <= COUNT_MAX; count *= 2)
            for (int by_op = 0; by_op < 2; by_op++)
                refuse_one(ring, error, from, count, by_op, play);
}

HEALD_CASE(a_socket_is_closed_and_reused)
{
    refuse_each(_i / ERRORS, _i % ERRORS, reuse_socket);
}

HEALD_CASE(a_listener_is_closed_and_reused)
{
    refuse_each(_i / ERRORS, _i % ERRORS, reuse_listener);
}

int main(void)
{
    Suite *suite = suite_create("enters");
    TCase *group = harness_group(suite, "enters");

    harness_add_range(group, a_socket_is_closed_and_reused, 0, RINGS * ERRORS);
    harness_add_range(group, a_listener_is_closed_and_reused, 0, RINGS * ERRORS);
    return harness_run(suite);
}
