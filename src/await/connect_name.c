/*
 * await/connect_name.c: a connection to a name: Happy Eyeballs version 2 (RFC 8305), of look-ups,
 * connects and timers. The loop's thread.
 *
 * A race is what the caller's op points to. It asks for the addresses of both families at once.
 * When those of IPv6 are there, or those of IPv4 for RESOLUTION_NS, it begins to connect: to one
 * address after another, the families in turn, each after `delay_ns` or as soon as one has failed.
 * The first connection wins.
 *
 * Conservation: `pending` counts the ops of a race whose callbacks are to come. When the result is
 * known (`ended`), all of them are cancelled, each socket but the winner's is closed in the
 * callback of its connect, also if it was connected meanwhile, and the caller's op completes with
 * the last of these callbacks. So nothing of a race is left when its op has completed.
 */
#include "await/await.h"
#include "loop/loop.h"
#include "net/name.h"

#include <heald/io.h>
#include <heald/timer.h>

#include <errno.h>
#include <stdio.h>

#define RESOLUTION_NS (50 * HEALD_MS)  /* the "Resolution Delay" of RFC 8305 */
#define DELAY_NS      (250 * HEALD_MS) /* the "Connection Attempt Delay" */

enum { V6, V4, FAMILIES, RACE_ADDRS = 16 /* of a family; more are not tried */ };

struct attempt {
    struct heald_op op;
    struct race *race;
    const struct heald_addr *addr;
    int fd; /* -1: none */
};

/* What is known of the addresses of a family. */
struct family {
    struct race *race;
    struct heald_op ask;
    struct heald_lookup lookup;
    struct heald_addr addrs[RACE_ADDRS];
    unsigned count, next;
    bool asked; /* its look-up is pending */
};

struct race {
    struct heald_loop *loop;
    struct heald_op *op; /* the caller's */
    struct heald_connect_name *name;
    struct family family[FAMILIES];
    struct heald_op timer; /* of the next attempt, or of the wait for IPv6 */
    bool timing;           /* it is pending */
    bool waited;           /* the next step is due */
    int turn;              /* the family whose address is next, if it has one */
    bool begun, ended;     /* with connecting; the result is known */
    unsigned pending;      /* callbacks of our ops that are to come */
    int64_t next_ns;       /* when the next step is due */
    int64_t result;
    char host[NAME_MAX_HOST + 1]; /* for heald_op_describe(); cut if it is too long */
    char service[NAME_MAX_SERVICE];
    unsigned attempts;
    struct attempt attempt[FAMILIES * RACE_ADDRS];
};

static void go_on(struct race *r);

/* Submits an op of ours. False: it could not be. */
static bool start(struct race *r, struct heald_op *op, heald_fn *fn)
{
    op->name = heald__own_name;
    op->op_class = r->op->op_class;
    bool started = heald_submit(r->loop, op, fn) == 0;
    r->pending += started;
    return started;
}

/* The last callback has run: the memory of the race goes. */
static void end_op(struct race *r)
{
    struct heald_loop *loop = r->loop;
    struct heald_op *op = r->op;
    int64_t result = r->result;

    r->name->race = NULL;
    alloc_free(&loop->alloc, r, sizeof *r);
    heald__result(loop, op, result, false);
}

/* The result is known: whatever is pending still is cancelled. */
static void end(struct race *r, int64_t result)
{
    r->ended = true;
    r->result = result;
    for (int f = 0; f < FAMILIES; f++)
        if (r->family[f].asked)
            heald_cancel(&r->family[f].ask);
    if (r->timing)
        heald_cancel(&r->timer);
    for (unsigned i = 0; i < r->attempts; i++)
        if (r->attempt[i].fd >= 0)
            heald_cancel(&r->attempt[i].op);
}

/* One of our callbacks has run. */
static void left(struct race *r)
{
    r->pending--;
    go_on(r);
}

static void on_timer(struct heald_op *op);

static void start_timer(struct race *r)
{
    heald_prep_timer(&r->timer, r->next_ns);
    r->timing = start(r, &r->timer, on_timer);
}

/* The next step is due after that time. A timer that is pending sees the new time when it ends, at
 * its own time or, if that is later, now. */
