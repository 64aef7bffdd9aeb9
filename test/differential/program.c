/* test/differential/program.c: runs one program on one back end and engine. See program.h. */
#include "differential/program.h"
#include "differential/run.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WATCHDOG_SECONDS = 10 };

const struct unit_kind *const unit_kinds[] = {
    &unit_stream,  &unit_pair,   &unit_duplex, &unit_datagram, &unit_accept,
    &unit_refused, &unit_timers, &unit_period, &unit_deadline, &unit_cancel,
    &unit_poll,    &unit_close,  &unit_file,   &unit_names,    &unit_posts,
    &unit_signals, &unit_child,  &unit_tell,   &unit_pass,     &unit_reuse,
    &unit_tree,    NULL};

static const struct unit_kind *pick_kind(struct rng *r)
{
    unsigned sum = 0, at;

    for (int i = 0; unit_kinds[i]; i++)
        sum += unit_kinds[i]->weight;
    at = rng_below(r, sum);
    for (int i = 0;; i++) {
        if (at < unit_kinds[i]->weight)
            return unit_kinds[i];
        at -= unit_kinds[i]->weight;
    }
}

/* Small limits give bugs a chance; every other seed has some. */
static struct heald_loop_options options_of(uint64_t seed, const char *backend, const char *engine)
{
    struct rng r = rng_of(seed, 1);
    struct heald_loop_options o = {.backend = backend, .engine = engine};

    o.policy = (enum heald_policy)rng_below(&r, 4);
    if (rng_one_in(&r, 2)) {
        o.turn_callbacks = rng_range(&r, 1, 3);
        o.entries = rng_one_in(&r, 2) ? 2 : 4;
        o.pool_threads = rng_range(&r, 1, 2);
    }
    return o;
}

static void list_one(const struct heald_op *op, void *user)
{
    (void)user;
    fprintf(stderr, "  %s %s %s\n", op->name ? op->name : "?", heald_op_kind(op),
            heald_op_state(op));
}

static void on_watchdog(struct heald_op *op)
{
    struct run *run = op->data;

    if (op->result == -ECANCELED)
        return;
    fprintf(stderr, "seed %llu back end %s engine %s: still there after %d s:\n",
            (unsigned long long)run->seed, run->backend, run->engine, WATCHDOG_SECONDS);
    heald_loop_list(run->loop, list_one, NULL);
    for (unsigned i = 0; i < run->count; i++)
        if (!run->unit[i].over)
            fprintf(stderr, "  unit %u, %s, is not over\n", i, run->unit[i].kind->name);
    ck_abort_msg("seed %llu back end %s engine %s hangs", (unsigned long long)run->seed,
                 run->backend, run->engine);
}

void unit_over(struct unit *u)
{
    ck_assert_msg(!u->over, "unit %u, %s, is over twice", u->index, u->kind->name);
    u->over = true;
    if (--u->run->left == 0)
        heald_cancel(&u->run->watchdog);
}

void unit_go(struct unit *u, struct heald_op *op, heald_fn *fn)
{
    op->data = u;
    op->name = u->kind->name;
    op->op_class = (uint8_t)rng_below(&u->noise, 3);
    if (op->deadline_ns == HEALD_FOREVER && rng_one_in(&u->noise, 3))
        op->deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + FAR_SECONDS * HEALD_SEC;
    int err = heald_submit(u->run->loop, op, fn);
    ck_assert_msg(err == 0, "unit %u, %s: submit of %s: %s", u->index, u->kind->name,
                  heald_op_kind(op), heald_strerror(err));
}

