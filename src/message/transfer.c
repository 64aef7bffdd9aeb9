/*
 * message/transfer.c: send and receive, reserve and peek, of one message.
 *
 * A wait is a table of functions, as of the objects of sync/, for blocking calls and for the ops of
 * a loop. What it keeps between two tries (`memory`) is the address of the message or the slot.
 */
#include "base/attr.h"
#include "message/look.h"
#include "message/queue.h"
#include "message/usual.h"
#include "message/wait_ops.h"
#include "platform/fence.h"

/* Before the look that decides to wait. */
static void prepare(const struct queue_view *v, uint32_t *bell, struct region_wait *wait)
{
    *wait = (struct region_wait){.me = v->ring.me,
                                 .word = bell,
                                 .bell = region_bell(v->ring.me),
                                 .seen = eventcount_prepare(bell)};
    if (v->is_lane)
        heald__plat_fence_heavy();
}

/* The result of a look: of a wait -EBUSY, and whom to watch. */
static int decide(int err, const struct ring_holder *holder, bool several, struct region_wait *wait)
{
    if (err != -EAGAIN)
        return err;
    wait->holder = holder->id;
    wait->several = holder->several || several;
    return -EBUSY;
}

static int try_claim(const struct queue_view *v, unsigned priority, size_t size,
                     struct heald_queue_slot *ret, struct region_wait *wait)
{
    struct ring_holder holder = {.tries = true};
    int err = heald__queue_claim(v, priority, size, ret, &holder);

    if (err != -EAGAIN)
        return err;
    prepare(v, &v->q->bells.room, wait);
    holder = (struct ring_holder){0};
    err = heald__queue_claim(v, priority, size, ret, &holder);
    return decide(err, &holder, v->flags & HEALD_QUEUE_AT_MOST_ONCE, wait);
}

static int try_take(const struct queue_view *v, size_t size, struct heald_queue_slot *ret,
                    struct region_wait *wait)
{
    struct ring_holder holder = {.tries = true};
    int err = heald__queue_take(v, size, false, ret, &holder);

    if (err != -EAGAIN)
        return err;
    prepare(v, &v->q->bells.arrived, wait);
    holder = (struct ring_holder){0};
    err = heald__queue_take(v, size, true, ret, &holder);
    return decide(err, &holder, false, wait);
}

static void *address(int64_t memory)
{
    return (void *)(intptr_t)memory;
}

static int try_reserve(void *object, struct heald_participant *me, int64_t *memory,
                       struct region_wait *wait)
{
    struct heald_queue_slot *slot = address(*memory);
    const struct queue_view *v;
    int err = queue_view(&v, object, me);

    slot->queue = object;
    return err ? err : try_claim(v, slot->priority, v->message_max, slot, wait);
}

static int try_peek(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    struct heald_queue_slot *slot = address(*memory);
    const struct queue_view *v;
    int err = queue_view(&v, object, me);

    if (!err && (err = try_take(v, SIZE_MAX, slot, wait)) == 0)
        slot->queue = object;
    return err;
}

static int send_in(const struct queue_view *v, const struct heald_queue_slot *slot,
                   const void *data, size_t size)
{
    usual_copy(slot->data, data, size);
    return heald__queue_commit(v, slot, size);
}

static int receive_from(const struct queue_view *v, const struct heald_queue_slot *slot,
                        struct heald_queue_message *m)
{
    usual_copy(m->data, slot->data, slot->size);
    m->priority = slot->priority;
    m->size = slot->size;
    return heald__queue_release(v, slot);
}

static int check_message(const struct queue_view *v, const struct heald_queue_message *m)
{
    if (m->size > v->message_max)
        return -EMSGSIZE;
    return m->data || !m->size ? 0 : -EINVAL;
}

static int try_send(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    const struct heald_queue_message *m = address(*memory);
    struct heald_queue_slot slot;
    const struct queue_view *v;
    int err = queue_view(&v, object, me);

    if (!err)
        err = check_message(v, m);
    if (!err)
        err = try_claim(v, m->priority, m->size, &slot, wait);
    return err ? err : send_in(v, &slot, m->data, m->size);
}

static int try_recv(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    struct heald_queue_message *m = address(*memory);
    struct heald_queue_slot slot;
    const struct queue_view *v;
    int err = queue_view(&v, object, me);

    if (!err && !m->data && m->size)
        err = -EINVAL;
    if (!err)
        err = try_take(v, m->size, &slot, wait);
    return err ? err : receive_from(v, &slot, m);
}

