/*
 * test/conformance/flags.c: flags change under us: other processes share a descriptor with a loop,
 * toggle its O_NONBLOCK and O_DIRECT, read the same data, accept from the same listener. The loop
 * goes on, all data is received once, and heald changes no flag itself.
 */
#include "conformance/workers.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { WINDOW_MS = 200, GAP_MS = 600, READERS = 3, ACCEPTORS = 8, CLIENTS = 50 };

/* A descriptor whose flag is toggled, without a pause or with one. */
struct toggle {
    int fd, flag, pause_us;
};

static void toggle(struct workers *all, struct worker *me, void *arg)
{
    struct toggle *t = arg;
    int flags = fcntl(t->fd, F_GETFL);

    while (!workers_stop(all)) {
        flags ^= t->flag;
        need(me, fcntl(t->fd, F_SETFL, flags) == 0);
        if (t->pause_us)
            usleep((useconds_t)t->pause_us);
        else
            sched_yield();
    }
}

static void start_toggles(struct workers *all, struct toggle t[2], int fd, int flag)
{
    t[0] = (struct toggle){fd, flag, 0};
    t[1] = (struct toggle){fd, flag, 700};
    for (int i = 0; i < 2; i++)
        worker_start(all, "toggle", toggle, &t[i]);
}

/* Has everybody leave; no loop stood still. */
static void loops_end(struct workers *all)
{
    workers_end(all, HEALD_SEC);
    for (unsigned i = 0; i < all->used; i++) {
        int gap = (int)(all->worker[i].gap_ns / HEALD_MS);
        ck_assert_msg(gap <= GAP_MS * harness_slow(), "%s stood still for %d ms",
                      all->worker[i].name, gap);
    }
    workers_close(all);
}

static void run_until_stop(struct workers *all, struct worker *me, struct heald_loop *loop)
{
    struct worker_ticks ticks;

    worker_tick(&ticks, me, loop);
    while (!workers_stop(all))
        worker_turn(me, loop, 5 * HEALD_MS);
    if (now() - ticks.last > me->gap_ns)
        me->gap_ns = now() - ticks.last;
}

/* Several read one descriptor. Records of `size` bytes are written to it, each with its number. */
struct reader {
    struct workers *all;
    struct worker *me;
    struct heald_op op;
    int fd;
    unsigned size;
    char buf[64];
};

static void note_records(struct reader *r, int64_t n)
{
    need(r->me, n > 0 && n % r->size == 0);
    for (int64_t i = 0; i < n; i += r->size) {
        uint32_t record = 0;
        memcpy(&record, r->buf + i, r->size);
        workers_saw(r->all, record);
        __atomic_fetch_add(&r->me->count, 1, __ATOMIC_RELAXED);
    }
}

static void read_more(struct reader *r);

static void on_read(struct heald_op *op)
{
    struct reader *r = heald_container_of(op, struct reader, op);

    if (op->result < 0)
        worker_fail(r->me, "read: %s", heald_strerror((int)op->result));
    note_records(r, op->result);
    read_more(r);
}

static void read_more(struct reader *r)
{
    heald_prep_read(&r->op, r->fd, r->buf, 16, HEALD_NO_OFFSET);
    need(r->me, heald_submit(r->op.loop, &r->op, on_read) == 0);
}

static void read_in_a_loop(struct workers *all, struct worker *me, void *arg)
{
    struct heald_loop *loop = worker_loop(all, me);
    struct reader r = *(struct reader *)arg;

    r.all = all;
    r.me = me;
    r.op.loop = loop;
    read_more(&r);
    run_until_stop(all, me, loop);
}

/* One that knows nothing of heald. */
static void read_plainly(struct workers *all, struct worker *me, void *arg)
{
    struct reader r = *(struct reader *)arg;

    r.all = all;
    r.me = me;
    for (;;) {
        ssize_t n = read(r.fd, r.buf, r.size);
        if (n > 0)
            note_records(&r, n);
        else
            sched_yield();
    }
}

static int count_all(const struct workers *all)
{
    int sum = 0;

    for (unsigned i = 0; i < all->used; i++)
        sum += __atomic_load_n(&all->worker[i].count, __ATOMIC_RELAXED);
    return sum;
}

