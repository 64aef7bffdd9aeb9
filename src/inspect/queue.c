/*
 * inspect/queue.c: see queue.h. Reads only, each word by itself: the numbers are those of several
 * moments. Of a ring at most CELLS_MAX cells are read, from the first that is in use on; the hints
 * say how much is in the rest.
 */
#include "inspect/queue.h"

#include "inspect/source.h"
#include "message/lane.h"
#include "message/queue.h"

enum { CELLS_MAX = 4096 };

static void count_cell(const struct source *s, uint64_t cell, struct queue_census *census)
{
    uint64_t word = source_word(s, cell);

    switch (cell_state(word)) {
    case CELL_FREE: return;
    case CELL_FULL: census->messages++; break;
    case CELL_CLAIMED:
    case CELL_TAKEN: census->owner(census->ctx, cell_id(s->region, word)); break;
    }
    census->free -= census->free > 0;
}

/* Of a ring that is longer: the two hints say how much lies between them. */
static void count_rest(uint64_t between, uint64_t capacity, uint64_t counted,
                       struct queue_census *census)
{
    uint64_t all = between <= capacity ? between : capacity;

    if (all > counted) {
        census->messages += all - counted;
        census->free -= (unsigned)(all - counted < census->free ? all - counted : census->free);
    }
}

/* The messages of a lane in which they take several cells. */
static uint64_t count_records(const struct source *s, uint64_t cells, uint64_t head, uint64_t tail,
                              uint64_t capacity)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < CELLS_MAX && tail - head <= capacity && head != tail; i++) {
        uint64_t at = cells + (head & (capacity - 1)) * LANE_UNIT;
        uint32_t size = source_half(s, at + offsetof(struct queue_cell, size));
        count += size != LANE_SKIP;
        head += size == LANE_SKIP ? capacity - (head & (capacity - 1)) : lane_cells(size);
    }
    return count;
}

static void count_ring(const struct source *s, const struct queue_shape *shape, unsigned number,
                       struct queue_census *census)
{
    uint64_t hints = offsetof(struct queue, rings) + number * sizeof(struct queue_hints);
    uint64_t cells = offsetof(struct queue, rings) +
                     shape->priorities * sizeof(struct queue_hints) +
                     (uint64_t)number * shape->capacity * shape->stride;
    uint64_t tail = source_word(s, hints + offsetof(struct queue_hints, tail));
    uint64_t head = source_word(s, hints + offsetof(struct queue_hints, head));

    census->sent += tail;
    uint64_t count = shape->capacity < CELLS_MAX ? shape->capacity : CELLS_MAX;
    if (shape->is_lane) {
        uint64_t used = tail - head <= shape->capacity ? tail - head : shape->capacity;
        census->free -= (unsigned)used;
        census->messages = used;
        if (shape->is_variable) {
            census->sent = source_word(s, hints + offsetof(struct queue_hints, messages));
            census->messages = count_records(s, cells, head, tail, shape->capacity);
        }
        return;
    }
    uint64_t p = source_word(s, hints + offsetof(struct queue_hints, first));
    uint64_t before = census->messages;
    for (uint64_t i = 0; i < count; i++)
        count_cell(s, cells + ((p + i) & (shape->capacity - 1)) * shape->stride, census);
    if (count < shape->capacity)
        count_rest(tail - head, shape->capacity, census->messages - before, census);
}

bool heald__inspect_queue(const struct heald_region *region, uint64_t offset, uint64_t room,
                          struct queue_census *census)
{
    uint64_t skipped = -offset & 63;
    struct source s = {.region = region, .at = offset + skipped};
    struct queue_shape shape;

    if (room < skipped + sizeof(struct queue))
        return false;
    uint32_t capacity = source_half(&s, offsetof(struct queue, capacity));
    uint32_t priorities = source_half(&s, offsetof(struct queue, priorities));
    uint32_t most = source_half(&s, offsetof(struct queue, message_max));
    uint32_t flags = source_half(&s, offsetof(struct queue, flags));
    if (!heald__queue_shape(&shape, capacity, priorities, most, flags) ||
        shape.check != source_word(&s, offsetof(struct queue, check)) ||
        shape.size > room - skipped)
        return false;
    census->slots = census->free = capacity * priorities;
    census->capacity = capacity;
    census->priorities = priorities;
    census->dropped = source_word(&s, offsetof(struct queue, bells.dropped));
    census->is_closed = source_half(&s, offsetof(struct queue, bells.closed));
    for (unsigned i = 0; i < priorities; i++)
        count_ring(&s, &shape, i, census);
    return true;
}
