/* message/queue.c: what a queue is made of: its layout, its creation and its description. */
#include "message/queue.h"

#include "message/hand_over.h"
#include "message/lane.h"
#include "message/made.h"
#include "platform/sys.h"

#include <string.h>

enum {
    ALL_FLAGS = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER | HEALD_QUEUE_AT_MOST_ONCE |
                HEALD_QUEUE_DROP_OLDEST | HEALD_QUEUE_VARIABLE,
    ONE_EACH = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER
};

/* 2^20 messages of 2^28 bytes in 32 rings are below 2^54 bytes. */
bool heald__queue_shape(struct queue_shape *ret, uint32_t capacity, uint32_t priorities,
                        uint32_t message_max, uint32_t flags)
{
    bool has_one_each = (flags & ONE_EACH) == ONE_EACH;
    bool is_lane = has_one_each && priorities == 1 && !(flags & HEALD_QUEUE_AT_MOST_ONCE);
    bool is_variable = flags & HEALD_QUEUE_VARIABLE;

    if (!capacity || capacity > HEALD_QUEUE_CAPACITY_MAX || capacity & (capacity - 1) ||
        !priorities || priorities > HEALD_QUEUE_PRIORITIES_MAX || !message_max ||
        message_max > HEALD_QUEUE_MESSAGE_MAX || flags & ~(unsigned)ALL_FLAGS ||
        (flags & HEALD_QUEUE_DROP_OLDEST && has_one_each) || (is_variable && !is_lane))
        return false;
    size_t longest = (sizeof(struct queue_cell) + message_max + 63) & ~(size_t)63;
    size_t stride = is_variable ? LANE_UNIT : longest;
    /* One that does not fit behind the last finds room in front of it, in a queue that is empty. */
    if (is_variable && longest / LANE_UNIT * 2 - 1 > capacity)
        return false;
    uint64_t ring = sizeof(struct queue_hints) + (uint64_t)capacity * stride;
    *ret = (struct queue_shape){.capacity = capacity,
                                .priorities = priorities,
                                .message_max = message_max,
                                .flags = flags,
                                .stride = stride,
                                .size = sizeof(struct queue) + priorities * ring,
                                .check = ~((uint64_t)message_max << 35 | (uint64_t)capacity << 11 |
                                           priorities << 5 | flags),
                                .is_lane = is_lane,
                                .is_variable = is_variable};
    return true;
}

/* With the defaults. 0, -EINVAL. */
static int shape_from(struct queue_shape *ret, const struct heald_queue_options *options)
{
    struct heald_queue_options o = options ? *options : (struct heald_queue_options){0};
    uint32_t wanted = o.capacity ? o.capacity : HEALD_QUEUE_CAPACITY_DEFAULT;
    size_t most = o.message_max ? o.message_max : HEALD_QUEUE_MESSAGE_MAX_DEFAULT;

    if (wanted > HEALD_QUEUE_CAPACITY_MAX || most > HEALD_QUEUE_MESSAGE_MAX)
        return -EINVAL;
    return heald__queue_shape(ret, made_capacity(wanted), o.priorities ? o.priorities : 1,
                              (uint32_t)most, o.flags)
               ? 0
               : -EINVAL;
}

size_t heald_queue_size(const struct heald_queue_options *options)
{
    struct queue_shape shape;

    if (shape_from(&shape, options))
        return 0;
    /* It begins at a cache line. */
    uint64_t size = shape.size + 64;
    return size <= SIZE_MAX ? (size_t)size : 0;
}

int heald_queue_init(struct heald_queue *queue, const struct heald_queue_options *options)
{
    struct queue *q = queue_at(queue);
    struct queue_shape shape;

    if (shape_from(&shape, options) || (uintptr_t)queue % sizeof(uint64_t))
        return -EINVAL;
    memset(q, 0, sizeof *q + shape.priorities * sizeof q->rings[0]);
    char *cells = (char *)&q->rings[shape.priorities];
    for (uint64_t i = 0; i < (uint64_t)shape.capacity * shape.priorities; i++)
        memset(cells + i * shape.stride, 0, sizeof(struct queue_cell));
    q->capacity = shape.capacity;
    q->priorities = shape.priorities;
    q->message_max = shape.message_max;
    q->flags = shape.flags;
    q->check = shape.check;
    return 0;
}