const struct sync_wait_ops heald__queue_send_wait_ops = {
    .try = try_send, .kind = HEALD_OBJECT_QUEUE, .flags = HEALD_WAIT_TO_WRITE};
const struct sync_wait_ops heald__queue_recv_wait_ops = {
    .try = try_recv, .kind = HEALD_OBJECT_QUEUE, .flags = HEALD_WAIT_TO_READ};
const struct sync_wait_ops heald__queue_reserve_wait_ops = {
    .try = try_reserve, .kind = HEALD_OBJECT_QUEUE, .flags = HEALD_WAIT_TO_WRITE};
const struct sync_wait_ops heald__queue_peek_wait_ops = {
    .try = try_peek, .kind = HEALD_OBJECT_QUEUE, .flags = HEALD_WAIT_TO_READ};

static bool is_full_next(const void *of)
{
    const struct ring *r = of;
    uint64_t p = ring_hint(&r->hints->head);
    uint64_t word = cell_load(ring_cell_at(r, p));

    return cell_ahead(word, ring_lap(r, p)) >= 0 && cell_state(word) != CELL_CLAIMED;
}

static bool is_free_next(const void *of)
{
    const struct ring *r = of;
    uint64_t p = ring_hint(&r->hints->tail);
    uint64_t word = cell_load(ring_cell_at(r, p));

    return cell_ahead(word, ring_lap(r, p)) >= 0 || cell_state(word) == CELL_FREE;
}

static bool is_sent_next(const void *of)
{
    const struct ring *r = of;
    return lane_has(r, ring_hint(&r->hints->head));
}

/* Of a lane whose messages take several cells. */
static bool are_sent_next(const void *of)
{
    const struct ring *r = of;
    return ring_hint(&r->hints->tail) != ring_hint(&r->hints->head);
}

static bool is_received_next(const void *of)
{
    const struct ring *r = of;
    return ring_hint(&r->hints->tail) - ring_hint(&r->hints->head) <= r->mask;
}

/* Did it come, or is there room, before the caller sleeps? */
static bool look(struct heald_queue *queue, struct heald_participant *me, bool sends)
{
    const struct queue_view *v;

    if (queue_view(&v, queue, me) || v->priorities > 1)
        return false;
    bool (*sent)(const void *of) = !v->is_lane      ? is_full_next
                                   : v->is_variable ? are_sent_next
                                                    : is_sent_next;
    return look_for(me, !sends ? sent : v->is_lane ? is_received_next : is_free_next, &v->ring);
}

/* Blocks in one of these waits. */
static int block(const struct sync_wait_ops *ops, struct heald_queue *queue,
                 struct heald_participant *me, void *what, int64_t deadline_ns, uint64_t site)
{
    int64_t memory = (intptr_t)what;

    me->site = site;
    return heald__sync_block_keep(ops, queue, me, deadline_ns, &memory);
}

/* In the place of a deadline: what does not block. */
#define TRY INT64_MIN

static int try_to_send(struct heald_queue *queue, struct heald_participant *me,
                       const struct heald_queue_message *m)
{
    struct heald_queue_slot slot;
    struct ring_holder holder = {.tries = true};
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (!err)
        err = check_message(v, m);
    if (!err)
        err = heald__queue_claim(v, m->priority, m->size, &slot, &holder);
    return err ? err : send_in(v, &slot, m->data, m->size);
}

/* What is not usual_send_…(). */
static HEALD_SEPARATE int send_otherwise(struct heald_queue *queue, struct heald_participant *me,
                                         const void *data, size_t size, unsigned priority,
                                         int64_t deadline_ns)
{
    struct heald_queue_message m = {(void *)(uintptr_t)data, size, priority};
    int err = try_to_send(queue, me, &m);

    if (err != -EAGAIN || deadline_ns == TRY)
        return err;
    if (deadline_ns && look(queue, me, true))
        err = try_to_send(queue, me, &m);
    if (err != -EAGAIN)
        return err;
    return block(&heald__queue_send_wait_ops, queue, me, &m, deadline_ns, SYNC_SITE);
}

/* A ring, or a larger message. */
static HEALD_SEPARATE int send_more(const struct queue_view *v, struct heald_queue *queue,
                                    const void *data, size_t size, int64_t deadline_ns)
{
    struct heald_participant *me = v->ring.me;
    const struct ring r = usual_ring(v, queue_at(queue), me);
    int err = USUAL_NOT;

    if (!v->is_lane)
        err = usual_send_ring(&r, data, size);
    else if (usual_send_lane(v->q, &r, data, size))
        return 0;
    return err == USUAL_NOT ? send_otherwise(queue, me, data, size, 0, deadline_ns) : err;
}

