/*
 * bench/growth/each.c: the cost of one operation where many are pending.
 *
 * echo: a message goes to and fro between two connected sockets, beside receives that wait.
 * timers: all are armed, and fire; all are armed, and each is cancelled.
 * cancel: receives on as many sockets, each cancelled.
 * close: heald_close() of sockets with a receive that waits.
 * accept: a multishot accept, TOGETHER connections at a time, which stay open; each one gets a
 * receive that waits.
 *
 * Few are measured many times. Sockets and ops are taken in the order of a permutation: neither the
 * first nor the last of a list is what is looked for.
 */
#include "growth.h"

#include <sys/socket.h>
#include <unistd.h>

enum { ITEMS = 20000, STRIDE = 7919, TOGETHER = 10, BYTES = 64, PAIR = 2 };
enum { CLOCK_READINGS = 1001, TIMER_SPREAD_NS = 1000000, NAP_NS = 100000 };

struct each {
    struct heald_loop *loop;
    int count, left;
    struct heald_op *ops;
    int *fds, *clients;
    int64_t ns;       /* of all that was measured */
    int64_t items;    /* that it was measured for */
    int64_t clock_ns; /* of a measurement of nothing */
    int steps;
};

/* What callgrind counts: driver/growth.py names it. */
__attribute__((noinline)) void growth_measured(struct each *e, void (*step)(struct each *));

void growth_measured(struct each *e, void (*step)(struct each *))
{
    step(e);
    e->steps++;
}

/* Processor time. */
static int64_t measure(struct each *e, void (*step)(struct each *))
{
    int64_t start = growth_processor_ns();

    growth_measured(e, step);
    int64_t ns = growth_processor_ns() - start - e->clock_ns;
    e->ns += ns;
    return ns;
}

static void nothing(struct each *e)
{
    (void)e;
}

/* To read the clock takes longer than many a step. */
static void measure_the_clock(struct each *e)
{
    int64_t ns[CLOCK_READINGS];

    for (int i = 0; i < CLOCK_READINGS; i++)
        ns[i] = measure(e, nothing);
    e->clock_ns = bench_median(ns, CLOCK_READINGS);
    e->ns = 0;
}

static int rounds_of(const struct each *e)
{
    return e->count < ITEMS ? ITEMS / e->count : 1;
}

static int nth(const struct each *e, int i)
{
    return (int)((int64_t)i * STRIDE % e->count);
}

static void on_end(struct heald_op *op)
{
    struct each *e = op->data;

    e->left--;
}

