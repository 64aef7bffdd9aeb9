/*
 * test/conformance/spin_poll.c: nothing spins: poll ops of every mask beside what they did not ask
 * for, what is half-closed or hung up, and urgent data.
 */
#include "conformance/spin.h"

#include <stdio.h>
#include <stdlib.h>

static void wait_for(struct spin *s, int i, int fd, unsigned events)
{
    int err = heald_prep_poll(&s->op[i].op, fd, events);

    if (err)
        worker_fail(s->me, "prep of a poll of %#x: %s", events, heald_strerror(err));
    spin_submit(s, i);
}

/* Data lies there, and there is room. row->arg: the mask. */
static void start_poll(struct spin *s, enum pair_kind kind)
{
    spin_pair(s, kind);
    need(s->me, write(s->peer, "x", 1) == 1);
    wait_for(s, 0, s->fd, s->row->arg);
}

static void start_tcp(struct spin *s)
{
    start_poll(s, PAIR_TCP);
}

static void start_unix(struct spin *s)
{
    start_poll(s, PAIR_UNIX);
}

static void start_pipe(struct spin *s)
{
    start_poll(s, PAIR_PIPE);
}

static void after_urgent(struct spin *s)
{
    need(s->me, send(s->peer, "u", 1, MSG_OOB) == 1);
    need(s->me, spin_await(s, 0, SPIN_SOON) & POLLPRI);
}

static void after_half_close(struct spin *s)
{
    need(s->me, shutdown(s->peer, SHUT_WR) == 0);
    need(s->me, spin_await(s, 0, SPIN_SOON) & POLLRDHUP);
}

static void after_reset(struct spin *s)
{
    struct linger hard = {.l_onoff = 1};

    setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(s->peer);
    need(s->me, spin_await(s, 0, SPIN_SOON) & (POLLERR | POLLHUP));
}

static void after_close(struct spin *s)
{
    close(s->peer);
    need(s->me, spin_await(s, 0, SPIN_SOON) & (POLLERR | POLLHUP));
}

static void after_cancel(struct spin *s)
{
    spin_cancel(s, 0);
}

static void start_out(struct spin *s)
{
    spin_pair(s, PAIR_TCP);
    need(s->me, write(s->peer, "x", 1) == 1);
    fill_up(s->fd);
    wait_for(s, 0, s->fd, POLLOUT);
}

static void after_room(struct spin *s)
{
    spin_drain(s->peer);
    need(s->me, spin_await(s, 0, SPIN_SOON) & POLLOUT);
}

static void start_in(struct spin *s)
{
    spin_pair(s, PAIR_TCP);
    wait_for(s, 0, s->fd, POLLIN);
}

static void after_in(struct spin *s)
{
    need(s->me, write(s->peer, "x", 1) == 1);
    need(s->me, spin_await(s, 0, SPIN_SOON) == POLLIN);
}

/* The end of the stream lies there unread. */
static void start_half_closed(struct spin *s)
{
    spin_pair(s, PAIR_TCP);
    need(s->me, shutdown(s->peer, SHUT_WR) == 0);
    wait_for(s, 0, s->fd, s->row->arg);
}

static void start_pipe_writer(struct spin *s)
{
    int fd;

    spin_pair(s, PAIR_PIPE);
    fd = s->fd;
    s->fd = s->peer;
    s->peer = fd;
    wait_for(s, 0, s->fd, 0);
}

static void start_null(struct spin *s)
{
    s->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    need(s->me, s->fd >= 0);
    wait_for(s, 0, s->fd, s->row->arg);
}

static void after_null(struct spin *s)
{
    heald_prep_write(&s->op[1].op, s->fd, "x", 1, HEALD_NO_OFFSET);
    spin_submit(s, 1);
    need(s->me, spin_await(s, 1, SPIN_SOON) == 1);
    spin_cancel(s, 0);
}

/*
 * The other side has said all it has to say; a send waits for room. The system finds some room now
 * and then, so the send is submitted again, until after_send() makes room.
 */
static char sent[65536];

static void on_send(struct heald_op *op)
{
    struct spin_op *p = heald_container_of(op, struct spin_op, op);
    struct spin *s = p->spin;

    if (op->result <= 0 || s->other == 0) {
        spin_notified(op);
        return;
    }
    heald_prep_send(op, s->fd, sent, sizeof sent, 0);
    spin_submit_fn(s, 1, on_send);
}

static void start_send_half_closed(struct spin *s)
{
    spin_pair(s, s->row->arg ? PAIR_UNIX : PAIR_TCP);
    heald_prep_recv(&s->op[0].op, s->fd, s->op[0].buf, 8, 0);
    spin_submit(s, 0);
    need(s->me, shutdown(s->peer, SHUT_WR) == 0);
    need(s->me, spin_await(s, 0, SPIN_SOON) == 0);
    fill_up(s->fd);
    heald_prep_send(&s->op[1].op, s->fd, sent, sizeof sent, 0);
    spin_submit_fn(s, 1, on_send);
}

static void after_send(struct spin *s)
{
    if (s->op[1].finals)
        worker_fail(s->me, "the send completed with %d", (int)s->op[1].result);
    s->other = 0;
    spin_drain(s->peer);
    need(s->me, spin_await(s, 1, SPIN_SOON) > 0);
}

static void start_read(struct spin *s)
{
    heald_prep_read(&s->op[0].op, s->fd, s->op[0].buf, SPIN_ROOM, HEALD_NO_OFFSET);
    spin_submit(s, 0);
    worker_turn(s->me, s->loop, 0);
}

