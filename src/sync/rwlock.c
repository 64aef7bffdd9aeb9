/*
 * sync/rwlock.c: a lock for many readers or one writer. Any thread, as the participant it is.
 *
 * A reader is a cell (sync/cells.h); the writer is the word `writer` (sync/owner.h), with PENDING
 * while it waits for readers and does not have the lock yet. There is no lock inside: a participant
 * that is stopped, and has neither the lock nor a claim to it that others must respect, holds up no
 * other. A reader that is gone counts as none, and so does a writer that was PENDING. One that had
 * the lock stays in the word until another writer takes its place, which gets -EOWNERDEAD.
 *
 * Never a reader beside a writer: a reader acquires a cell and then reads `writer`; a writer
 * acquires `writer`, with PENDING, and then reads the cells. All four are sequentially consistent,
 * so one of the two sees the other: the reader releases its cell and waits for the writer, or the
 * writer sees the reader and waits for it: as PENDING, which keeps new readers away, if writers are
 * preferred, else with `writer` released. One that reads already may read once more beside a
 * PENDING writer, which sees its cell all the while. So that the writer need not read cells that
 * were never used, a reader sets a bit in `used` before it acquires one, which stays set; the
 * writer reads `used` before the cells: a bit that comes later is of a reader that will see the
 * writer.
 *
 * No wake is lost: one that waits for a writer sleeps on its word, as with a mutex. One that waits
 * for readers, or for a free cell, prepares (region/eventcount.h) and then reads the cells; one
 * that releases a cell notifies. Cells of a dead participant need no release: its death rings all
 * bells. A PENDING writer that gets the lock consumes no wake: OWNER_WAITERS stays.
 *
 * A reader and a writer that try at the same moment may see each other, and both be turned away:
 * each looks a few times, since the other goes at once.
 *
 * Model: test/model/rwlock.pml; its steps are named after the functions here.
 */
#include <heald/rwlock.h>

#include "region/eventcount.h"
#include "sync/cells.h"
#include "sync/lockdep.h"
#include "sync/owner.h"
#include "sync/wait_ops.h"

#include <errno.h>
#include <string.h>

enum { PENDING = OWNER_PENDING, INCONSISTENT = 4, GLANCES = 4 };

#define CORRUPT UINT32_MAX

int heald_rwlock_init_sized(struct heald_rwlock *lock, size_t size, unsigned flags)
{
    size_t readers = (size - HEALD_RWLOCK_SIZE(0)) / sizeof(uint64_t);

    if (flags & ~(unsigned)HEALD_RWLOCK_PREFER_WRITER || size < HEALD_RWLOCK_SIZE(1))
        return -EINVAL;
    if (readers > HEALD_RWLOCK_READERS_MAX)
        readers = HEALD_RWLOCK_READERS_MAX;
    memset(lock, 0, HEALD_RWLOCK_SIZE(readers));
    lock->flags = (uint16_t)flags;
    lock->size = (uint16_t)readers;
    lock->check = cells_check_of((uint32_t)readers);
    return 0;
}

int heald_rwlock_init(struct heald_rwlock *lock, unsigned flags)
{
    return heald_rwlock_init_sized(lock, sizeof *lock, flags);
}

/* How many cells there are, read once; CORRUPT: they would not lie in the region. */
static unsigned cells_in(const struct heald_rwlock *lock, const struct heald_participant *me)
{
    unsigned size = __atomic_load_n(&lock->size, __ATOMIC_RELAXED);

    uint32_t check = __atomic_load_n(&lock->check, __ATOMIC_RELAXED);

    if (!me->id || !cells_are_so_many(size, check, HEALD_RWLOCK_READERS_MAX))
        return CORRUPT;
    if (!size)
        size = HEALD_RWLOCK_READERS;
    return region_has(me->region, lock, HEALD_RWLOCK_SIZE(size)) ? size : CORRUPT;
}

static bool is_free(uint64_t writer)
{
    return !(uint32_t)writer;
}

/* Nobody else makes it mine, or not mine. */
static bool i_write(const struct heald_rwlock *lock, const struct heald_participant *me)
{
    uint64_t word = __atomic_load_n(&lock->writer, __ATOMIC_RELAXED);

    return me->id && region_id(word) == me->id && !(word & PENDING);
}

/* A cell, if there is no writer and none is about to be. A cell that was acquired in vain is
 * released itself, and not another of the caller's: that one is seen by a writer, and this may not
 * have been. 1: there is no cell. */
