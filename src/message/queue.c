/* message/queue.c: what a queue is made of: its layout, its creation and its description. */
#include "message/queue.h"

#include "message/hand_over.h"

#include <string.h>

enum {
    ALL_FLAGS = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER | HEALD_QUEUE_AT_MOST_ONCE |
                HEALD_QUEUE_DROP_OLDEST,
    ONE_EACH = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER
};

/* Puts the defaults in. 0, -EINVAL. */
static int complete(struct heald_queue_options *o, const struct heald_queue_options *options)
{
    unsigned capacity = 1;

    *o = options ? *options : (struct heald_queue_options){0};
    o->capacity = o->capacity ? o->capacity : HEALD_QUEUE_CAPACITY_DEFAULT;
    o->priorities = o->priorities ? o->priorities : 1;
    o->message_max = o->message_max ? o->message_max : HEALD_QUEUE_MESSAGE_MAX_DEFAULT;
    if (o->capacity > HEALD_QUEUE_CAPACITY_MAX || o->priorities > HEALD_QUEUE_PRIORITIES_MAX ||
        o->message_max > HEALD_QUEUE_MESSAGE_MAX || o->flags & ~(unsigned)ALL_FLAGS ||
        (o->flags & HEALD_QUEUE_DROP_OLDEST && (o->flags & ONE_EACH) == ONE_EACH))
        return -EINVAL;
    while (capacity < o->capacity)
        capacity *= 2;
    o->capacity = capacity;
    return 0;
}

/* 2^20 messages of 2^28 bytes in 32 rings are below 2^54. */
static uint64_t size_of(uint32_t capacity, uint32_t priorities, uint32_t message_max)
{
    uint64_t cells = (uint64_t)capacity * queue_stride(message_max);

    return sizeof(struct queue) + priorities * (sizeof(struct queue_hints) + cells);
}

static uint64_t check_of(uint32_t capacity, uint32_t priorities, uint32_t message_max,
                         uint32_t flags)
{
    return ~((uint64_t)message_max << 32 | capacity << 10 | priorities << 4 | flags);
}

size_t heald_queue_size(const struct heald_queue_options *options)
{
    struct heald_queue_options o;

    if (complete(&o, options))
        return 0;
    uint64_t size = size_of(o.capacity, o.priorities, (uint32_t)o.message_max) + 64;
    return size <= SIZE_MAX ? (size_t)size : 0;
}

int heald_queue_init(struct heald_queue *queue, const struct heald_queue_options *options)
{
    struct heald_queue_options o;
    struct queue *q = queue_at(queue);

    if (complete(&o, options) || (uintptr_t)queue % sizeof(uint64_t))
        return -EINVAL;
    uint32_t most = (uint32_t)o.message_max;
    memset(q, 0, sizeof *q + o.priorities * sizeof q->rings[0]);
    char *cells = (char *)&q->rings[o.priorities];
    for (uint64_t i = 0; i < (uint64_t)o.capacity * o.priorities; i++)
        memset(cells + i * queue_stride(most), 0, sizeof(struct queue_cell));
    q->capacity = o.capacity;
    q->priorities = o.priorities;
    q->message_max = most;
    q->flags = o.flags;
    q->check = check_of(o.capacity, o.priorities, most, o.flags);
    return 0;
}

static int init_object(void *object, size_t size, void *ctx)
{
    (void)size;
    return heald_queue_init(object, ctx);
}

int heald_queue_open(struct heald_participant *me, const char *name,
                     const struct heald_queue_options *options, struct heald_queue **ret_queue)
{
    struct heald_queue_options o;
    const struct queue_view *v;
    void *object;

    if (complete(&o, options))
        return -EINVAL;
    struct heald_object_options how = {
        .type = HEALD_OBJECT_QUEUE, .size = heald_queue_size(&o), .init = init_object, .ctx = &o};
    int err = how.size ? heald_object_open(me, name, &how, &object, NULL) : -EINVAL;
    if (err)
        return err;
    if ((err = queue_view(&v, object, me)))
        return err;
    if (v->check != check_of(o.capacity, o.priorities, (uint32_t)o.message_max, o.flags))
        return -EPROTOTYPE;
    *ret_queue = object;
    return 0;
}

