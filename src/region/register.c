/*
 * region/register.c: the participants, their deaths, and waiting for either.
 *
 * Invariant: a slot's lifeline is held by the thread that is attached there, or for a moment by one
 * that is about to attach, or is free. Its generation is odd while a participant is attached; it is
 * incremented by its holder, or by any participant that found that the holder has died, with a
 * compare-and-swap, so once. Words in objects name their holder by slot *and* generation: so
 * recording a death is incrementing the generation and ringing all bells. What the dead participant
 * held is not searched for: one that comes across a word of it finds that the generation has passed
 * and takes the word over. The generation is incremented before the lifeline is acquired: one that
 * is stopped, or killed, with the lifeline of a dead participant holds up no other. (Where the
 * platform cannot say that a lifeline was released, only acquiring it says so: one that is stopped
 * just after that holds up those that want what the dead one had, until it continues or is killed.)
 *
 * A holder that is found dead with generation g is the one that had g: the lifeline is acquired
 * before the generation becomes odd and released after it became even, and g is read first.
 *
 * How a death becomes known: the kernel wakes one of those that wait for the holder's lifeline, and
 * that one rings the bells of the rest. A bell is an event count (eventcount.h): so ringing makes a
 * system call only for a participant that has read its bell since the last ring, in order to wait.
 * The kernel may wake one that is being killed itself, and a participant that would have posted to
 * a counting semaphore is not watched; then none is notified. No chain of watchers repairs that,
 * for a chain has a last link; so no waiter sleeps longer than REGION_RECHECK_NS without a recheck
 * (for many ops in a loop: await/queue.c). A death is never concluded from time.
 *
 * Model: test/model/register.pml; its steps are named after the functions here.
 */
#include "platform/fence.h"
#include "platform/shm.h"
#include "platform/sys.h"
#include "region/region.h"

#include <errno.h>
#include <unistd.h>

/* Wakes all participants to try again. */
static void ring_all(struct heald_region *region)
{
    for (unsigned i = 0; i < region->slot_count; i++) {
        struct region_slot *slot = &region->slots[i];
        /* Seq_cst: pairs with occupy(). One that is not seen attached, or about to wait, will see
         * that the other is gone: move_on() came before this. */
        if (__atomic_load_n(&slot->generation, __ATOMIC_SEQ_CST) & 1)
            eventcount_notify(&slot->bell);
    }
}

/* The participant of this generation is no longer attached. False: another has recorded that
 * already.
 */
static bool move_on(struct heald_region *region, struct region_slot *slot, uint32_t generation)
{
    /* Seq_cst: before the bells, and before the lifeline is free; pairs with
     * heald__region_is_gone(). */
    bool moved = generation & 1 &&
                 __atomic_compare_exchange_n(&slot->generation, &generation, generation + 1, false,
                                             __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);

    ring_all(region);
    return moved;
}

/* The slot of an id; NULL: there is none. */
static struct region_slot *slot_of(const struct heald_region *region, uint64_t id)
{
    unsigned index = region_id_slot(id);
    return index < region->slot_count ? &region->slots[index] : NULL;
}

static uint32_t generation_of(const struct region_slot *slot)
{
    /* Acquire: pairs with move_on() and occupy(). */
    return __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
}

static uint64_t make_id(uint32_t generation, size_t index)
{
    return (uint64_t)generation << 32 | (uint64_t)(index + 1) << REGION_ID_SHIFT;
}

uint64_t heald__region_id_of(const struct heald_region *region, const struct region_slot *slot)
{
    uint32_t generation = generation_of(slot);
    return generation & 1 ? make_id(generation, (size_t)(slot - region->slots)) : 0;
}

/* The holder has died. True: the caller is the one that recorded it. */
static bool expire(struct heald_region *region, struct region_slot *slot, uint32_t generation)
{
    struct region_head *head = region_head_of(region);
    bool advanced = move_on(region, slot, generation);

    if (advanced)
        __atomic_fetch_add(&head->deaths, 1, __ATOMIC_RELAXED);
    return advanced;
}

/* A child of fork(2) finds 0 here and asks for itself: unshare(2) gives the children that come
 * after it another name space. A process keeps its own. */
