/*
 * test/differential/units_pair.c: several ops in one direction of one descriptor, done in the order
 * of their submission; and both directions at once, submitted again from callbacks.
 */
#include "differential/program.h"

#include <errno.h>
#include <string.h>

enum { WRITES = 5, READS = 6, PIECE = 700, ROUNDS_MAX = 12, MESSAGE = 64 };

struct pair {
    int fds[2];
    unsigned writes, reads, waiting;
    struct heald_op write[WRITES], read[READS], shutdown, close;
    unsigned char out[WRITES * PIECE], in[READS][WRITES * PIECE];
    size_t total;
};

static void pair_closed(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct pair *p = u->state;

    u->value[10] = op->result;
    ck_assert_int_eq(heald_close(u->run->loop, p->fds[1]), 0);
    unit_over(u);
}

/* All has completed: what the reads got, one after the other, is what was written. */
static void pair_check(struct unit *u)
{
    struct pair *p = u->state;
    size_t at = 0;

    for (unsigned i = 0; i < p->reads; i++) {
        int64_t n = p->read[i].result;
        ck_assert_msg(n >= 0, "unit %u: read %u: %s", u->index, i, heald_strerror((int)n));
        ck_assert_msg(memcmp(p->in[i], p->out + at, (size_t)n) == 0, "unit %u: read %u", u->index,
                      i);
        at += (size_t)n;
    }
    /* The last read is large enough for all that was left, or saw the end. */
    u->value[0] = (int64_t)p->total;
    for (unsigned i = 0; i < p->writes; i++)
        u->value[1 + i] = p->write[i].result;
    u->value[9] = p->shutdown.result;
    heald_prep_close(&p->close, p->fds[0]);
    unit_go(u, &p->close, pair_closed);
}

static void pair_done(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct pair *p = u->state;

    if (--p->waiting == 0)
        pair_check(u);
}

static void pair_reads(struct unit *u)
{
    struct pair *p = u->state;

    for (unsigned i = 0; i < p->reads; i++) {
        heald_prep_recv(&p->read[i], p->fds[0], p->in[i], rng_range(&u->noise, 1, WRITES * PIECE),
                        0);
        unit_go(u, &p->read[i], pair_done);
    }
}

static void pair_writes(struct unit *u)
{
    struct pair *p = u->state;
    size_t at = 0;

    for (unsigned i = 0; i < p->writes; i++) {
        size_t n = rng_range(&u->plan, 1, PIECE);
        heald_prep_write(&p->write[i], p->fds[1], p->out + at, n, HEALD_NO_OFFSET);
        unit_go(u, &p->write[i], pair_done);
        at += n;
    }
    p->total = at;
    heald_prep_shutdown(&p->shutdown, p->fds[1], SHUT_WR);
    unit_go(u, &p->shutdown, pair_done);
}

static void pair_start(struct unit *u)
{
    struct pair *p = u->state;

    p->writes = rng_range(&u->plan, 1, WRITES);
    p->reads = rng_range(&u->plan, 1, READS);
    p->waiting = p->writes + p->reads + 1;
    for (size_t i = 0; i < sizeof p->out; i++)
        p->out[i] = unit_byte(u, i);
    unit_pair_open(rng_one_in(&u->plan, 2) ? PAIR_UNIX : PAIR_TCP, p->fds);
    unit_vary(u, p->fds[0]);
    unit_vary(u, p->fds[1]);
    if (rng_one_in(&u->noise, 2)) {
        pair_reads(u);
        pair_writes(u);
    } else {
        pair_writes(u);
        pair_reads(u);
    }
}

const struct unit_kind unit_pair = {"pair", sizeof(struct pair), pair_start, 4};

/* Each side sends a message of a fixed length, and answers the other's with the next. */
struct side {
    struct heald_op send, recv;
    int fd;
    unsigned round, sent_round;
    size_t sent, got;
    unsigned char out[MESSAGE], in[MESSAGE];
};

struct duplex {
    struct side side[2];
    unsigned rounds, left;
};

static void side_send(struct unit *u, struct side *s);
static void side_recv(struct unit *u, struct side *s);

static void side_over(struct unit *u)
{
    struct duplex *d = u->state;

    if (--d->left)
        return;
    for (int i = 0; i < 2; i++) {
        u->value[i] = d->side[i].round;
        ck_assert_int_eq(heald_close(u->run->loop, d->side[i].fd), 0);
    }
    unit_over(u);
}

static void side_sent(struct heald_op *op)
{
    struct side *s = heald_container_of(op, struct side, send);
    struct unit *u = unit_of(op);
    struct duplex *d = u->state;

    ck_assert_int_gt(op->result, 0);
    s->sent += (size_t)op->result;
    if (s->sent == MESSAGE && ++s->sent_round < d->rounds)
        s->sent = 0;
    if (s->sent < MESSAGE)
        side_send(u, s);
    else
        side_over(u);
}

static void side_received(struct heald_op *op)
{
    struct side *s = heald_container_of(op, struct side, recv);
    struct unit *u = unit_of(op);
    struct duplex *d = u->state;

    ck_assert_int_gt(op->result, 0);
    s->got += (size_t)op->result;
    if (s->got == MESSAGE) {
        s->got = 0;
        unit_check_bytes(u, s->in, s->round * MESSAGE, MESSAGE);
        s->round++;
    }
    if (s->round < d->rounds)
        side_recv(u, s);
    else
        side_over(u);
}

static void side_send(struct unit *u, struct side *s)
{
    size_t n = rng_range(&u->noise, 1, (unsigned)(MESSAGE - s->sent));

    for (unsigned i = 0; i < MESSAGE; i++)
        s->out[i] = unit_byte(u, s->sent_round * MESSAGE + i);
    heald_prep_send(&s->send, s->fd, s->out + s->sent, n, 0);
    unit_go(u, &s->send, side_sent);
}

static void side_recv(struct unit *u, struct side *s)
{
    heald_prep_read(&s->recv, s->fd, s->in + s->got, MESSAGE - s->got, HEALD_NO_OFFSET);
    unit_go(u, &s->recv, side_received);
}

static void duplex_start(struct unit *u)
{
    struct duplex *d = u->state;
    int fds[2];

    d->rounds = rng_range(&u->plan, 1, ROUNDS_MAX);
    d->left = 4;
    unit_pair_open(rng_one_in(&u->plan, 2) ? PAIR_UNIX : PAIR_TCP, fds);
    for (int i = 0; i < 2; i++) {
        d->side[i].fd = fds[i];
        unit_vary(u, fds[i]);
    }
    for (int i = 0; i < 2; i++) {
        side_recv(u, &d->side[i]);
        side_send(u, &d->side[i]);
    }
}

const struct unit_kind unit_duplex = {"duplex", sizeof(struct duplex), duplex_start, 4};
