/*
 * aio/submit.c: from a block to a request. Any thread, and many at a time; nothing here waits.
 *
 * What the program may still change after the call is copied here, and what only the caller can
 * know is found out here: the flags of the descriptor and its file, as they are at the call. A bad
 * descriptor is no reason to refuse (as in glibc): the request ends at once, and is told of.
 *
 * A small read of what is in the page cache is done at once by the caller, if nobody is to be told:
 * that is a copy of at most INLINE_MAX bytes, and the kernel says no (RWF_NOWAIT) rather than wait.
 */
#include "aio/request.h"
#include "platform/descriptor.h"

#include <errno.h>
#include <limits.h>

enum {
    PRIORITIES = 20, /* AIO_PRIO_DELTA_MAX */
    INLINE_MAX = 64 << 10,
    LENGTH_MAX = 0x7ffff000 /* MAX_RW_COUNT: what one read(2) moves at most */
};

int aio_refuse(struct aiocb *cb, int err)
{
    aio_publish(cb, err);
    return err;
}

static void note_flags(struct aio_request *r, const struct heald_descriptor *d)
{
    r->appends = d->appends;
    r->waits = d->waits;
    r->direct = d->direct;
}

/* What the flags of the descriptor say against it. */
static int check(const struct aiocb *cb, enum op_kind kind, struct heald_descriptor *d)
{
    int err = heald_plat_descriptor_flags(cb->aio_fildes, d);

    if (!err && ((kind == OP_READ && !d->reads) || (kind == OP_WRITE && !d->writes)))
        err = -EBADF;
    if (!err && kind != OP_FSYNC && (cb->aio_offset < 0 || cb->aio_nbytes > SSIZE_MAX))
        err = -EINVAL;
    return err;
}

static void decide(struct aio_request *r, int err)
{
    r->state = AIO_DECIDED;
    r->op.result = err;
}

/* Bytes, or -1: it is not to be had at once. What cannot seek says so, and nothing was read. */
static int64_t read_at_once(const struct aiocb *cb, struct heald_descriptor *d)
{
    size_t len = cb->aio_nbytes;

    if (d->direct || len > INLINE_MAX)
        return -1;
    int64_t n = heald_plat_read_cached(cb->aio_fildes, (void *)cb->aio_buf, len, cb->aio_offset);
    if (n < 0 || (size_t)n == len)
        return n;
    /* Less than was asked for is the end of the file, or of what is cached. */
    if (heald_plat_descriptor_file(cb->aio_fildes, d) < 0 || !d->regular)
        return -1;
    return cb->aio_offset + n >= d->size ? n : -1;
}

static struct aio_request *make(struct aio_process *p, struct aiocb *cb, enum op_kind kind)
{
    struct aio_request *r = aio_record_new(p);
    size_t len = cb->aio_nbytes;

    if (!r)
        return NULL;
    r->cb = cb;
    r->told.holds = 1;
    r->told.notice.how = SIGEV_NONE;
    r->counted = r->number = cb->aio_fildes;
    r->op.kind = (uint8_t)kind;
    r->op.u.rw.fd = cb->aio_fildes;
    r->op.u.rw.buf = (void *)cb->aio_buf;
    r->op.u.rw.len = len < LENGTH_MAX ? (uint32_t)len : LENGTH_MAX;
    r->op.u.rw.off = cb->aio_offset;
    return r;
}

static void hand_over(struct aio_process *p, struct aio_request *r)
{
    if (r->group)
        __atomic_add_fetch(&r->group->left, 1, __ATOMIC_RELAXED);
    r->cb->__return_value = 0;
    /* Relaxed: a hint, see close.c; and the push that follows releases all of it. */
    __atomic_fetch_add(&p->unfinished[(unsigned)r->counted % AIO_NUMBERS], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&p->all_unfinished, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&r->cb->__error_code, EINPROGRESS, __ATOMIC_RELAXED);
    aio_service_push(p, &r->told.head, AIO_SUBMIT);
}

/* What can go wrong of what only the call may say. */
static int prepare(struct aio_process *p, struct aio_request *r, const struct sigevent *ev)
{
    int err = ev ? aio_notice_copy(p, &r->told.notice, ev) : 0;

    if (err)
        return err;
    if (!(err = aio_service_ensure(p)))
        return 0;
    aio_notice_drop(p, &r->told.notice);
    return err;
}

/* Makes and hands over a request; err: what it ends with before it begins. */
static int submit(struct aiocb *cb, enum op_kind kind, const struct heald_descriptor *d, int err,
                  struct aio_group *group, const struct sigevent *ev, bool data_only)
{
    struct aio_process *p = aio_process();
    struct aio_request *r = p ? make(p, cb, kind) : NULL;

    if (!r)
        return aio_refuse(cb, -EAGAIN);
    if (kind == OP_FSYNC)
        r->op.u.poll.events = data_only;
    if (!err)
        note_flags(r, d);
    else
        decide(r, err);
    if ((err = prepare(p, r, ev))) {
        aio_record_free(p, r);
        return aio_refuse(cb, err);
    }
    r->group = group;
    hand_over(p, r);
    return 0;
}

int aio_submit(struct aiocb *cb, enum op_kind kind, struct aio_group *group, bool quiet)
{
    struct heald_descriptor d;
    int64_t n;

    if (cb->aio_reqprio < 0 || cb->aio_reqprio > PRIORITIES)
        return aio_refuse(cb, -EINVAL);
    int err = check(cb, kind, &d);
    bool silent = quiet || aio_sigevent_silent(&cb->aio_sigevent);
    if (!err && silent && kind == OP_READ && (n = read_at_once(cb, &d)) >= 0) {
        aio_publish(cb, n);
        return 0;
    }
    return submit(cb, kind, &d, err, group, silent ? NULL : &cb->aio_sigevent, false);
}

int aio_submit_sync(struct aiocb *cb, bool data_only)
{
    struct heald_descriptor d;
    int err = check(cb, OP_FSYNC, &d);

    if (err)
        return aio_refuse(cb, err);
    return submit(cb, OP_FSYNC, &d, 0, NULL, &cb->aio_sigevent, data_only);
}