static void wait_for_count(const struct workers *all, int want)
{
    int64_t end = now() + HEALD_SEC * harness_slow();

    while (count_all(all) < want && now() < end)
        usleep(500);
}

/* Writes bursts of records to `feed`, which the readers of `fd` divide among them. */
static void share_reading(int combination, int fd, int feed, unsigned size, int burst, bool toggled)
{
    struct workers *all = workers_open(combination);
    struct reader r = {.fd = fd, .size = size};
    struct toggle toggles[2];
    struct worker *plain;
    uint32_t record = 1, most = size == 1 ? 255 : RECORDS;
    int64_t end;

    for (int i = 0; i < READERS; i++)
        worker_start(all, "reader", read_in_a_loop, &r);
    plain = worker_start(all, "plain reader", read_plainly, &r);
    if (toggled)
        start_toggles(all, toggles, fd, O_NONBLOCK);
    usleep(20 * 1000);
    for (end = now() + WINDOW_MS * HEALD_MS; now() < end; usleep(1000))
        for (int i = 0; i < burst && record < most; i++, record++)
            must(write(feed, &record, size) == (ssize_t)size);
    wait_for_count(all, (int)record - 1);
    worker_kill(plain);
    for (uint32_t i = 1; i < record; i++)
        if (all->seen[i] != 1) {
            unsigned seen = all->seen[i];
            workers_end(all, HEALD_SEC);
            ck_abort_msg("record %u of %u came %u times", i, record - 1, seen);
        }
    loops_end(all);
}

HEALD_CASE(readers_of_one_pipe)
{
    for (int toggled = 0; toggled < 2; toggled++) {
        int fds[2];
        must(pipe2(fds, O_CLOEXEC) == 0);
        share_reading(_i, fds[0], fds[1], 4, 8, toggled);
        close(fds[0]);
        close(fds[1]);
    }
}

HEALD_CASE(readers_of_one_terminal)
{
    skip_on_portable("a terminal that others read may block a read");
    for (int toggled = 0; toggled < 2; toggled++) {
        int fds[2] = {-1, -1};
        if (!terminal_open(fds)) {
            close(fds[0]);
            harness_skip("there are no pseudo-terminals here");
        }
        share_reading(_i, fds[1], fds[0], 1, 1, toggled);
        close(fds[0]);
        close(fds[1]);
    }
}

/* Several loops accept from one listener: each connection is answered by one of them. */
struct acceptor {
    struct worker *me;
    struct heald_op op;
    int fd;
    bool multishot;
};

static void accept_more(struct acceptor *a);

static void on_accept(struct heald_op *op)
{
    struct acceptor *a = heald_container_of(op, struct acceptor, op);
    int fd = (int)op->result;

    if (fd < 0)
        worker_fail(a->me, "accept: %s", heald_strerror(fd));
    need(a->me, send(fd, "k", 1, MSG_NOSIGNAL) == 1);
    need(a->me, heald_close(op->loop, fd) == 0);
    a->me->count++;
    if (!(op->flags & HEALD_MORE))
        accept_more(a);
}

static void accept_more(struct acceptor *a)
{
    if (a->multishot)
        heald_prep_accept_multishot(&a->op, a->fd);
    else
        heald_prep_accept(&a->op, a->fd, NULL, NULL);
    need(a->me, heald_submit(a->op.loop, &a->op, on_accept) == 0);
}

static void accept_in_a_loop(struct workers *all, struct worker *me, void *arg)
{
    struct acceptor a = {.me = me, .fd = *(int *)arg, .multishot = (me - all->worker) % 2};

    a.op.loop = worker_loop(all, me);
    accept_more(&a);
    run_until_stop(all, me, a.op.loop);
}