/* Without a call but in the last lines: a small message in a lane. */
HEALD_INLINE int send_before(struct heald_queue *queue, struct heald_participant *me,
                             const void *data, size_t size, unsigned priority, int64_t deadline_ns)
{
    const struct queue_view *v = queue_view_kept(queue, me);

    if (__builtin_expect(!v || size >= v->usual_end || priority || !data, 0))
        return send_otherwise(queue, me, data, size, priority, deadline_ns);
    if (!v->is_lane || size > SMALL_MAX)
        return send_more(v, queue, data, size, deadline_ns);
    const struct ring r = usual_ring(v, queue_at(queue), me);
    if (__builtin_expect(usual_send_lane(queue_at(queue), &r, data, size), 1))
        return 0;
    return send_otherwise(queue, me, data, size, 0, deadline_ns);
}

int heald_queue_trysend(struct heald_queue *queue, struct heald_participant *me, const void *data,
                        size_t size, unsigned priority)
{
    return send_before(queue, me, data, size, priority, TRY);
}

int heald_queue_send(struct heald_queue *queue, struct heald_participant *me, const void *data,
                     size_t size, unsigned priority, int64_t deadline_ns)
{
    return send_before(queue, me, data, size, priority, deadline_ns < 0 ? 0 : deadline_ns);
}

static int try_to_receive(struct heald_queue *queue, struct heald_participant *me,
                          struct heald_queue_message *m, bool thoroughly)
{
    struct heald_queue_slot slot;
    struct ring_holder holder = {.tries = true};
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (!err && !m->data && m->size)
        err = -EINVAL;
    if (!err)
        err = heald__queue_take(v, m->size, false, &slot, &holder);
    if (err == -EAGAIN && thoroughly)
        err = heald__queue_take(v, m->size, true, &slot, &holder);
    return err ? err : receive_from(v, &slot, m);
}

/* What is not usual_receive_…(). */
static HEALD_SEPARATE ssize_t receive_otherwise(struct heald_queue *queue,
                                                struct heald_participant *me, void *buf,
                                                size_t size, unsigned *ret_priority,
                                                int64_t deadline_ns)
{
    struct heald_queue_message m = {.data = buf, .size = size};
    int err = try_to_receive(queue, me, &m, deadline_ns == TRY);

    if (err == -EAGAIN && deadline_ns > 0 && look(queue, me, false))
        err = try_to_receive(queue, me, &m, false);
    if (err == -EAGAIN && deadline_ns != TRY)
        err = block(&heald__queue_recv_wait_ops, queue, me, &m, deadline_ns, SYNC_SITE);
    if (err)
        return err;
    if (ret_priority)
        *ret_priority = m.priority;
    return (ssize_t)m.size;
}

static HEALD_SEPARATE bool is_ring_empty(const struct queue_view *v)
{
    return usual_is_free(&v->ring) && usual_is_empty(v->q, &v->ring);
}

/* A ring, or a larger message. */
static HEALD_SEPARATE ssize_t receive_more(const struct queue_view *v, struct heald_queue *queue,
                                           void *buf, size_t size, unsigned *ret_priority,
                                           int64_t deadline_ns)
{
    struct heald_participant *me = v->ring.me;
    const struct ring r = usual_ring(v, queue_at(queue), me);
    const size_t end = v->usual_end;
    ssize_t n = v->is_lane ? usual_receive_lane(v->q, &r, buf, size, end, end)
                           : usual_receive_ring(&r, buf, size < end ? size : end - 1);

    if (n == USUAL_NOT && deadline_ns == TRY && !v->is_lane && is_ring_empty(v))
        return -EAGAIN;
    if (n == USUAL_NOT || n == -EAGAIN)
        return receive_otherwise(queue, me, buf, size, ret_priority, deadline_ns);
    if (ret_priority && n >= 0)
        *ret_priority = 0;
    return n;
}

