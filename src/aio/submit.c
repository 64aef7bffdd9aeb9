/*
 * aio/submit.c: from a block to a request. Any thread, and many at a time; nothing here waits.
 *
 * What the program may still change after the call is copied here, the flags of the descriptor
 * among it. A bad descriptor is no reason to refuse (as in glibc): the request ends at once, with
 * its notification.
 *
 * A small read of what is in the page cache is done at once by the caller, if there is no
 * notification: that is a copy of at most AIO_SMALL_READ bytes, and the kernel refuses (RWF_NOWAIT)
 * rather than wait. Only with O_DIRECT it would wait, so the flags are read first; but not again
 * each time: a descriptor that was read so is taken to be the same for RELY_MAX reads, or until it
 * is closed.
 */
#include "aio/request.h"
#include "platform/descriptor.h"

#include <errno.h>
#include <limits.h>

enum {
    PRIORITIES = 20, /* AIO_PRIO_DELTA_MAX */
    RELY_BITS = 6,
    RELY_MAX = (1 << RELY_BITS) - 1,
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
    int err = heald__plat_descriptor_flags(cb->aio_fildes, d);

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

/* What is asked for. */
struct wish {
    struct aiocb *cb;
    enum op_kind kind;
    bool data_only; /* of a sync */
    struct aio_group *group;
    const struct sigevent *ev; /* NULL: no notification */
};

/* What was cached: the descriptor, and how often that may be relied on. */
static uint32_t *cached_slot(struct aio_state *p, int fd)
{
    return &p->cached[(unsigned)fd % AIO_NUMBERS];
}

/* Relaxed throughout: a wrong guess costs a read that waits for the disk in the call, once. */
static bool was_cached(struct aio_state *p, int fd)
{
    uint32_t *slot = cached_slot(p, fd), seen = __atomic_load_n(slot, __ATOMIC_RELAXED);

    if (seen >> RELY_BITS != (uint32_t)fd + 1 || !(seen & RELY_MAX))
        return false;
    __atomic_store_n(slot, seen - 1, __ATOMIC_RELAXED);
    return true;
}

static void note_cached(struct aio_state *p, int fd)
{
    if (fd < INT_MAX >> RELY_BITS)
        __atomic_store_n(cached_slot(p, fd), ((uint32_t)fd + 1) << RELY_BITS | RELY_MAX,
                         __ATOMIC_RELAXED);
}

void aio_forget_cached(struct aio_state *p, int fd)
{
    uint32_t *slot = cached_slot(p, fd);

    if (__atomic_load_n(slot, __ATOMIC_RELAXED))
        __atomic_store_n(slot, 0, __ATOMIC_RELAXED);
}

/* Is what was read all there is to read? Less than was asked for is the end of the file, or of what
 * is cached. */
static bool is_whole(const struct aiocb *cb, int64_t n)
{
    if (n < 0 || (size_t)n == cb->aio_nbytes)
        return n >= 0;
    int64_t size = heald__plat_regular_size(cb->aio_fildes);
    return size >= 0 && cb->aio_offset + n >= size;
}

/* May the call itself read it? An offset of -1 would mean, and move, the file position. */
static bool is_small_read(const struct wish *wish)
{
    return wish->kind == OP_READ && !wish->ev && wish->cb->aio_nbytes <= AIO_SMALL_READ &&
           wish->cb->aio_offset >= 0;
}

/* True: the block is done. What cannot seek says so, and nothing was read. */
static bool read_at_once(struct aiocb *cb)
{
    int64_t n = heald__plat_read_cached(cb->aio_fildes, (void *)cb->aio_buf, cb->aio_nbytes,
                                        cb->aio_offset);

    if (!is_whole(cb, n))
        return false;
    aio_publish(cb, n);
    return true;
}

static struct aio_request *make(struct aio_state *p, const struct wish *wish)
{
    struct aio_request *r = aio_slab_alloc(p);
    struct aiocb *cb = wish->cb;
    size_t len = cb->aio_nbytes;