static void share_listener(int combination, bool blocking, bool toggled)
{
    struct workers *all = workers_open(combination);
    struct heald_addr addr;
    struct toggle toggles[2];
    struct timeval patience = {.tv_sec = 1};
    int fd = tcp_listen(CLIENTS, &addr), answered = 0;
    char byte;

    set_blocking(fd, blocking);
    for (int i = 0; i < ACCEPTORS; i++)
        worker_start(all, "acceptor", accept_in_a_loop, &fd);
    if (toggled)
        start_toggles(all, toggles, fd, O_NONBLOCK);
    usleep(30 * 1000);
    for (int i = 0; i < CLIENTS; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        must(connect(client, &addr.u.sa, addr.len) == 0);
        bool got = recv(client, &byte, 1, 0) == 1;
        close(client);
        if (!got)
            break;
        answered++;
        usleep(1000);
    }
    /* A process that has answered counts after that. */
    workers_end(all, HEALD_SEC);
    int sum = count_all(all);
    loops_end(all);
    ck_assert_int_eq(answered, CLIENTS);
    ck_assert_int_eq(sum, CLIENTS);
    close(fd);
}

HEALD_CASE(acceptors_of_one_listener)
{
    skip_on_portable("a blocking listener that others accept from may block");
    share_listener(_i, true, false);
    share_listener(_i, false, false);
    share_listener(_i, true, true);
}

#ifdef O_DIRECT
/*
 * Another process makes a pipe one of packets, and back. Two packets at once: a short read of the
 * first does not mean that the pipe is empty.
 */
static void write_packets(struct workers *all, struct worker *me, void *arg)
{
    static const char letters[] = "aaabbbbbcc";
    int fd = *(int *)arg, flags = fcntl(fd, F_GETFL), total = 0;

    for (int round = 0; round < 60; round++) {
        need(me, fcntl(fd, F_SETFL, round % 3 ? flags | O_DIRECT : flags) == 0);
        need(me, write(fd, letters, 3) == 3 && write(fd, letters + 3, 5) == 5);
        if (round % 2)
            need(me, fcntl(fd, F_SETFL, flags) == 0);
        need(me, write(fd, letters + 8, 2) == 2);
        total += 10;
        int64_t end = now() + GAP_MS * HEALD_MS * harness_slow();
        while (__atomic_load_n(&all->worker[0].count, __ATOMIC_RELAXED) < total) {
            if (now() > end)
                worker_fail(me, "round %d: what was written is not read", round);
            usleep(200);
        }
    }
}

static void on_packet(struct heald_op *op)
{
    struct reader *r = heald_container_of(op, struct reader, op);

    need(r->me, op->result > 0);
    for (int64_t i = 0; i < op->result; i++) {
        int at = (r->me->count + (int)i) % 10;
        need(r->me, r->buf[i] == (at < 3 ? 'a' : at < 8 ? 'b' : 'c'));
    }
    __atomic_fetch_add(&r->me->count, (int)op->result, __ATOMIC_RELAXED);
    heald_prep_read(op, r->fd, r->buf, sizeof r->buf, HEALD_NO_OFFSET);
    need(r->me, heald_submit(op->loop, op, on_packet) == 0);
}

static void read_packets(struct workers *all, struct worker *me, void *arg)
{
    struct heald_loop *loop = worker_loop(all, me);
    struct reader r = {.me = me, .fd = *(int *)arg};

    heald_prep_read(&r.op, r.fd, r.buf, sizeof r.buf, HEALD_NO_OFFSET);
    need(me, heald_submit(loop, &r.op, on_packet) == 0);
    run_until_stop(all, me, loop);
}

HEALD_CASE(a_pipe_becomes_one_of_packets)
{
    for (int blocking = 0; blocking < 2; blocking++) {
        struct workers *all = workers_open(_i);
        int fds[2];
        must(heald_pipe(fds) == 0);
        set_blocking(fds[0], blocking);
        worker_start(all, "reader", read_packets, &fds[0]);
        worker_start(all, "writer", write_packets, &fds[1]);
        while (!__atomic_load_n(&all->worker[1].left, __ATOMIC_RELAXED) && !all->worker[1].why[0])
            usleep(1000);
        loops_end(all);
        close(fds[0]);
        close(fds[1]);
    }
}
#endif

void add_flags(TCase *group)
{
    harness_limit(group, 10);
    add_everywhere(group, readers_of_one_pipe);
    add_everywhere(group, readers_of_one_terminal);
    add_everywhere(group, acceptors_of_one_listener);
#ifdef O_DIRECT
    add_everywhere(group, a_pipe_becomes_one_of_packets);
#endif
}