static int init_object(void *object, size_t size, void *ctx)
{
    (void)size;
    return heald_queue_init(object, ctx);
}

/* What is wrong with options of which no queue can be made. */
static void explain(const struct heald_queue_options *o)
{
    struct heald_why *why = o->ret_why;
    const struct made_limit limits[] = {{"capacity", o->capacity, HEALD_QUEUE_CAPACITY_MAX},
                                        {"priorities", o->priorities, HEALD_QUEUE_PRIORITIES_MAX},
                                        {"message_max", o->message_max, HEALD_QUEUE_MESSAGE_MAX}};
    bool has_one_each = (o->flags & ONE_EACH) == ONE_EACH;
    bool is_lane = has_one_each && o->priorities <= 1 && !(o->flags & HEALD_QUEUE_AT_MOST_ONCE);

    if (heald__made_exceeds(limits, sizeof limits / sizeof limits[0], why))
        return;
    if (o->flags & ~(unsigned)ALL_FLAGS)
        heald__why_set(why, "flags: there is none of %u", o->flags & ~(unsigned)ALL_FLAGS);
    else if (o->flags & HEALD_QUEUE_DROP_OLDEST && has_one_each)
        heald__why_set(why, "flags: DROP_OLDEST is not for one sender and one receiver");
    else if (o->flags & HEALD_QUEUE_VARIABLE && !is_lane)
        heald__why_set(why, "flags: VARIABLE needs ONE_SENDER, ONE_RECEIVER and one priority, and "
                            "not AT_MOST_ONCE");
    else if (o->flags & HEALD_QUEUE_VARIABLE)
        heald__why_set(why, "message_max: a message takes more than half of the capacity");
    else
        heald__why_set(why, "capacity: the queue does not fit into the memory of a process");
}

/* Is a queue as the options want it? 0, -EPROTOTYPE. */
static int compare(const struct queue_view *v, const struct heald_queue_options *o)
{
    const struct made_member members[] = {
        {"flags", v->flags, o->flags, true},
        {"capacity", v->ring.mask + 1, o->capacity ? made_capacity(o->capacity) : 0, false},
        {"priorities", v->priorities, o->priorities, false},
        {"message_max", v->message_max, o->message_max, false}};

    return heald__made_compare(HEALD_OBJECT_QUEUE, members, sizeof members / sizeof members[0],
                               o->ret_why);
}

int heald_queue_open(struct heald_participant *me, const char *name,
                     const struct heald_queue_options *options, struct heald_queue **ret_queue)
{
    struct heald_object_options how = {.type = HEALD_OBJECT_QUEUE,
                                       .size = heald_queue_size(options),
                                       .init = init_object,
                                       .ctx = (void *)(uintptr_t)options};
    struct heald_why *why = options ? options->ret_why : NULL;
    const struct queue_view *v;
    void *object;

    if (!how.size) {
        explain(options);
        return -EINVAL;
    }
    int err = heald__made_open(me, name, &how, why, &object);
    if (!err)
        err = heald__made_checked(queue_view(&v, object, me), name, why);
    if (!err && options)
        err = compare(v, options);
    if (!err)
        *ret_queue = object;
    return err;
}

/* What is in the head of a queue, read once. 0, -EBADMSG. */
static int read_head(struct queue_shape *ret, const struct queue *q,
                     const struct heald_region *region)
{
    if (!region_has(region, q, sizeof *q))
        return -EBADMSG;
    uint32_t capacity = __atomic_load_n(&q->capacity, __ATOMIC_RELAXED);
    uint32_t priorities = __atomic_load_n(&q->priorities, __ATOMIC_RELAXED);
    uint32_t most = __atomic_load_n(&q->message_max, __ATOMIC_RELAXED);
    uint32_t flags = __atomic_load_n(&q->flags, __ATOMIC_RELAXED);

    if (!heald__queue_shape(ret, capacity, priorities, most, flags) ||
        __atomic_load_n(&q->check, __ATOMIC_RELAXED) != ret->check ||
        !region_has(region, q, ret->size))
        return -EBADMSG;
    return 0;
}

