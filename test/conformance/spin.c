/*
 * test/conformance/spin.c: nothing spins: error queues, receivers that are full, accepts that lack
 * descriptors, leases, and sockets that a child keeps open.
 */
#include "conformance/spin.h"

#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { RETRIES = 4, MESSAGES = 25, MANY = 100000 };

static struct sockaddr_in local(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A UDP socket with a queue of errors. */
static void open_udp(struct spin *s)
{
    int on = 1;

    s->fd = heald_bind("127.0.0.1:0", SOCK_DGRAM);
    s->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    need(s->me, s->fd >= 0 && s->peer >= 0 && heald_local_addr(s->fd, &s->addr) == 0);
    need(s->me, setsockopt(s->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0);
}

static void receive_datagram(struct spin *s)
{
    need(s->me, sendto(s->peer, "hi", 2, 0, &s->addr.u.sa, s->addr.len) == 2);
}

/* Nobody listens on port 1: the error comes back at once. */
static void provoke_error(struct spin *s)
{
    struct sockaddr_in nobody = local(1);

    need(s->me, sendto(s->fd, "x", 1, 0, (struct sockaddr *)&nobody, sizeof nobody) == 1);
}

static void prep_recv(struct spin *s, int i)
{
    heald_prep_recv(&s->op[i].op, s->fd, s->op[i].buf, SPIN_ROOM, 0);
}

static void prep_errors(struct spin *s, int i)
{
    struct spin_op *p = &s->op[i];

    p->iov = (struct iovec){p->buf, SPIN_ROOM};
    p->msg = (struct msghdr){.msg_iov = &p->iov,
                             .msg_iovlen = 1,
                             .msg_control = p->control,
                             .msg_controllen = SPIN_ROOM};
    heald_prep_recvmsg(&p->op, s->fd, &p->msg, MSG_ERRQUEUE);
}

/* The error is reported to a receive once, too; that tries again. */
static void on_recv(struct heald_op *op)
{
    struct spin_op *p = heald_container_of(op, struct spin_op, op);

    spin_notified(op);
    if (op->result != -ECONNREFUSED || p->calls > RETRIES)
        return;
    prep_recv(p->spin, 0);
    spin_submit_fn(p->spin, 0, on_recv);
}

static void start_errors(struct spin *s)
{
    open_udp(s);
    prep_recv(s, 0);
    spin_submit_fn(s, 0, on_recv);
    worker_turn(s->me, s->loop, 0);
    provoke_error(s);
}

static void after_datagram(struct spin *s)
{
    need(s->me, !s->op[0].finals);
    receive_datagram(s);
    need(s->me, spin_await(s, 0, SPIN_SOON) == 2);
}

static void start_errors_read(struct spin *s)
{
    open_udp(s);
    prep_recv(s, 0);
    spin_submit_fn(s, 0, on_recv);
    prep_errors(s, 1);
    spin_submit(s, 1);
    worker_turn(s->me, s->loop, 0);
    provoke_error(s);
    int64_t n = spin_await(s, 1, SPIN_SOON);
    if (n != 1 || !(s->op[1].msg.msg_flags & MSG_ERRQUEUE))
        worker_fail(s->me, "recvmsg(MSG_ERRQUEUE) gives %d", (int)n);
}

/* The same, submitted when the error is there and the receive waits again. */
static void start_errors_read_late(struct spin *s)
{
    start_errors(s);
    worker_turn(s->me, s->loop, 10 * HEALD_MS);
    need(s->me, !s->op[0].finals);
    prep_errors(s, 1);
    spin_submit(s, 1);
    need(s->me, spin_await(s, 1, SPIN_SOON) == 1);
}

static void start_errors_awaited(struct spin *s)
{
    open_udp(s);
    receive_datagram(s);
    prep_errors(s, 0);
    spin_submit(s, 0);
}

static void after_errors_awaited(struct spin *s)
{
    need(s->me, !s->op[0].finals);
    provoke_error(s);
    need(s->me, spin_await(s, 0, SPIN_SOON) == 1);
    need(s->me, s->op[0].msg.msg_flags & MSG_ERRQUEUE);
}

static void start_errors_polled(struct spin *s)
{
    open_udp(s);
    receive_datagram(s);
    int err = heald_prep_poll(&s->op[0].op, s->fd, 0);
    if (err)
        worker_fail(s->me, "prep of a poll of 0: %s", heald_strerror(err));
    spin_submit(s, 0);
}

static void after_errors_polled(struct spin *s)
{
    need(s->me, !s->op[0].finals);
    provoke_error(s);
    need(s->me, spin_await(s, 0, SPIN_SOON) & POLLERR);
}

/* A multishot receive ends with the error, and is submitted again. */
static char portions[4 * SPIN_ROOM];
static struct heald_buf_group *buffers;

static void on_portion(struct heald_op *op)
{
    struct spin_op *p = heald_container_of(op, struct spin_op, op);

    spin_notified(op);
    if (op->result != -ECONNREFUSED || p->calls > RETRIES)
        return;
    heald_prep_recv_multishot(op, p->spin->fd, buffers, 0);
    spin_submit_fn(p->spin, 0, on_portion);
}

static void start_errors_multishot(struct spin *s)
{
    open_udp(s);
    need(s->me, heald_buf_group_open(&buffers, s->loop, portions, 4, SPIN_ROOM) == 0);
    heald_prep_recv_multishot(&s->op[0].op, s->fd, buffers, 0);
    spin_submit_fn(s, 0, on_portion);
    worker_turn(s->me, s->loop, 0);
    provoke_error(s);
}

static void after_multishot(struct spin *s)
{
    int calls = s->op[0].calls;

    need(s->me, !s->op[0].finals);
    receive_datagram(s);
    worker_turn(s->me, s->loop, SPIN_WHILE * HEALD_MS / 2);
    need(s->me, s->op[0].calls == calls + 1 && s->op[0].result == 2);
}

/* A receiver of datagrams without room; row->arg: the sender is connected to it. */
static struct sockaddr_un full_name;

static void start_full(struct spin *s)
{
    struct spin_op *p = &s->op[0];

    full_name.sun_family = AF_UNIX;
    int n = snprintf(full_name.sun_path + 1, 64, "heald-spin-%ld", (long)getpid());
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    s->peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    need(s->me, bind(s->peer, (struct sockaddr *)&full_name, len) == 0);
    while (sendto(s->fd, "x", 1, 0, (struct sockaddr *)&full_name, len) == 1)
        ;
    if (s->row->arg)
        need(s->me, connect(s->fd, (struct sockaddr *)&full_name, len) == 0);
    memcpy(p->buf, "yy", 2);
    p->iov = (struct iovec){p->buf, 2};
    p->msg = (struct msghdr){.msg_iov = &p->iov, .msg_iovlen = 1};
    if (!s->row->arg) {
        p->msg.msg_name = &full_name;
        p->msg.msg_namelen = len;
    }
    heald_prep_sendmsg(&p->op, s->fd, &p->msg, 0);
    spin_submit(s, 0);
}

static void after_full(struct spin *s)
{
    char buf[8];
    ssize_t n;

    need(s->me, !s->op[0].finals);
    need(s->me, recv(s->peer, buf, sizeof buf, 0) == 1);
    need(s->me, spin_await(s, 0, SPIN_BACKOFF) == 2);
    while ((n = recv(s->peer, buf, sizeof buf, 0)) == 1)
        ;
    if (n != 2)
        worker_fail(s->me, "the datagram has %d bytes", (int)n);
}

/* An accept that lacks a descriptor, and is submitted again in its callback; row->arg: multishot.
 */
static struct rlimit old_limit;

static void submit_accept(struct spin *s, heald_fn *fn)
{
    if (s->row->arg)
        heald_prep_accept_multishot(&s->op[0].op, s->fd);
    else
        heald_prep_accept(&s->op[0].op, s->fd, NULL, NULL);
    spin_submit_fn(s, 0, fn);
}

static void on_accept(struct heald_op *op)
{
    struct spin_op *p = heald_container_of(op, struct spin_op, op);

    spin_notified(op);
    if (op->result == -EMFILE && p->calls < MANY)
        submit_accept(p->spin, on_accept);
}

static void start_without_descriptors(struct spin *s)
{
    s->fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 8);
    need(s->me, s->fd >= 0 && heald_local_addr(s->fd, &s->addr) == 0);
    s->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    worker_turn(s->me, s->loop, HEALD_MS);
    int next = dup(s->fd);
    need(s->me, next >= 0 && getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
    close(next);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = old_limit.rlim_max};
    need(s->me, setrlimit(RLIMIT_NOFILE, &none) == 0);
    submit_accept(s, on_accept);
    need(s->me, connect(s->peer, &s->addr.u.sa, s->addr.len) == 0);
}

static void after_with_descriptors(struct spin *s)
{
    need(s->me, s->op[0].calls > 0 && s->op[0].result == -EMFILE);
    need(s->me, setrlimit(RLIMIT_NOFILE, &old_limit) == 0);
    int64_t end = now() + HEALD_SEC * harness_slow();
    while (s->op[0].result < 0 && now() < end)
        worker_turn(s->me, s->loop, HEALD_MS);
    need(s->me, s->op[0].result >= 0);
}

/* One connection is accepted, another waits for an accept that nobody submitted. */
static void start_connection_left(struct spin *s)
{
    s->fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 8);
    need(s->me, s->fd >= 0 && heald_local_addr(s->fd, &s->addr) == 0);
    heald_prep_accept(&s->op[0].op, s->fd, NULL, NULL);
    spin_submit(s, 0);
    worker_turn(s->me, s->loop, 0);
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        need(s->me, connect(fd, &s->addr.u.sa, s->addr.len) == 0);
    }
    need(s->me, spin_await(s, 0, SPIN_SOON) >= 0);
}

