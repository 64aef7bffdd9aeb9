/*
 * aio/complete.c: the end of a request: does it go on after all, what does the block say, which
 * notification. The I/O thread, but for aio_publish() and aio_group_part().
 *
 * Argument. The block's value is stored before its error, with release, and a thread that reads an
 * error other than EINPROGRESS (acquire) sees the value. After that store the block is not touched:
 * its owner may free it. Only then the notification is sent, and the sleepers check again (wait.c);
 * what is needed for both was copied when the request was made. A list is one count: of its
 * requests and the call itself; the one that removes the last notifies, so its event comes once,
 * after all.
 */
#include "aio/method.h"
#include "op/op.h"
#include "platform/futex.h"

#include <errno.h>

static void publish(struct aiocb *cb, ssize_t value, int error)
{
    cb->__return_value = value;
    /* Release: pairs with the acquire in aio_in_progress() and aio_error(). */
    __atomic_store_n(&cb->__error_code, error, __ATOMIC_RELEASE);
}

void aio_publish(struct aiocb *cb, int64_t result)
{
    publish(cb, result < 0 ? -1 : (ssize_t)result, result < 0 ? (int)-result : 0);
}

bool aio_group_part(struct aio_state *p, struct aio_group *g, bool failed)
{
    bool waited = g->waited;

    /* Relaxed: the count that follows releases it. */
    if (failed)
        __atomic_store_n(&g->failed, 1, __ATOMIC_RELAXED);
    /* Both ways: pairs with itself, and with the call that waits. */
    uint32_t left = __atomic_sub_fetch(&g->left, 1, __ATOMIC_ACQ_REL);
    if (left == 1 && waited)
        heald__plat_word_wake(&g->left); /* g may be another's already: then one looks in vain */
    if (left == 0 && (waited || aio_notification_is_silent(&g->notifier.notification)))
        aio_slab_free(p, g);
    else if (left == 0)
        return true;
    return false;
}

void aio_release(struct aio_state *p, struct aio_notifier *t)
{
    if (--t->holds == 0)
        aio_slab_free(p, t);
}

/* Now, if that is possible. When the queue of signals is full it is full for all of them. */
static bool tell(struct aio_io_thread *s, const struct aio_notification *n)
{
    if (n->how != SIGEV_THREAD)
        return aio_notification_is_silent(n) ||
               (list_empty(&s->late) && aio_notify_by_signal(s->sys, n));
    if (!s->pools) /* fail_all() */
        return false;
    aio_pools_call(s, n->call);
    return true;
}

void aio_notify(struct aio_io_thread *s, struct aio_notifier *t)
{
    if (tell(s, &t->notification))
        aio_release(s->process, t);
    else
        list_push(&s->late, &t->head.link);
}

/* Calls that wait for this end. */
static void answer_asks(struct aio_request *r, int64_t result)
{
    if (r->quiesce)
        r->quiesce->open--;
    r->quiesce = NULL;
    if (r->cancel && result == -ECANCELED)
        r->cancel->canceled = true;
    if (r->cancel && r->ending)
        aio_ask_part(r->cancel);
}

void aio_complete(struct aio_io_thread *s, struct aio_request *r, int64_t result)
{
    struct aio_state *p = s->process;
    struct aio_group *group = r->group;
    uint32_t *count = &p->unfinished[(unsigned)r->counted % AIO_NUMBERS];

    aio_leave(s, r);
    r->state = AIO_DECIDED;
    s->live--;
    s->touched |= (uint64_t)1 << aio_word_of(r->cb);
    aio_publish(r->cb, result);
    /* Relaxed: a hint, see close.c. */
    __atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&p->all_unfinished, 1, __ATOMIC_RELAXED);
    answer_asks(r, result);
    aio_notify(s, &r->notifier);
    if (group && aio_group_part(p, group, result < 0))
        aio_notify(s, &group->notifier);
}

/* A write of the ring's that has not moved all, where write(2) would have gone on. */
static bool goes_on(struct aio_request *r, int64_t result)
{
    if (r->op.kind != OP_WRITE || !r->ordered || !r->waits || result <= 0 ||
        result >= r->op.u.rw.len || r->method == &aio_method_threads)
        return false;
    r->moved += (uint32_t)result;
    r->op.u.rw.buf = (char *)r->op.u.rw.buf + result;
    r->op.u.rw.len -= (uint32_t)result;
    return true;
}

/* May it be the ring's own error? A worker that could not be started is an ECANCELED without a
 * cancel. A read of a file on a disk may be repeated; of a stream an error is reported once, and so
 * is that of a write to disk, to the first fsync(2). */
static bool is_the_rings(const struct aio_request *r, int64_t result)
{
    if (r->method == &aio_method_threads || r->cancel || result >= 0)
        return false;
    switch (result) {
    case -ECANCELED:
    case -ENOMEM:
    case -EPERM:
    case -EINVAL:
    case -EOPNOTSUPP: return true;
    case -EAGAIN: return r->waits;
    default: return r->file->finite && r->op.kind == OP_READ;
    }
}

/* What is known by its place in the ring alone can do without a worker there, if it copies. */
static bool send_elsewhere(struct aio_request *r)
{
    bool copied = r->copies;

    r->copies = false;
    if (r->fixed && r->number < 0)
        return copied;
    r->fixed = false;
    r->elsewhere = true;
    return true;
}

/* What no program shall see: it is tried again. */
static bool try_again(struct aio_io_thread *s, struct aio_request *r, int64_t result)
{
    if (result == -EINTR)
        return !r->ending;
    /* A file that cannot seek after all. */
    if (result == -ESPIPE && r->op.kind != OP_FSYNC && r->op.u.rw.off >= 0) {
        r->op.u.rw.off = -1;
        return true;
    }
    if (!is_the_rings(r, result))
        return false;
    s->refused |= result == -ECANCELED;
    return send_elsewhere(r);
}

void aio_done(struct aio_io_thread *s, struct aio_request *r, int64_t result)
{
    if (aio_has_file(r) && (goes_on(r, result) || try_again(s, r, result))) {
        aio_start(s, r);
        return;
    }
    if (result == -EINTR)
        result = -ECANCELED;
    else if (result == -ECANCELED && !r->cancel && r->method != &aio_method_threads)
        result = -EAGAIN;
    if (r->moved)
        result = result < 0 ? r->moved : result + r->moved;
    aio_complete(s, r, result);
}
