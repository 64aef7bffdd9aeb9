/* message/topic.c: what a topic is made of: its layout and its creation. */
#include "message/topic.h"

#include "message/made.h"

#include <string.h>

enum { ALIGN_DEFAULT = 64 };

static uint32_t or_default(unsigned value, unsigned by_default)
{
    return value ? value : by_default;
}

static bool is_type(const struct heald_topic_type *type)
{
    size_t align = type->align;

    return type->size <= HEALD_TOPIC_SAMPLE_MAX && align <= HEALD_TOPIC_ALIGN_MAX &&
           !(align & (align - 1)) &&
           (!type->version || strlen(type->version) <= HEALD_TOPIC_VERSION_MAX);
}

static bool is_valid(const struct topic_made *m)
{
    return m->capacity && m->capacity <= HEALD_TOPIC_CAPACITY_MAX &&
           m->history <= HEALD_TOPIC_CAPACITY_MAX && m->chunks <= HEALD_TOPIC_CHUNKS_MAX &&
           m->chunks > topic_ring_of(m->capacity, m->history) && m->subscribers &&
           m->subscribers <= HEALD_TOPIC_SUBSCRIBERS_MAX && m->holds &&
           m->holds <= HEALD_TOPIC_HOLDS_MAX && m->sample_max &&
           m->sample_max <= HEALD_TOPIC_SAMPLE_MAX && m->type_size <= m->sample_max && m->align &&
           m->align <= HEALD_TOPIC_ALIGN_MAX && !(m->align & (m->align - 1));
}

/* Puts the defaults in. 0, -EINVAL. */
static int complete(struct topic_made *m, const struct heald_topic_options *o)
{
    if (!o || !is_type(&o->type) || o->sample_max > HEALD_TOPIC_SAMPLE_MAX ||
        o->capacity > HEALD_TOPIC_CAPACITY_MAX || o->history > HEALD_TOPIC_CAPACITY_MAX)
        return -EINVAL;
    *m = (struct topic_made){
        .capacity = or_default(o->capacity, HEALD_TOPIC_CAPACITY_DEFAULT),
        .history = o->history,
        .subscribers = or_default(o->subscribers, HEALD_TOPIC_SUBSCRIBERS_DEFAULT),
        .holds = or_default(o->holds, HEALD_TOPIC_HOLDS_DEFAULT),
        .align = o->type.align ? (uint32_t)o->type.align : ALIGN_DEFAULT,
        .sample_max = o->sample_max ? o->sample_max : o->type.size,
        .type_size = o->type.size,
    };
    m->chunks =
        or_default(o->chunks, topic_ring_of(m->capacity, m->history) + HEALD_TOPIC_SPARE_DEFAULT);
    if (o->type.version)
        memcpy(m->version, o->type.version, strlen(o->type.version));
    return is_valid(m) ? 0 : -EINVAL;
}

/* FNV-1a, of 64 bits at a time. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

static uint64_t check_of(const struct topic_made *m)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), (uint64_t)m->capacity << 32 | m->history);

    hash = mix(hash, (uint64_t)m->chunks << 32 | m->subscribers);
    hash = mix(hash, (uint64_t)m->holds << 32 | m->align);
    hash = mix(mix(hash, m->sample_max), m->type_size);
    for (size_t i = 0; i < sizeof m->version; i++)
        hash = mix(hash, (unsigned char)m->version[i]);
    return hash;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* 2^20 chunks of 2^28 bytes, and what is before them, are below 2^49. Of each process the address
 * has the same remainder: a region begins at a page. */
static struct topic_parts parts_of(const struct topic_made *m, uint64_t address)
{
    uint32_t ring = topic_ring_of(m->capacity, m->history);
    struct topic_parts p = {.cells = sizeof(struct topic)};

    p.chunks = p.cells + ring * sizeof(struct queue_cell);
    p.subscribers = round_up(p.chunks + m->chunks * sizeof(struct queue_cell), 64);
    p.data = p.subscribers + m->subscribers * sizeof(struct topic_subscriber);
    p.data = round_up(address + p.data, m->align) - address;
    p.stride = round_up(m->sample_max, m->align > 64 ? m->align : 64);
    p.end = p.data + m->chunks * p.stride;
    return p;
}

size_t heald_topic_size(const struct heald_topic_options *options)
{
    struct topic_made m;

    if (complete(&m, options))
        return 0;
    uint64_t size = parts_of(&m, 0).end + 64 + m.align;
    return size <= SIZE_MAX ? (size_t)size : 0;
}

