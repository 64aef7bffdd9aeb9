/*
 * sync/barrier.c: a barrier. Any thread, as the participant it is.
 *
 * `state` is one word: the number of the round, how many participants have arrived, and how the
 * last rounds ended. To arrive, to leave when the wait is given up, to end a round, to break it and
 * to reset it are one compare-and-swap of that word each. So exactly as many as are needed pass,
 * the one that ends a round is the last that arrived, and one that leaves has either not arrived or
 * learns how the round ended. There is no lock inside: a participant that is stopped holds up the
 * others only if it has not arrived.
 *
 * `arrived` also lists the participants that have arrived, with the round, so that a death is
 * found: from before a participant is counted until it no longer is. Once it is counted its mark
 * says so, and it clears that before it leaves: so all participants whose marks say so are counted.
 * A mark of a dead participant breaks the round if fewer marks of the living say so than have
 * arrived; otherwise the dead participant had not been counted yet, or no longer was. A participant
 * that lives, is counted, and has not said so may have the round broken by the mark of a dead
 * participant that was not counted; but no round passes with a dead participant in the place of a
 * living one: the change that ends a round fails if one has left since the try began, even if
 * another arrived, since `state` counts those that leave; so all marks that were seen belong to
 * participants that are counted now. Marks of former rounds mean nothing: their owners clear them,
 * or whichever participant comes across them; a mark is read before the state that says that it is
 * old, since marks of the next round are made after the state is that round's. A participant that
 * finds no room for a mark waits without one: then the other marks belong to participants that are
 * being counted, which takes a moment.
 *
 * No wake is lost: waiters sleep on the half of `state` that changes when a round ends or breaks. A
 * participant that is killed, or stopped, between the change and the wake has woken none: no waiter
 * sleeps for longer than REGION_RECHECK_NS.
 *
 * Recovery by all participants at once converges: a reset names the round that its caller was
 * given, and the first one ends that round. The later ones find that it has ended, and do nothing
 * to those that have arrived at the next one meanwhile.
 *
 * Model: test/model/barrier.pml; its steps are named after the functions here.
 */
#include <heald/barrier.h>

#include "sync/barrier_state.h"
#include "sync/cells.h"
#include "sync/wait_ops.h"

#include <errno.h>
#include <string.h>

#define COUNT_ONE (UINT64_C(1) << BARRIER_COUNT_SHIFT)
#define LEFT_ONE  (UINT64_C(1) << BARRIER_LEFT_SHIFT)
#define FATES_ONE (UINT64_C(1) << BARRIER_FATES_SHIFT)
#define ROUNDS    UINT32_C(0x7fffffff)

/* Marks a memory that has a round in it. */
#define CAME (INT64_C(1) << 40)

/* What follows when the round ends. */
static uint64_t next_round(uint64_t state, bool was_reset)
{
    uint64_t fates = state >> BARRIER_FATES_SHIFT << 1 | was_reset;

    return fates << BARRIER_FATES_SHIFT | (uint32_t)(((uint32_t)state | BARRIER_BROKEN) + 1);
}

/* What follows when one leaves, if some have arrived. */
static uint64_t without_one(uint64_t state)
{
    uint64_t left = (state + LEFT_ONE) & (FATES_ONE - LEFT_ONE);

    return (state & ~(FATES_ONE - LEFT_ONE)) - COUNT_ONE + left;
}

/* Of a round that has ended: 0: all had come. Of one that is too long ago nobody knows. */
static int fate_of(uint64_t state, uint32_t round)
{
    uint32_t ago = (barrier_round(state) - round) & ROUNDS;

    return ago > BARRIER_FATES || state >> (BARRIER_FATES_SHIFT - 1 + ago) & 1 ? -EOWNERDEAD : 0;
}

int heald_barrier_init_sized(struct heald_barrier *barrier, size_t size, unsigned needed)
{
    if (!needed || needed > HEALD_BARRIER_MAX || size < HEALD_BARRIER_SIZE(needed))
        return -EINVAL;
    memset(barrier, 0, HEALD_BARRIER_SIZE(needed));
    barrier->needed = needed;
    barrier->check = cells_check_of(needed);
    return 0;
}

int heald_barrier_init(struct heald_barrier *barrier, unsigned needed)
{
    return heald_barrier_init_sized(barrier, sizeof *barrier, needed);
}

static uint64_t load(const struct heald_barrier *b)
{
    return __atomic_load_n(&b->state, __ATOMIC_SEQ_CST);
}

