/*
 * ipc/barrier.c: a barrier. Any thread, as the participant it is.
 *
 * Who has come is a word with its id in `arrived`. A round ends when the last one comes, or by a
 * reset: whoever ends it writes down the next round and how this one ends (`turn`), and then does
 * that; whoever enters after it died on the way does it again, for each step may be done twice. A
 * wait remembers the round in which it came; once that has ended, `resets` says how.
 *
 * Recovery by all at once converges: a reset names the round that its caller was told of, and the
 * first one ends that. The later ones find that it has ended, and do nothing to those who have come
 * to the next one meanwhile.
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

enum { ROUNDS = 64 /* bits of `resets` */ };

/* How a round ends, in `turn` below its number. */
enum { OPENED = 1, RESET = 2, HOW_BITS = 2 };

static uint64_t bit_of(uint32_t round)
{
    return UINT64_C(1) << round % ROUNDS;
}

/* Also again, after one who died over it. */
static void finish_turn(struct heald_barrier *b)
{
    uint32_t next = (uint32_t)(b->turn >> HOW_BITS);

    monitor_then();
    if (b->turn & RESET)
        b->resets |= bit_of(next - 1);
    else
        b->resets &= ~bit_of(next - 1);
    for (unsigned i = 0; i < HEALD_BARRIER_MAX; i++)
        b->arrived[i] = 0;
    b->broken = 0;
    monitor_then();
    b->round = next;
    monitor_then();
    b->turn = 0;
}

static void end_round(struct heald_barrier *b, unsigned how)
{
    b->turn = (uint64_t)(b->round + 1) << HOW_BITS | how;
    finish_turn(b);
}

/* Of a round that has ended: 0: all had come. Of one that is too long ago nobody knows. */
static int fate_of(const struct heald_barrier *b, uint32_t round)
{
    if (b->round - round > ROUNDS || b->resets & bit_of(round))
        return -EOWNERDEAD;
    return 0;
}

static int enter(struct heald_barrier *b, struct heald_participant *me, struct region_wait *wait)
{
    int err = wait ? monitor_enter(&b->monitor, me, wait) : monitor_enter_now(&b->monitor, me);

    if (!err && b->turn)
        finish_turn(b);
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
    uint64_t mine = *memory ? me->id : 0;

    if (*memory && (uint32_t)*memory != b->round)
        return fate_of(b, (uint32_t)*memory);
    *memory = CAME | b->round;
    if (b->broken || !b->needed || b->needed > HEALD_BARRIER_MAX)
        return b->broken ? -EOWNERDEAD : -EBADMSG;
    uint64_t *place = monitor_find(b->arrived, HEALD_BARRIER_MAX, mine);
    if (!place)
        return -EBADMSG;
    *place = me->id;
    int n = count(b, me, ret_other);
    if (n < 0) {
        b->broken = 1;
        return n;
    }
    if ((unsigned)n < b->needed)
        return -EBUSY;
    end_round(b, OPENED);
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
        result = fate_of(b, (uint32_t)*memory);
    else if (place)
        *place = 0;
    monitor_leave(&b->monitor, me);
    return result;
}

const struct ipc_form ipc_barrier_form = {
    .look = look, .abandon = abandon, .kind = HEALD_OBJECT_BARRIER};

int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                       int64_t deadline_ns, uint32_t *ret_round)
{
    int64_t memory = 0;
    int err = ipc_block_and_tell(&ipc_barrier_form, barrier, me, deadline_ns, &memory);

    if (ret_round)
        *ret_round = (uint32_t)memory;
    return err;
}

int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me, uint32_t round)
{
    int err = enter(barrier, me, NULL);

    if (err)
        return err;
    if (round != barrier->round) {
        monitor_leave(&barrier->monitor, me);
        return 0;
    }
    end_round(barrier, RESET);
    monitor_leave_and_tell(&barrier->monitor, me);
    return 0;
}

uint32_t heald_barrier_round(const struct heald_barrier *barrier)
{
    return __atomic_load_n(&barrier->round, __ATOMIC_RELAXED);
}