static uint64_t ask_once(uint64_t *known, uint64_t (*ask)(void))
{
    uint64_t answer = __atomic_load_n(known, __ATOMIC_RELAXED);

    if (!answer) {
        answer = ask();
        __atomic_store_n(known, answer, __ATOMIC_RELAXED);
    }
    return answer;
}

uint64_t heald__region_pid_space(const struct heald_region *region)
{
    return ask_once(&region->local->pid_space, heald__plat_pid_space);
}

/* What the two below have asked. */
enum { ANSWER_NO = 1, ANSWER_YES = 2 };

static uint64_t join_fences(void)
{
    return heald__plat_fence_join() ? ANSWER_YES : ANSWER_NO;
}

bool heald__region_is_fenced(const struct heald_region *region)
{
    return ask_once(&region->local->fenced, join_fences) == ANSWER_YES;
}

static uint64_t count_processors(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? ANSWER_YES : ANSWER_NO;
}

bool heald__region_is_parallel(const struct heald_region *region)
{
    return ask_once(&region->local->parallel, count_processors) == ANSWER_YES;
}

/* The name space of this process's monotonic clock; 0: not known. */
static uint64_t time_space_of(const struct heald_region *region)
{
    return ask_once(&region->local->time_space, heald__plat_time_space);
}

bool heald__region_is_clock_of(const struct heald_region *region, const struct region_slot *slot)
{
    return __atomic_load_n(&slot->time_space, __ATOMIC_RELAXED) == time_space_of(region) &&
           region_head_of(region)->boot == ask_once(&region->local->boot, heald__plat_boot);
}

/* Held, by a thread that is not there: it called exec, which the kernel does not report. This
 * lifeline will not be released, so it is made anew, by the participant that records the death. */
static bool was_left(struct heald_region *region, struct region_slot *slot, uint32_t generation)
{
    /* Relaxed: they are this generation's if that is still the same afterwards. */
    uint64_t space = __atomic_load_n(&slot->pid_space, __ATOMIC_RELAXED);
    pid_t pid = (pid_t)__atomic_load_n(&slot->pid, __ATOMIC_RELAXED);
    uint64_t thread = __atomic_load_n(&slot->thread, __ATOMIC_RELAXED);

    if (!space || space != heald__region_pid_space(region) ||
        !heald__plat_thread_is_absent(pid, thread) || generation_of(slot) != generation ||
        heald__plat_life_state(&slot->life) != HEALD_LIFE_HELD)
        return false;
    if (expire(region, slot, generation))
        heald__plat_life_init(&slot->life);
    return true;
}

/* 0: the slot's lifeline is the caller's. -EBUSY: it has a holder; thoroughly: one that is still
 * there. -EBADMSG. */
static int take_slot(struct heald_region *region, struct region_slot *slot, bool thoroughly)
{
    uint32_t generation = generation_of(slot);
    enum heald_life state = heald__plat_life_state(&slot->life);

    if (state == HEALD_LIFE_HELD &&
        !(thoroughly && generation & 1 && was_left(region, slot, generation)))
        return -EBUSY;
    if (state == HEALD_LIFE_ENDED)
        expire(region, slot, generation);
    int err = heald__plat_life_acquire(&slot->life);
    if (err != -EOWNERDEAD)
        return err;
    /* Where the state is not known, or the holder died just now. */
    expire(region, slot, generation_of(slot));
    heald__plat_life_recovered(&slot->life);
    return 0;
}

/* The same where only acquiring a lifeline says so. */
static int try_to_learn(struct heald_region *region, struct region_slot *slot)
{
    int err = take_slot(region, slot, true);

    if (err)
        return err == -EBUSY ? 0 : err;
    heald__plat_life_release(&slot->life);
    return 0;
}

static int is_gone(struct heald_region *region, uint64_t id, bool thoroughly)
{
    struct region_slot *slot = slot_of(region, id);
    uint32_t generation = (uint32_t)(id >> 32);
    int err = 0;

    if (!slot || !(generation & 1))
        return -EBADMSG;
    if (generation_of(slot) != generation)
        return -EOWNERDEAD;
    switch (heald__plat_life_state(&slot->life)) {
    case HEALD_LIFE_HELD:
        if (thoroughly)
            was_left(region, slot, generation);
        break;
    case HEALD_LIFE_ENDED: expire(region, slot, generation); break;
    case HEALD_LIFE_UNKNOWN: err = try_to_learn(region, slot); break;
    /* Attached, and nobody holds it: unless that has just changed it cannot be. */
    case HEALD_LIFE_FREE: err = generation_of(slot) == generation ? -EBADMSG : 0; break;
    }
    if (err)
        return err;
    return generation_of(slot) == generation ? 0 : -EOWNERDEAD;
}

