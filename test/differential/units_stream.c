/*
 * test/differential/units_stream.c: a stream from its first byte to its end, in random portions by
 * random calls, with one or two reads in flight at a time, or a multishot receive or read.
 */
#include "differential/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PORTION = 16384, DEPTH = 2, BUFFERS_MAX = 8 };

struct portion {
    struct heald_op op;
    struct msghdr msg;
    struct iovec iov[2];
    unsigned order;
    bool busy;
    unsigned char data[PORTION];
};

struct stream {
    enum pair_kind kind;
    int in, out;
    size_t total, sent, received;
    struct portion write, read[DEPTH];
    unsigned depth, asked, notified; /* reads submitted, and reads whose data was looked at */
    bool ended;
    struct heald_op end, multi, close;
    enum { MULTI_RECV, MULTI_RUN, MULTI_READ } how; /* that of `multi` */
    struct heald_buf_group *group;
    unsigned char *memory;
    unsigned held[BUFFERS_MAX], held_count;
};

static bool has_messages(const struct stream *s)
{
    return s->kind != PAIR_PIPE;
}

static void on_closed(struct heald_op *op)
{
    struct unit *u = unit_of(op);

    u->value[2] = op->result;
    unit_over(u);
}

static void finish(struct unit *u)
{
    struct stream *s = u->state;

    u->value[0] = (int64_t)s->received;
    ck_assert_uint_eq(s->received, s->total);
    if (s->group)
        ck_assert_int_eq(heald_buf_group_close(s->group), 0);
    free(s->memory);
    /* A pipe's end was its closing. */
    if (has_messages(s))
        ck_assert_int_eq(heald_close(u->run->loop, s->out), 0);
    heald_prep_close(&s->close, s->in);
    unit_go(u, &s->close, on_closed);
}

static void check_data(struct unit *u, const unsigned char *data, size_t n)
{
    struct stream *s = u->state;

    unit_check_bytes(u, data, s->received, n);
    s->received += n;
    ck_assert_uint_le(s->received, s->total);
}

/* The two halves of a portion, for calls with vectors. */
static void split(struct unit *u, struct portion *p, size_t n)
{
    size_t at = rng_below(&u->noise, (unsigned)n + 1);

    p->iov[0] = (struct iovec){.iov_base = p->data, .iov_len = at};
    p->iov[1] = (struct iovec){.iov_base = p->data + at, .iov_len = n - at};
    p->msg = (struct msghdr){.msg_iov = p->iov, .msg_iovlen = 2};
}

static void write_more(struct unit *u);

static void on_end(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    u->value[1] = op->result;
}

static void on_write(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct stream *s = u->state;

    ck_assert_msg(op->result > 0, "unit %u: write: %s", u->index, heald_strerror((int)op->result));
    s->sent += (size_t)op->result;
    write_more(u);
}

static void write_more(struct unit *u)
{
    struct stream *s = u->state;
    struct portion *p = &s->write;
    size_t n = rng_range(&u->noise, 1, rng_one_in(&u->noise, 2) ? PORTION : 600);

    if (s->sent == s->total) {
        if (has_messages(s))
            heald_prep_shutdown(&s->end, s->out, SHUT_WR);
        else
            heald_prep_close(&s->end, s->out);
        unit_go(u, &s->end, on_end);
        return;
    }
    n = n < s->total - s->sent ? n : s->total - s->sent;
    for (size_t i = 0; i < n; i++)
        p->data[i] = unit_byte(u, s->sent + i);
    split(u, p, n);
    switch (rng_below(&u->noise, has_messages(s) ? 4 : 2)) {
    case 0: heald_prep_write(&p->op, s->out, p->data, n, HEALD_NO_OFFSET); break;
    case 1: heald_prep_writev(&p->op, s->out, p->iov, 2, HEALD_NO_OFFSET); break;
    case 2: heald_prep_send(&p->op, s->out, p->data, n, 0); break;
    case 3: heald_prep_sendmsg(&p->op, s->out, &p->msg, 0); break;
    }
    unit_go(u, &p->op, on_write);
}

static void read_more(struct unit *u, struct portion *p);

/* Reads are done in the order of submission, whatever order their callbacks run in. */
static void look(struct unit *u)
{
    struct stream *s = u->state;

    for (;;) {
        struct portion *p = &s->read[s->notified % s->depth];
        if (s->notified == s->asked || p->busy || p->order != s->notified)
            break;
        s->notified++;
        ck_assert_msg(p->op.result >= 0, "unit %u: read: %s", u->index,
                      heald_strerror((int)p->op.result));
        if (p->op.result == 0)
            s->ended = true;
        else
            ck_assert_msg(!s->ended, "unit %u: data after the end", u->index);
        check_data(u, p->data, (size_t)p->op.result);
        if (!s->ended)
            read_more(u, p);
    }
    if (s->ended && s->notified == s->asked)
        finish(u);
}

