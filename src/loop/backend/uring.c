/*
 * loop/backend/uring.c: io_uring(7): whole ops go to the kernel, one enter a turn. ring/client.h
 * says how.
 *
 * A poll in a ring ends at a hang-up of the other end, asked for or not (seen on 6.18), and a file
 * that cannot be polled is refused. What such a poll cannot wait for waits in a nested queue.
 *
 * The kernel finds what is to be cancelled in a hash of at most 256 lists: to cancel each of
 * 100,000 polls takes seconds. So when there are very many the rest of them wait in a nested queue,
 * where one is found by its descriptor.
 */
#include "base/attr.h"
#include "loop/backend/nested.h"
#include "loop/buffers.h"
#include "op/op.h"
#include "ring/client.h"
#include "ring/fill.h"

#include <heald/io.h>

#include <errno.h>

struct uring {
    struct heald_client client;
    struct heald_backend *backend;
    struct heald_nested nested;
    struct heald_op watch; /* of the nested queue */
    bool watched;
};

enum {
    POLLS_MAX = 1024,
    RUN_SHARE = 2 /* with fewer buffers for each op a bundle would take those of others */
};

/* The kernel puts before a datagram what heald_datagram says. */
_Static_assert(sizeof(struct heald_datagram) ==
                   sizeof(struct io_uring_recvmsg_out) + sizeof(struct sockaddr_storage),
               "the layout of the kernel");
_Static_assert(offsetof(struct heald_datagram, flags) ==
                   offsetof(struct io_uring_recvmsg_out, flags),
               "the layout of the kernel");

/* The kernel says which buffer of a group it took. Returns the bytes of data in it, or -errno. */
HEALD_SEPARATE static int64_t note_buffer(struct heald_op *op, int64_t result, unsigned flags)
{
    struct heald_buf_group *group = op->u.group.group;
    bool is_datagram = op->kind == OP_RECVFROM_MULTI;

    op->buffer = HEALD_NO_BUFFER;
    if (!(flags & IORING_CQE_F_BUFFER))
        return result;
    unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;
    heald__group_take(group, buffer, op->kind == OP_RECV_RUN ? group_count_for(group, result) : 1);
    /* Only what takes room takes a buffer out. */
    if (result > 0)
        op->buffer = (uint16_t)buffer;
    else
        heald_buf_return(group, buffer);
    if (!is_datagram || result < (int64_t)sizeof(struct heald_datagram))
        return result;
    struct heald_datagram *d = heald_buf_datagram(group, buffer);
    d->reserved = d->reserved2 = 0;
    d->flags &= MSG_TRUNC;
    return result - (int64_t)sizeof *d;
}

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    struct heald_loop *loop = heald_container_of(c, struct uring, client)->backend->loop;

    if (heald__op_traits[op->kind] & OP_PLAIN) {
        heald__plain_done(loop, op, result);
        return;
    }
    if (heald__op_traits[op->kind] & OP_GROUP)
        result = note_buffer(op, result, flags);
    heald__result(loop, op, result, flags & IORING_CQE_F_MORE);
}

static void on_sent(struct heald_client *c, struct heald_op *op)
{
    heald__plain_sent(heald_container_of(c, struct uring, client)->backend->loop, op);
}

static int uring_open(struct heald_backend *b)
{
    struct uring *u = alloc_new(b->alloc, sizeof *u);

    if (!u)
        return -ENOMEM;
    int err = heald__client_open(&u->client, b->sys, b->alloc, b->entries);
    if (err) {
        alloc_free(b->alloc, u, sizeof *u);
        return err;
    }
    heald__nested_init(&u->nested);
    u->client.done = on_done;
    u->client.sent = on_sent;
    u->backend = b;
    b->priv = u;
    return 0;
}

static void uring_close(struct heald_backend *b)
{
    struct uring *u = b->priv;

    heald__nested_close(&u->nested, b);
    heald__client_close(&u->client);
    alloc_free(b->alloc, u, sizeof *u);
}

