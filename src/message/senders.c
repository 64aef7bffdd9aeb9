/*
 * message/senders.c: who has joined a queue as a sender. Each has a cell (sync/cells.h), which is
 * free again when it leaves or ends. A receiver that finds nothing watches one of those that live:
 * as long as there is one it may wait, and if that one ends it looks for another. So it need not
 * watch them all. Before the first one has joined it tries again every 50 ms.
 */
#include "message/queue.h"
#include "sync/cells.h"

int heald_queue_join(struct heald_queue *queue, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (err)
        return err;
    uint64_t *cells = v->q->senders;
    if (heald__cells_find(cells, QUEUE_SENDERS, me->id))
        return -EALREADY;
    if (!heald__cells_claim(cells, QUEUE_SENDERS, NULL, me, true))
        return -EUSERS;
    /* Release: who sees that there are senders sees this one. */
    __atomic_store_n(&v->q->has_senders, 1, __ATOMIC_RELEASE);
    return 0;
}

int heald_queue_leave(struct heald_queue *queue, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (err)
        return err;
    if (!heald__cells_release(v->q->senders, QUEUE_SENDERS, me))
        return -EPERM;
    /* One that is killed before this is one that has ended, and is watched. */
    eventcount_notify(&v->q->bells.arrived);
    return 0;
}

int heald__queue_any_sender(const struct queue_view *v, struct ring_holder *holder)
{
    /* Acquire: pairs with heald_queue_join(). */
    if (!__atomic_load_n(&v->q->has_senders, __ATOMIC_ACQUIRE)) {
        /* One that joins now and dies is watched by nobody, and a join rings no bell. */
        holder->several = true;
        return -EAGAIN;
    }
    for (unsigned i = 0; i < QUEUE_SENDERS; i++) {
        /* Seq_cst: pairs with heald__cells_release(). */
        uint64_t id = __atomic_load_n(&v->q->senders[i], __ATOMIC_SEQ_CST);
        int err = id ? ring_is_gone(v->ring.me, region_id(id), holder) : -EOWNERDEAD;
        if (err == -EOWNERDEAD)
            continue;
        if (!err && !holder->id)
            holder->id = region_id(id);
        return err ? err : -EAGAIN;
    }
    return -EPIPE;
}