/* Seq_cst: what was done before arriving is seen by all that pass; see also the marks, above. */
static bool change(struct heald_barrier *b, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&b->state, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Ends or breaks the round, and wakes those that have arrived. */
static bool change_and_wake(struct heald_barrier *b, uint64_t from, uint64_t to)
{
    if (!change(b, from, to))
        return false;
    if (barrier_count(from))
        heald__plat_word_wake(region_half(&b->state));
    return true;
}

/* How many must come, read once; 0: it is corrupt. */
static unsigned needed_in(const struct heald_barrier *b, const struct heald_participant *me)
{
    unsigned needed = __atomic_load_n(&b->needed, __ATOMIC_RELAXED);

    if (!me->id || !cells_are_so_many(needed, b->check, HEALD_BARRIER_MAX))
        return 0;
    return region_has(me->region, b, HEALD_BARRIER_SIZE(needed)) ? needed : 0;
}

static uint64_t mark_for(const struct heald_participant *me, uint64_t state)
{
    return me->id | (barrier_round(state) & BARRIER_MARK_ROUND);
}

/*
 * Examines the marks, and clears those of former rounds. -EOWNERDEAD: of the `others` that have
 * arrived at this round, one is gone: one mark is of a dead participant, and too few of the living
 * are counted by their marks. -EAGAIN: it is no longer this round; else 0, and *ret_other is
 * another participant that is there, or 0.
 */
static int check_marks(struct heald_barrier *b, unsigned needed, const struct heald_participant *me,
                       uint64_t state, unsigned others, uint64_t *ret_other)
{
    bool one_is_gone = false;
    unsigned counted = 0;

    *ret_other = 0;
    for (unsigned i = 0; i < needed; i++) {
        uint64_t mark = __atomic_load_n(&b->arrived[i], __ATOMIC_SEQ_CST);
        if (!mark)
            continue;
        if (!barrier_is_of_round(mark, state)) {
            if (barrier_round(load(b)) != barrier_round(state))
                return -EAGAIN;
            heald__cells_swap(&b->arrived[i], mark, 0);
        } else if (heald__cells_is_gone(me, mark) == -EOWNERDEAD) {
            one_is_gone = true;
        } else if (region_id(mark) != me->id) {
            *ret_other = region_id(mark);
            counted += mark & BARRIER_COUNTED ? 1 : 0;
        }
    }
    return barrier_lacks_one(one_is_gone, counted, others) ? -EOWNERDEAD : 0;
}

static bool set_mark(struct heald_barrier *b, unsigned needed, uint64_t mark)
{
    for (unsigned i = 0; i < needed; i++)
        if (!__atomic_load_n(&b->arrived[i], __ATOMIC_RELAXED) &&
            heald__cells_swap(&b->arrived[i], 0, mark))
            return true;
    return false;
}

/* Changes the caller's mark, or with 0 clears it, if it is there still. */
static void change_mark(struct heald_barrier *b, unsigned needed, uint64_t mark, uint64_t to)
{
    for (unsigned i = 0; i < needed; i++) {
        uint64_t word = __atomic_load_n(&b->arrived[i], __ATOMIC_RELAXED);
        if ((word & ~(uint64_t)BARRIER_COUNTED) == mark &&
            heald__cells_swap(&b->arrived[i], word, to))
            return;
    }
}

/* Does a mark say that the caller has come? */
static bool has_mark(const struct heald_barrier *b, unsigned needed, uint64_t mark)
{
    for (unsigned i = 0; i < needed; i++)
        if ((__atomic_load_n(&b->arrived[i], __ATOMIC_RELAXED) & ~(uint64_t)BARRIER_COUNTED) ==
            mark)
            return true;
    return false;
}

static int break_round(struct heald_barrier *b, uint64_t state)
{
    return change_and_wake(b, state, state | BARRIER_BROKEN) ? -EOWNERDEAD : -EAGAIN;
}

/* With the caller's mark in its place. One of those that arrived before may have died. */
static int be_counted(struct heald_barrier *b, unsigned needed, const struct heald_participant *me,
                      uint64_t state)
{
    bool is_last = barrier_count(state) + 1 >= needed;
    uint64_t other;

    if (!is_last)
        return change(b, state, state + COUNT_ONE) ? -EBUSY : -EAGAIN;
    int err = check_marks(b, needed, me, state, barrier_count(state), &other);
    if (err)
        return err == -EOWNERDEAD ? break_round(b, state) : err;
    return change_and_wake(b, state, next_round(state, false)) ? 1 : -EAGAIN;
}

/* Comes to the round. -EAGAIN: try again; 1: as the last; -EBUSY: wait; -EOWNERDEAD: broken. */
static int come(struct heald_barrier *b, unsigned needed, const struct heald_participant *me,
                uint64_t state, int64_t *memory)
{
    uint64_t mark = mark_for(me, state), other;
    int err = -EOWNERDEAD;

    if (!(state & BARRIER_BROKEN)) {
        /* One more try for room that old marks take. */
        if (!set_mark(b, needed, mark) && !check_marks(b, needed, me, state, 0, &other))
            set_mark(b, needed, mark);
        err = be_counted(b, needed, me, state);
        change_mark(b, needed, mark, err == -EBUSY ? mark | BARRIER_COUNTED : 0);
    }
    if (err != -EAGAIN)
        *memory = CAME | barrier_round(state);
    return err;
}

/* One that has arrived checks the round. -EBUSY: wait on. */
static int try_on(struct heald_barrier *b, unsigned needed, const struct heald_participant *me,
                  uint64_t state, uint32_t round, uint64_t *ret_other)
{
    if (barrier_round(state) != round)
        return fate_of(state, round);
    if (state & BARRIER_BROKEN)
        return -EOWNERDEAD;
    /* There was no room for it at the arrival, and may be now: those that left have cleared theirs.
     */
    uint64_t mark = mark_for(me, state);
    if (!has_mark(b, needed, mark))
        set_mark(b, needed, mark | BARRIER_COUNTED);
    unsigned others = barrier_count(state) ? barrier_count(state) - 1 : 0;
    int err = check_marks(b, needed, me, state, others, ret_other);
    if (err == -EOWNERDEAD)
        return break_round(b, state);
    return err ? err : -EBUSY;
}

static int try(void *object, struct heald_participant *me, int64_t *memory,
               struct region_wait *wait)
{
    struct heald_barrier *b = object;
    unsigned needed = needed_in(b, me);
    uint64_t state, other = 0;
    int err;

    if (!needed)
        return sync_refusal(me);
    do {
        *wait = (struct region_wait){.me = me, .bell = region_bell(me), .several = true};
        state = load(b);
        bool has_come = *memory;
        err = has_come ? try_on(b, needed, me, state, (uint32_t)*memory, &other)
                       : come(b, needed, me, state, memory);
        /* Those that arrived before may have died. */
        if (!has_come && err == -EBUSY)
            err = -EAGAIN;
    } while (err == -EAGAIN);
    if (err != -EBUSY && err != 1)
        change_mark(b, needed, me->id | ((uint32_t)*memory & BARRIER_MARK_ROUND), 0);
    wait->word = region_half(&b->state);
    wait->seen = (uint32_t)state;
    wait->holder = other;
    return err;
}

/* Leaves, if the round is not over: has not come after all. */
static int abandon(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_barrier *b = object;
    unsigned needed = needed_in(b, me);
    uint32_t round = (uint32_t)*memory;
    uint64_t state, mark = me->id | (round & BARRIER_MARK_ROUND);
    int result = -EBUSY;

    if (!*memory || !needed)
        return result;
    change_mark(b, needed, mark, mark);
    do {
        state = load(b);
        if (barrier_round(state) != round) {
            result = fate_of(state, round);
            break;
        }
    } while (barrier_count(state) && !change(b, state, without_one(state)));
    change_mark(b, needed, mark, 0);
    return result;
}

const struct sync_wait_ops heald__barrier_wait_ops = {
    .try = try, .abandon = abandon, .kind = HEALD_OBJECT_BARRIER};

int heald_barrier_wait(struct heald_barrier *barrier, struct heald_participant *me,
                       int64_t deadline_ns, uint32_t *ret_round)
{
    int64_t memory = 0;
    me->site = SYNC_SITE;
    int err = heald__sync_block_keep(&heald__barrier_wait_ops, barrier, me, deadline_ns, &memory);

    if (ret_round)
        *ret_round = (uint32_t)memory;
    return err;
}

int heald_barrier_reset(struct heald_barrier *barrier, struct heald_participant *me, uint32_t round)
{
    uint64_t state;

    if (!needed_in(barrier, me))
        return sync_refusal(me);
    do {
        state = load(barrier);
        if (barrier_round(state) != round)
            return 0;
    } while (!change_and_wake(barrier, state, next_round(state, true)));
    return 0;
}

uint32_t heald_barrier_round(const struct heald_barrier *barrier)
{
    return barrier_round(load(barrier));
}
