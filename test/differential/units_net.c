/*
 * test/differential/units_net.c: datagrams and packets; listening, accepting and connecting;
 * descriptors passed along.
 */
#include "differential/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES = 12, LENGTH = 1400, CLIENTS = 6, ACCEPTS = 2 };

struct datagram {
    enum pair_kind kind;
    int fds[2];
    unsigned count, sent, got;
    size_t length[MESSAGES], room[MESSAGES];
    struct heald_op send, recv[MESSAGES];
    bool multi, listens;
    struct heald_buf_group *group;
    unsigned char *memory;
    unsigned char out[LENGTH], in[MESSAGES][LENGTH];
};

static void datagram_end(struct unit *u)
{
    struct datagram *d = u->state;

    if (d->sent < d->count || d->got < d->count || d->listens)
        return;
    if (d->group)
        ck_assert_int_eq(heald_buf_group_close(d->group), 0);
    free(d->memory);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_close(u->run->loop, d->fds[i]), 0);
    unit_over(u);
}

static void datagram_send(struct unit *u);

static void datagram_sent(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct datagram *d = u->state;

    ck_assert_int_eq(op->result, (int64_t)d->length[d->sent]);
    d->sent++;
    if (d->sent < d->count)
        datagram_send(u);
    else
        datagram_end(u);
}

static void datagram_send(struct unit *u)
{
    struct datagram *d = u->state;

    for (size_t i = 0; i < d->length[d->sent]; i++)
        d->out[i] = unit_byte(u, d->sent * LENGTH + i);
    heald_prep_send(&d->send, d->fds[1], d->out, d->length[d->sent], 0);
    unit_go(u, &d->send, datagram_sent);
}

/* Message `k` has come, cut to the room that there was. */
static void datagram_check(struct unit *u, unsigned k, const unsigned char *data, int64_t n)
{
    struct datagram *d = u->state;
    size_t want = d->length[k] < d->room[k] ? d->length[k] : d->room[k];

    ck_assert_msg(n == (int64_t)want, "unit %u: message %u: %lld", u->index, k, (long long)n);
    unit_check_bytes(u, data, k * LENGTH, want);
    u->value[k] = n;
    d->got++;
}

static void datagram_received(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct datagram *d = u->state;
    unsigned k = (unsigned)(op - d->recv);

    datagram_check(u, k, d->in[k], op->result);
    datagram_end(u);
}

static void datagram_portion(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct datagram *d = u->state;

    if (op->flags & HEALD_MORE) {
        datagram_check(u, d->got, heald_buf_data(d->group, op->buffer), op->result);
        ck_assert_int_eq(op->buffer == HEALD_NO_BUFFER, op->result == 0);
        ck_assert_int_eq(heald_buf_return(d->group, op->buffer), 0);
        if (d->got == d->count)
            ck_assert_int_eq(heald_cancel(op), 0);
        return;
    }
    /* Cancelled after the last, it may have run out of buffers before. */
    if (op->result == -ENOBUFS && d->got < d->count) {
        heald_prep_recv_multishot(op, d->fds[0], d->group, 0);
        unit_go(u, op, datagram_portion);
        return;
    }
    ck_assert_msg(op->result == -ECANCELED || op->result == -ENOBUFS, "unit %u: %s", u->index,
                  heald_strerror((int)op->result));
    ck_assert_uint_eq(d->got, d->count);
    d->listens = false;
    datagram_end(u);
}

static void datagram_listen(struct unit *u)
{
    struct datagram *d = u->state;

    if (!d->multi) {
        for (unsigned k = 0; k < d->count; k++) {
            heald_prep_recv(&d->recv[k], d->fds[0], d->in[k], d->room[k], 0);
            unit_go(u, &d->recv[k], datagram_received);
        }
        return;
    }
    d->listens = true;
    unsigned buffers = 1u << rng_below(&u->noise, 4);
    ck_assert_ptr_nonnull(d->memory = malloc(buffers * d->room[0]));
    ck_assert_int_eq(heald_buf_group_open(&d->group, u->run->loop, d->memory, buffers, d->room[0]),
                     0);
    heald_prep_recv_multishot(&d->recv[0], d->fds[0], d->group, 0);
    unit_go(u, &d->recv[0], datagram_portion);
}