int heald__region_is_gone(struct heald_region *region, uint64_t id)
{
    return is_gone(region, id, true);
}

int heald__region_ask(const struct heald_participant *me, uint64_t id, bool tries)
{
    if (!tries)
        return is_gone(me->region, id, true);
    /* At random: one that tries two in turn would ask for one of them never. Source of the numbers:
     * Knuth, Seminumerical Algorithms, 3.3.4. */
    me->seat->asked = me->seat->asked * 1664525 + 1013904223;
    return is_gone(me->region, id, me->seat->asked >> 26 == 0);
}

unsigned heald__region_words(const struct region_wait *wait,
                             struct heald_word ret_words[REGION_WORDS])
{
    struct region_slot *holder = slot_of(wait->me->region, wait->holder);
    unsigned count = 2;

    ret_words[0] = (struct heald_word){wait->word, wait->seen};
    ret_words[1] = (struct heald_word){&wait->me->slot->bell, wait->bell};
    if (holder) {
        struct heald_word *life = &ret_words[2];
        life->word = heald__plat_life_watch(&holder->life, &life->seen);
        count += life->word != NULL;
    }
    return count;
}

/* Has the holder of a word died? A word that names nobody is nobody's. */
static bool left_by_the_dead(const struct region_wait *wait)
{
    /* Acquire: pairs with taking it. */
    uint64_t word = __atomic_load_n(wait->guard, __ATOMIC_ACQUIRE);

    return region_id(word) != wait->me->id &&
           heald__region_is_gone(wait->me->region, region_id(word)) == -EOWNERDEAD;
}

bool heald__region_has_changed(const struct region_wait *wait)
{
    /* Acquire: what made the word change is seen with it. */
    return __atomic_load_n(wait->word, __ATOMIC_ACQUIRE) != wait->seen ||
           __atomic_load_n(&wait->me->slot->bell, __ATOMIC_ACQUIRE) != wait->bell ||
           !__atomic_load_n(&wait->me->id, __ATOMIC_RELAXED) ||
           (wait->holder && heald__region_is_gone(wait->me->region, wait->holder) == -EOWNERDEAD) ||
           (wait->guard && left_by_the_dead(wait));
}

/* Did the holder die since it was looked at? */
static bool has_ended(const struct region_wait *wait)
{
    struct region_slot *holder = slot_of(wait->me->region, wait->holder);
    return holder && heald__plat_life_state(&holder->life) == HEALD_LIFE_ENDED;
}

int heald__region_wait(const struct region_wait *wait, int64_t deadline_ns)
{
    int64_t now = heald__plat_now(HEALD_CLOCK_MONOTONIC);
    int64_t recheck = now + (heald__words_sleep ? REGION_RECHECK_NS : REGION_POLL_NS);
    struct heald_word words[REGION_WORDS];

    if (now >= deadline_ns)
        return -ETIMEDOUT;
    /* In this order: whose lifeline is not to be watched has ended, and is seen to have. */
    unsigned count = heald__region_words(wait, words);
    if (has_ended(wait))
        return 0;
    int err = heald__plat_words_wait(words, count, recheck < deadline_ns ? recheck : deadline_ns);
    return err == -ETIMEDOUT && deadline_ns <= recheck ? err : 0;
}

