/* test/conformance/spin_tools.c: see spin.h. */
#include "conformance/spin.h"

#include <netinet/in.h>
#include <stdio.h>

enum { CALM_NS = 60 * HEALD_MS, IDLE_MS = 300, TURNS = 5 };

void spin_notified(struct heald_op *op)
{
    struct spin_op *p = heald_container_of(op, struct spin_op, op);

    p->calls++;
    p->result = op->result;
    p->finals += !(op->flags & HEALD_MORE);
}

void spin_submit_fn(struct spin *s, int i, heald_fn *fn)
{
    s->op[i].spin = s;
    s->op[i].finals = 0;
    int err = heald_submit(s->loop, &s->op[i].op, fn);
    if (err)
        worker_fail(s->me, "submit of %s: %s", heald_op_kind(&s->op[i].op), heald_strerror(err));
}

void spin_submit(struct spin *s, int i)
{
    spin_submit_fn(s, i, spin_notified);
}

int64_t spin_await(struct spin *s, int i, int ms)
{
    int64_t end = now() + ms * HEALD_MS * harness_slow();

    while (!s->op[i].finals) {
        if (now() >= end)
            worker_fail(s->me, "%s does not complete within %d ms", heald_op_kind(&s->op[i].op),
                        ms);
        need(s->me, heald_loop_turn(s->loop, end) >= 0);
    }
    return s->op[i].result;
}

void spin_cancel(struct spin *s, int i)
{
    if (s->op[i].finals)
        worker_fail(s->me, "%s completed with %d", heald_op_kind(&s->op[i].op),
                    (int)s->op[i].result);
    need(s->me, heald_cancel(&s->op[i].op) == 0);
    need(s->me, spin_await(s, i, SPIN_SOON) == -ECANCELED);
}

static void tcp_pair(struct spin *s)
{
    struct heald_addr addr;
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 1), some = 1 << 17;

    need(s->me, listener >= 0 && heald_local_addr(listener, &addr) == 0);
    s->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(s->me, connect(s->peer, &addr.u.sa, addr.len) == 0);
    s->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    need(s->me, s->fd >= 0);
    need(s->me, fcntl(s->peer, F_SETFL, O_NONBLOCK) == 0);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &some, sizeof some);
    setsockopt(s->peer, SOL_SOCKET, SO_RCVBUF, &some, sizeof some);
    close(listener);
}

void spin_pair(struct spin *s, enum pair_kind kind)
{
    int fds[2];

    if (kind == PAIR_TCP) {
        tcp_pair(s);
        return;
    }
    need(s->me, (kind == PAIR_PIPE ? heald_pipe(fds) : heald_socketpair(SOCK_STREAM, fds)) == 0);
    s->fd = fds[0];
    s->peer = fds[1];
}

void spin_drain(int fd)
{
    char buf[4096];

    while (read(fd, buf, sizeof buf) > 0)
        ;
}

static void run_row(struct workers *all, struct worker *me, void *arg)
{
    struct spin s = {.all = all, .me = me, .row = arg, .fd = -1, .peer = -1, .other = -1};
    struct heald_loop_stats before, after;

    s.loop = worker_loop(all, me);
    s.row->start(&s);
    worker_turn(me, s.loop, CALM_NS * harness_slow());
    heald_loop_stats(s.loop, &before);
    int64_t begin = now();
    worker_turn(me, s.loop, IDLE_MS * HEALD_MS);
    int64_t ms = (now() - begin) / HEALD_MS;
    heald_loop_stats(s.loop, &after);
    int turns = (int)(after.turns - before.turns);
    if (turns > TURNS * ms / IDLE_MS)
        worker_fail(me, "%d turns in %d ms", turns, (int)ms);
    if (s.row->after)
        s.row->after(&s);
}

void spin_run(int combination, const struct spin_row rows[], unsigned count)
{
    struct workers *all = workers_open(combination);

    for (unsigned i = 0; i < count; i++)
        worker_start(all, rows[i].name, run_row, (void *)&rows[i]);
    workers_end(all, 4 * HEALD_SEC);
    workers_close(all);
}