static void datagram_start(struct unit *u)
{
    static const enum pair_kind kinds[] = {PAIR_DGRAM, PAIR_UDP, PAIR_PACKET};
    struct datagram *d = u->state;
    unsigned least;

    d->kind = kinds[rng_below(&u->plan, 3)];
    d->count = rng_range(&u->plan, 1, MESSAGES);
    d->multi = rng_one_in(&u->plan, 2);
    least = d->kind == PAIR_PACKET; /* there, nothing is the end */
    for (unsigned k = 0; k < d->count; k++) {
        d->length[k] = rng_one_in(&u->plan, 5) ? least : rng_range(&u->plan, least, LENGTH);
        d->room[k] = k && d->multi ? d->room[0] : rng_range(&u->plan, 1, LENGTH);
    }
    unit_pair_open(d->kind, d->fds);
    unit_vary(u, d->fds[0]);
    unit_vary(u, d->fds[1]);
    datagram_listen(u);
    datagram_send(u);
}

const struct unit_kind unit_datagram = {"datagram", sizeof(struct datagram), datagram_start, 4};

/* Clients connect, send their number, and close; the server counts them. */
struct client {
    struct heald_op op;
    int fd;
    unsigned char id;
};

struct server {
    struct unit *u;
    struct heald_op op;
    int fd;
    unsigned char id;
};

struct accepting {
    struct heald_addr addr;
    int listener;
    bool multi;
    unsigned count, served, gone, accepts, accepted;
    struct heald_op accept[ACCEPTS];
    struct client client[CLIENTS];
    struct server server[CLIENTS];
};

static void accept_end(struct unit *u)
{
    struct accepting *a = u->state;

    if (a->served < a->count || a->gone < a->count || a->accepts)
        return;
    ck_assert_int_eq(heald_close(u->run->loop, a->listener), 0);
    unit_over(u);
}

static void on_served(struct heald_op *op)
{
    struct server *s = heald_container_of(op, struct server, op);
    struct unit *u = unit_of(op);
    struct accepting *a = u->state;

    ck_assert_int_eq(op->result, 1);
    ck_assert_uint_lt(s->id, a->count);
    u->value[s->id]++;
    ck_assert_int_eq(heald_close(u->run->loop, s->fd), 0);
    if (++a->served == a->count)
        for (unsigned i = 0; i < ACCEPTS; i++)
            if (heald_op_error(&a->accept[i]) == -EINPROGRESS)
                heald_cancel(&a->accept[i]);
    accept_end(u);
}

static void serve(struct unit *u, int fd)
{
    struct accepting *a = u->state;
    struct server *s = &a->server[a->accepted++];

    ck_assert_uint_le(a->accepted, a->count);
    s->fd = fd;
    heald_prep_read(&s->op, fd, &s->id, 1, HEALD_NO_OFFSET);
    unit_go(u, &s->op, on_served);
}

static void on_accept(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct accepting *a = u->state;
    bool more = op->flags & HEALD_MORE;
    int fd = (int)op->result;

    if (op->result >= 0) {
        ck_assert_int_eq(more, a->multi);
        if (!more) {
            heald_prep_accept(op, a->listener, NULL, NULL);
            unit_go(u, op, on_accept);
        }
        serve(u, fd);
        return;
    }
    ck_assert_msg(op->result == -ECANCELED, "unit %u: accept: %s", u->index,
                  heald_strerror((int)op->result));
    a->accepts--;
    accept_end(u);
}

static void client_gone(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct accepting *a = u->state;

    ck_assert_int_eq(op->result, 0);
    a->gone++;
    accept_end(u);
}