/* Of a form that message/usual.h knows. */
static bool is_usual(const struct queue_view *v)
{
    if (v->is_lane)
        return v->ring.is_fenced && !v->is_variable;
    return v->priorities == 1 && !(v->flags & (HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER));
}

int heald__queue_check(const struct queue_view **ret, const struct heald_queue *queue,
                       struct heald_participant *me)
{
    struct queue *q = queue_at(queue);
    struct queue_shape shape;

    if (!__atomic_load_n(&me->id, __ATOMIC_RELAXED))
        return -ESTALE;
    int err = read_head(&shape, q, me->region);
    struct region_memo *memo = region_memo_of(me, q);
    struct queue_view *v = (struct queue_view *)(uintptr_t)queue_view_in(memo);

    memo->object = NULL;
    if (err)
        return err;
    *v = (struct queue_view){
        .q = q,
        .check = shape.check,
        .ring = {.me = me,
                 .hints = q->rings,
                 .cells = (char *)&q->rings[shape.priorities],
                 .bells = &q->bells,
                 .owner = cell_owner(me->id),
                 .mask = shape.capacity - 1,
                 .stride = shape.stride,
                 .shift = (unsigned)__builtin_ctz(shape.capacity),
                 .drops = shape.flags & HEALD_QUEUE_DROP_OLDEST,
                 .at_most_once = shape.flags & HEALD_QUEUE_AT_MOST_ONCE,
                 .is_fenced = shape.is_lane && heald__region_is_fenced(me->region)},
        .priorities = shape.priorities,
        .message_max = shape.message_max,
        .flags = shape.flags,
        .is_lane = shape.is_lane,
        .is_variable = shape.is_variable,
    };
    v->usual_end = is_usual(v) ? v->message_max + 1 : 0;
    memo->object = q;
    *ret = v;
    return 0;
}

int heald__queue_become(uint64_t *word, struct heald_participant *me)
{
    /* Acquire: as below. */
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

int heald_queue_identify(struct heald_queue *queue, struct heald_participant *me, uint64_t *ret_id)
{
    const struct queue_view *v;
    uint64_t id = 0, made = 0;
    int err = queue_view(&v, queue, me);

    /* Relaxed: it says nothing of other memory. */
    while (!err && !(id = __atomic_load_n(&v->q->id, __ATOMIC_RELAXED))) {
        err = heald__plat_random(&made, sizeof made);
        if (!err)
            __atomic_compare_exchange_n(&v->q->id, &id, made, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
    }
    if (!err)
        *ret_id = id;
    return err;
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

/* Of a lane. One with messages of several cells is walked: others change it meanwhile. */
static void count_lane(const struct queue_view *v, struct heald_queue_info *info)
{
    const struct ring *r = &v->ring;
    uint64_t head = lane_other(&r->hints->head);
    uint64_t tail = v->is_variable ? lane_other(&r->hints->tail) : lane_tail(r);
    uint32_t size;

    info->sent = v->is_variable ? lane_own(&r->hints->messages) : tail;
    if (!v->is_variable) {
        info->depth = (unsigned)(tail - head > r->mask ? r->mask + 1 : tail - head);
        return;
    }
    while (lane_find(r, tail, &head, &size) == 0) {
        info->depth++;
        head += lane_cells(size);
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
        if (v->is_lane) {
            count_lane(v, ret_info);
            continue;
        }
        ret_info->sent += __atomic_load_n(&r->hints->tail, __ATOMIC_RELAXED);
        count_cells(r, ret_info);
    }
    return 0;
}