/* The slot, whose lifeline is the caller's, from now on is that of this handle. */
static void occupy(struct heald_region *region, unsigned index, struct heald_participant *me)
{
    struct region_slot *slot = &region->slots[index];
    struct region_seat *seat = &region->local->seats[index];
    uint32_t generation = (__atomic_load_n(&slot->generation, __ATOMIC_RELAXED) + 1) | 1;

    /* Relaxed: was_left() may read them when they are out of date, and finds that out. */
    __atomic_store_n(&slot->pid, getpid(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->thread, heald__plat_thread_id(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->pid_space, heald__region_pid_space(region), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->time_space, time_space_of(region), __ATOMIC_RELAXED);
    heald__region_queue_clear(region, index);
    for (unsigned i = 0; i < REGION_NOTES; i++)
        __atomic_store_n(&slot->notes[i].object, 0, __ATOMIC_RELAXED);
    /* Release: one that sees the generation sees the members above. Seq_cst: pairs with ring_all().
     */
    __atomic_store_n(&slot->generation, generation, __ATOMIC_SEQ_CST);
    me->region = region;
    me->slot = slot;
    me->seat = seat;
    me->who = (uint64_t)getpid() << 32 | (uint32_t)slot->thread;
    me->is_traced = region->order != NULL;
    seat->held_count = 0;
    seat->spin = (struct spin){0};
    /* Relaxed: the others that read it only ask whether it is 0. */
    __atomic_store_n(&me->id, make_id(generation, index), __ATOMIC_RELAXED);
    /* Release: pairs with heald__region_in_use(). */
    __atomic_store_n(&seat->me, me, __ATOMIC_RELEASE);
}

/* A hint at a slot that is free. Relaxed: it may be wrong. */
static unsigned first_slot(struct heald_region *region)
{
    return __atomic_load_n(&region_head_of(region)->vacant, __ATOMIC_RELAXED);
}

static void note_slot(struct heald_region *region, unsigned index)
{
    __atomic_store_n(&region_head_of(region)->vacant, index, __ATOMIC_RELAXED);
}

int heald_attach(struct heald_region *region, struct heald_participant **ret_me)
{
    int last = -EUSERS;

    if (region->is_read_only)
        return -EACCES;
    /* From where one was left, or the last one was found, once round; then again, thoroughly. */
    unsigned count = region->slot_count, first = first_slot(region) % count;
    for (unsigned tried = 0; tried < 2 * count; tried++) {
        unsigned i = (first + tried) % count;
        struct heald_participant *me;
        int err = take_slot(region, &region->slots[i], tried >= count);
        if (err) {
            last = err == -EBADMSG ? err : last;
            continue;
        }
        err = heald__region_handle_new(region, &region->local->seats[i], &me);
        if (err) {
            heald__plat_life_release(&region->slots[i].life);
            return err;
        }
        occupy(region, i, me);
        note_slot(region, i + 1);
        *ret_me = me;
        return 0;
    }
    return last;
}

void heald_detach(struct heald_participant *me)
{
    if (!me || !me->id)
        return;
    struct heald_region *region = me->region;
    struct region_slot *slot = me->slot;
    /* Until the last line the region is in use. Release, there: pairs with
     * heald__region_in_use(). */
    __atomic_fetch_add(&region->local->leaving, 1, __ATOMIC_RELAXED);
    /* Before the lifeline is released: the next holder may clear the memory of this handle. */
    __atomic_store_n(&me->id, 0, __ATOMIC_RELEASE);
    move_on(region, slot, generation_of(slot));
    heald__plat_life_release(&slot->life);
    note_slot(region, (unsigned)(slot - region->slots));
    __atomic_fetch_sub(&region->local->leaving, 1, __ATOMIC_RELEASE);
}

void heald__region_clear(struct heald_region *region)
{
    struct region_head *head = region_head_of(region);

    for (unsigned i = 0; i < region->slot_count; i++) {
        expire(region, &region->slots[i], generation_of(&region->slots[i]));
        heald__plat_life_init(&region->slots[i].life);
    }
    head->boot = heald__plat_boot();
}

bool heald__region_in_use(struct heald_region *region)
{
    for (unsigned i = 0; i < region->slot_count; i++) {
        struct region_seat *seat = &region->local->seats[i];
        const struct heald_participant *me = __atomic_load_n(&seat->me, __ATOMIC_ACQUIRE);
        /* Acquire: one that is seen to have left has said before that it is leaving. */
        uint64_t id = me ? __atomic_load_n(&me->id, __ATOMIC_ACQUIRE) : 0;
        if ((id && !heald__region_is_gone(region, id)) ||
            __atomic_load_n(&seat->pending, __ATOMIC_ACQUIRE))
            return true;
    }
    return __atomic_load_n(&region->local->leaving, __ATOMIC_ACQUIRE);
}