static void set_timer(struct race *r, int64_t ns)
{
    int64_t now = heald_now(r->loop);

    r->next_ns = ns < HEALD_FOREVER - now ? now + ns : HEALD_FOREVER;
    if (!r->timing)
        start_timer(r);
    else if (r->timer.deadline_ns > r->next_ns)
        heald_cancel(&r->timer);
}

static void on_timer(struct heald_op *op)
{
    struct race *r = heald_container_of(op, struct race, timer);

    r->timing = false;
    if (!r->ended && heald_now(r->loop) < r->next_ns)
        start_timer(r);
    else
        r->waited = true;
    left(r);
}

static void on_connected(struct heald_op *op)
{
    struct attempt *a = heald_container_of(op, struct attempt, op);
    struct race *r = a->race;
    int fd = a->fd;

    a->fd = -1;
    if (op->result == 0 && !r->ended) {
        r->name->addr = *a->addr;
        r->name->phase = HEALD_PHASE_CONNECTED;
        r->name->eai = 0; /* that of the other family */
        end(r, fd);
    } else {
        heald_close(r->loop, fd);
        if (!r->ended) {
            r->result = op->result;
            r->name->addr = *a->addr;
            r->waited = true; /* the next one at once */
        }
    }
    left(r);
}

/* Begins to connect to an address: false, and r->result says why not. */
static bool attempt(struct race *r, const struct heald_addr *addr)
{
    struct attempt *a = &r->attempt[r->attempts];
    int type = r->name->type ? r->name->type : SOCK_STREAM;
    int fd = addr->len ? heald_socket(addr, type) : -EAFNOSUPPORT;

    r->begun = true;
    r->name->phase = HEALD_PHASE_CONNECT;
    r->name->addr = *addr;
    if (fd < 0) {
        r->result = fd;
        return false;
    }
    *a = (struct attempt){.race = r, .addr = addr, .fd = fd};
    heald_prep_connect(&a->op, fd, &addr->u.sa, addr->len);
    if (!start(r, &a->op, on_connected)) {
        heald_close(r->loop, fd);
        a->fd = -1;
        r->result = -ENOMEM;
        return false;
    }
    r->name->attempts = ++r->attempts;
    return true;
}

/* The next address, or NULL: none is known that was not tried. */
static const struct heald_addr *next_addr(struct race *r)
{
    struct family *f = &r->family[r->turn];

    if (f->next == f->count)
        f = &r->family[!r->turn];
    if (f->next == f->count)
        return NULL;
    r->turn = f == &r->family[V6] ? V4 : V6;
    return &f->addrs[f->next++];
}

/* May connecting begin? With IPv6, with all that there is, or after the wait for it. */
static bool may_begin(const struct race *r)
{
    bool asked = r->family[V6].asked;

    return r->begun || r->family[V6].count || (r->family[V4].count && (!asked || r->waited));
}

static bool is_asking(const struct race *r)
{
    return r->family[V6].asked || r->family[V4].asked;
}

/* Which family is first: IPv6, unless the system would reach IPv4 only, or from a better address
 * (RFC 6724): a host that has link-local addresses alone is not kept waiting. */
static void choose_first(struct race *r)
{
    const struct family *v6 = &r->family[V6], *v4 = &r->family[V4];

    if (r->begun || !v6->count || !v4->count)
        return;
    if (!heald__name_reachable(&v6->addrs[0]) && heald__name_reachable(&v4->addrs[0]))
        r->turn = V4;
}

/* Begins what can be begun: attempts until one is on its way. */
static void connect_next(struct race *r)
{
    const struct heald_addr *addr;

    choose_first(r);
    while ((addr = next_addr(r)))
        if (attempt(r, addr)) {
            r->waited = false;
            set_timer(r, r->name->delay_ns ? r->name->delay_ns : DELAY_NS);
            return;
        }
}

/* Is an attempt on its way? */
static bool is_connecting(const struct race *r)
{
    for (unsigned i = 0; i < r->attempts; i++)
        if (r->attempt[i].fd >= 0)
            return true;
    return false;
}

