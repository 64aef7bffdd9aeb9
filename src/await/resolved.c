/*
 * await/resolved.c: see resolved.h. One op, which is a connect, then sends, then receives until the
 * byte 0. The connection is closed before done() is called.
 */
#include "await/resolved.h"

#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>

enum { ROOM_FIRST = 4096 };

static void on_event(struct heald_op *op);

static void end(struct heald_resolved *r, int err)
{
    heald_close(r->loop, r->fd);
    r->fd = -1;
    r->done(r, err);
}

static void submit(struct heald_resolved *r, int err)
{
    r->op.name = heald__own_name;
    if (!err)
        err = heald_submit(r->loop, &r->op, on_event);
    if (err)
        end(r, err);
}

/* Room for more of the reply: 0, -ENOMEM, or -EMSGSIZE: it is longer than any that is meant. */
static int grow(struct heald_resolved *r)
{
    size_t room = r->room ? 2 * r->room : ROOM_FIRST;

    if (r->len < r->room)
        return 0;
    if (room > VARLINK_REPLY)
        return -EMSGSIZE;
    char *buf = alloc_resize(&r->alloc, r->buf, r->room, room);
    if (!buf)
        return -ENOMEM;
    r->buf = buf;
    r->room = room;
    return 0;
}

static void receive(struct heald_resolved *r)
{
    int err = grow(r);

    if (!err)
        err = heald_prep_recv(&r->op, r->fd, r->buf + r->len, r->room - r->len, 0);
    submit(r, err);
}

static void received(struct heald_resolved *r, size_t n)
{
    char *zero = n ? memchr(r->buf + r->len, 0, n) : NULL;

    r->len += n;
    if (!zero && n) {
        receive(r);
        return;
    }
    /* More than one reply, or none. */
    if (!zero || zero + 1 != r->buf + r->len) {
        end(r, -EBADMSG);
        return;
    }
    r->len--;
    end(r, 0);
}

static void on_event(struct heald_op *op)
{
    struct heald_resolved *r = heald_container_of(op, struct heald_resolved, op);

    if (op->result < 0 || r->cancelled) {
        end(r, r->cancelled ? -ECANCELED : (int)op->result);
    } else if (op->kind == OP_RECV) {
        received(r, (size_t)op->result);
    } else {
        r->sent += (size_t)op->result; /* of the connect 0 */
        if (r->sent == r->request_len)
            receive(r);
        else
            submit(r,
                   heald_prep_send(op, r->fd, r->request + r->sent, r->request_len - r->sent, 0));
    }
}

int heald__resolved_ask(struct heald_resolved *r, const char *host, int family)
{
    r->request_len = heald__varlink_request(r->request, host, family);
    if (!r->request_len)
        return -EOPNOTSUPP;
    r->fd = heald_socket(r->addr, SOCK_STREAM);
    if (r->fd < 0)
        return r->fd;
    int err = heald_prep_connect(&r->op, r->fd, &r->addr->u.sa, r->addr->len);
    r->op.name = heald__own_name;
    if (!err)
        err = heald_submit(r->loop, &r->op, on_event);
    if (err)
        heald_close(r->loop, r->fd);
    return err;
}

void heald__resolved_cancel(struct heald_resolved *r)
{
    r->cancelled = true;
    heald_cancel(&r->op); /* -EALREADY: its callback is due */
}

void heald__resolved_free(struct heald_resolved *r)
{
    alloc_free(&r->alloc, r->buf, r->room);
}
