/*
 * TCP echo server, written by hand on io_uring: the yardstick of heald's uring back end.
 *
 * One ring, SINGLE_ISSUER and DEFER_TASKRUN; multishot accept into direct descriptors, multishot
 * receive into a ring of provided buffers, one enter a turn.  What was received is sent from the
 * same buffer, which then goes back to the ring.
 *
 * A first send is a *try*: MSG_DONTWAIT makes it finish within the submit, and CQE_SKIP_SUCCESS
 * keeps it silent if it sent everything.  So after the submit every try without a completion is
 * done, and a wait for one completion sleeps until there is news from a client, instead of ending
 * at once for each send.  A try that fell short has posted its completion; its rest is sent by a
 * plain send, which waits for the socket in the kernel.  A connection has one send at a time, so
 * its echoes stay in order: further buffers queue behind the first.
 *
 * Exits with 77 where io_uring, or what it needs of it (Linux 6.1), is not available.
 */
#define _GNU_SOURCE 1
#include "uring.h"

/* Nothing is left to send: receive again, or close once that has ended too. */
static void go_on(struct server *s, struct conn *c)
{
    if (c->receiving || c->head)
        return;
    if (c->paused && !c->broken) {
        c->paused = 0;
        start_recv(s, c);
    } else {
        start_close(s, c->file);
        free(c);
    }
}

/* The first chunk of a connection is through: on with the next. */
static void chunk_done(struct server *s, struct chunk *k)
{
    struct conn *c = k->conn;

    do {
        c->head = k->next;
        c->queued--;
        release(s, k);
        k = c->head;
    } while (k && c->broken);
    if (k)
        start_send(s, k, 1);
    else
        go_on(s, c);
}

/* The client is slow: nothing of it may stay in the ring, or it would starve the others. */
static void spill_all(struct server *s, struct conn *c)
{
    struct chunk **link;

    for (link = &c->head; *link; link = &(*link)->next)
        c->tail = *link = spill(s, *link);
}

static void on_send(struct server *s, struct chunk *k, int result)
{
    struct conn *c = k->conn;
    int again = k->try && result == -EAGAIN;

    if (k->try)
        *k->try = NULL;
    k->try = NULL;
    if (result > 0)
        k->off += (unsigned)result;
    if (result < 0 && !again) {
        c->broken = 1;
        start_shutdown(s, c->file); /* ends the receive */
        chunk_done(s, k);
    } else if (k->off < k->len) {
        spill_all(s, c);
        start_send(s, c->head, 0);
    } else {
        chunk_done(s, k);
    }
}

static void on_chunk(struct server *s, struct conn *c, struct chunk *k, unsigned len)
{
    s->held++;
    k->conn = c;
    k->next = NULL;
    k->try = NULL;
    k->off = 0;
    k->len = len;
    if (c->broken) {
        release(s, k);
        return;
    }
    c->queued++;
    if (!c->head) {
        c->head = c->tail = k;
        start_send(s, k, 1);
        return;
    }
    if (!c->head->try)
        k = spill(s, k);
    c->tail->next = k;
    c->tail = k;
    if (c->queued >= CONN_CHUNKS && !c->paused)
        cancel_recv(s, c);
}

static void on_recv(struct server *s, struct conn *c, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0)
        on_chunk(s, c, &s->chunks[cqe->flags >> IORING_CQE_BUFFER_SHIFT], (unsigned)cqe->res);
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res == -ENOBUFS && !c->paused) {
        c->next_starved = s->starved; /* still counts as receiving */
        s->starved = c;
        return;
    }
    c->receiving = 0;
    if (cqe->res > 0 && !c->paused) {
        start_recv(s, c);
        return;
    }
    if (cqe->res <= 0 && cqe->res != -ECANCELED && cqe->res != -ENOBUFS)
        c->paused = 0; /* the end of the stream, or an error: close */
    go_on(s, c);
}

static void on_accept(struct server *s, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        struct conn *c = bench_alloc(1, sizeof *c);

        c->file = cqe->res;
        start_recv(s, c);
    }
    if (cqe->res == -ENFILE || cqe->res == -EMFILE)
        s->full = 1;
    else if (!(cqe->flags & IORING_CQE_F_MORE))
        start_accept(s);
}

static void dispatch(struct server *s, const struct io_uring_cqe *cqe)
{
    void *ptr = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);

    switch ((enum tag)(cqe->user_data & TAG_MASK)) {
    case TAG_RECV: on_recv(s, ptr, cqe); break;
    case TAG_SEND: on_send(s, ptr, cqe->res); break;
    case TAG_ACCEPT: on_accept(s, cqe); break;
    case TAG_TERMINATION: s->stopped = 1; break;
    case TAG_CANCEL: break;
    default:
        if (s->full)
            start_accept(s);
        s->full = 0;
        break;
    }
}

/* Tries of the last submit that have not fallen short are done. */
static void settle(struct server *s, int last)
{
    int i;

    for (i = 0; i < s->count[last]; i++) {
        struct chunk *k = s->tries[last][i];

        if (k) {
            k->try = NULL;
            chunk_done(s, k);
        }
    }
    s->count[last] = 0;
}

/*
 * Whether the success of a try, which is silent, has work to follow: the next chunk, or receiving
 * again, or the close.  Then the turn must not wait for news from elsewhere.
 */
static int backlog(const struct server *s)
{
    int i;

    for (i = 0; i < s->count[s->now]; i++) {
        const struct chunk *k = s->tries[s->now][i];

        if (k && (k->next || !k->conn->receiving))
            return 1;
    }
    return 0;
}

static void give_back(struct server *s)
{
    if (s->recycled) {
        io_uring_buf_ring_advance(s->group, s->recycled);
        s->recycled = 0;
    }
    while (s->starved && CHUNKS - s->held >= RESTART_AT) {
        struct conn *c = s->starved;

        s->starved = c->next_starved;
        start_recv(s, c);
    }
}

static void serve(struct server *s)
{
    while (!s->stopped) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        int last, ret = io_uring_submit_and_wait(&s->ring, backlog(s) ? 0 : 1);

        if (ret < 0 && ret != -EINTR)
            bench_die("io_uring_submit_and_wait", -ret);
        last = s->now;
        if (io_uring_sq_ready(&s->ring) == 0)
            s->now = !s->now;
        io_uring_for_each_cqe(&s->ring, head, cqe)
        {
            dispatch(s, cqe);
            seen++;
        }
        io_uring_cq_advance(&s->ring, seen);
        if (s->now != last)
            settle(s, last);
        give_back(s);
    }
}

int main(int argc, char **argv)
{
    struct server *s = bench_alloc(1, sizeof *s);
    int termination = termination_open();

    server_open(s);
    listener_open(&s->listener, argc, argv);
    start_accept(s);
    start_termination(s, termination);
    serve(s);
    io_uring_queue_exit(&s->ring);
    listener_close(&s->listener);
    free(s->group);
    free(s);
    return 0;
}
