/*
 * test/conformance/flags_kept.c: what is written to descriptors whose O_NONBLOCK comes and goes;
 * and that heald never changes a flag of an open file, not for an instant, killed or not.
 */
#include "conformance/workers.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

enum { KINDS = 4, SOCKETS = 24, MOVERS = 14, PIECE = 512, KILLS = 12, WINDOW_MS = 150 };
enum { AMOUNT = 300 * 1000, TERMINAL_AMOUNT = 20 * 1000, GAP_MS = 700, PAUSE_MS = 900 };

static const char *const names[] = {"TCP", "Unix stream", "pipe", "terminal"};

/* Pairs of all kinds that block: what is written to [1] is read from [0]. */
struct pairs {
    int fds[KINDS][2];
    int kinds; /* without the terminal where there is none */
};

static void pairs_open(struct pairs *p)
{
    for (p->kinds = 0; p->kinds < PAIR_KINDS; p->kinds++)
        pair_open((enum pair_kind)p->kinds, p->fds[p->kinds]);
    p->kinds += terminal_open(p->fds[p->kinds]);
    for (int i = 0; i < p->kinds; i++)
        for (int k = 0; k < 2; k++)
            set_blocking(p->fds[i][k], true);
}

static void pairs_close(struct pairs *p)
{
    for (int i = 0; i < p->kinds; i++)
        for (int k = 0; k < 2; k++)
            close(p->fds[i][k]);
}

/* Much is written to descriptors that others make blocking and non-blocking. */
struct writing {
    struct heald_op op;
    struct worker *me;
    int fd, sent, amount, *left;
};

static char data[AMOUNT];

static void write_more(struct writing *w);

static void on_written(struct heald_op *op)
{
    struct writing *w = heald_container_of(op, struct writing, op);

    if (op->result <= 0)
        worker_fail(w->me, "write: %s", heald_strerror((int)op->result));
    w->sent += (int)op->result;
    if (w->sent == 1 || w->sent == w->amount)
        --*w->left;
    else
        write_more(w);
}

/* A byte first, at which the loop looks at the descriptor; then all the rest. */
static void write_more(struct writing *w)
{
    size_t n = w->sent ? (size_t)(w->amount - w->sent) : 1;

    heald_prep_write(&w->op, w->fd, data + w->sent, n, HEALD_NO_OFFSET);
    need(w->me, heald_submit(w->op.loop, &w->op, on_written) == 0);
}

static int amount_of(int kind)
{
    return kind < PAIR_KINDS ? AMOUNT : TERMINAL_AMOUNT;
}

static void write_all(struct workers *all, struct worker *me, void *arg)
{
    struct pairs *p = arg;
    struct heald_loop *loop = worker_loop(all, me);
    struct writing w[KINDS] = {0};
    struct worker_ticks ticks;
    int left = p->kinds;

    for (int i = 0; i < p->kinds; i++) {
        w[i] =
            (struct writing){.me = me, .fd = p->fds[i][1], .amount = amount_of(i), .left = &left};
        w[i].op.loop = loop;
        write_more(&w[i]);
    }
    while (left)
        worker_turn(me, loop, 0);
    __atomic_store_n(&me->count, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&me->count, __ATOMIC_RELAXED) == 1)
        usleep(500);
    worker_tick(&ticks, me, loop);
    worker_turn(me, loop, 2 * HEALD_MS);
    left = p->kinds;
    for (int i = 0; i < p->kinds; i++)
        write_more(&w[i]);
    while (left && !workers_stop(all))
        worker_turn(me, loop, 2 * HEALD_MS);
    if (now() - ticks.last > me->gap_ns)
        me->gap_ns = now() - ticks.last;
}