static void client_sent(struct heald_op *op)
{
    struct client *c = heald_container_of(op, struct client, op);

    ck_assert_int_eq(op->result, 1);
    heald_prep_close(op, c->fd);
    unit_go(unit_of(op), op, client_gone);
}

static void client_connected(struct heald_op *op)
{
    struct client *c = heald_container_of(op, struct client, op);

    ck_assert_msg(op->result == 0, "connect: %s", heald_strerror((int)op->result));
    heald_prep_send(op, c->fd, &c->id, 1, 0);
    unit_go(unit_of(op), op, client_sent);
}

static void choose_address(struct unit *u, char text[static HEALD_ADDR_TEXT])
{
    if (rng_one_in(&u->plan, 2))
        snprintf(text, HEALD_ADDR_TEXT, "unix:@heald-differential-%ld-%u", (long)getpid(),
                 u->index);
    else
        snprintf(text, HEALD_ADDR_TEXT, "127.0.0.1:0");
}

static void listen_somewhere(struct unit *u)
{
    struct accepting *a = u->state;
    char text[HEALD_ADDR_TEXT];

    choose_address(u, text);
    a->listener = heald_listen(text, SOCK_STREAM, 0);
    ck_assert_msg(a->listener >= 0, "listen: %s", heald_strerror(a->listener));
    ck_assert_int_eq(heald_local_addr(a->listener, &a->addr), 0);
    unit_vary(u, a->listener);
}

static void accept_start(struct unit *u)
{
    struct accepting *a = u->state;

    listen_somewhere(u);
    a->count = rng_range(&u->plan, 1, CLIENTS);
    a->multi = rng_one_in(&u->plan, 2);
    a->accepts = a->multi ? 1 : rng_range(&u->plan, 1, ACCEPTS);
    for (unsigned i = 0; i < a->accepts; i++) {
        if (a->multi)
            heald_prep_accept_multishot(&a->accept[i], a->listener);
        else
            heald_prep_accept(&a->accept[i], a->listener, NULL, NULL);
        unit_go(u, &a->accept[i], on_accept);
    }
    for (unsigned i = 0; i < a->count; i++) {
        struct client *c = &a->client[i];
        c->id = (unsigned char)i;
        c->fd = heald_socket(&a->addr, SOCK_STREAM);
        ck_assert_int_ge(c->fd, 0);
        unit_vary(u, c->fd);
        heald_prep_connect(&c->op, c->fd, &a->addr.u.sa, a->addr.len);
        unit_go(u, &c->op, client_connected);
    }
}

const struct unit_kind unit_accept = {"accept", sizeof(struct accepting), accept_start, 4};

static void on_refused(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct accepting *a = u->state;
    struct client *c = heald_container_of(op, struct client, op);

    u->value[0] = op->result;
    ck_assert_int_eq(op->result, -ECONNREFUSED);
    close(a->listener);
    ck_assert_int_eq(heald_close(u->run->loop, c->fd), 0);
    unit_over(u);
}

/* The address is kept by a socket that does not listen, so that no other unit listens there. */
static void refused_start(struct unit *u)
{
    struct accepting *a = u->state;
    struct client *c = &a->client[0];
    char text[HEALD_ADDR_TEXT];

    choose_address(u, text);
    ck_assert_int_eq(heald_addr_parse(text, &a->addr), 0);
    a->listener = heald_socket(&a->addr, SOCK_STREAM);
    ck_assert_int_eq(bind(a->listener, &a->addr.u.sa, a->addr.len), 0);
    ck_assert_int_eq(heald_local_addr(a->listener, &a->addr), 0);
    unit_vary(u, a->listener);
    c->fd = heald_socket(&a->addr, SOCK_STREAM);
    ck_assert_int_ge(c->fd, 0);
    unit_vary(u, c->fd);
    heald_prep_connect(&c->op, c->fd, &a->addr.u.sa, a->addr.len);
    unit_go(u, &c->op, on_refused);
}

const struct unit_kind unit_refused = {"refused", sizeof(struct accepting), refused_start, 1};