static int claim(struct heald_rwlock *lock, unsigned cells, const struct heald_participant *me,
                 bool thoroughly)
{
    uint64_t *cell = heald__cells_claim(lock->readers, cells, &lock->used, me, thoroughly);

    if (!cell)
        return 1;
    if (is_free(owner_load(&lock->writer)))
        return 0;
    heald__cells_return(cell);
    eventcount_notify(&lock->event);
    return -EAGAIN;
}

static int release_shared(struct heald_rwlock *lock, unsigned cells,
                          const struct heald_participant *me)
{
    if (!heald__cells_release(lock->readers, cells, me))
        return -EPERM;
    eventcount_notify(&lock->event);
    return 0;
}

/* Without a check of the writer. */
static bool read_at_once(struct heald_rwlock *lock, unsigned cells,
                         const struct heald_participant *me)
{
    return is_free(owner_load(&lock->writer)) && claim(lock, cells, me, false) == 0;
}

/* What a word that is not free means to a caller that wants the lock. 0: its writer lives; -EAGAIN:
 * read it again, it was left there by one that died before it had the lock; -EOWNERDEAD: while it
 * had it. */
static int ask_of_writer(struct heald_rwlock *lock, const struct heald_participant *me,
                         uint64_t word, bool tries)
{
    if ((uint32_t)word == OWNER_LOST)
        return -ENOTRECOVERABLE;
    int err = heald__cells_ask(me, region_id(word), tries);
    if (err != -EOWNERDEAD || !(word & PENDING))
        return err;
    owner_change(&lock->writer, &word, 0);
    return -EAGAIN;
}

/*
 * Beside a PENDING writer, for which the caller would wait while it waits for the caller: in the
 * cell that the caller has. In another, which the writer may have read already, the caller would
 * not be seen after it had released this one. -EBUSY: it has none.
 */
static int read_again(struct heald_rwlock *lock, unsigned cells, const struct heald_participant *me)
{
    uint64_t *mine = heald__cells_find(lock->readers, cells, me->id);

    return mine ? heald__cells_add(mine) : -EBUSY;
}

/* -EBUSY: *ret_writer has it, or is about to; or is free, and it is a cell that is lacking. */
static int attempt_to_read(struct heald_rwlock *lock, unsigned cells,
                           const struct heald_participant *me, uint64_t *ret_writer, bool tries)
{
    for (;;) {
        *ret_writer = owner_load(&lock->writer);
        if (is_free(*ret_writer)) {
            int lacking = claim(lock, cells, me, true);
            if (lacking != -EAGAIN)
                return lacking ? -EBUSY : 0;
            continue;
        }
        int err = ask_of_writer(lock, me, *ret_writer, tries);
        if (err == 0)
            return *ret_writer & PENDING ? read_again(lock, cells, me) : -EBUSY;
        if (err != -EAGAIN)
            return err;
    }
}

static void wait_for_writer(struct heald_rwlock *lock, uint64_t writer, struct region_wait *wait)
{
    wait->word = region_half(&lock->writer);
    wait->seen = (uint32_t)writer;
    wait->holder = region_id(writer);
    wait->several = false;
}

static int try_to_read(void *object, struct heald_participant *me, int64_t *memory,
                       struct region_wait *wait)
{
    struct heald_rwlock *lock = object;
    unsigned cells = cells_in(lock, me);
    uint64_t writer;

    (void)memory;
    if (cells == CORRUPT)
        return sync_refusal(me);
    if (read_at_once(lock, cells, me))
        return 0;
    *wait = (struct region_wait){.me = me, .word = &lock->event, .several = true};
    for (bool is_prepared = false;;) {
        wait->bell = region_bell(me);
        int err = attempt_to_read(lock, cells, me, &writer, false);
        if (err != -EBUSY)
            return err;
        if (!is_free(writer)) {
            if (!owner_arm(&lock->writer, &writer))
                continue;
            wait_for_writer(lock, writer, wait);
            return -EBUSY;
        }
        if (is_prepared)
            return -EBUSY;
        wait->seen = eventcount_prepare(&lock->event);
        is_prepared = true;
    }
}

/* The PENDING writer is the caller. 0: there are no readers, and the lock is the caller's. */
static uint64_t finish_pending(struct heald_rwlock *lock, unsigned cells,
                               const struct heald_participant *me, bool tries)
{
    uint64_t reader = heald__cells_any(lock->readers, cells, &lock->used, me, tries);

    /* Acquire: pairs with heald__cells_release(). */
    if (!reader)
        __atomic_fetch_and(&lock->writer, ~(uint64_t)PENDING, __ATOMIC_ACQUIRE);
    return reader;
}

/* The PENDING writer, which is the caller, lets the others go first. */
static void retreat(struct heald_rwlock *lock)
{
    owner_release(&lock->writer, __atomic_load_n(&lock->writer, __ATOMIC_RELAXED), 0, 0);
}