    if (!r)
        return NULL;
    r->cb = cb;
    r->notifier.holds = 1;
    r->notifier.notification.how = SIGEV_NONE;
    r->counted = r->number = cb->aio_fildes;
    r->group = wish->group;
    r->op.kind = (uint8_t)wish->kind;
    r->op.u.rw.fd = cb->aio_fildes;
    r->op.u.rw.buf = (void *)cb->aio_buf;
    r->op.u.rw.len = len < LENGTH_MAX ? (uint32_t)len : LENGTH_MAX;
    r->op.u.rw.off = cb->aio_offset;
    if (wish->kind == OP_FSYNC)
        r->op.u.poll.events = wish->data_only;
    return r;
}

static void hand_over(struct aio_state *p, struct aio_request *r)
{
    if (r->group)
        __atomic_add_fetch(&r->group->left, 1, __ATOMIC_RELAXED);
    r->cb->__return_value = 0;
    /* Relaxed: a hint, see close.c; and the push that follows releases all of it. */
    __atomic_fetch_add(&p->unfinished[(unsigned)r->counted % AIO_NUMBERS], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&p->all_unfinished, 1, __ATOMIC_RELAXED);
    aio_block_set_index(r->cb, r->notifier.head.index);
    /* Release: pairs with aio_in_progress(), for the index. */
    __atomic_store_n(&r->cb->__error_code, EINPROGRESS, __ATOMIC_RELEASE);
    aio_io_thread_push(p, &r->notifier.head, AIO_SUBMIT);
}

/* What can go wrong of what only the call may say. */
static int prepare(struct aio_state *p, struct aio_request *r, const struct sigevent *ev)
{
    int err = ev ? aio_notification_copy(p, &r->notifier.notification, ev) : 0;

    if (err)
        return err;
    if (!(err = aio_io_thread_ensure(p)))
        return 0;
    aio_notification_drop(&r->notifier.notification);
    return err;
}

/* Makes and hands over a request; err: what it ends with before it begins. */
static int submit(struct aio_state *p, const struct wish *wish, const struct heald_descriptor *d,
                  int err)
{
    struct aio_request *r = make(p, wish);

    if (!r)
        return aio_refuse(wish->cb, -EAGAIN);
    if (!err)
        note_flags(r, d);
    else
        decide(r, err);
    if ((err = prepare(p, r, wish->ev))) {
        aio_slab_free(p, r);
        return aio_refuse(wish->cb, err);
    }
    hand_over(p, r);
    return 0;
}

int aio_submit(struct aiocb *cb, enum op_kind kind, struct aio_group *group, bool quiet)
{
    struct wish wish = {.cb = cb, .kind = kind, .group = group};
    struct aio_state *p = aio_state();
    struct heald_descriptor d;

    if (!p)
        return aio_refuse(cb, -EAGAIN);
    if (cb->aio_reqprio < 0 || cb->aio_reqprio > PRIORITIES)
        return aio_refuse(cb, -EINVAL);
    if (!quiet && !aio_sigevent_silent(&cb->aio_sigevent))
        wish.ev = &cb->aio_sigevent;
    bool small = is_small_read(&wish), relies = small && was_cached(p, cb->aio_fildes);
    if (relies && read_at_once(cb))
        return 0;
    int err = check(cb, kind, &d);
    if (small && !relies && !err && !d.direct && read_at_once(cb)) {
        note_cached(p, cb->aio_fildes);
        return 0;
    }
    return submit(p, &wish, &d, err);
}

int aio_submit_sync(struct aiocb *cb, bool data_only)
{
    struct wish wish = {
        .cb = cb, .kind = OP_FSYNC, .data_only = data_only, .ev = &cb->aio_sigevent};
    struct aio_state *p = aio_state();
    struct heald_descriptor d;
    int err = p ? check(cb, OP_FSYNC, &d) : -EAGAIN;

    return err ? aio_refuse(cb, err) : submit(p, &wish, &d, 0);
}