static void open_sockets(struct each *e)
{
    for (int i = 0; i < e->count; i++)
        if ((e->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
            bench_die("socket", errno);
}

static void receive_on(struct each *e, struct heald_op *op, int fd)
{
    static char unused[BYTES]; /* nothing comes */

    op->data = e;
    heald_prep_recv(op, fd, unused, sizeof unused, 0);
    check(heald_submit(e->loop, op, on_end), "submit");
}

static void receive_on_all(struct each *e)
{
    for (int i = 0; i < e->count; i++)
        receive_on(e, &e->ops[i], e->fds[i]);
    check(heald_loop_turn(e->loop, 0), "turn");
    e->left = e->count;
}

static void until_all_ended(struct each *e)
{
    while (e->left)
        check(heald_loop_turn(e->loop, 0), "turn");
}

static void cancel_all(struct each *e)
{
    for (int i = 0; i < e->count; i++)
        check(heald_cancel(&e->ops[nth(e, i)]), "cancel");
    until_all_ended(e);
}

static void close_all(struct each *e)
{
    for (int i = 0; i < e->count; i++)
        check(heald_close(e->loop, e->fds[nth(e, i)]), "close");
    until_all_ended(e);
}

static void run_cancel(struct each *e)
{
    open_sockets(e);
    for (int round = rounds_of(e); round-- > 0; e->items += e->count) {
        receive_on_all(e);
        measure(e, cancel_all);
    }
}

static void run_close(struct each *e)
{
    for (int round = rounds_of(e); round-- > 0; e->items += e->count) {
        open_sockets(e);
        receive_on_all(e);
        measure(e, close_all);
    }
}

/* One end of the pair. */
struct end {
    struct heald_op op;
    struct each *each;
    int fd;
    char buf[BYTES];
};

static void on_message(struct heald_op *op)
{
    struct end *end = heald_container_of(op, struct end, op);

    if (op->result != BYTES)
        bench_die("a message is cut", 0);
    if (heald_op_kind(op)[0] == 's') {
        heald_prep_recv(op, end->fd, end->buf, BYTES, 0);
    } else if (end->each->left-- > 0) {
        heald_prep_send(op, end->fd, end->buf, BYTES, 0);
    } else {
        heald_loop_stop(op->loop);
        return;
    }
    check(heald_submit(op->loop, op, on_message), "submit");
}

static void until_stopped(struct each *e)
{
    check(heald_loop_run(e->loop), "run");
}

static void run_echo(struct each *e)
{
    struct end *ends = bench_alloc(PAIR, sizeof *ends);
    int pair[PAIR];

    e->count -= PAIR;
    open_sockets(e);
    receive_on_all(e);
    e->count += PAIR;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
        bench_die("socketpair", errno);
    for (int i = 0; i < PAIR; i++) {
        ends[i].each = e;
        ends[i].fd = pair[i];
        heald_prep_recv(&ends[i].op, pair[i], ends[i].buf, BYTES, 0);
        check(heald_submit(e->loop, &ends[i].op, on_message), "submit");
    }
    if (write(pair[0], ends[0].buf, BYTES) != BYTES)
        bench_die("write", errno);
    e->items = e->left = ITEMS;
    measure(e, until_stopped);
}

static void arm_all(struct each *e)
{
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    for (int i = 0; i < e->count; i++) {
        struct heald_op *op = &e->ops[nth(e, i)];
        heald_prep_timer(op, now + (int64_t)i * STRIDE % TIMER_SPREAD_NS);
        check(heald_submit(e->loop, op, on_end), "submit");
    }
    e->left = e->count;
}

static void await(int64_t when_ns)
{
    while (bench_now_ns() < when_ns)
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

/* None fires before all are armed, since no turn runs; all that are armed fire at once. */
static void run_timers(struct each *e)
{
    int64_t arm = 0, fire = 0, cancel = 0;

    for (int i = 0; i < e->count; i++)
        e->ops[i].data = e;
    for (int round = rounds_of(e); round-- > 0; e->items += e->count) {
        arm += measure(e, arm_all);
        await(bench_now_ns() + TIMER_SPREAD_NS);
        fire += measure(e, until_all_ended);
        arm += measure(e, arm_all);
        cancel += measure(e, cancel_all);
    }
    printf("arm_ns %.1f fire_ns %.1f cancel_ns %.1f ", (double)arm / 2 / (double)e->items,
           (double)fire / (double)e->items, (double)cancel / (double)e->items);
}

static void on_accept(struct heald_op *op)
{
    struct each *e = op->data;

    if (op->result < 0)
        bench_die("accept", (int)-op->result);
    int i = --e->left;
    e->fds[i] = (int)op->result;
    receive_on(e, &e->ops[i], e->fds[i]);
}

static void connect_some(struct each *e, const struct heald_addr *addr)
{
    for (int i = e->left - TOGETHER; i < e->left; i++) {
        e->clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (e->clients[i] < 0 || connect(e->clients[i], &addr->u.sa, addr->len) < 0)
            bench_die("connect", errno);
    }
}

static void accept_some(struct each *e)
{
    int end = e->left - TOGETHER;

    while (e->left > end)
        check(heald_loop_turn(e->loop, 0), "turn");
    check(heald_loop_turn(e->loop, 0), "turn"); /* hands the receives to the kernel */
}

/* Without a port for each connection, which TCP would need. */
static void run_accept(struct each *e)
{
    static struct heald_op op;
    struct heald_addr addr;
    char name[BYTES];

    snprintf(name, sizeof name, "unix:@heald_growth.%d", (int)getpid());
    int listener = heald_listen(name, SOCK_STREAM, 0);
    check(listener, "listen");
    check(heald_addr_parse(name, &addr), "address");
    heald_prep_accept_multishot(&op, listener);
    op.data = e;
    check(heald_submit(e->loop, &op, on_accept), "submit");
    for (int round = rounds_of(e); round-- > 0; e->items += e->count) {
        for (e->left = e->count; e->left;) {
            connect_some(e, &addr);
            measure(e, accept_some);
        }
        e->left = e->count;
        close_all(e);
        for (int i = 0; i < e->count; i++)
            close(e->clients[i]);
    }
}

static const struct {
    const char *name;
    void (*run)(struct each *e);
    int descriptors; /* of each */
} cases[] = {
    {"echo", run_echo, 1},   {"timers", run_timers, 0}, {"cancel", run_cancel, 1},
    {"close", run_close, 1}, {"accept", run_accept, 2},
};

int growth_each(struct heald_loop *loop, const char *name, int count)
{
    struct each e = {.loop = loop};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(name, cases[i].name) != 0)
            continue;
        if (cases[i].descriptors)
            count = growth_descriptors(count * cases[i].descriptors) / cases[i].descriptors;
        e.count = count / TOGETHER * TOGETHER;
        e.ops = bench_alloc((size_t)e.count, sizeof *e.ops);
        e.fds = bench_alloc((size_t)e.count, sizeof *e.fds);
        e.clients = bench_alloc((size_t)e.count, sizeof *e.clients);
        measure_the_clock(&e);
        cases[i].run(&e);
        printf("count %d items %lld each_ns %.1f\n", e.count, (long long)e.items,
               (double)e.ns / (double)e.items);
        return 1;
    }
    return 0;
}