/* Read to the end, and then left alone. row->arg: the kind of pair; reset what can be. */
static void start_hung_up(struct spin *s)
{
    struct linger hard = {.l_onoff = 1};

    spin_pair(s, (enum pair_kind)s->row->arg);
    start_read(s);
    setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(s->peer);
    int64_t n = spin_await(s, 0, SPIN_SOON);
    need(s->me, n == 0 || n == -ECONNRESET);
}

static void after_hung_up(struct spin *s)
{
    start_read(s);
    need(s->me, spin_await(s, 0, SPIN_SOON) == 0);
    need(s->me, heald_close(s->loop, s->fd) == 0);
}

/* A terminal; row->arg: which side is left alone by the other. */
static void start_terminal(struct spin *s)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), user;

    if (master < 0 || grantpt(master) || unlockpt(master))
        return; /* There are no pseudo-terminals here: the row has nothing to show. */
    user = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    need(s->me, user >= 0);
    s->fd = s->row->arg ? user : master;
    start_read(s);
    close(s->row->arg ? master : user);
    int64_t n = spin_await(s, 0, SPIN_SOON);
    need(s->me, n == 0 || n == -EIO);
}

static void after_terminal(struct spin *s)
{
    int user = -1;

    if (s->fd < 0)
        return;
    if (!s->row->arg)
        user = open(ptsname(s->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    start_read(s);
    if (user >= 0)
        need(s->me, write(user, "k", 1) == 1);
    int64_t n = spin_await(s, 0, SPIN_SOON);
    need(s->me, user >= 0 ? n == 1 : n == 0 || n == -EIO);
    need(s->me, heald_close(s->loop, s->fd) == 0);
}

static void start_recv_urgent(struct spin *s)
{
    spin_pair(s, PAIR_TCP);
    heald_prep_recv(&s->op[0].op, s->fd, s->op[0].buf, SPIN_ROOM, 0);
    spin_submit(s, 0);
    worker_turn(s->me, s->loop, 0);
    need(s->me, send(s->peer, "u", 1, MSG_OOB) == 1);
}

/* The urgent byte is read beside the receive that waits, but in a ring, where the kernel tries that
 * receive for it and so clears its mark. */
static void after_recv_urgent(struct spin *s)
{
    bool ring = strcmp(heald_loop_backend(s->loop), "uring") == 0;

    s->op[1].buf[0] = 'u';
    for (int i = ring; i < 2; i++) {
        heald_prep_recv(&s->op[1].op, s->fd, s->op[1].buf, 1, MSG_OOB);
        spin_submit(s, 1);
        /* There is one such byte. */
        need(s->me, spin_await(s, 1, SPIN_SOON) == (i ? -EINVAL : 1));
    }
    need(s->me, s->op[1].buf[0] == 'u' && !s->op[0].finals);
    need(s->me, write(s->peer, "abc", 3) == 3);
    need(s->me, spin_await(s, 0, SPIN_SOON) == 3);
}

static const struct spin_row masks[] = {
    {"POLLIN, there is room", start_in, after_in, 0},
    {"POLLPRI, data lies there", start_tcp, after_urgent, POLLPRI},
    {"POLLRDHUP, data lies there", start_tcp, after_half_close, POLLRDHUP},
    {"POLLRDHUP on a Unix stream", start_unix, after_half_close, POLLRDHUP},
    {"POLLPRI | POLLRDHUP", start_tcp, after_urgent, POLLPRI | POLLRDHUP},
    {"POLLPRI on a Unix stream", start_unix, after_close, POLLPRI},
    {"POLLPRI on a pipe", start_pipe, after_close, POLLPRI},
    {"POLLOUT, full, data lies there", start_out, after_room, 0},
    {"errors alone, TCP", start_tcp, after_reset, 0},
    {"errors alone, Unix stream", start_unix, after_close, 0},
    {"errors alone, pipe to read", start_pipe, after_close, 0},
    {"errors alone, pipe to write", start_pipe_writer, after_close, 0},
    {"POLLPRI, half-closed", start_half_closed, after_cancel, POLLPRI},
    {"errors alone, half-closed", start_half_closed, after_cancel, 0},
    {"POLLPRI on /dev/null", start_null, after_null, POLLPRI},
    {"errors alone on /dev/null", start_null, after_null, 0},
};

static const struct spin_row ends[] = {
    {"send on half-closed TCP", start_send_half_closed, after_send, 0},
    {"send on a half-closed Unix stream", start_send_half_closed, after_send, 1},
    {"TCP after a reset", start_hung_up, after_hung_up, PAIR_TCP},
    {"Unix stream after a hang-up", start_hung_up, after_hung_up, PAIR_UNIX},
    {"pipe after a hang-up", start_hung_up, after_hung_up, PAIR_PIPE},
    {"master of a terminal in hang-up", start_terminal, after_terminal, 0},
    {"terminal in hang-up", start_terminal, after_terminal, 1},
    {"recv beside urgent data", start_recv_urgent, after_recv_urgent, 0},
};

HEALD_CASE(poll_ops_of_every_mask)
{
    skip_on_portable("select(2) alone knows neither POLLRDHUP nor errors alone");
    skip_on_kqueue(_i, "no filter for urgent data and errors alone");
    spin_run(_i, masks, sizeof masks / sizeof *masks);
}

HEALD_CASE(hang_ups_and_urgent_data)
{
    spin_run(_i, ends, sizeof ends / sizeof *ends);
}

void add_spin_poll(TCase *group)
{
    add_everywhere(group, poll_ops_of_every_mask);
    add_everywhere(group, hang_ups_and_urgent_data);
}