int heald_topic_init(struct heald_topic *topic, const struct heald_topic_options *options)
{
    struct topic *t = topic_at(topic);
    struct topic_made m;

    if (complete(&m, options) || (uintptr_t)topic % sizeof(uint64_t))
        return -EINVAL;
    memset(t, 0, (size_t)parts_of(&m, (uintptr_t)t).data);
    t->capacity = m.capacity;
    t->history = m.history;
    t->chunks = m.chunks;
    t->subscribers = m.subscribers;
    t->holds = m.holds;
    t->type_align = m.align;
    t->sample_max = m.sample_max;
    t->type_size = m.type_size;
    memcpy(t->version, m.version, sizeof t->version);
    t->check = check_of(&m);
    return 0;
}

bool heald__topic_shape(const struct topic_made *m, uint64_t address, uint64_t *ret_check,
                        struct topic_parts *ret_parts)
{
    if (!is_valid(m))
        return false;
    *ret_check = check_of(m);
    *ret_parts = parts_of(m, address);
    return true;
}

int heald__topic_read_head(struct topic_made *m, uint64_t *ret_check, struct topic_parts *ret_parts,
                           const struct topic *t, const struct heald_region *region)
{
    if (!region_has(region, t, sizeof *t))
        return -EBADMSG;
    *m = (struct topic_made){
        .capacity = __atomic_load_n(&t->capacity, __ATOMIC_RELAXED),
        .history = __atomic_load_n(&t->history, __ATOMIC_RELAXED),
        .chunks = __atomic_load_n(&t->chunks, __ATOMIC_RELAXED),
        .subscribers = __atomic_load_n(&t->subscribers, __ATOMIC_RELAXED),
        .holds = __atomic_load_n(&t->holds, __ATOMIC_RELAXED),
        .align = __atomic_load_n(&t->type_align, __ATOMIC_RELAXED),
        .sample_max = __atomic_load_n(&t->sample_max, __ATOMIC_RELAXED),
        .type_size = __atomic_load_n(&t->type_size, __ATOMIC_RELAXED),
    };
    for (size_t i = 0; i < sizeof m->version - 1; i++)
        m->version[i] = __atomic_load_n(&t->version[i], __ATOMIC_RELAXED);
    if (!heald__topic_shape(m, (uintptr_t)t, ret_check, ret_parts) ||
        __atomic_load_n(&t->check, __ATOMIC_RELAXED) != *ret_check)
        return -EBADMSG;
    return region_has(region, t, (size_t)ret_parts->end) ? 0 : -EBADMSG;
}

int heald__topic_check(const struct topic_view **ret, const struct heald_topic *topic,
                       struct heald_participant *me)
{
    struct topic *t = topic_at(topic);
    /* The one that topic_view() looked at. */
    struct topic_view *v = (struct topic_view *)(uintptr_t)*ret;
    struct region_memo *memo = heald_container_of((uint64_t *)(void *)v, struct region_memo, words);
    struct topic_made m;
    struct topic_parts parts;
    uint64_t check;
    int err = heald__topic_read_head(&m, &check, &parts, t, me->region);

    memo->object = NULL;
    if (err)
        return err;
    char *base = (char *)t;
    uint32_t ring = topic_ring_of(m.capacity, m.history);
    *v = (struct topic_view){
        .t = t,
        .check = check,
        .me = me,
        .cells = (struct queue_cell *)(void *)(base + parts.cells),
        .chunks = (struct queue_cell *)(void *)(base + parts.chunks),
        .subscribers = (struct topic_subscriber *)(void *)(base + parts.subscribers),
        .data = base + parts.data,
        .stride = (size_t)parts.stride,
        .sample_max = (size_t)m.sample_max,
        .type_size = (size_t)m.type_size,
        .mask = ring - 1,
        .shift = (uint32_t)__builtin_ctz(ring),
        .chunk_count = m.chunks,
        .subscriber_count = m.subscribers,
        .holds = m.holds,
        .history = m.history,
        .is_fenced = heald__region_is_fenced(me->region),
    };
    memo->object = t;
    return 0;
}

