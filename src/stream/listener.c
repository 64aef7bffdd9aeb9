/*
 * stream/listener.c: accepts at several sockets, within limits. The loop's thread.
 *
 * Without a limit one op a socket accepts all connections. With one each accept is an op of its
 * own. Of several sockets each may take one that is too many; it is held until there is room.
 *
 * A close gives up the sockets at once, which cancels the accepts; the listener is closed when the
 * last of them has completed, or a timer of no time if there is none.
 */
#include "base/choose.h"
#include "loop/loop.h"
#include "net/listen.h"
#include "op/op.h"

#include <heald/listener.h>

#include <errno.h>
#include <string.h>

enum { LISTENER_PAUSED = 1, LISTENER_CLOSING = 2 };

static bool is_pending(const struct heald_op *op)
{
    return op->state != OP_IDLE;
}

static bool is_full(const struct heald_listener *l)
{
    return l->options.max_connections && l->connections >= l->options.max_connections;
}

static void on_accepted(struct heald_op *op);

/* The loop knows the descriptor, so it takes the op. */
static void start(struct heald_listener *l, unsigned i)
{
    struct heald_op *op = &l->accept[i];

    if (is_pending(op) || l->fds[i] < 0 || l->flags || is_full(l) || l->held_count)
        return;
    if (l->options.max_connections)
        heald_prep_accept(op, l->fds[i], NULL, NULL);
    else
        heald_prep_accept_persistent(op, l->fds[i]);
    heald_submit(l->loop, op, on_accepted);
}

static void start_all(struct heald_listener *l)
{
    for (unsigned i = 0; i < l->count; i++)
        start(l, i);
}

/* Errors of one connection, or of the moment: the next may succeed. */
static bool goes_on(int64_t result)
{
    static const int final[] = {EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP};

    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++)
        if (result == -final[i])
            return false;
    return true;
}

/* Those of the options that are for TCP do nothing for others, and a failure is none of the
 * connection's. */
static void set_options(const struct heald_listener *l, int fd)
{
    const struct heald_listener_options *o = &l->options;

    if (o->nodelay)
        heald_socket_set_nodelay(fd, 1);
    if (o->keepalive_idle_s)
        heald_socket_set_keepalive(fd, o->keepalive_idle_s, o->keepalive_interval_s,
                                   o->keepalive_count);
}

static void op_ended(struct heald_listener *l)
{
    for (unsigned i = 0; i < l->count; i++)
        if (is_pending(&l->accept[i]))
            return;
    if (!is_pending(&l->timer) && l->closed)
        l->closed(l);
}

static void ended(struct heald_listener *l, unsigned i, int64_t result)
{
    if (l->flags & LISTENER_CLOSING) {
        op_ended(l);
        return;
    }
    if (goes_on(result)) {
        start(l, i);
        return;
    }
    if (result != -EBADF)
        heald_close(l->loop, l->fds[i]);
    l->fds[i] = -1;
    l->fn(l, (int)result);
}

static void deliver(struct heald_listener *l, int fd)
{
    l->connections++;
    set_options(l, fd);
    l->fn(l, fd);
}

/* The index of an accept: the ops are an array of the listener, which is found in `data`. */
static void on_accepted(struct heald_op *op)
{
    struct heald_listener *l = op->data;
    unsigned i = (unsigned)(op - l->accept);
    int64_t result = op->result;
    bool more = op->flags & HEALD_MORE;

    if (result >= 0 && l->flags & LISTENER_CLOSING)
        heald_close(l->loop, (int)result);
    else if (result >= 0 && is_full(l))
        l->held[l->held_count++] = (int)result;
    else if (result >= 0)
        deliver(l, (int)result);
    if (!more)
        ended(l, i, result < 0 ? result : 0);
}

static int add(struct heald_listener *l, int fd)
{
    if (l->count == HEALD_LISTENER_MAX)
        return -E2BIG;
    l->fds[l->count++] = fd;
    return 0;
}

static int open_inherited(struct heald_listener *l, const char *name)
{
    int fds[HEALD_LISTENER_MAX], n = heald__listen_inherited(name, fds, HEALD_LISTENER_MAX), err;

    if (n < 0)
        return n;
    if (n > HEALD_LISTENER_MAX)
        return -E2BIG;
    for (int i = 0; i < n; i++)
        if ((err = add(l, fds[i])))
            return err;
    return 0;
}

