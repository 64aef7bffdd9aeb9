/*
 * test/conformance/accept_persistent.c: an accept that goes on whatever is lacking for a while: it
 * pauses, longer and longer, instead of ending.
 */
#include "conformance/conformance.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { CLIENTS = 3, TURNS = 5 };

/* Accepted connections are closed by the callback. */
struct server {
    struct probe p;
    struct heald_loop *loop;
    struct heald_addr addr;
    int fd, accepted, client[CLIENTS];
    struct rlimit limit;
};

static void on_accept(struct heald_op *op)
{
    struct server *s = op->data;

    if (op->result >= 0) {
        must(op->flags & HEALD_MORE);
        must(fcntl((int)op->result, F_GETFL) & O_NONBLOCK);
        must(fcntl((int)op->result, F_GETFD) & FD_CLOEXEC);
        heald_close(op->loop, (int)op->result);
        s->accepted++;
    }
    probe_completed(op);
}

/* No descriptor is left. */
static void take_descriptors(struct server *s)
{
    int next = dup(s->fd);

    must(next >= 0);
    close(next);
    must(getrlimit(RLIMIT_NOFILE, &s->limit) == 0);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = s->limit.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static void give_descriptors(struct server *s)
{
    must(setrlimit(RLIMIT_NOFILE, &s->limit) == 0);
}

/*
 * Submits the accept, and has connections wait for it. A ring takes down the limit when it takes
 * the entry, and may accept before the next turn: so what is lacking is lacking from the beginning.
 */
static void server_start(struct server *s, struct heald_loop *loop, bool lacking,
                         int64_t deadline_ns)
{
    *s = (struct server){.loop = loop};
    s->fd = tcp_listen(8, &s->addr);
    for (int i = 0; i < CLIENTS; i++) {
        s->client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(s->client[i] >= 0);
    }
    turn_for(loop, HEALD_MS);
    if (lacking)
        take_descriptors(s);
    ck_assert_int_eq(heald_prep_accept_persistent(&s->p.op, s->fd), 0);
    s->p.op.data = s;
    s->p.op.deadline_ns = deadline_ns;
    ck_assert_int_eq(heald_submit(loop, &s->p.op, on_accept), 0);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(s->p.calls, 0);
    for (int i = 0; i < CLIENTS; i++)
        must(connect(s->client[i], &s->addr.u.sa, s->addr.len) == 0);
}

static void server_pause(struct server *s, struct heald_loop *loop)
{
    server_start(s, loop, true, HEALD_FOREVER);
    turn_for(loop, 50 * HEALD_MS);
    ck_assert_int_eq(s->p.calls, 0);
}

static void server_end(struct server *s)
{
    for (int i = 0; i < CLIENTS; i++)
        close(s->client[i]);
    ck_assert_int_eq(heald_close(s->loop, s->fd), 0);
}

HEALD_CASE(it_accepts_until_it_is_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct server s;

    server_start(&s, loop, false, HEALD_FOREVER);
    turn_until(loop, &s.accepted, CLIENTS);
    ck_assert_int_eq(s.p.calls, CLIENTS);
    probe_cancel(&s.p);
    server_end(&s);
    loop_end(loop);
}

HEALD_CASE(it_pauses_without_descriptors)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    struct server s;

    server_pause(&s, loop);
    heald_loop_stats(loop, &before);
    turn_for(loop, 300 * HEALD_MS);
    heald_loop_stats(loop, &after);
    int turns = (int)(after.turns - before.turns);
    give_descriptors(&s);
    ck_assert_int_le(turns, TURNS);
    ck_assert_int_eq(s.p.calls, 0);
    turn_until(loop, &s.accepted, CLIENTS);
    probe_cancel(&s.p);
    server_end(&s);
    loop_end(loop);
}

/* One descriptor at a time will do. */
HEALD_CASE(it_goes_on_with_one_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    struct server s;
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);

    server_pause(&s, loop);
    close(spare);
    turn_until(loop, &s.accepted, CLIENTS);
    give_descriptors(&s);
    probe_cancel(&s.p);
    server_end(&s);
    loop_end(loop);
}