/* Reads slowly, so that there is no room again and again. */
static void read_slowly(struct workers *all, struct worker *me, void *arg)
{
    struct pairs *p = arg;
    static char buf[16384];
    int got[KINDS] = {0}, left = p->kinds;

    while (left && !workers_stop(all)) {
        for (int i = 0; i < p->kinds; i++) {
            struct pollfd ready = {.fd = p->fds[i][0], .events = POLLIN};
            if (got[i] == amount_of(i) || poll(&ready, 1, 0) != 1)
                continue;
            ssize_t n = read(p->fds[i][0], buf, i < PAIR_KINDS ? sizeof buf : 1024);
            need(me, n > 0 && got[i] + n <= amount_of(i));
            if (memcmp(buf, data + got[i], (size_t)n) != 0)
                worker_fail(me, "%s: other data than was written", names[i]);
            got[i] += (int)n;
            left -= got[i] == amount_of(i);
        }
        usleep(2000);
    }
    for (int i = 0; i < p->kinds; i++)
        if (got[i] < amount_of(i))
            worker_fail(me, "%s: %d bytes of %d came", names[i], got[i], amount_of(i));
}

static void toggle_all(struct workers *all, struct worker *me, void *arg)
{
    struct pairs *p = arg;

    while (!workers_stop(all))
        for (int i = 0; i < p->kinds; i++) {
            int fd = p->fds[i][1];
            need(me, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_NONBLOCK) == 0);
            if (me - all->worker == 3)
                usleep(300);
            else
                sched_yield();
        }
}

/* Blocking behind the loop's back, and nobody reads for a while; then now this, now that. */
HEALD_CASE(writes_while_it_becomes_blocking)
{
    skip_on_portable("a write to what becomes blocking may block");
    struct workers *all = workers_open(_i);
    struct pairs p;

    pairs_open(&p);
    pattern_fill(data, sizeof data, 0);
    for (int i = 0; i < p.kinds; i++)
        set_blocking(p.fds[i][1], false);
    struct worker *writer = worker_start(all, "writer", write_all, &p);
    while (!__atomic_load_n(&writer->count, __ATOMIC_RELAXED) && !writer->why[0])
        usleep(500);
    for (int i = 0; i < p.kinds; i++)
        set_blocking(p.fds[i][1], true);
    __atomic_store_n(&writer->count, 2, __ATOMIC_RELAXED);
    usleep(PAUSE_MS * 1000 * (useconds_t)harness_slow());
    struct worker *reader = worker_start(all, "reader", read_slowly, &p);
    worker_start(all, "fast toggle", toggle_all, &p);
    worker_start(all, "slow toggle", toggle_all, &p);
    int64_t end = now() + 1500 * HEALD_MS * harness_slow();
    while (!(reader->left && writer->left) && !reader->why[0] && now() < end)
        usleep(1000);
    workers_end(all, HEALD_SEC);
    int gap = (int)(writer->gap_ns / HEALD_MS);
    ck_assert_msg(gap <= GAP_MS * harness_slow(), "the writer stood still for %d ms", gap);
    workers_close(all);
    pairs_close(&p);
}

/* A loop that does everything at once, on blocking descriptors that others see. */
struct traffic {
    struct pairs pairs;
    int listener, socket[SOCKETS];
    struct heald_addr addr;
};

struct mover {
    struct heald_op op;
    struct worker *me;
    int fd;
    bool in;
    char buf[PIECE];
};

static void on_move(struct heald_op *op)
{
    struct mover *m = heald_container_of(op, struct mover, op);

    need(m->me, op->result > 0);
    if (m->in)
        heald_prep_read(op, m->fd, m->buf, PIECE, HEALD_NO_OFFSET);
    else
        heald_prep_write(op, m->fd, m->buf, PIECE, HEALD_NO_OFFSET);
    need(m->me, heald_submit(op->loop, op, on_move) == 0);
}

static void start_mover(struct mover *m, struct worker *me, struct heald_loop *loop, int fd,
                        bool in)
{
    *m = (struct mover){.me = me, .fd = fd, .in = in};
    m->op.loop = loop;
    m->op.result = 1;
    on_move(&m->op);
}