/* Makes the caller the PENDING writer: 0; -EBUSY: *ret_writer has it, or is about to; and what is
 * final: -EOWNERDEAD: the lock is the caller's. */
static int begin_pending(struct heald_rwlock *lock, const struct heald_participant *me,
                         uint64_t *ret_writer, bool tries)
{
    for (*ret_writer = owner_load(&lock->writer);; *ret_writer = owner_load(&lock->writer)) {
        int err = 0;
        if (is_free(*ret_writer)) {
            if (owner_change(&lock->writer, ret_writer, me->id | PENDING))
                return 0;
        } else if ((err = ask_of_writer(lock, me, *ret_writer, tries)) == 0) {
            return -EBUSY;
        } else if (err == -EOWNERDEAD) {
            /* It had shut out the readers. */
            if (owner_change(&lock->writer, ret_writer, me->id | INCONSISTENT))
                return err;
        } else if (err != -EAGAIN) {
            return err;
        }
    }
}

/* *memory: not 0 while the PENDING writer is this wait's. */
static int try_to_write(void *object, struct heald_participant *me, int64_t *memory,
                        struct region_wait *wait)
{
    struct heald_rwlock *lock = object;
    unsigned cells = cells_in(lock, me);
    uint64_t writer;
    int err = 0;

    if (cells == CORRUPT)
        return sync_refusal(me);
    *wait = (struct region_wait){.me = me, .word = &lock->event, .several = true};
    for (bool is_prepared = false;;) {
        wait->bell = region_bell(me);
        if (!*memory && (err = begin_pending(lock, me, &writer, false)) != 0) {
            if (err != -EBUSY)
                return err;
            if (!owner_arm(&lock->writer, &writer))
                continue;
            wait_for_writer(lock, writer, wait);
            return err;
        }
        *memory = 1;
        wait->holder = finish_pending(lock, cells, me, false);
        if (!wait->holder) {
            *memory = 0;
            return 0;
        }
        if (is_prepared)
            break;
        wait->seen = eventcount_prepare(&lock->event);
        is_prepared = true;
    }
    if (!(lock->flags & HEALD_RWLOCK_PREFER_WRITER)) {
        retreat(lock);
        *memory = 0;
    }
    return -EBUSY;
}

static int abandon_writing(void *object, struct heald_participant *me, int64_t *memory)
{
    (void)me;
    if (*memory)
        retreat(object);
    *memory = 0;
    return -EBUSY;
}

static void acquired(void *object, struct heald_participant *me, uint64_t site)
{
    region_note_taken(me, object, site, heald__region_stamp(me) | REGION_AT_LEAST);
    if (me->is_traced)
        heald__lockdep_acquired(me, object);
}

/* A reader does not get what a dead writer left. */
const struct sync_wait_ops heald__rdlock_wait_ops = {.try = try_to_read,
                                                     .kind = HEALD_OBJECT_RWLOCK,
                                                     .flags = HEALD_WAIT_TO_READ,
                                                     .acquired = acquired};
const struct sync_wait_ops heald__wrlock_wait_ops = {.try = try_to_write,
                                                     .abandon = abandon_writing,
                                                     .kind = HEALD_OBJECT_RWLOCK,
                                                     .flags = HEALD_WAIT_TO_WRITE,
                                                     .acquired = acquired,
                                                     .inherits = true};

/* What a thread that blocks would wait for itself for, indefinitely; an op of a loop only for
 * another op. 0: nothing. */
static int refuse_to_read(struct heald_rwlock *lock, unsigned cells,
                          const struct heald_participant *me)
{
    if (i_write(lock, me))
        return -EDEADLK;
    return heald__cells_are_all(lock->readers, cells, me->id) ? -EAGAIN : 0;
}

static int refuse_to_write(struct heald_rwlock *lock, unsigned cells,
                           const struct heald_participant *me)
{
    return i_write(lock, me) || heald__cells_find(lock->readers, cells, me->id) ? -EDEADLK : 0;
}

static int try_to_read_alone(void *object, struct heald_participant *me, int64_t *memory,
                             struct region_wait *wait)
{
    unsigned cells = cells_in(object, me);
    int err = cells == CORRUPT ? 0 : refuse_to_read(object, cells, me);

    return err ? err : try_to_read(object, me, memory, wait);
}

static int try_to_write_alone(void *object, struct heald_participant *me, int64_t *memory,
                              struct region_wait *wait)
{
    unsigned cells = cells_in(object, me);
    int err = cells == CORRUPT ? 0 : refuse_to_write(object, cells, me);

    return err ? err : try_to_write(object, me, memory, wait);
}

