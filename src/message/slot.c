/* message/slot.c: the slots of a queue: one attempt to get one, and giving it away. */
#include "message/hand_over.h"
#include "message/lane.h"
#include "message/queue.h"
#include "message/usual.h"

static struct queue_cell *cell_of(const struct heald_queue_slot *slot)
{
    return heald_container_of(slot->data, struct queue_cell, data);
}

static bool is_closed(const struct queue_view *v)
{
    /* Seq_cst: after the claim, or after the caller has prepared to wait. Pairs with
     * heald_queue_close(), which changes the bells after it. */
    return __atomic_load_n(&v->q->bells.closed, __ATOMIC_SEQ_CST);
}

static inline bool is_mine(const uint64_t *word, const struct heald_participant *me)
{
    /* Relaxed: nobody else makes it the caller's, or not. */
    return __atomic_load_n(word, __ATOMIC_RELAXED) == me->id;
}

static int check_sender(const struct queue_view *v, unsigned priority)
{
    if (priority >= v->priorities)
        return -EINVAL;
    if (!(v->flags & HEALD_QUEUE_ONE_SENDER) || is_mine(&v->q->sender, v->ring.me))
        return 0;
    int err = heald__queue_become(&v->q->sender, v->ring.me);
    if (!err && v->is_lane && !v->is_variable)
        lane_recover(&v->ring);
    return err;
}

static int check_receiver(const struct queue_view *v)
{
    if (!(v->flags & HEALD_QUEUE_ONE_RECEIVER) || is_mine(&v->q->receiver, v->ring.me))
        return 0;
    return heald__queue_become(&v->q->receiver, v->ring.me);
}

/* Who may change what a caller of a lane waits for. If that one is gone there is nobody to watch:
 * the next one rings the bell. */
static void watch(const struct queue_view *v, const uint64_t *word, struct ring_holder *holder)
{
    uint64_t id = holder->tries ? 0 : __atomic_load_n(word, __ATOMIC_RELAXED);

    holder->id = id && heald__region_is_gone(v->ring.me->region, id) == 0 ? id : 0;
}

static int claim_lane(const struct queue_view *v, size_t size, struct heald_queue_slot *ret,
                      struct ring_holder *holder)
{
    const struct ring *r = &v->ring;
    uint64_t position;
    int err = is_closed(v)     ? -EPIPE
              : v->is_variable ? lane_claim_cells(r, (uint32_t)size, &position)
                               : lane_claim(r, &position);

    if (err) {
        watch(v, &v->q->receiver, holder);
        return err;
    }
    ret->data = ring_cell_at(r, position)->data;
    ret->size = size;
    ret->sequence = position;
    ret->word = 0;
    return 0;
}

static int claim_cell(const struct queue_view *v, unsigned priority, struct heald_queue_slot *ret,
                      struct ring_holder *holder)
{
    struct ring other;
    const struct ring *r = queue_ring(v, priority, &other);
    struct ring_cell got;
    int err = 0;

    if (is_closed(v))
        err = -EPIPE;
    else if (!ring_claim_next(r, &got))
        err = heald__ring_claim(r, &got, holder);

    if (err)
        return err;
    ret->data = got.cell->data;
    ret->sequence = got.position;
    ret->word = got.word;
    if (!is_closed(v))
        return 0;
    heald__queue_abandon(v, ret);
    return -EPIPE;
}

int heald__queue_claim(const struct queue_view *v, unsigned priority, size_t size,
                       struct heald_queue_slot *ret, struct ring_holder *holder)
{
    int err = check_sender(v, priority);

    if (err)
        return err;
    ret->size = v->message_max;
    ret->priority = priority;
    ret->redelivered = 0;
    return v->is_lane ? claim_lane(v, size, ret, holder) : claim_cell(v, priority, ret, holder);
}

int heald__queue_commit(const struct queue_view *v, const struct heald_queue_slot *slot,
                        size_t size)
{
    struct ring other;
    const struct ring *r = queue_ring(v, slot->priority, &other);

    if (v->is_lane) {
        if (v->is_variable)
            lane_commit_cells(r, slot->sequence, (uint32_t)size);
        else
            lane_commit(r, slot->sequence, (uint32_t)size);
        return 0;
    }
    return queue_fill(r, cell_of(slot), slot->word, size, false);
}

int heald__queue_abandon(const struct queue_view *v, const struct heald_queue_slot *slot)
{
    return v->is_lane ? 0 : queue_abandon(&v->ring, cell_of(slot), slot->word);
}

int heald__queue_release(const struct queue_view *v, const struct heald_queue_slot *slot)
{
    if (!v->is_lane)
        return queue_free(&v->ring, cell_of(slot), slot->word);
    const struct ring *r = &v->ring;
    if (v->is_variable)
        lane_release_cells(r, slot->sequence, (uint32_t)slot->size);
    else
        lane_release(r, slot->sequence);
    return 0;
}