static int open_one(struct heald_listener *l, const char *address)
{
    static const char systemd[] = "systemd", fifo[] = "fifo:";
    const size_t len = sizeof systemd - 1;
    int type = l->options.type ? l->options.type : SOCK_STREAM;

    if (!address || strncmp(address, fifo, sizeof fifo - 1) == 0)
        return -EINVAL;
    if (strcmp(address, systemd) == 0)
        return open_inherited(l, NULL);
    if (strncmp(address, systemd, len) == 0 && address[len] == ':')
        return open_inherited(l, address + len + 1);
    if (l->count == HEALD_LISTENER_MAX)
        return -E2BIG;
    int fd = heald_listen_with(address, type, &l->options.listen);
    return fd < 0 ? fd : add(l, fd);
}

/* Nothing is accepted yet. Says why, where the caller asks. */
static int refuse(struct heald_listener *l, const char *address, int err)
{
    const char *why = err == -EINVAL ? heald_addr_why(address) : NULL;

    if (l->options.ret_why)
        heald__why_set(l->options.ret_why, "%s: %s", address ? address : "address",
                       why ? why : heald_strerror(err));
    for (unsigned i = 0; i < l->count; i++)
        heald_close(l->loop, l->fds[i]);
    l->loop = NULL;
    return err;
}

/* After this a submission on the descriptors cannot fail. */
static int know_all(struct heald_listener *l)
{
    int err = 0;

    for (unsigned i = 0; i < l->count; i++)
        if (!heald__fds_get(l->loop, l->fds[i], &err))
            return err;
    return 0;
}

int heald_listener_open(struct heald_listener *l, struct heald_loop *loop,
                        const char *const addresses[], unsigned count,
                        const struct heald_listener_options *options, heald_listener_fn *fn)
{
    int err;

    *l = (struct heald_listener){.data = l->data, .loop = loop, .fn = fn};
    if (options)
        l->options = *options;
    if (!fn || !addresses || !count)
        return refuse(l, NULL, -EINVAL);
    for (unsigned i = 0; i < count; i++)
        if ((err = open_one(l, addresses[i])))
            return refuse(l, addresses[i], err);
    if ((err = know_all(l)))
        return refuse(l, addresses[0], err);
    for (unsigned i = 0; i < l->count; i++)
        l->accept[i].data = l;
    l->timer.data = l;
    start_all(l);
    return 0;
}

void heald_listener_pause(struct heald_listener *l)
{
    l->flags |= LISTENER_PAUSED;
    for (unsigned i = 0; i < l->count; i++)
        heald_cancel(&l->accept[i]);
}

/* What is held goes first. A timer of no time, because no callback runs inside a call. */
static void on_timer(struct heald_op *op)
{
    struct heald_listener *l = op->data;

    while (l->held_count && !l->flags && !is_full(l))
        deliver(l, l->held[--l->held_count]);
    if (l->flags & LISTENER_CLOSING)
        op_ended(l);
    else
        start_all(l);
}

static void start_timer(struct heald_listener *l)
{
    if (is_pending(&l->timer))
        return;
    heald_prep_timer(&l->timer, 0);
    heald_submit(l->loop, &l->timer, on_timer);
}

static void go_on(struct heald_listener *l)
{
    if (l->held_count && !l->flags)
        start_timer(l);
    else
        start_all(l);
}

void heald_listener_resume(struct heald_listener *l)
{
    l->flags &= ~(unsigned)LISTENER_PAUSED;
    go_on(l);
}

void heald_listener_done(struct heald_listener *l)
{
    if (!l->connections)
        return;
    l->connections--;
    go_on(l);
}

unsigned heald_listener_connections(const struct heald_listener *l)
{
    return l->connections;
}

int heald_listener_addr(const struct heald_listener *l, unsigned index, struct heald_addr *ret_addr)
{
    return index < l->count && l->fds[index] >= 0 ? heald_local_addr(l->fds[index], ret_addr)
                                                  : -ENOENT;
}

int heald_listener_close(struct heald_listener *l, void (*fn)(struct heald_listener *listener))
{
    if (!l->loop)
        return -EINVAL;
    if (l->flags & LISTENER_CLOSING)
        return -EALREADY;
    l->flags |= LISTENER_CLOSING;
    l->closed = fn;
    for (unsigned i = 0; i < l->count; i++)
        if (l->fds[i] >= 0)
            heald_close(l->loop, l->fds[i]);
    while (l->held_count)
        heald_close(l->loop, l->held[--l->held_count]);
    start_timer(l);
    return 0;
}