/* The addresses of IPv4 are there first. */
static void wait_for_ipv6(struct race *r)
{
    if (r->begun || !r->family[V4].count || r->timing)
        return;
    set_timer(r, RESOLUTION_NS);
}

/* After each event. */
static void go_on(struct race *r)
{
    if (!r->ended && may_begin(r)) {
        if (!is_connecting(r) || r->waited)
            connect_next(r);
    } else if (!r->ended) {
        wait_for_ipv6(r);
    }
    if (!r->ended && !is_asking(r) && !is_connecting(r))
        end(r, r->result);
    if (r->ended && !r->pending)
        end_op(r);
}

/* Of the errors of two look-ups the one that says more than that there is no such name. */
static void note_error(struct race *r, const struct family *f, int64_t result)
{
    if (r->begun || (r->result && result == -HEALD_ENONAME))
        return;
    r->result = result;
    r->name->eai = f->lookup.eai;
}

static void on_found(struct heald_op *op)
{
    struct family *f = heald_container_of(op, struct family, ask);
    struct race *r = f->race;

    f->asked = false;
    if (op->result > 0)
        f->count = op->result < RACE_ADDRS ? (unsigned)op->result : RACE_ADDRS;
    else if (!r->ended)
        note_error(r, f, op->result);
    left(r);
}

static void ask(struct race *r, int which, int family, const char *host, const char *service)
{
    struct family *f = &r->family[which];

    f->lookup = (struct heald_lookup){.family = family,
                                      .type = r->name->type == SOCK_DGRAM ? SOCK_DGRAM : 0,
                                      .max = RACE_ADDRS,
                                      .ret_addrs = f->addrs};
    int err = heald_prep_lookup(&f->ask, &f->lookup, host, service);
    f->asked = !err && start(r, &f->ask, on_found);
    if (!f->asked)
        note_error(r, f, err ? err : -ENOMEM);
}

/* A path has no family. */
static bool is_path(const char *host)
{
    return host && (strncmp(host, "unix:", 5) == 0 || strncmp(host, "fifo:", 5) == 0);
}

static void ask_all(struct race *r, int family, const char *host, const char *service)
{
    if (is_path(host) || family != AF_INET)
        ask(r, V6, is_path(host) ? AF_UNSPEC : AF_INET6, host, service);
    if (!is_path(host) && family != AF_INET6)
        ask(r, V4, AF_INET, host, service);
}

/* The caller's host is a textual address: asks for its parts. */
static void ask_text(struct race *r, const char *text)
{
    const struct heald_connect_name *name = r->name;
    struct heald_name_text t;
    int err = heald__name_split(text, &t);

    if (err)
        r->result = err;
    else
        ask_all(r, name->family, t.has_host ? t.host : NULL, t.has_service ? t.service : NULL);
}

static int race_start(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_connect_name *name = op->u.connect_name.name;
    const char *host = op->u.connect_name.host, *service = op->u.connect_name.service;
    struct race *r = alloc_new(&loop->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->loop = loop;
    r->op = op;
    r->name = name;
    r->family[V6].race = r->family[V4].race = r;
    name->race = r;
    op_move(op, OP_ARMED);
    op->flags |= OP_FILE | OP_DETACHED;
    fds_push(&loop->fds.detached.files, op);
    snprintf(r->host, sizeof r->host, "%s", host ? host : "");
    snprintf(r->service, sizeof r->service, "%s", service ? service : "");
    if (service)
        ask_all(r, name->family, host, service);
    else
        ask_text(r, host);
    if (!r->pending)
        go_on(r);
    return 0;
}

static void race_cancel(struct heald_loop *loop, struct heald_op *op)
{
    struct race *r = op->u.connect_name.name->race;

    (void)loop;
    op_move(op, OP_CANCELLING);
    if (!r->ended)
        end(r, -ECANCELED);
    if (!r->pending)
        end_op(r);
}

void heald__race_question(const struct heald_op *op, const char **ret_host,
                          const char **ret_service)
{
    const struct race *r = op->u.connect_name.name->race;

    *ret_host = r && r->host[0] ? r->host : NULL;
    *ret_service = r && r->service[0] ? r->service : NULL;
}

const struct heald_upper heald__await_races = {
    .start = race_start,
    .cancel = race_cancel,
};