static void after_connection_left(struct spin *s)
{
    heald_prep_accept(&s->op[0].op, s->fd, NULL, NULL);
    spin_submit(s, 0);
    need(s->me, spin_await(s, 0, SPIN_SOON) >= 0);
}

#ifdef F_SETLEASE
/* Another has a lease on the file: an open that is not to wait says so. row->arg: beneath. */
static void start_lease(struct spin *s)
{
    char path[] = "/tmp/heald-test-XXXXXX", byte;
    int file = mkstemp(path), dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ready[2];

    need(s->me, file >= 0 && dir >= 0 && pipe(ready) == 0);
    close(file);
    s->child[0] = fork();
    if (s->child[0] == 0) {
        signal(SIGIO, SIG_IGN);
        byte = fcntl(open(path, O_RDWR | O_CLOEXEC), F_SETLEASE, F_WRLCK) == 0;
        _exit(write(ready[1], &byte, 1) == 1 && pause());
    }
    need(s->me, s->child[0] > 0 && read(ready[0], &byte, 1) == 1);
    if (byte && s->row->arg)
        heald_prep_open_beneath(&s->op[0].op, dir, strrchr(path, '/') + 1, O_RDONLY | O_NONBLOCK,
                                0);
    else if (byte)
        heald_prep_open(&s->op[0].op, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
    if (byte)
        spin_submit(s, 0);
    worker_turn(s->me, s->loop, SPIN_WHILE * HEALD_MS);
    kill(s->child[0], SIGKILL);
    waitpid(s->child[0], NULL, 0);
    unlink(path);
    if (!byte)
        return; /* No leases on this file system. */
    if (!s->op[0].finals)
        worker_fail(s->me, "an open with O_NONBLOCK does not end");
    need(s->me, s->op[0].result == -EAGAIN);
}
#endif

/* A child keeps a closed socket, and what comes for it keeps coming. row->arg: the type, and 4 for
 * heald_forget(). */
static void child_receives(int fd)
{
    char buf[8];
    int got = 0;

    fcntl(fd, F_SETFL, 0);
    while (got < MESSAGES && recv(fd, buf, 1, 0) == 1)
        got++;
    _exit(got == MESSAGES ? 0 : 1);
}

static void child_sends(int fd)
{
    usleep(80 * 1000);
    for (int i = 0; i < MESSAGES; i++) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
            _exit(1);
        usleep(8 * 1000);
    }
    _exit(0);
}

