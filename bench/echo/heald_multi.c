/*
 * The echo server on heald with multishot receives: an idle connection is one op, and holds no
 * buffer. HEALD_BACKEND chooses the back end.
 *
 * There is an op to send with for each buffer of the group. A reply that is sent at once returns
 * its buffer at once (heald_op_notify_deferred()). One that is not is in flight, one for each
 * connection; what else is received on it meanwhile queues behind. On a ring a reply in flight may
 * complete silently, which is known a turn or a millisecond later. So the oldest are checked with
 * each receive; and all of them, twice, by a timer when a connection waits for one: one with a
 * queue, one that has stopped or ended, one without a buffer.
 *
 * A client that does not read what it gets must not have all the buffers: a connection with a long
 * queue stops receiving until the queue is empty.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"
#include "heald_serve.h"

#include <stdbool.h>

enum { LOOKS = 2, BUFFERS = 1024, ROOM = 2048, QUEUE_MAX = 16, LOOK_NS = 1000000 };

/* Of a receive. */
enum state { RECEIVES, STOPPING, STOPPED, STARVED, ENDED };

struct conn {
    struct heald_op recv;
    struct sender *first, *last; /* replies; the first is in flight */
    struct conn *next;           /* of the starved */
    int fd;
    uint16_t queued; /* replies */
    uint8_t state;   /* enum state; the op is pending before STOPPED */
    uint8_t broken;  /* nothing can be sent */
    uint8_t closed;
};

struct sender {
    struct heald_op op;
    struct conn *conn;
    char *data;                   /* its buffer */
    struct sender *next;          /* of the connection */
    struct sender *newer, *older; /* in flight */
    uint32_t len;
};

static struct {
    struct heald_loop *loop;
    struct heald_buf_group *group;
    struct sender *senders;         /* by buffer */
    struct sender *oldest, *newest; /* in flight */
    struct conn *starved;
    unsigned out; /* buffers */
    struct heald_op look;
    int looks; /* that are left; the timer is armed until there is none */
} server;

static void on_received(struct heald_op *op);

static void on_late(struct heald_op *op);

static void on_look(struct heald_op *op);

static void look_later(int64_t ns)
{
    heald_prep_timer(&server.look, heald_now(server.loop) + ns);
    heald_submit(server.loop, &server.look, on_look);
}

/* A connection waits for a reply that is in flight. */
static void look(void)
{
    if (!server.looks)
        look_later(0);
    server.looks = LOOKS;
}

static void give_back(unsigned buffer)
{
    heald_buf_return(server.group, buffer);
    server.out--;
}

static void flight_begin(struct sender *s)
{
    s->older = server.newest;
    s->newer = NULL;
    *(s->older ? &s->older->newer : &server.oldest) = s;
    server.newest = s;
}

/* It is in flight: does its connection wait for it? */
static void flight_watch(const struct sender *s)
{
    if (s->next || s->conn->state != RECEIVES || server.starved)
        look();
}

static void flight_end(struct sender *s)
{
    *(s->older ? &s->older->newer : &server.oldest) = s->newer;
    *(s->newer ? &s->newer->older : &server.newest) = s->older;
}

static void drop_first(struct conn *c)
{
    struct sender *s = c->first;

    c->first = s->next;
    c->queued--;
    give_back((unsigned)(s - server.senders));
}

/* Closed when all was sent or nothing can be; gone when no op is pending any more. */
static void conn_settle(struct conn *c)
{
    if (c->broken && c->state == STOPPED)
        c->state = ENDED;
    if (!c->closed && (c->broken || (c->state == ENDED && !c->first))) {
        heald_close(server.loop, c->fd);
        c->closed = 1;
    }
    if (c->closed && c->state == ENDED && !c->first)
        free(c);
}

static void receive(struct conn *c)
{
    c->state = RECEIVES;
    heald_prep_recv_multishot(&c->recv, c->fd, server.group, 0);
    heald_submit(server.loop, &c->recv, on_received);
}

/* Nothing of it is in flight: as much as can be done at once is sent. */
static void conn_send(struct conn *c)
{
    while (c->first) {
        struct sender *s = c->first;

        heald_prep_send(&s->op, c->fd, s->data, s->len, 0);
        int done = c->broken ? -EPIPE : heald_submit(server.loop, &s->op, on_late);
        if (done == 0) {
            flight_begin(s);
            flight_watch(s);
            return;
        }
        c->broken |= done < 0;
        drop_first(c);
    }
}

/* The first has been sent, or cannot be. */
static void conn_sent(struct conn *c)
{
    flight_end(c->first);
    drop_first(c);
    conn_send(c);
    if (c->broken || c->state == ENDED)
        conn_settle(c);
    else if (c->state == STOPPED && !c->first)
        receive(c);
}

static int is_over(const struct sender *s)
{
    return heald_op_error(&s->op) != -EINPROGRESS;
}

static void look_at_all(void)
{
    struct sender *newer;

    for (struct sender *s = server.oldest; s; s = newer) {
        newer = s->newer;
        if (is_over(s))
            conn_sent(s->conn);
    }
}

