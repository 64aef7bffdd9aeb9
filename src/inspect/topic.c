/*
 * inspect/topic.c: see topic.h. Reads only, each word by itself: the numbers are those of several
 * moments. At most CHUNKS_MAX chunks are read.
 */
#include "inspect/topic.h"

#include "inspect/source.h"
#include "message/topic.h"

enum { CHUNKS_MAX = 4096 };

#define AT(member)      offsetof(struct topic, member)
#define HALF(s, member) source_half(s, AT(member))

static void read_made(const struct source *s, struct topic_made *m)
{
    *m = (struct topic_made){
        .capacity = HALF(s, capacity),
        .history = HALF(s, history),
        .chunks = HALF(s, chunks),
        .subscribers = HALF(s, subscribers),
        .holds = HALF(s, holds),
        .align = HALF(s, type_align),
        .sample_max = source_word(s, AT(sample_max)),
        .type_size = source_word(s, AT(type_size)),
    };
    for (size_t i = 0; i < sizeof m->version - 1; i++)
        m->version[i] = source_byte(s, AT(version) + i);
}

static void use(struct topic_census *census, uint64_t id)
{
    census->used++;
    census->owner(census->ctx, id);
}

static void count_chunks(const struct source *s, uint64_t at, struct topic_census *census)
{
    unsigned count = census->chunks < CHUNKS_MAX ? census->chunks : CHUNKS_MAX;

    for (unsigned i = 0; i < count; i++) {
        uint64_t word = source_word(s, at + i * sizeof(struct queue_cell));
        uint64_t id = cell_state(word) == CELL_CLAIMED ? cell_id(s->region, word) : 0;
        if (id && census->lives(census->ctx, id))
            use(census, id);
    }
}

static void count_subscriber(const struct source *s, const struct topic_made *m, uint64_t at,
                             uint64_t tail, struct topic_census *census)
{
    uint64_t owner = source_word(s, at + offsetof(struct topic_subscriber, owner));

    if (!(owner & TOPIC_READY) || !census->lives(census->ctx, region_id(owner)))
        return;
    uint64_t behind = tail - source_word(s, at + offsetof(struct topic_subscriber, cursor));
    uint32_t policy = source_half(s, at + offsetof(struct topic_subscriber, policy));
    /* One that is ahead of the hint of the tail is not behind. */
    if ((int64_t)behind > 0 && behind > census->lag) {
        census->lag = behind;
        census->slowest = region_id(owner);
    }
    census->subscribers++;
    census->lost += source_word(s, at + offsetof(struct topic_subscriber, lost));
    if (policy == HEALD_TOPIC_BLOCK && (int64_t)behind >= topic_ring_of(m->capacity, m->history)) {
        census->is_blocked = true;
        census->owner(census->ctx, region_id(owner));
    }
    for (uint32_t i = 0; i < m->holds; i++)
        if (source_word(s, at + offsetof(struct topic_subscriber, holds) + i * sizeof(uint64_t)))
            use(census, region_id(owner));
}

bool heald__inspect_topic(const struct heald_region *region, uint64_t offset, uint64_t room,
                          struct topic_census *census)
{
    uint64_t skipped = -offset & 63, check;
    struct source s = {.region = region, .at = offset + skipped};
    struct topic_parts parts;
    struct topic_made m;

    if (room < skipped + sizeof(struct topic))
        return false;
    read_made(&s, &m);
    /* A region begins at a page, so an offset has the remainder of the address. */
    if (!heald__topic_shape(&m, s.at, &check, &parts) || check != source_word(&s, AT(check)) ||
        parts.end > room - skipped)
        return false;
    uint64_t tail = source_word(&s, AT(tail));
    uint32_t joined = HALF(&s, joined);
    census->chunks = m.chunks;
    census->capacity = m.capacity;
    census->published = tail;
    count_chunks(&s, parts.chunks, census);
    for (uint32_t i = 0; i < m.subscribers && i < joined; i++)
        count_subscriber(&s, &m, parts.subscribers + i * sizeof(struct topic_subscriber), tail,
                         census);
    return true;
}