static int take_lane(const struct queue_view *v, size_t size, struct heald_queue_slot *ret,
                     struct ring_holder *holder)
{
    const struct ring *r = &v->ring;
    uint64_t position;
    size_t found;
    int err = v->is_variable ? lane_take_cells(r, size, &position, &found)
                             : lane_take(r, size, &position, &found);

    if (err) {
        watch(v, &v->q->sender, holder);
        return err;
    }
    *ret = (struct heald_queue_slot){
        .data = ring_cell_at(r, position)->data, .size = found, .sequence = position};
    return 0;
}

static int take_cell(const struct queue_view *v, unsigned priority, size_t size, bool thoroughly,
                     struct heald_queue_slot *ret, struct ring_holder *holder)
{
    struct ring other;
    const struct ring *r = queue_ring(v, priority, &other);
    struct ring_cell got;
    int err =
        ring_take_next(r, size, &got) ? 0 : heald__ring_take(r, size, thoroughly, &got, holder);

    if (err)
        return err;
    *ret = (struct heald_queue_slot){.data = got.cell->data,
                                     .size = got.size,
                                     .priority = priority,
                                     .redelivered = got.redelivered,
                                     .word = got.word,
                                     .sequence = got.position};
    return 0;
}

/* The next message of the highest priority; `closed`: was the queue, before the look? One that is
 * longer than it can be is corrupt: it would be read beyond its cell. */
static int take_next(const struct queue_view *v, size_t size, bool thoroughly, bool closed,
                     struct heald_queue_slot *ret, struct ring_holder *holder)
{
    size_t most = size < v->message_max ? size : v->message_max;
    int err = -EAGAIN;

    if (v->is_lane)
        err = take_lane(v, most, ret, holder);
    else
        for (unsigned i = v->priorities; i-- && err == -EAGAIN;)
            err = take_cell(v, i, most, thoroughly || closed, ret, holder);
    return err == -EMSGSIZE && size >= v->message_max ? -EBADMSG : err;
}

int heald__queue_take(const struct queue_view *v, size_t size, bool thoroughly,
                      struct heald_queue_slot *ret, struct ring_holder *holder)
{
    int err = check_receiver(v);

    if (err)
        return err;
    bool closed = is_closed(v);
    err = take_next(v, size, thoroughly, closed, ret, holder);
    /* Closed before the look: who claims later finds that, and who has claimed is waited for. */
    bool is_end = closed && (v->is_lane || !holder->id);
    if (err != -EAGAIN)
        return err;
    if (is_end)
        return -ENODATA;
    err = thoroughly ? heald__queue_any_sender(v, holder) : -EAGAIN;
    if (err != -EPIPE)
        return err;
    /* The last one may have sent between the look and its end. */
    err = take_next(v, size, true, closed, ret, holder);
    return err == -EAGAIN ? -EPIPE : err;
}

int heald__queue_return(const struct queue_view *v, const struct heald_queue_slot *slot)
{
    struct ring other;
    const struct ring *r = queue_ring(v, slot->priority, &other);
    struct ring_cell taken = {
        .cell = cell_of(slot), .word = slot->word, .position = slot->sequence};

    return v->is_lane ? 0 : heald__ring_return(r, &taken);
}

/* A position, or the begin of the ring if that is what comes next and `skips`. */
static bool is_at(const struct ring *r, uint64_t next, uint64_t position, bool skips)
{
    return position == next ||
           (skips && !(position & r->mask) && position == next + lane_rest(r, next));
}

/* Of a lane: the slot that is next, of its only sender or receiver. */
static bool has_lane_slot(const struct queue_view *v, const struct ring *r,
                          const struct heald_queue_slot *slot, bool sends)
{
    uint64_t tail = lane_own(&r->hints->tail), head = lane_own(&r->hints->head);
    const uint64_t *user = sends ? &v->q->sender : &v->q->receiver;

    if (__atomic_load_n(user, __ATOMIC_RELAXED) != v->ring.me->id)
        return false;
    if (sends)
        return is_at(r, tail, slot->sequence, v->is_variable);
    if (!v->is_variable)
        return lane_has(r, head) && head == slot->sequence;
    return head != tail && is_at(r, head, slot->sequence, true) &&
           lane_size(r, slot->sequence) == slot->size;
}

bool heald__queue_has_slot(const struct queue_view *v, const struct heald_queue_slot *slot,
                           enum cell_state state)
{
    if (slot->priority >= v->priorities)
        return false;
    struct ring other;
    const struct ring *r = queue_ring(v, slot->priority, &other);
    if (ring_cell_at(r, slot->sequence)->data != slot->data)
        return false;
    if (v->is_lane)
        return has_lane_slot(v, r, slot, state == CELL_CLAIMED);
    return cell_load(cell_of(slot)) == slot->word && cell_state(slot->word) == state &&
           cell_owned(slot->word, state, v->ring.owner) == slot->word;
}