/* As send_before(). */
HEALD_INLINE ssize_t receive_before(struct heald_queue *queue, struct heald_participant *me,
                                    void *buf, size_t size, unsigned *ret_priority,
                                    int64_t deadline_ns)
{
    const struct queue_view *v = queue_view_kept(queue, me);

    if (__builtin_expect(!v || !v->usual_end || !buf, 0))
        return receive_otherwise(queue, me, buf, size, ret_priority, deadline_ns);
    if (!v->is_lane)
        return receive_more(v, queue, buf, size, ret_priority, deadline_ns);
    const struct ring r = usual_ring(v, queue_at(queue), me);
    ssize_t n = usual_receive_lane(queue_at(queue), &r, buf, size, v->usual_end, SMALL_MAX + 1);
    if (__builtin_expect(n == -EAGAIN && deadline_ns == TRY && usual_is_empty(v->q, &r), 0))
        return n;
    if (__builtin_expect(n < 0, 0))
        return receive_more(v, queue, buf, size, ret_priority, deadline_ns);
    if (ret_priority)
        *ret_priority = 0;
    return n;
}

ssize_t heald_queue_tryrecv(struct heald_queue *queue, struct heald_participant *me, void *buf,
                            size_t size, unsigned *ret_priority)
{
    return receive_before(queue, me, buf, size, ret_priority, TRY);
}

ssize_t heald_queue_recv(struct heald_queue *queue, struct heald_participant *me, void *buf,
                         size_t size, unsigned *ret_priority, int64_t deadline_ns)
{
    return receive_before(queue, me, buf, size, ret_priority, deadline_ns < 0 ? 0 : deadline_ns);
}

int heald_queue_reserve(struct heald_queue *queue, struct heald_participant *me, unsigned priority,
                        struct heald_queue_slot *ret_slot, int64_t deadline_ns)
{
    *ret_slot = (struct heald_queue_slot){.priority = priority};
    return block(&heald__queue_reserve_wait_ops, queue, me, ret_slot, deadline_ns, SYNC_SITE);
}

int heald_queue_peek(struct heald_queue *queue, struct heald_participant *me,
                     struct heald_queue_slot *ret_slot, int64_t deadline_ns)
{
    *ret_slot = (struct heald_queue_slot){0};
    return block(&heald__queue_peek_wait_ops, queue, me, ret_slot, deadline_ns, SYNC_SITE);
}

/* Is it a slot that the caller has, as a sender or as a receiver? */
static int check_slot(const struct queue_view **v, const struct heald_queue_slot *slot,
                      struct heald_participant *me, enum cell_state state)
{
    if (!slot->data || !slot->queue)
        return -EINVAL;
    int err = queue_view(v, slot->queue, me);
    if (err)
        return err;
    return heald__queue_has_slot(*v, slot, state) ? 0 : -EINVAL;
}

static int give_away(struct heald_queue_slot *slot, int err)
{
    if (!err)
        slot->data = NULL;
    return err == -EPROTO ? -EINVAL : err;
}

int heald_queue_commit(struct heald_queue_slot *slot, struct heald_participant *me, size_t size)
{
    const struct queue_view *v;
    int err = check_slot(&v, slot, me, CELL_CLAIMED);

    if (!err && size > v->message_max)
        return -EMSGSIZE;
    return err ? err : give_away(slot, heald__queue_commit(v, slot, size));
}

int heald_queue_abandon(struct heald_queue_slot *slot, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = check_slot(&v, slot, me, CELL_CLAIMED);

    return err ? err : give_away(slot, heald__queue_abandon(v, slot));
}

int heald_queue_release(struct heald_queue_slot *slot, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = check_slot(&v, slot, me, CELL_TAKEN);

    return err ? err : give_away(slot, heald__queue_release(v, slot));
}

int heald_queue_return(struct heald_queue_slot *slot, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = check_slot(&v, slot, me, CELL_TAKEN);

    return err ? err : give_away(slot, heald__queue_return(v, slot));
}

int heald_queue_tryreserve(struct heald_queue *queue, struct heald_participant *me,
                           unsigned priority, struct heald_queue_slot *ret_slot)
{
    struct ring_holder holder = {.tries = true};
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    *ret_slot = (struct heald_queue_slot){.queue = queue};
    return err ? err : heald__queue_claim(v, priority, v->message_max, ret_slot, &holder);
}

int heald_queue_trypeek(struct heald_queue *queue, struct heald_participant *me,
                        struct heald_queue_slot *ret_slot)
{
    struct ring_holder holder = {.tries = true};
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    *ret_slot = (struct heald_queue_slot){0};
    if (!err)
        err = heald__queue_take(v, SIZE_MAX, true, ret_slot, &holder);
    ret_slot->queue = queue;
    return err;
}
