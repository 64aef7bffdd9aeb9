/*
 * sync/sem.c: a semaphore. Any thread, as the participant it is.
 *
 * A permit is a cell (sync/cells.h): it is acquired by one compare-and-swap, from 0 or from a
 * participant that is gone, and released by one store. The value of a counting semaphore is a word
 * as well. There is no lock inside, so a participant that is stopped holds up no other, and a post
 * is safe in a signal handler.
 *
 * No wake is lost: a waiter prepares (region/eventcount.h) and then searches for a permit; a post
 * stores the permit and then notifies. A poster that is killed between the two is the holder whose
 * death the waiter watches, or one of several, or is not watched if the semaphore only counts: then
 * the next try finds the permit (REGION_RECHECK_NS); the same if it is stopped there.
 *
 * All waiters are woken, not one: one that has a wake for itself may be killed, or may be an op
 * that is cancelled, and its permit would lie there until the next try.
 *
 * Model: test/model/sem.pml; its steps are named after the functions here.
 */
#include <heald/sem.h>

#include "region/eventcount.h"
#include "sync/cells.h"
#include "sync/wait_ops.h"

#include <errno.h>
#include <string.h>

#define CORRUPT UINT32_MAX

static uint64_t *permits_of(struct heald_sem *sem)
{
    return (uint64_t *)(void *)(sem + 1);
}

/* How many there are, read once; CORRUPT: they would not lie in the region. */
static unsigned permits_in(const struct heald_sem *sem, const struct heald_participant *me)
{
    unsigned permits = __atomic_load_n(&sem->permits, __ATOMIC_RELAXED);
    uint32_t check = __atomic_load_n(&sem->check, __ATOMIC_RELAXED);

    return cells_are_so_many(permits, check, HEALD_SEM_PERMITS_MAX) && me->id &&
                   region_has(me->region, sem, HEALD_SEM_SIZE(permits))
               ? permits
               : CORRUPT;
}

int heald_sem_init(struct heald_sem *sem, unsigned permits)
{
    if (!permits || permits > HEALD_SEM_PERMITS_MAX)
        return -EINVAL;
    *sem = (struct heald_sem){.permits = permits, .check = cells_check_of(permits)};
    memset(permits_of(sem), 0, permits * sizeof(uint64_t));
    return 0;
}

int heald_sem_init_counting(struct heald_sem *sem, unsigned value)
{
    *sem = (struct heald_sem){.value = value};
    return 0;
}

/* Another participant that has one, or 0. */
static uint64_t another_holder(struct heald_sem *sem, unsigned permits,
                               const struct heald_participant *me)
{
    for (unsigned i = 0; i < permits; i++) {
        uint64_t id = __atomic_load_n(&permits_of(sem)[i], __ATOMIC_RELAXED);
        if (id && id != me->id)
            return id;
    }
    return 0;
}