void unit_vary(struct unit *u, int fd)
{
    if (rng_one_in(&u->noise, 2))
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

void unit_check_bytes(const struct unit *u, const unsigned char *data, uint64_t place, size_t n)
{
    size_t i = 0;

    while (i < n && data[i] == unit_byte(u, place + i))
        i++;
    /* One assertion, for libcheck makes a system call of each. */
    ck_assert_msg(i == n, "unit %u, %s: byte %llu is wrong", u->index, u->kind->name,
                  (unsigned long long)place + i);
}

static void connect_tcp(int ret_fds[2])
{
    struct heald_addr addr;
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 1);

    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    ret_fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(ret_fds[0], 0);
    ck_assert_int_eq(connect(ret_fds[0], &addr.u.sa, addr.len), 0);
    fcntl(ret_fds[0], F_SETFL, O_NONBLOCK);
    ret_fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ret_fds[1], 0);
    fcntl(ret_fds[1], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 2; i++)
        setsockopt(ret_fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    close(listener);
}

static void connect_udp(int ret_fds[2])
{
    struct heald_addr addr[2];

    for (int i = 0; i < 2; i++) {
        ret_fds[i] = heald_bind("127.0.0.1:0", SOCK_DGRAM);
        ck_assert_int_ge(ret_fds[i], 0);
        ck_assert_int_eq(heald_local_addr(ret_fds[i], &addr[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(connect(ret_fds[i], &addr[!i].u.sa, addr[!i].len), 0);
}

void unit_pair_open(enum pair_kind kind, int ret_fds[2])
{
    int err = 0;

    switch (kind) {
    case PAIR_UNIX: err = heald_socketpair(SOCK_STREAM, ret_fds); break;
    case PAIR_PACKET: err = heald_socketpair(SOCK_SEQPACKET, ret_fds); break;
    case PAIR_DGRAM: err = heald_socketpair(SOCK_DGRAM, ret_fds); break;
    case PAIR_PIPE: err = heald_pipe(ret_fds); break;
    case PAIR_TCP: connect_tcp(ret_fds); break;
    case PAIR_UDP: connect_udp(ret_fds); break;
    }
    ck_assert_int_eq(err, 0);
}

static void prepare(struct run *run)
{
    struct rng r = rng_of(run->seed, 2);

    run->count = run->left = rng_range(&r, 1, UNITS_MAX);
    for (unsigned i = 0; i < run->count; i++) {
        struct unit *u = &run->unit[i];
        *u = (struct unit){.run = run,
                           .kind = pick_kind(&r),
                           .index = i,
                           .plan = rng_of(run->seed, 100 + i),
                           .noise = rng_of(run->seed, 200 + i)};
        u->state = calloc(1, u->kind->size);
        ck_assert_ptr_nonnull(u->state);
    }
}

static void finish(struct run *run)
{
    struct heald_loop_stats stats;

    heald_loop_stats(run->loop, &stats);
    ck_assert_uint_eq(run->left, 0);
    ck_assert_uint_eq(stats.pending, 0);
    ck_assert_uint_eq(stats.due, 0);
    ck_assert_uint_eq(stats.submitted + stats.posts, stats.completed);
    ck_assert_uint_eq(heald_loop_list(run->loop, NULL, NULL), 0);
    ck_assert_int_eq(heald_loop_close(run->loop), 0);
    for (unsigned i = 0; i < run->count; i++)
        free(run->unit[i].state);
}

int program_run(struct run *run)
{
    struct heald_loop_options o = options_of(run->seed, run->backend, run->engine);
    int err = heald_loop_open(&run->loop, &o);

    if (err)
        return err;
    prepare(run);
    heald_prep_timer(&run->watchdog, heald_clock_now(HEALD_CLOCK_MONOTONIC) +
                                         harness_slow() * WATCHDOG_SECONDS * HEALD_SEC);
    run->watchdog.data = run;
    ck_assert_int_eq(heald_submit(run->loop, &run->watchdog, on_watchdog), 0);
    for (unsigned i = 0; i < run->count; i++)
        run->unit[i].kind->start(&run->unit[i]);
    ck_assert_int_eq(heald_loop_run(run->loop), 0);
    finish(run);
    return 0;
}
