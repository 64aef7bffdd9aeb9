/*
 * message/series.c: several messages in one call. The first may have to be waited for; those behind
 * it are sent or received as far as there are slots, and then all are handed over, the first one
 * last: nobody can want the others before it.
 *
 * Of a sender that is killed in between the first messages of the series may be lost, and the last
 * ones sent.
 */
#include "message/lane.h"
#include "message/queue.h"
#include "message/usual.h"

#include <string.h>

/* How many are in the caller's hands at a time. */
enum { SERIES_MAX = 64 };

static int check_series(const struct queue_view *v, const struct iovec messages[], int count)
{
    if (!messages || count <= 0)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (messages[i].iov_len > v->message_max)
            return -EMSGSIZE;
        if (!messages[i].iov_base && messages[i].iov_len)
            return -EINVAL;
    }
    return 0;
}

static void write_message(const struct heald_queue_slot *slot, const struct iovec *message)
{
    usual_copy(slot->data, message->iov_base, message->iov_len);
}

/* The first has its slot. How many were sent; -EPROTO. */
static int send_ring(const struct queue_view *v, struct heald_queue_slot slots[],
                     const struct iovec messages[], int count)
{
    struct ring_holder holder = {.tries = true};
    struct ring other;
    const struct ring *r = queue_ring(v, slots[0].priority, &other);
    int n = 1;

    while (n < count && n < SERIES_MAX &&
           heald__queue_claim(v, slots[0].priority, messages[n].iov_len, &slots[n], &holder) == 0)
        n++;
    /* Who slept before the claims watches nobody: if this one dies before the first is handed over,
     * those behind it would be there, and nobody awake. Who is woken finds the claim. */
    if (n > 1)
        eventcount_notify(&v->q->bells.arrived);
    for (int i = n; i-- > 0;) {
        struct queue_cell *cell = ring_cell_at(r, slots[i].sequence);
        write_message(&slots[i], &messages[i]);
        int err = queue_fill(r, cell, slots[i].word, messages[i].iov_len, i > 0);
        if (err)
            return err;
    }
    return n;
}

/* A lane has one slot at a time; its receiver is woken by the first message if it sleeps. */
static int send_lane(const struct queue_view *v, struct heald_queue_slot *slot,
                     const struct iovec messages[], int count)
{
    struct ring_holder holder = {.tries = true};
    int n = 0, err;

    do {
        write_message(slot, &messages[n]);
        err = heald__queue_commit(v, slot, messages[n].iov_len);
    } while (!err && ++n < count &&
             heald__queue_claim(v, 0, messages[n].iov_len, slot, &holder) == 0);
    return err ? err : n;
}

/* Each waits for room for itself, or finds it, and not for the longest that there may be. */
static int send_variable(struct heald_queue *queue, struct heald_participant *me,
                         const struct iovec messages[], int count, unsigned priority,
                         int64_t deadline_ns)
{
    int n = 1, err = heald_queue_send(queue, me, messages[0].iov_base, messages[0].iov_len,
                                      priority, deadline_ns);

    while (!err && n < count &&
           heald_queue_trysend(queue, me, messages[n].iov_base, messages[n].iov_len, priority) == 0)
        n++;
    return err ? err : n;
}

int heald_queue_send_many(struct heald_queue *queue, struct heald_participant *me,
                          const struct iovec messages[], int count, unsigned priority,
                          int64_t deadline_ns)
{
    struct heald_queue_slot slots[SERIES_MAX];
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (!err)
        err = check_series(v, messages, count);
    if (!err && v->is_variable)
        return send_variable(queue, me, messages, count, priority, deadline_ns);
    if (!err)
        err = heald_queue_reserve(queue, me, priority, &slots[0], deadline_ns);
    if (err)
        return err;
    return v->is_lane ? send_lane(v, slots, messages, count) : send_ring(v, slots, messages, count);
}

static void read_message(const struct heald_queue_slot *slot, struct iovec *message)
{
    usual_copy(message->iov_base, slot->data, slot->size);
    message->iov_len = slot->size;
}

static int receive_ring(const struct queue_view *v, struct heald_queue_slot slots[],
                        struct iovec messages[], int count)
{
    struct ring_holder holder = {.tries = true};
    int n = 1;

    while (n < count && n < SERIES_MAX &&
           heald__queue_take(v, messages[n].iov_len, false, &slots[n], &holder) == 0)
        n++;
    for (int i = n; i-- > 0;) {
        read_message(&slots[i], &messages[i]);
        int err = heald__queue_release(v, &slots[i]);
        if (err)
            return err;
    }
    return n;
}

static int receive_lane(const struct queue_view *v, struct heald_queue_slot *slot,
                        struct iovec messages[], int count)
{
    struct ring_holder holder = {.tries = true};
    int n = 0, err;

    do {
        read_message(slot, &messages[n]);
        err = heald__queue_release(v, slot);
    } while (!err && ++n < count &&
             heald__queue_take(v, messages[n].iov_len, false, slot, &holder) == 0);
    return err ? err : n;
}

/* A message that is too long for the first element is left where it is. */
static int peek_first(struct heald_queue *queue, struct heald_participant *me, size_t size,
                      struct heald_queue_slot *slot, int64_t deadline_ns)
{
    int err = heald_queue_peek(queue, me, slot, deadline_ns);

    if (err || slot->size <= size)
        return err;
    err = heald_queue_return(slot, me);
    return err ? err : -EMSGSIZE;
}

int heald_queue_recv_many(struct heald_queue *queue, struct heald_participant *me,
                          struct iovec messages[], int count, int64_t deadline_ns)
{
    struct heald_queue_slot slots[SERIES_MAX];
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (!err && (!messages || count <= 0))
        err = -EINVAL;
    for (int i = 0; !err && i < count; i++)
        err = !messages[i].iov_base && messages[i].iov_len ? -EINVAL : 0;
    if (!err)
        err = peek_first(queue, me, messages[0].iov_len, &slots[0], deadline_ns);
    if (err)
        return err;
    return v->is_lane ? receive_lane(v, slots, messages, count)
                      : receive_ring(v, slots, messages, count);
}
