/*
 * region/register.c: who is attached, who has died, and waiting for either.
 *
 * Invariant: a slot's lifeline is held by the thread that is attached there, or for a moment by
 * whoever settles a death, or by nobody; only its holder writes the slot. Its generation is odd
 * while somebody is attached. Words in objects name their holder by slot *and* generation: so a
 * death is settled by making the generation even and telling everybody to look again. Nothing of
 * the dead is hunted for: whoever comes across a word of theirs finds the generation gone by and
 * takes it over. Doing it twice, or half and then again, is the same as doing it once; who dies
 * while settling leaves the lifeline as it was left to him.
 *
 * Who learns of a death: the kernel wakes one of those who wait for the holder's lifeline, and he
 * tells the rest by their bells. The kernel may wake one who is being killed himself; then nobody
 * is told. No chain of watchers mends that, for a chain has a last link; so nobody sleeps longer
 * than RECHECK without looking again. Deaths are never concluded from time.
 */
#include "platform/shm.h"
#include "platform/sys.h"
#include "region/region.h"

#include <errno.h>
#include <unistd.h>

/* Tells all participants to look again. */
static void ring_all(struct heald_region *region)
{
    for (unsigned i = 0; i < region->slot_count; i++) {
        struct region_slot *slot = &region->slots[i];
        /* Relaxed: one who attaches just now has not yet looked at anything. */
        if (__atomic_load_n(&slot->generation, __ATOMIC_RELAXED) & 1)
            heald_plat_word_count(&slot->bell);
    }
}

/* The caller holds the lifeline: whoever was attached is not. */
static void retire(struct heald_region *region, struct region_slot *slot)
{
    uint32_t generation = __atomic_load_n(&slot->generation, __ATOMIC_RELAXED);

    /* Seq_cst: before the bells, and before the lifeline is free; pairs with region_is_gone(). */
    if (generation & 1)
        __atomic_store_n(&slot->generation, generation + 1, __ATOMIC_SEQ_CST);
    ring_all(region);
}

static void settle(struct heald_region *region, struct region_slot *slot)
{
    struct region_head *head = (struct region_head *)(void *)region->base;

    retire(region, slot);
    __atomic_fetch_add(&head->deaths, 1, __ATOMIC_RELAXED);
    heald_plat_life_settled(&slot->life);
}

/* 0: the slot's lifeline is the caller's. -EBUSY: it is somebody's. -EBADMSG. */
static int take_slot(struct heald_region *region, struct region_slot *slot)
{
    int err = heald_plat_life_take(&slot->life);

    if (err == -EOWNERDEAD) {
        settle(region, slot);
        return 0;
    }
    return err;
}

int region_is_gone(struct heald_region *region, uint64_t id)
{
    unsigned index = (unsigned)(id >> REGION_ID_SHIFT & 0xffff) - 1;
    uint32_t generation = (uint32_t)(id >> 32), seen;
    struct region_slot *slot;

    if (index >= region->slot_count || !(generation & 1))
        return -EBADMSG;
    slot = &region->slots[index];
    /* Acquire: pairs with retire(). */
    if (__atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE) != generation)
        return -EOWNERDEAD;
    if (heald_plat_life_watch(&slot->life, &seen))
        return 0;
    int err = take_slot(region, slot);
    if (err)
        return err == -EBUSY ? 0 : err;
    /* Free, or just settled; a generation that is still the old one was left by nobody. */
    heald_plat_life_release(&slot->life);
    return __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE) == generation ? -EBADMSG
                                                                              : -EOWNERDEAD;
}

unsigned region_words(const struct region_wait *wait, struct heald_word ret_words[REGION_WORDS])
{
    const struct heald_region *region = wait->me->region;
    unsigned index = (unsigned)(wait->holder >> REGION_ID_SHIFT & 0xffff) - 1, count = 2;

    ret_words[0] = (struct heald_word){wait->word, wait->seen};
    ret_words[1] = (struct heald_word){&wait->me->slot->bell, wait->bell};
    if (wait->holder && index < region->slot_count) {
        struct heald_word *life = &ret_words[2];
        life->word = heald_plat_life_watch(&region->slots[index].life, &life->seen);
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
           region_is_gone(wait->me->region, region_id(word)) == -EOWNERDEAD;
}

bool region_is_over(const struct region_wait *wait)
{
    /* Acquire: what made the word change is seen with it. */
    return __atomic_load_n(wait->word, __ATOMIC_ACQUIRE) != wait->seen ||
           region_bell(wait->me) != wait->bell ||
           (wait->holder && region_is_gone(wait->me->region, wait->holder)) ||
           (wait->guard && left_by_the_dead(wait));
}

int region_wait(const struct region_wait *wait, int64_t deadline_ns)
{
    int64_t now = heald_plat_now(HEALD_CLOCK_MONOTONIC), recheck = now + REGION_RECHECK_NS;
    struct heald_word words[REGION_WORDS];

    if (now >= deadline_ns)
        return -ETIMEDOUT;
    unsigned count = region_words(wait, words);
    int err = heald_plat_words_wait(words, count, recheck < deadline_ns ? recheck : deadline_ns);
    return err == -ETIMEDOUT && deadline_ns <= recheck ? err : 0;
}

static struct heald_participant *occupy(struct heald_region *region, unsigned index)
{
    struct region_slot *slot = &region->slots[index];
    struct heald_participant *me = &region->participants[index];
    uint32_t generation = (__atomic_load_n(&slot->generation, __ATOMIC_RELAXED) + 1) | 1;

    slot->pid = getpid();
    slot->thread = heald_plat_thread_id();
    slot->start_time = heald_plat_start_time(getpid());
    /* Release: whoever sees the generation sees who it is. */
    __atomic_store_n(&slot->generation, generation, __ATOMIC_RELEASE);
    me->region = region;
    me->slot = slot;
    me->id = (uint64_t)generation << 32 | (uint64_t)(index + 1) << REGION_ID_SHIFT;
    return me;
}

int heald_attach(struct heald_region *region, struct heald_participant **ret_me)
{
    int last = -EUSERS;

    for (unsigned i = 0; i < region->slot_count; i++) {
        int err = take_slot(region, &region->slots[i]);
        if (!err) {
            *ret_me = occupy(region, i);
            return 0;
        }
        last = err == -EBADMSG ? err : last;
    }
    return last;
}

void heald_detach(struct heald_participant *me)
{
    struct region_slot *slot = me->slot;

    if (!me->id)
        return;
    /* While the lifeline is held nobody else gets this handle. */
    me->id = 0;
    retire(me->region, slot);
    heald_plat_life_release(&slot->life);
}

bool region_in_use(struct heald_region *region)
{
    for (unsigned i = 0; i < region->slot_count; i++)
        if (region->participants[i].id && !region_is_gone(region, region->participants[i].id))
            return true;
    return false;
}

void heald_region_stats(struct heald_region *region, struct heald_region_stats *ret_stats)
{
    const struct region_head *head = (const struct region_head *)(const void *)region->base;

    *ret_stats = (struct heald_region_stats){
        .most = region->slot_count, .deaths = __atomic_load_n(&head->deaths, __ATOMIC_RELAXED)};
    for (unsigned i = 0; i < region->slot_count; i++)
        ret_stats->participants +=
            __atomic_load_n(&region->slots[i].generation, __ATOMIC_RELAXED) & 1;
}