/* Once there are buffers again. One that broke meanwhile has no op that would say its end. */
BENCH_RARE static void feed_the_starved(void)
{
    struct conn *next, *c = server.out < BUFFERS ? server.starved : NULL;

    if (!c)
        return;
    for (server.starved = NULL; c; c = next) {
        next = c->next;
        c->state = STOPPED;
        if (c->broken)
            conn_settle(c);
        else
            receive(c);
    }
}

static void on_look(struct heald_op *op)
{
    (void)op;
    if (--server.looks)
        look_later(LOOK_NS);
    look_at_all();
    feed_the_starved();
}

static void queue(struct conn *c, struct sender *s)
{
    c->last->next = s;
    c->last = s;
    if (c->queued > QUEUE_MAX && c->state == RECEIVES) {
        c->state = STOPPING;
        heald_cancel(&c->recv);
    }
    look();
}

/* It was not sent at once: it is in flight, or behind others, or cannot be sent (done < 0). */
BENCH_RARE static void conn_keep(struct conn *c, struct sender *s, size_t len, int done)
{
    server.out++;
    c->queued++;
    s->conn = c;
    s->len = (uint32_t)len;
    s->next = NULL;
    if (c->first) {
        queue(c, s);
        return;
    }
    c->first = c->last = s;
    c->broken |= done < 0;
    if (c->broken) {
        drop_first(c);
        conn_settle(c);
    } else {
        flight_begin(s);
        flight_watch(s);
    }
}

/* Those that have completed in silence. */
BENCH_RARE static void look_at_oldest(struct conn *c)
{
    while (server.oldest && is_over(server.oldest))
        conn_sent(server.oldest->conn);
    if (c->first && is_over(c->first))
        conn_sent(c);
}

static void echo(struct conn *c)
{
    struct sender *s = &server.senders[c->recv.buffer];
    size_t len = (size_t)c->recv.result;
    int done = 0;

    if (server.oldest)
        look_at_oldest(c);
    if (!c->first && !c->broken) {
        heald_prep_send(&s->op, c->fd, s->data, len, 0);
        done = heald_submit(server.loop, &s->op, on_late);
    }
    if (done > 0)
        heald_buf_return(server.group, c->recv.buffer);
    else
        conn_keep(c, s, len, done);
}

/* The receive is not pending any more. */
BENCH_RARE static void on_end(struct conn *c, int64_t result)
{
    bool stops = c->state == STOPPING;

    if (c->first)
        look();
    if (c->broken || (result != -ENOBUFS && !(stops && result == -ECANCELED))) {
        c->state = ENDED;
        c->broken |= result < 0;
        conn_settle(c);
    } else if (!stops) {
        c->state = STARVED;
        c->next = server.starved;
        server.starved = c;
        look();
    } else if (c->first) {
        c->state = STOPPED;
    } else {
        receive(c);
    }
}

static void on_received(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, recv);

    if (!(op->flags & HEALD_MORE))
        on_end(c, op->result);
    else if (c->broken)
        heald_buf_return(server.group, op->buffer);
    else
        echo(c);
    if (server.starved)
        feed_the_starved();
}

/* A reply had to wait, or fell short. */
static void on_late(struct heald_op *op)
{
    struct sender *s = heald_container_of(op, struct sender, op);
    struct conn *c = s->conn;
    int done = 1;

    if (op->result < 0) {
        c->broken = 1;
    } else if ((uint64_t)op->result < op->u.rw.len) {
        heald_prep_send(op, c->fd, (char *)op->u.rw.buf + op->result,
                        op->u.rw.len - (size_t)op->result, 0);
        done = c->broken ? 1 : heald_submit(server.loop, op, on_late);
        c->broken |= done < 0;
    }
    if (done)
        conn_sent(c);
    else
        flight_watch(s);
    if (server.starved)
        feed_the_starved();
}

static void on_accepted(struct heald_op *op)
{
    struct conn *c;

    if (op->result < 0)
        bench_die("accept", (int)-op->result);
    c = calloc(1, sizeof *c);
    if (!c)
        bench_die("calloc", errno);
    c->fd = (int)op->result;
    receive(c);
}

static void open_buffers(void)
{
    char *memory = bench_alloc(BUFFERS, ROOM);
    int err = heald_buf_group_open(&server.group, server.loop, memory, BUFFERS, ROOM);

    if (err)
        exit(err == -ENOSYS || err == -EINVAL ? BENCH_SKIP : 1);
    server.senders = bench_alloc(BUFFERS, sizeof *server.senders);
    for (unsigned i = 0; i < BUFFERS; i++) {
        server.senders[i].data = heald_buf_data(server.group, i);
        heald_op_notify_deferred(&server.senders[i].op);
    }
}

int main(int argc, char **argv)
{
    int err = heald_loop_open(&server.loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    open_buffers();
    return serve(server.loop, argc > 1 ? argv[1] : "0", on_accepted);
}