static void on_connection(struct heald_op *op)
{
    if (op->result >= 0)
        heald_close(op->loop, (int)op->result);
}

static void move_everything(struct workers *all, struct worker *me, void *arg)
{
    struct traffic *t = arg;
    struct heald_loop *loop = worker_loop(all, me);
    static struct mover movers[MOVERS];
    struct heald_op accept = {0}, connect[SOCKETS] = {0};
    int n = 0;

    for (int i = 0; i < t->pairs.kinds; i++)
        for (int k = 0; k < 2; k++) {
            if (i != PAIR_PIPE || k == 0)
                start_mover(&movers[n++], me, loop, t->pairs.fds[i][k], true);
            if (i != PAIR_PIPE || k == 1)
                start_mover(&movers[n++], me, loop, t->pairs.fds[i][k], false);
        }
    heald_prep_accept_multishot(&accept, t->listener);
    need(me, heald_submit(loop, &accept, on_connection) == 0);
    for (int i = 0; i < SOCKETS && !workers_stop(all); i++) {
        heald_prep_connect(&connect[i], t->socket[i], &t->addr.u.sa, t->addr.len);
        need(me, heald_submit(loop, &connect[i], NULL) == 0);
        worker_turn(me, loop, 2 * HEALD_MS);
    }
    while (!workers_stop(all))
        worker_turn(me, loop, 2 * HEALD_MS);
}

static void traffic_open(struct traffic *t)
{
    pairs_open(&t->pairs);
    t->listener = tcp_listen(SOCKETS, &t->addr);
    set_blocking(t->listener, true);
    for (int i = 0; i < SOCKETS; i++) {
        t->socket[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(t->socket[i] >= 0);
    }
}

static void traffic_close(struct traffic *t)
{
    pairs_close(&t->pairs);
    close(t->listener);
    for (int i = 0; i < SOCKETS; i++)
        close(t->socket[i]);
}

/* What has become non-blocking, or NULL. */
static const char *changed(const struct traffic *t)
{
    for (int i = 0; i < t->pairs.kinds; i++)
        for (int k = 0; k < 2; k++)
            if (fcntl(t->pairs.fds[i][k], F_GETFL) & O_NONBLOCK)
                return names[i];
    if (fcntl(t->listener, F_GETFL) & O_NONBLOCK)
        return "listener";
    for (int i = 0; i < SOCKETS; i++)
        if (fcntl(t->socket[i], F_GETFL) & O_NONBLOCK)
            return "socket that connects";
    return NULL;
}

HEALD_CASE(no_flag_is_ever_changed)
{
    struct workers *all = workers_open(_i);
    struct traffic t;
    const char *what = NULL;

    traffic_open(&t);
    worker_start(all, "loop", move_everything, &t);
    for (int64_t end = now() + WINDOW_MS * HEALD_MS; !what && now() < end;)
        what = changed(&t);
    workers_end(all, HEALD_SEC);
    ck_assert_msg(!what, "a %s was non-blocking for a moment", what ? what : "");
    workers_close(all);
    traffic_close(&t);
}

HEALD_CASE(no_flag_stays_changed_by_a_kill)
{
    struct workers *all = workers_open(_i);
    struct traffic t;
    unsigned seed = 1;

    traffic_open(&t);
    for (int i = 0; i < KILLS; i++) {
        struct worker *w = worker_start(all, "loop", move_everything, &t);
        usleep(1500 + (useconds_t)rand_r(&seed) % 6000);
        worker_kill(w);
        const char *what = changed(&t);
        ck_assert_msg(!what, "a %s stays non-blocking", what ? what : "");
    }
    workers_end(all, HEALD_SEC);
    workers_close(all);
    traffic_close(&t);
}

void add_flags_kept(TCase *group)
{
    add_everywhere(group, writes_while_it_becomes_blocking);
    add_everywhere(group, no_flag_is_ever_changed);
    add_everywhere(group, no_flag_stays_changed_by_a_kill);
}