static void start_kept(struct spin *s)
{
    int type = s->row->arg & 3;

    if (type == 2) {
        open_udp(s);
        need(s->me, connect(s->peer, &s->addr.u.sa, s->addr.len) == 0);
    } else {
        spin_pair(s, type ? PAIR_UNIX : PAIR_TCP);
    }
    prep_recv(s, 0);
    spin_submit(s, 0);
    worker_turn(s->me, s->loop, 0);
    for (int i = 0; i < 2; i++) {
        s->child[i] = fork();
        if (s->child[i] == 0 && i == 0)
            child_receives(s->fd);
        if (s->child[i] == 0)
            child_sends(s->peer);
        need(s->me, s->child[i] > 0);
    }
    if (s->row->arg & 4) {
        heald_forget(s->loop, s->fd);
        close(s->fd);
    } else {
        need(s->me, heald_close(s->loop, s->fd) == 0);
    }
    need(s->me, spin_await(s, 0, SPIN_SOON) == -ECANCELED);
}

static void after_kept(struct spin *s)
{
    int status;

    for (int i = 1; i >= 0; i--) {
        need(s->me, waitpid(s->child[i], &status, 0) == s->child[i]);
        if (status)
            worker_fail(s->me, "the child lost what it should %s", i ? "send" : "receive");
    }
}

