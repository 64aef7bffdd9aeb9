/* op/prep_work.c: the preps of functions on threads and of look-ups; as those of prep.c. Pure. */
#include "op/op.h"

#include <heald/name.h>
#include <heald/work.h>

#define DELAY_MIN_NS (10 * HEALD_MS) /* between attempts to connect; RFC 8305, 8 */

int heald_prep_work(struct heald_op *op, heald_work_fn *fn, struct heald_workers *workers)
{
    int err = op_prepare_kind(op, OP_WORK, fn);

    if (err)
        return err;
    op->u.work.u.fn = fn;
    op->u.work.workers = workers;
    return 0;
}

int heald_prep_work_detachable(struct heald_op *op, struct heald_work *work,
                               struct heald_workers *workers)
{
    int err = op_prepare_kind(op, OP_WORK_DETACHABLE, work && work->fn && work->release);

    if (err)
        return err;
    op->u.work.u.work = work;
    op->u.work.workers = workers;
    return 0;
}

static bool is_family(int family)
{
    return family == AF_UNSPEC || family == AF_INET || family == AF_INET6;
}

static bool is_lookup(const struct heald_lookup *l)
{
    const unsigned flags = HEALD_LOOKUP_PASSIVE | HEALD_LOOKUP_NUMERIC;

    if (!is_family(l->family))
        return false;
    if (l->type && l->type != SOCK_STREAM && l->type != SOCK_DGRAM)
        return false;
    return !(l->flags & ~flags) && (!l->max || l->ret_addrs);
}

int heald_prep_lookup(struct heald_op *op, struct heald_lookup *lookup, const char *host,
                      const char *service)
{
    int err = op_prepare_kind(op, OP_LOOKUP, lookup && (host || service) && is_lookup(lookup));

    if (err)
        return err;
    op->u.name.lookup = lookup;
    op->u.name.host = host;
    op->u.name.service = service;
    lookup->eai = 0;
    return 0;
}

static bool is_connect_name(const struct heald_connect_name *n)
{
    if (!is_family(n->family))
        return false;
    if (n->type && n->type != SOCK_STREAM && n->type != SOCK_SEQPACKET && n->type != SOCK_DGRAM)
        return false;
    return !n->delay_ns || n->delay_ns >= DELAY_MIN_NS;
}

int heald_prep_connect_name(struct heald_op *op, struct heald_connect_name *name, const char *host,
                            const char *service)
{
    int err =
        op_prepare_kind(op, OP_CONNECT_NAME, name && (host || service) && is_connect_name(name));

    if (err)
        return err;
    op->u.connect_name.name = name;
    op->u.connect_name.host = host;
    op->u.connect_name.service = service;
    name->phase = HEALD_PHASE_LOOKUP;
    name->eai = 0;
    name->attempts = 0;
    return 0;
}