static struct heald_client *client_of(const struct heald_backend *b)
{
    return &((struct uring *)b->priv)->client;
}

static bool uring_takes(const struct heald_backend *b, const struct heald_op *op)
{
    return heald__ring_takes(&client_of(b)->ring, op);
}

/* Of a receive in runs u.group.last is the type of its descriptor, as fill.c wants it. */
HEALD_SEPARATE static void submit_run(struct heald_client *c, struct heald_op *op)
{
    if (heald__group_share(op->u.group.group) < RUN_SHARE ||
        !heald__ring_bundles(&c->ring, c->alloc))
        op->u.group.last = FD_SOCKET;
    heald__client_submit(c, op);
}

static void uring_submit(struct heald_backend *b, struct heald_op *op)
{
    struct heald_client *c = client_of(b);

    if (op->kind == OP_RECV_RUN)
        submit_run(c, op);
    else
        heald__client_submit(c, op);
}

static void uring_cancel(struct heald_backend *b, struct heald_op *op)
{
    heald__client_cancel(client_of(b), op);
}

static bool uring_next(struct heald_backend *b, struct heald_op *op)
{
    return heald__client_next(client_of(b), op);
}

static void on_nested(struct heald_op *watch)
{
    struct uring *u = heald_container_of(watch, struct uring, watch);
    heald__nested_report(&u->nested, u->backend, heald__ready_nested);
}

static int uring_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct uring *u = b->priv;
    int err = heald__nested_arm(&u->nested, b, fd, events);

    (void)key;
    (void)old;
    if (err || u->watched || u->nested.fd < 0)
        return err;
    err = heald__loop_watch(b->loop, &u->watch, u->nested.fd, on_nested, NULL);
    u->watched = !err;
    return err;
}

static void uring_flush(struct heald_backend *b)
{
    heald__ring_flush(&client_of(b)->ring);
}

static int uring_wait(struct heald_backend *b, int64_t deadline_ns)
{
    client_of(b)->prompt = b->prompt;
    return heald__client_turn(client_of(b), deadline_ns);
}

static int uring_fd(struct heald_backend *b)
{
    return heald__ring_bell(&client_of(b)->ring, true);
}

static void give(struct heald_buf_group *g, unsigned index)
{
    struct io_uring_buf_ring *ring = g->ring;
    int mask = io_uring_buf_ring_mask(g->count);

    io_uring_buf_ring_add(ring, heald_buf_data(g, index), (unsigned)g->size, (unsigned short)index,
                          mask, 0);
    io_uring_buf_ring_advance(ring, 1);
}

static int group_open(struct heald_client *c, struct heald_buf_group *g)
{
    struct io_uring_buf_ring *buffers;
    int err = heald__ring_provide(&c->ring, g->id, g->count, &buffers);

    if (err)
        return err;
    g->ring = buffers;
    for (unsigned i = 0; i < g->count; i++)
        give(g, i);
    return 0;
}

static int uring_group(struct heald_backend *b, struct heald_buf_group *g,
                       enum heald_group_call what, unsigned index)
{
    struct heald_client *c = client_of(b);

    switch (what) {
    case HEALD_GROUP_OPEN: return group_open(c, g);
    case HEALD_GROUP_RETURN: give(g, index); return 0;
    case HEALD_GROUP_CLOSE: heald__ring_unprovide(&c->ring, g->id, g->count, g->ring); return 0;
    }
    return -EINVAL;
}

const struct heald_backend_ops heald__backend_uring = {
    .name = "uring",
    .about = "io_uring: whole operations, one system call a turn",
    .polls_max = POLLS_MAX,
    .words = true,
    .open = uring_open,
    .close = uring_close,
    .arm = uring_arm,
    .takes = uring_takes,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .next = uring_next,
    .flush = uring_flush,
    .wait = uring_wait,
    .fd = uring_fd,
    .group = uring_group,
};
