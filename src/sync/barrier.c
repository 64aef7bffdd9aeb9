/*
 * sync/barrier.c: a barrier. Any thread, as the participant it is.
 *
 * `state` is one word: which round it is, how many have come to it, and how the last rounds ended.
 * To come, to leave when the wait is given up, to end a round, to break it and to reset it are one
 * compare-and-swap of that word each. So exactly as many as are needed pass, whoever ends a round
 * is the one that was the last to come, and one who leaves has either not come or is told how the
 * round ended. There is no lock inside: nobody waits for one who is stopped but for his coming.
 *
 * Who has come also stands in `arrived`, with the round, so that his death is found: before he is
 * counted, and until he is not any more. Once he is counted he says so in his mark, and takes that
 * back before he leaves: so all whose marks say it are counted. A mark of a dead one breaks the
 * round if such marks of the living are fewer than have come; else he had not been counted yet, or
 * not any more. One who lives and is counted and has not said so may have the round broken at a
 * mark of a dead one who was not; but none passes with a dead one in place of a living: the change
 * that ends a round fails if one has left since the try began, though another came, since `state`
 * counts those who leave; so all marks that were seen are of those who are counted now. Marks of
 * former rounds mean nothing: their owners take them away, or whoever comes across them; a mark is
 * read before the state that says that it is old, since marks of the next round are made after the
 * state is that round's. One who finds no room for a mark waits without: then others' marks are
 * those of participants who are being counted, which takes them a moment.
 *
 * No wake is lost: those who wait sleep on the half of `state` that changes when a round ends or
 * breaks. Who is killed, or stopped, between the change and the wake has told nobody: nobody sleeps
 * for longer than REGION_RECHECK_NS.
 *
 * Recovery by all at once converges: a reset names the round that its caller was told of, and the
 * first one ends that. The later ones find that it has ended, and do nothing to those who have come
 * to the next one meanwhile.
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

/* What follows when one leaves, of whom some have come. */
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

/* Seq_cst: what was done before coming is seen by all who pass; see also the marks, above. */
static bool change(struct heald_barrier *b, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&b->state, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Ends or breaks the round, and wakes those who have come. */
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
 * Looks at the marks, and takes away those of former rounds. -EOWNERDEAD: of the `others` who have
 * come to this round, one is gone: one mark is of a dead one, and of the living too few are counted
 * by their marks.
 * -EAGAIN: it is not this round any more; else 0, and *ret_other is another who is there, or 0.
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

/* Changes the caller's mark, or with 0 takes it away, if it is there still. */
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

/* With the caller's mark in its place. Of those who came before one may have died. */
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

/* One who has come looks how it stands. -EBUSY: wait on. */
static int try_on(struct heald_barrier *b, unsigned needed, const struct heald_participant *me,
                  uint64_t state, uint32_t round, uint64_t *ret_other)
{
    if (barrier_round(state) != round)
        return fate_of(state, round);
    if (state & BARRIER_BROKEN)
        return -EOWNERDEAD;
    /* There was no room for it when he came, and may be now: those who left have taken theirs. */
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
        /* Those who came before may have died. */
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
