/* message/lane.c: see lane.h. */
#include "message/lane.h"

#include "platform/fence.h"

#include <errno.h>

static uint64_t own(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* Acquire: pairs with publish(). What the other side wrote, or read, before is done. */
static uint64_t other(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void publish(uint64_t *at, uint64_t position, const struct ring *r, uint32_t *bell)
{
    __atomic_store_n(at, position, __ATOMIC_RELEASE);
    heald__plat_fence_light(r->me->region->is_fenced);
    eventcount_notify(bell);
}

int heald__lane_claim(const struct ring *r, uint64_t *ret_position)
{
    struct queue_hints *h = r->hints;
    uint64_t tail = own(&h->tail);

    if (tail - own(&h->seen_head) > r->mask) {
        uint64_t head = other(&h->head);
        __atomic_store_n(&h->seen_head, head, __ATOMIC_RELAXED);
        if (tail - head > r->mask)
            return -EAGAIN;
    }
    *ret_position = tail;
    return 0;
}

void heald__lane_commit(const struct ring *r, uint64_t position, uint32_t size)
{
    __atomic_store_n(&ring_cell_at(r, position)->size, size, __ATOMIC_RELAXED);
    publish(&r->hints->tail, position + 1, r, &r->bells->arrived);
}

int heald__lane_take(const struct ring *r, size_t size, uint64_t *ret_position)
{
    struct queue_hints *h = r->hints;
    uint64_t head = own(&h->head);

    if (head == own(&h->seen_tail)) {
        uint64_t tail = other(&h->tail);
        if (head == tail)
            return -EAGAIN;
        __atomic_store_n(&h->seen_tail, tail, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&ring_cell_at(r, head)->size, __ATOMIC_RELAXED) > size)
        return -EMSGSIZE;
    *ret_position = head;
    return 0;
}

void heald__lane_release(const struct ring *r, uint64_t position)
{
    publish(&r->hints->head, position + 1, r, &r->bells->room);
}