int heald__topic_tail(const struct topic_view *v, uint64_t *position)
{
    uint64_t p = *position;

    for (unsigned tries = topic_tries(v); tries; tries--) {
        int32_t ahead = cell_ahead(cell_load(topic_cell_at(v, p)), topic_lap(v, p));
        if (ahead < -1)
            return -EBADMSG;
        if (ahead < 0) {
            *position = p;
            return 0;
        }
        p += ((uint64_t)ahead << v->shift) + 1;
    }
    return -EAGAIN;
}

static int init_object(void *object, size_t size, void *ctx)
{
    (void)size;
    return heald_topic_init(object, ctx);
}

/* What is wrong with options of which no topic can be made. */
static void explain(const struct heald_topic_options *o)
{
    struct heald_why *why = o->ret_why;
    size_t align = o->type.align, longest = o->sample_max ? o->sample_max : o->type.size;
    const struct made_limit limits[] = {
        {"type.size", o->type.size, HEALD_TOPIC_SAMPLE_MAX},
        {"type.align", align, HEALD_TOPIC_ALIGN_MAX},
        {"type.version: its bytes", o->type.version ? strlen(o->type.version) : 0,
         HEALD_TOPIC_VERSION_MAX},
        {"sample_max", o->sample_max, HEALD_TOPIC_SAMPLE_MAX},
        {"capacity", o->capacity, HEALD_TOPIC_CAPACITY_MAX},
        {"history", o->history, HEALD_TOPIC_CAPACITY_MAX},
        {"chunks", o->chunks, HEALD_TOPIC_CHUNKS_MAX},
        {"subscribers", o->subscribers, HEALD_TOPIC_SUBSCRIBERS_MAX},
        {"holds", o->holds, HEALD_TOPIC_HOLDS_MAX},
        {"type.size: with that sample_max", o->type.size, longest}};
    unsigned capacity = or_default(o->capacity, HEALD_TOPIC_CAPACITY_DEFAULT);

    if (heald__made_exceeds(limits, sizeof limits / sizeof limits[0], why))
        return;
    if (align & (align - 1))
        heald__why_set(why, "type.align: %zu is no power of two", align);
    else if (!longest)
        heald__why_set(why, "sample_max: is 0, and so is type.size");
    else if (o->chunks && o->chunks <= topic_ring_of(capacity, o->history))
        heald__why_set(why, "chunks: %u are not more than the %u samples of the ring", o->chunks,
                       topic_ring_of(capacity, o->history));
    else
        heald__why_set(why, "chunks: the topic does not fit into the memory of a process");
}

/* Is a topic as the options want it? 0, -EPROTOTYPE. */
static int compare(const struct topic_made *is, const struct topic_made *wanted,
                   const struct heald_topic_options *o)
{
    const struct made_member members[] = {{"type.size", is->type_size, wanted->type_size, true},
                                          {"type.align", is->align, wanted->align, true},
                                          {"sample_max", is->sample_max, o->sample_max, false},
                                          {"capacity", is->capacity, o->capacity, false},
                                          {"history", is->history, o->history, false},
                                          {"chunks", is->chunks, o->chunks, false},
                                          {"subscribers", is->subscribers, o->subscribers, false},
                                          {"holds", is->holds, o->holds, false}};

    if (strcmp(is->version, wanted->version) != 0 && is->type_size == wanted->type_size) {
        heald__why_set(o->ret_why, "type.version: the topic has \"%s\", not \"%s\"", is->version,
                       wanted->version);
        return -EPROTOTYPE;
    }
    return heald__made_compare(HEALD_OBJECT_TOPIC, members, sizeof members / sizeof members[0],
                               o->ret_why);
}

int heald_topic_open(struct heald_participant *me, const char *name,
                     const struct heald_topic_options *options, struct heald_topic **ret_topic)
{
    struct heald_object_options how = {.type = HEALD_OBJECT_TOPIC,
                                       .size = heald_topic_size(options),
                                       .init = init_object,
                                       .ctx = (void *)(uintptr_t)options};
    struct heald_why *why = options ? options->ret_why : NULL;
    struct topic_made is, wanted;
    struct topic_parts parts;
    uint64_t check;
    void *object;

    if (options && (!how.size || complete(&wanted, options))) {
        explain(options);
        return -EINVAL;
    }
    int err = heald__made_open(me, name, &how, why, &object);
    if (!err)
        err = heald__made_checked(
            heald__topic_read_head(&is, &check, &parts, topic_at(object), me->region), name, why);
    if (!err && options)
        err = compare(&is, &wanted, options);
    if (!err)
        *ret_topic = object;
    return err;
}
