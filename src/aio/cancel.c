/*
 * aio/cancel.c: aio_cancel(3): asked by any thread, decided by the I/O thread, which alone knows
 * what has started.
 *
 * A request that waits for its turn ends at once. One that the method has is asked to end, and the
 * call waits until both the answer and, if that is "yes", the end itself have arrived: so the
 * answer is final. A write to a stream that has started may have moved bytes: it goes on. An answer
 * may come after the end it is about; the request's record is kept for it.
 */
#include "aio/method.h"
#include "platform/descriptor.h"

#include <errno.h>

static void end_waiting(struct aio_io_thread *s, struct aio_request *r, void *ctx)
{
    struct aio_ask *ask = ctx;

    if (r->state != AIO_WAITING)
        return;
    ask->canceled = true;
    aio_complete(s, r, -ECANCELED);
}

/* Can it be asked to end? What another call has asked for already is that call's to wait for. */
static bool may_end(const struct aio_request *r)
{
    return !r->cancel && !(r->ordered && r->op.kind == OP_WRITE);
}

static void end_started(struct aio_io_thread *s, struct aio_request *r, void *ctx)
{
    struct aio_ask *ask = ctx;

    if (r->state != AIO_STARTED)
        return;
    if (may_end(r) && r->method->withdraw(s, r)) {
        ask->canceled = true;
        aio_complete(s, r, -ECANCELED);
    } else if (may_end(r) && r->method->cancel(s, r)) {
        r->cancel = ask;
        r->notifier.holds++;
        ask->open++;
    } else {
        ask->running = true;
    }
}

/* Whatever the record with that index is by now, it says whether it is the one that is meant. */
static void visit_one(struct aio_io_thread *s, struct aio_ask *ask, aio_visit *visit)
{
    struct aio_request *r = aio_slab_at(s->process, ask->index);

    if (r && r->notifier.head.admitted && r->cb == ask->cb && r->number == ask->first)
        visit(s, r, ask);
}

static void visit_matching(struct aio_io_thread *s, struct aio_ask *ask, aio_visit *visit)
{
    if (ask->cb)
        visit_one(s, ask, visit);
    else
        aio_each(s, ask->first, visit, ask);
}

void aio_cancel_all(struct aio_io_thread *s, struct aio_ask *ask)
{
    ask->open = 1;
    list_push(&s->asking, &ask->head.link);
    /* First what waits: the end of one that has started would start it. */
    visit_matching(s, ask, end_waiting);
    visit_matching(s, ask, end_started);
    aio_ask_part(ask);
}

void aio_cancel_answer(struct aio_io_thread *s, struct aio_request *r, bool canceled)
{
    struct aio_ask *ask = r->cancel;

    if (r->state != AIO_DECIDED && canceled) {
        r->ending = true; /* aio_complete() says so */
    } else {
        ask->running |= r->state != AIO_DECIDED;
        r->cancel = NULL;
        aio_ask_part(ask);
    }
    aio_release(s->process, &r->notifier);
}

int aio_ask_cancel(int fd, struct aiocb *cb)
{
    struct aio_state *p = aio_state_if_any();
    struct heald_descriptor d;
    struct aio_ask ask = {.first = fd, .last = fd, .cb = cb};

    if (heald__plat_descriptor_flags(fd, &d) < 0)
        return -EBADF;
    if (cb && cb->aio_fildes != fd)
        return -EINVAL;
    if ((cb && !aio_in_progress(cb)) || !p ||
        !__atomic_load_n(&p->all_unfinished, __ATOMIC_RELAXED))
        return AIO_ALLDONE;
    ask.index = cb ? aio_block_index(cb) : 0;
    aio_ask(p, &ask, AIO_CANCEL);
    return (int)ask.answer - 1;
}