/* What is in the head of a queue, read once. 0, -EBADMSG. */
static int read_head(struct heald_queue_options *ret, uint64_t *ret_check, const struct queue *q,
                     const struct heald_region *region)
{
    if (!region_has(region, q, sizeof *q))
        return -EBADMSG;
    uint32_t capacity = __atomic_load_n(&q->capacity, __ATOMIC_RELAXED);
    uint32_t priorities = __atomic_load_n(&q->priorities, __ATOMIC_RELAXED);
    uint32_t most = __atomic_load_n(&q->message_max, __ATOMIC_RELAXED);
    uint32_t flags = __atomic_load_n(&q->flags, __ATOMIC_RELAXED);
    struct heald_queue_options as_made = {
        .capacity = capacity, .priorities = priorities, .message_max = most, .flags = flags};
    *ret_check = check_of(capacity, priorities, most, flags);
    /* Each is at least 1, so nothing becomes its default, and a power of two stays what it is. */
    if (!capacity || !priorities || !most || complete(ret, &as_made) || ret->capacity != capacity ||
        __atomic_load_n(&q->check, __ATOMIC_RELAXED) != *ret_check ||
        !region_has(region, q, size_of(capacity, priorities, most)))
        return -EBADMSG;
    return 0;
}

int heald__queue_check(const struct queue_view **ret, const struct heald_queue *queue,
                       struct heald_participant *me)
{
    struct queue *q = queue_at(queue);
    /* The one that queue_view() looked at. */
    struct queue_view *v = (struct queue_view *)(uintptr_t)*ret;
    struct region_memo *memo = heald_container_of((uint64_t *)(void *)v, struct region_memo, words);
    struct heald_queue_options o;
    uint64_t check;
    int err = read_head(&o, &check, q, me->region);

    memo->object = NULL;
    if (err)
        return err;
    *v = (struct queue_view){
        .q = q,
        .check = check,
        .ring = {.me = me,
                 .hints = q->rings,
                 .cells = (char *)&q->rings[o.priorities],
                 .bells = &q->bells,
                 .mask = o.capacity - 1,
                 .stride = queue_stride((uint32_t)o.message_max),
                 .shift = (unsigned)__builtin_ctz(o.capacity),
                 .drops = o.flags & HEALD_QUEUE_DROP_OLDEST,
                 .at_most_once = o.flags & HEALD_QUEUE_AT_MOST_ONCE},
        .priorities = o.priorities,
        .message_max = (uint32_t)o.message_max,
        .flags = o.flags,
        .is_lane = (o.flags & ONE_EACH) == ONE_EACH && o.priorities == 1,
    };
    memo->object = q;
    return 0;
}

int heald__queue_become(uint64_t *word, struct heald_participant *me)
{
    uint64_t id = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    while (id != me->id) {
        int err = id ? heald__region_is_gone(me->region, id) : -EOWNERDEAD;
        if (err != -EOWNERDEAD)
            return err ? err : -EPERM;
        /* Acquire: pairs with what the last one published; release: for the next one. */
        if (__atomic_compare_exchange_n(word, &id, me->id, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return 0;
    }
    return 0;
}

/* In this order: who does not see it has not slept, or is woken. */
int heald_queue_close(struct heald_queue *queue, struct heald_participant *me)
{
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (err)
        return err;
    heald__plat_words_set(&v->q->bells.closed, 1, &v->q->bells.arrived);
    heald__plat_word_count(&v->q->bells.arrived);
    heald__plat_word_count(&v->q->bells.room);
    return 0;
}

/* Counts the cells of a ring. */
static void count_cells(const struct ring *r, struct heald_queue_info *info)
{
    for (uint64_t i = 0; i <= r->mask; i++) {
        uint64_t word = cell_load(ring_cell_at(r, i));
        switch (cell_state(word)) {
        case CELL_FREE: continue;
        case CELL_FULL: info->depth++; continue;
        case CELL_CLAIMED: info->sending++; break;
        case CELL_TAKEN: info->receiving++; break;
        }
        if (heald__region_is_gone(r->me->region, cell_id(r->me->region, word)) == -EOWNERDEAD)
            info->left++;
    }
}

int heald_queue_describe(struct heald_queue *queue, struct heald_participant *me,
                         struct heald_queue_info *ret_info)
{
    const struct queue_view *v;
    int err = queue_view(&v, queue, me);

    if (err)
        return err;
    *ret_info = (struct heald_queue_info){
        .options = {.capacity = (unsigned)v->ring.mask + 1,
                    .priorities = v->priorities,
                    .message_max = v->message_max,
                    .flags = v->flags},
        .dropped = __atomic_load_n(&v->q->bells.dropped, __ATOMIC_RELAXED),
        .closed = (int)__atomic_load_n(&v->q->bells.closed, __ATOMIC_RELAXED)};
    for (unsigned i = 0; i < v->priorities; i++) {
        struct ring other;
        const struct ring *r = queue_ring(v, i, &other);
        uint64_t tail = __atomic_load_n(&r->hints->tail, __ATOMIC_RELAXED);
        ret_info->sent += tail;
        if (v->is_lane)
            ret_info->depth = (unsigned)(tail - __atomic_load_n(&r->hints->head, __ATOMIC_RELAXED));
        else
            count_cells(r, ret_info);
    }
    return 0;
}