static int take_counted(struct heald_sem *sem)
{
    /* Seq_cst: pairs with add(); see above. */
    uint32_t value = __atomic_load_n(&sem->value, __ATOMIC_SEQ_CST);

    while (value)
        if (__atomic_compare_exchange_n(&sem->value, &value, value - 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return 0;
    return -EBUSY;
}

/* 0: acquired; -EBUSY: there is none. thoroughly: also permits of dead participants. */
static int take(struct heald_sem *sem, unsigned permits, const struct heald_participant *me,
                bool thoroughly)
{
    if (!permits)
        return take_counted(sem);
    return heald__cells_claim(permits_of(sem), permits, NULL, me, thoroughly) ? 0 : -EBUSY;
}

static int try(void *object, struct heald_participant *me, int64_t *memory,
               struct region_wait *wait)
{
    struct heald_sem *sem = object;
    unsigned permits = permits_in(sem, me);

    (void)memory;
    if (permits == CORRUPT)
        return sync_refusal(me);
    if (take(sem, permits, me, false) == 0)
        return 0;
    *wait = (struct region_wait){.me = me,
                                 .word = &sem->event,
                                 .bell = region_bell(me),
                                 .seen = eventcount_prepare(&sem->event),
                                 .several = true};
    if (take(sem, permits, me, true) == 0)
        return 0;
    wait->holder = another_holder(sem, permits, me);
    return -EBUSY;
}

/* One that counts has no holders. */
static void note(struct heald_sem *sem, unsigned permits, struct heald_participant *me,
                 uint64_t site, int64_t since)
{
    if (permits)
        region_note_taken(me, sem, site, since);
}

static void acquired(void *object, struct heald_participant *me, uint64_t site)
{
    note(object, permits_in(object, me), me, site, heald__region_stamp(me) | REGION_AT_LEAST);
}

const struct sync_wait_ops heald__sem_wait_ops = {
    .try = try, .kind = HEALD_OBJECT_SEM, .acquired = acquired};

/* A thread that blocks would wait for itself indefinitely; an op of a loop only for another op. */
static int try_indefinitely(void *object, struct heald_participant *me, int64_t *memory,
                            struct region_wait *wait)
{
    unsigned permits = permits_in(object, me);

    if (permits && permits != CORRUPT && heald__cells_are_all(permits_of(object), permits, me->id))
        return -EDEADLK;
    return try(object, me, memory, wait);
}

static const struct sync_wait_ops sem_for_ever = {
    .try = try_indefinitely, .kind = HEALD_OBJECT_SEM, .acquired = acquired};

int heald_sem_wait(struct heald_sem *sem, struct heald_participant *me, int64_t deadline_ns)
{
    unsigned permits = permits_in(sem, me);

    if (permits != CORRUPT && take(sem, permits, me, false) == 0) {
        note(sem, permits, me, SYNC_SITE, 0);
        return 0;
    }
    const struct sync_wait_ops *ops =
        deadline_ns == HEALD_FOREVER ? &sem_for_ever : &heald__sem_wait_ops;
    me->site = SYNC_SITE;
    return sync_acquired(ops, sem, me, SYNC_SITE, heald__sync_block(ops, sem, me, deadline_ns));
}

int heald_sem_trywait(struct heald_sem *sem, struct heald_participant *me)
{
    unsigned permits = permits_in(sem, me);

    if (permits == CORRUPT)
        return sync_refusal(me);
    if (take(sem, permits, me, true))
        return -EAGAIN;
    acquired(sem, me, SYNC_SITE);
    return 0;
}

static int add(struct heald_sem *sem)
{
    uint32_t value = __atomic_load_n(&sem->value, __ATOMIC_RELAXED);

    do
        if (value == UINT32_MAX)
            return -EOVERFLOW;
    while (!__atomic_compare_exchange_n(&sem->value, &value, value + 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    return 0;
}

/* In a signal handler, too: what that interrupted reads errno afterwards. */
static void wake_those_who_wait(struct heald_sem *sem)
{
    int interrupted = errno;

    heald__plat_word_count(&sem->event);
    errno = interrupted;
}

int heald_sem_post(struct heald_sem *sem, struct heald_participant *me)
{
    unsigned permits = permits_in(sem, me);
    int err = 0;

    if (permits == CORRUPT)
        return sync_refusal(me);
    if (!permits)
        err = add(sem);
    else if (!heald__cells_release(permits_of(sem), permits, me))
        err = -EPERM;
    if (!err && eventcount_is_awaited(&sem->event))
        wake_those_who_wait(sem);
    return err;
}

int64_t heald_sem_value(struct heald_sem *sem, struct heald_participant *me)
{
    unsigned permits = permits_in(sem, me);
    int64_t value = 0;

    if (permits == CORRUPT)
        return sync_refusal(me);
    if (!permits)
        return __atomic_load_n(&sem->value, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < permits; i++)
        value += heald__cells_is_gone(me, __atomic_load_n(&permits_of(sem)[i], __ATOMIC_RELAXED)) ==
                 -EOWNERDEAD;
    return value;
}