static const struct spin_row rows[] = {
    {"recv beside a queue of errors", start_errors, after_datagram, 0},
    {"MSG_ERRQUEUE beside a recv", start_errors_read, after_datagram, 0},
    {"MSG_ERRQUEUE behind a recv", start_errors_read_late, after_datagram, 0},
    {"MSG_ERRQUEUE alone, data lies there", start_errors_awaited, after_errors_awaited, 0},
    {"poll of errors alone, data lies there", start_errors_polled, after_errors_polled, 0},
    {"multishot beside a queue of errors", start_errors_multishot, after_multishot, 0},
    {"full receiver, not connected", start_full, after_full, 0},
    {"full receiver, connected", start_full, after_full, 1},
    {"accept without descriptors", start_without_descriptors, after_with_descriptors, 0},
    {"multishot accept without descriptors", start_without_descriptors, after_with_descriptors, 1},
    {"a connection that nobody accepts", start_connection_left, after_connection_left, 0},
    {"TCP kept by a child, closed", start_kept, after_kept, 0},
    {"Unix stream kept by a child, closed", start_kept, after_kept, 1},
    {"UDP kept by a child, closed", start_kept, after_kept, 2},
    {"TCP kept by a child, forgotten", start_kept, after_kept, 4},
    {"Unix stream kept by a child, forgotten", start_kept, after_kept, 5},
    {"UDP kept by a child, forgotten", start_kept, after_kept, 6},
};

#ifdef F_SETLEASE
static const struct spin_row leases[] = {
    {"open", start_lease, NULL, 0},
    {"open beneath", start_lease, NULL, 1},
};

HEALD_CASE(a_leased_file)
{
    spin_run(_i, leases, sizeof leases / sizeof *leases);
}
#endif

HEALD_CASE(conditions_that_last)
{
    skip_on_portable("there are no changes to be told of, and no queue of errors");
    skip_on_kqueue(_i, "no filter for errors alone: the loop looks again and again");
    spin_run(_i, rows, sizeof rows / sizeof *rows);
}

void add_spin(TCase *group)
{
    add_everywhere(group, conditions_that_last);
#ifdef F_SETLEASE
    add_everywhere(group, a_leased_file);
#endif
}