static const struct sync_wait_ops rdlock_alone = {.try = try_to_read_alone,
                                                  .kind = HEALD_OBJECT_RWLOCK,
                                                  .flags = HEALD_WAIT_TO_READ,
                                                  .acquired = acquired};
static const struct sync_wait_ops wrlock_alone = {.try = try_to_write_alone,
                                                  .abandon = abandon_writing,
                                                  .kind = HEALD_OBJECT_RWLOCK,
                                                  .flags = HEALD_WAIT_TO_WRITE,
                                                  .acquired = acquired,
                                                  .inherits = true};

/* The usual case: nobody has it, or for a reader nobody writes. */
static bool lock_at_once(struct heald_rwlock *lock, struct heald_participant *me, bool writes)
{
    unsigned cells = cells_in(lock, me);

    if (me->is_traced || cells == CORRUPT)
        return false;
    if (!writes)
        return read_at_once(lock, cells, me);
    uint64_t word = __atomic_load_n(&lock->writer, __ATOMIC_RELAXED);
    if (!is_free(word) || !owner_change(&lock->writer, &word, me->id | PENDING))
        return false;
    if (!finish_pending(lock, cells, me, true))
        return true;
    retreat(lock);
    return false;
}

static int lock_in_order(const struct sync_wait_ops *ops, struct heald_rwlock *lock,
                         struct heald_participant *me, int64_t deadline_ns, uint64_t site)
{
    if (lock_at_once(lock, me, ops == &wrlock_alone)) {
        region_note_taken(me, lock, site, 0);
        return 0;
    }
    if (me->is_traced)
        heald__lockdep_acquire(me, lock, site);
    me->site = site;
    return sync_acquired(ops, lock, me, site, heald__sync_block(ops, lock, me, deadline_ns));
}

int heald_rwlock_rdlock(struct heald_rwlock *lock, struct heald_participant *me,
                        int64_t deadline_ns)
{
    return lock_in_order(&rdlock_alone, lock, me, deadline_ns, SYNC_SITE);
}

int heald_rwlock_wrlock(struct heald_rwlock *lock, struct heald_participant *me,
                        int64_t deadline_ns)
{
    return lock_in_order(&wrlock_alone, lock, me, deadline_ns, SYNC_SITE);
}

int heald_rwlock_tryrdlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    unsigned cells = cells_in(lock, me), glances = GLANCES;
    uint64_t writer = 0;

    if (cells == CORRUPT)
        return sync_refusal(me);
    int err = refuse_to_read(lock, cells, me);
    while (!err && (err = attempt_to_read(lock, cells, me, &writer, true)) == -EBUSY &&
           writer & PENDING && --glances) {
        heald__plat_pause();
        err = 0;
    }
    return sync_acquired(&rdlock_alone, lock, me, SYNC_SITE, err);
}

int heald_rwlock_trywrlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    unsigned cells = cells_in(lock, me), glances = GLANCES;
    uint64_t writer;

    if (cells == CORRUPT)
        return sync_refusal(me);
    int err = refuse_to_write(lock, cells, me);
    if (!err)
        err = begin_pending(lock, me, &writer, true);
    if (err)
        return sync_acquired(&wrlock_alone, lock, me, SYNC_SITE, err);
    while (finish_pending(lock, cells, me, true)) {
        if (!--glances) {
            retreat(lock);
            return -EBUSY;
        }
        heald__plat_pause();
    }
    return sync_acquired(&wrlock_alone, lock, me, SYNC_SITE, 0);
}

static void release_exclusive(struct heald_rwlock *lock)
{
    /* Relaxed: it is the caller's. */
    uint64_t word = __atomic_load_n(&lock->writer, __ATOMIC_RELAXED);

    if (word & INCONSISTENT)
        heald__plat_word_set(region_half(&lock->writer), -1);
    else
        owner_release(&lock->writer, word, 0, 0);
}

int heald_rwlock_unlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    unsigned cells = cells_in(lock, me);

    if (cells == CORRUPT)
        return sync_refusal(me);
    if (me->is_traced)
        heald__lockdep_release(me, lock);
    if (!i_write(lock, me))
        return release_shared(lock, cells, me);
    release_exclusive(lock);
    return 0;
}

int heald_rwlock_consistent(struct heald_rwlock *lock, struct heald_participant *me)
{
    if (!me->id)
        return -ESTALE;
    if (!i_write(lock, me))
        return -EPERM;
    /* Relaxed: only the holder changes this flag. */
    if (!(__atomic_load_n(&lock->writer, __ATOMIC_RELAXED) & INCONSISTENT))
        return -EINVAL;
    __atomic_fetch_and(&lock->writer, ~(uint64_t)INCONSISTENT, __ATOMIC_RELAXED);
    return 0;
}