static void on_read(struct heald_op *op)
{
    struct portion *p = heald_container_of(op, struct portion, op);

    p->busy = false;
    look(unit_of(op));
}

static void read_more(struct unit *u, struct portion *p)
{
    struct stream *s = u->state;
    size_t n = rng_range(&u->noise, 1, rng_one_in(&u->noise, 2) ? PORTION : 600);

    p->order = s->asked++;
    p->busy = true;
    split(u, p, n);
    switch (rng_below(&u->noise, has_messages(s) ? 4 : 2)) {
    case 0: heald_prep_read(&p->op, s->in, p->data, n, HEALD_NO_OFFSET); break;
    case 1: heald_prep_readv(&p->op, s->in, p->iov, 2, HEALD_NO_OFFSET); break;
    case 2: heald_prep_recv(&p->op, s->in, p->data, n, 0); break;
    case 3: heald_prep_recvmsg(&p->op, s->in, &p->msg, 0); break;
    }
    unit_go(u, &p->op, on_read);
}

static void give_back(struct stream *s)
{
    while (s->held_count)
        ck_assert_int_eq(heald_buf_return_run(s->group, s->held[--s->held_count]), 0);
}

static void prep_multi(struct stream *s)
{
    switch (s->how) {
    case MULTI_RECV: heald_prep_recv_multishot(&s->multi, s->in, s->group, 0); break;
    case MULTI_RUN: heald_prep_recv_run_multishot(&s->multi, s->in, s->group, 0); break;
    case MULTI_READ: heald_prep_read_multishot(&s->multi, s->in, s->group); break;
    }
}

static void check_run(struct unit *u, unsigned first, size_t len)
{
    struct stream *s = u->state;
    struct iovec iov[BUFFERS_MAX];
    int n = heald_buf_iov(s->group, first, len, iov, BUFFERS_MAX);

    for (int i = 0; i < n; i++) {
        check_data(u, iov[i].iov_base, iov[i].iov_len);
        len -= iov[i].iov_len;
    }
    ck_assert_uint_eq(len, 0);
}

static void on_portion(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct stream *s = u->state;

    if (op->flags & HEALD_MORE) {
        ck_assert_int_gt(op->result, 0);
        check_run(u, op->buffer, (size_t)op->result);
        s->held[s->held_count++] = op->buffer;
        if (!rng_one_in(&u->noise, 4))
            give_back(s);
        return;
    }
    give_back(s);
    if (op->result == -ENOBUFS) {
        prep_multi(s);
        unit_go(u, op, on_portion);
        return;
    }
    ck_assert_msg(op->result == 0, "unit %u: multishot: %s", u->index,
                  heald_strerror((int)op->result));
    finish(u);
}

static void receive(struct unit *u)
{
    struct stream *s = u->state;
    unsigned count = 1u << rng_below(&u->noise, 4);
    size_t size = rng_range(&u->noise, 100, 4096);

    ck_assert_ptr_nonnull(s->memory = malloc(count * size));
    int err = heald_buf_group_open(&s->group, u->run->loop, s->memory, count, size);
    ck_assert_msg(err == 0, "group: %s", heald_strerror(err));
    s->how = has_messages(s) ? rng_below(&u->noise, 3) : MULTI_READ;
    prep_multi(s);
    unit_go(u, &s->multi, on_portion);
}

static void start(struct unit *u)
{
    static const enum pair_kind kinds[] = {PAIR_UNIX, PAIR_TCP, PAIR_PIPE};
    struct stream *s = u->state;
    int fds[2];

    s->kind = kinds[rng_below(&u->plan, 3)];
    s->total = rng_below(&u->plan, rng_one_in(&u->plan, 4) ? 400000 : 3000);
    unit_pair_open(s->kind, fds);
    s->in = fds[0];
    s->out = fds[1];
    unit_vary(u, s->in);
    unit_vary(u, s->out);
    s->depth = rng_range(&u->noise, 1, DEPTH);
    bool reads_first = rng_one_in(&u->noise, 2);
    if (!reads_first)
        write_more(u);
    if (rng_one_in(&u->noise, 2))
        receive(u);
    else
        for (unsigned i = 0; i < s->depth; i++)
            read_more(u, &s->read[i]);
    if (reads_first)
        write_more(u);
}

const struct unit_kind unit_stream = {"stream", sizeof(struct stream), start, 6};
