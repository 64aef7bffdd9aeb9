/*
 * ipc/barrier.c: a barrier. Any thread, as the participant it is.
 *
 * Who has come is a word with its id in `arrived`. The last to come opens the barrier: it writes
 * down that it does (`opening`), moves `round` on, and clears `arrived`; whoever enters after it
 * died on the way does the rest. A wait remembers the round in which it came: once that is over it
 * was let through, whatever happened since. Who finds the round going on and himself not among
 * those who have come was sent away by a reset.
 */
#include <heald/barrier.h>

#include "ipc/monitor.h"

#include <errno.h>

/* Marks a memory that has a round in it. */
#define CAME (INT64_C(1) << 40)

int heald_barrier_init(struct heald_barrier *barrier, unsigned needed)
{
    if (!needed || needed > HEALD_BARRIER_MAX)
        return -EINVAL;
    *barrier = (struct heald_barrier){.needed = needed};
    return 0;
}

static void clear(struct heald_barrier *b)
{
    for (unsigned i = 0; i < HEALD_BARRIER_MAX; i++)
        b->arrived[i] = 0;
}

/* Also again, after one who died over it. */
static void open_up(struct heald_barrier *b)
{
    monitor_then();
    b->round = b->opening - 1;
    monitor_then();
    clear(b);
    monitor_then();
    b->opening = 0;
}

static int enter(struct heald_barrier *b, struct heald_participant *me, struct region_wait *wait)
{
    int err = wait ? monitor_enter(&b->monitor, me, wait) : monitor_enter_now(&b->monitor, me);

    if (!err && b->opening)
        open_up(b);
    return err;
}

/* How many have come; -EOWNERDEAD: one of them is gone. *ret_other: one who is not the caller. */
static int count(struct heald_barrier *b, const struct heald_participant *me, uint64_t *ret_other)
{
    int n = 0;

    *ret_other = 0;
    for (unsigned i = 0; i < HEALD_BARRIER_MAX; i++) {
        if (!b->arrived[i])
            continue;
        if (monitor_is_gone(me, b->arrived[i]) == -EOWNERDEAD)
            return -EOWNERDEAD;
        if (b->arrived[i] != me->id)
            *ret_other = b->arrived[i];
        n++;
    }
    return n;
}

/* Inside. The result, or -EBUSY: wait on. */
static int come(struct heald_barrier *b, struct heald_participant *me, int64_t *memory,
                uint64_t *ret_other)
{
    if (*memory && (uint32_t)*memory != b->round)
        return 0;
    if (b->broken || !b->needed || b->needed > HEALD_BARRIER_MAX)
        return b->broken ? -EOWNERDEAD : -EBADMSG;
    uint64_t *place = monitor_find(b->arrived, HEALD_BARRIER_MAX, *memory ? me->id : 0);
    if (!place)
        return *memory ? -EOWNERDEAD : -EBADMSG;
    *place = me->id;
    *memory = CAME | b->round;
    int n = count(b, me, ret_other);
    if (n < 0) {
        b->broken = 1;
        return n;
    }
    if ((unsigned)n < b->needed)
        return -EBUSY;
    b->opening = b->round + 2;
    open_up(b);
    return 1;
}

static int look(void *object, struct heald_participant *me, int64_t *memory,
                struct region_wait *wait)
{
    struct heald_barrier *b = object;
    uint64_t other = 0;
    int err = enter(b, me, wait);

    if (err)
        return err;
    err = come(b, me, memory, &other);
    if (err == -EBUSY)
        return monitor_leave_to_wait(&b->monitor, me, other, b->needed > 2, wait);
    if (err == 1 || err == -EOWNERDEAD)
        monitor_leave_and_tell(&b->monitor, me);
    else
        monitor_leave(&b->monitor, me);
    return err;
}

/* Has not come after all, unless it was let through meanwhile. */
static int abandon(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_barrier *b = object;
    int result = -EBUSY;

    if (!*memory || enter(b, me, NULL))
        return result;
    uint64_t *place = monitor_find(b->arrived, HEALD_BARRIER_MAX, me->id);
    if ((uint32_t)*memory != b->round)
        result = 0;
    else if (place)
        *place = 0;
    monitor_leave(&b->monitor, me);
    return result;
}

const struct ipc_form ipc_barrier_form = {
    .look = look, .abandon = abandon, .kind = HEALD_OBJECT_BARRIER};

int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                       int64_t deadline_ns)
{
    return ipc_block(&ipc_barrier_form, barrier, me, deadline_ns);
}

int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me)
{
    int err = enter(barrier, me, NULL);

    if (err)
        return err;
    clear(barrier);
    monitor_then();
    barrier->broken = 0;
    monitor_leave_and_tell(&barrier->monitor, me);
    return 0;
}
