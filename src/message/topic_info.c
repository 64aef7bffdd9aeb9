/* message/topic_info.c: what a topic is doing, for people. */
#include "message/topic.h"

#include <string.h>

static bool is_gone(const struct topic_view *v, uint64_t id)
{
    return heald__region_is_gone(v->me->region, id) == -EOWNERDEAD;
}

static void count_loans(const struct topic_view *v, struct heald_topic_info *info)
{
    for (uint32_t i = 0; i < v->chunk_count; i++) {
        uint64_t word = cell_load(&v->chunks[i]);
        if (cell_state(word) != CELL_CLAIMED)
            continue;
        info->loaned++;
        info->left += is_gone(v, cell_id(v->me->region, word));
    }
}

static void count_subscriber(const struct topic_view *v, const struct topic_subscriber *s,
                             uint64_t id, struct heald_topic_info *info)
{
    const struct heald_region *region = v->me->region;
    uint64_t behind = info->published - __atomic_load_n(&s->cursor, __ATOMIC_RELAXED);

    info->subscribers++;
    info->blocking += __atomic_load_n(&s->policy, __ATOMIC_RELAXED) == HEALD_TOPIC_BLOCK;
    info->lost += __atomic_load_n(&s->lost, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < v->holds; i++)
        info->held += __atomic_load_n(&s->holds[i], __ATOMIC_RELAXED) != 0;
    /* One that is ahead of the hint of the tail is not behind. */
    if ((int64_t)behind > 0 && behind > info->lag && region_id_slot(id) < region->slot_count) {
        info->lag = behind;
        info->slowest = __atomic_load_n(&region->slots[region_id_slot(id)].pid, __ATOMIC_RELAXED);
    }
}

static void describe_options(const struct topic_made *m, struct heald_topic_info *info)
{
    memcpy(info->version, m->version, sizeof info->version);
    info->options = (struct heald_topic_options){
        .type = {.size = (size_t)m->type_size, .align = m->align, .version = info->version},
        .sample_max = (size_t)m->sample_max,
        .capacity = m->capacity,
        .history = m->history,
        .chunks = m->chunks,
        .subscribers = m->subscribers,
        .holds = m->holds};
    info->ring = topic_ring_of(m->capacity, m->history);
}

int heald_topic_describe(struct heald_topic *topic, struct heald_participant *me,
                         struct heald_topic_info *ret_info)
{
    const struct topic_view *v;
    struct topic_made m;
    struct topic_parts parts;
    uint64_t check;
    int err = topic_view(&v, topic, me);

    if (!err)
        err = heald__topic_read_head(&m, &check, &parts, v->t, me->region);
    if (err)
        return err;
    *ret_info =
        (struct heald_topic_info){.published = __atomic_load_n(&v->t->tail, __ATOMIC_RELAXED)};
    describe_options(&m, ret_info);
    count_loans(v, ret_info);
    for (uint32_t i = 0; i < topic_joined(v); i++) {
        const struct topic_subscriber *s = &v->subscribers[i];
        /* Acquire: pairs with join(), which stores the other members before. */
        uint64_t owner = __atomic_load_n(&s->owner, __ATOMIC_ACQUIRE);
        if (owner & TOPIC_READY && !is_gone(v, region_id(owner)))
            count_subscriber(v, s, region_id(owner), ret_info);
    }
    return 0;
}