/* A pause is no reason to be late for anything else. */
HEALD_CASE(it_ends_in_a_pause)
{
    struct heald_loop *loop = loop_on(_i);

    for (int how = 0; how < 4; how++) {
        struct probe c = {0};
        struct server s;
        server_pause(&s, loop);
        int64_t start = now();
        if (how == 0) {
            ck_assert_int_eq(heald_cancel(&s.p.op), 0);
        } else if (how == 1) {
            ck_assert_int_eq(heald_close(loop, s.fd), 0);
        } else if (how == 2) {
            heald_forget(loop, s.fd);
        } else {
            heald_prep_close(&c.op, s.fd);
            ck_assert_int_eq(probe_do(loop, &c), 0);
        }
        ck_assert_int_eq(probe_end(&s.p), -ECANCELED);
        int64_t took = now() - start;
        give_descriptors(&s);
        ck_assert_int_le(took, 50 * HEALD_MS * harness_slow());
        ck_assert_int_eq(s.accepted, 0);
        for (int i = 0; i < CLIENTS; i++)
            close(s.client[i]);
        if (how == 0 || how == 2)
            ck_assert_int_eq(heald_close(loop, s.fd), 0);
    }
    loop_end(loop);
}

HEALD_CASE(its_deadline_comes_in_a_pause)
{
    struct heald_loop *loop = loop_on(_i);
    struct server s;

    server_start(&s, loop, true, now() + 60 * HEALD_MS);
    int64_t result = probe_end(&s.p);
    give_descriptors(&s);
    ck_assert_int_eq(result, -ETIMEDOUT);
    ck_assert_int_eq(s.accepted, 0);
    server_end(&s);
    loop_end(loop);
}

/* The number is another's: what paused has nothing to do with that. */
HEALD_CASE(the_number_is_used_again_in_a_pause)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct server s;
    struct probe p = {0};

    server_pause(&s, loop);
    ck_assert_int_eq(heald_close(loop, s.fd), 0);
    give_descriptors(&s);
    int fd = tcp_listen(8, &addr);
    ck_assert_int_eq(fd, s.fd);
    int client = tcp_connect(&addr);
    turn_for(loop, 200 * HEALD_MS);
    ck_assert_int_eq(s.accepted, 0);
    ck_assert_int_eq(probe_end(&s.p), -ECANCELED);
    heald_prep_accept(&p.op, fd, NULL, NULL);
    int accepted = (int)probe_do(loop, &p);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(heald_close(loop, accepted), 0);
    ck_assert_int_eq(heald_close(loop, fd), 0);
    for (int i = 0; i < CLIENTS; i++)
        close(s.client[i]);
    close(client);
    loop_end(loop);
}

/* What will not pass is an error, as for the other accepts. */
HEALD_CASE(other_errors_end_it)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct probe p = {0};

    pair_open(PAIR_TCP, fds);
    heald_prep_accept_persistent(&p.op, fds[0]);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    heald_prep_accept_persistent(&p.op, file);
    ck_assert_int_eq(probe_do(loop, &p), -ENOTSOCK);
    heald_prep_accept_persistent(&p.op, 1 << 20);
    ck_assert_int_eq(probe_do(loop, &p), -EBADF);
    pair_close(loop, fds);
    close(file);
    loop_end(loop);
}

/* It calls back several times, so it takes a callback in the loop. */
HEALD_CASE(it_needs_a_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct heald_op op = {0};
    int fd = tcp_listen(1, &addr);

    ck_assert_int_eq(heald_prep_accept_persistent(&op, fd), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_op_notify_thread(&op), 0);
    ck_assert_int_eq(heald_prep_accept_persistent(&op, fd), 0);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    close(fd);
    loop_end(loop);
}

void add_accept_persistent(TCase *group)
{
    add_everywhere(group, it_accepts_until_it_is_cancelled);
    add_everywhere(group, it_pauses_without_descriptors);
    add_everywhere(group, it_goes_on_with_one_descriptor);
    add_everywhere(group, it_ends_in_a_pause);
    add_everywhere(group, its_deadline_comes_in_a_pause);
    add_everywhere(group, the_number_is_used_again_in_a_pause);
    add_everywhere(group, other_errors_end_it);
    add_everywhere(group, it_needs_a_callback);
}
