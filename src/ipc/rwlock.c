/*
 * ipc/rwlock.c: a lock for many readers or one writer. Any thread, as the participant it is.
 *
 * A reader is a cell with its id (ipc/monitor.h), taken and given back without entering; the writer
 * is a word that changes inside the monitor alone. A reader that is gone is none. A writer that is
 * gone stays in `writer` until another takes its place, who is told. `next` is a hint, right or
 * wrong, that only makes readers wait for a writer that lives; it is taken back when the writer
 * gives up.
 *
 * Never a reader beside a writer: a reader takes a cell and then looks at `writer`; a writer sets
 * `writer`, with PENDING, and then looks at the cells. All four are sequentially consistent, so one
 * of the two sees the other: the reader gives its cell back and comes in by the monitor, or the
 * writer sees a reader and clears `writer` before it leaves the monitor, to wait. So PENDING is
 * seen by whoever enters only if its writer died inside, before it had the lock: it is cleared.
 *
 * No wake is lost: a reader that gives a cell back tells whoever has set `waiting` before he looked
 * at the cells, as with a semaphore (ipc/sem.c). Writers give back inside.
 *
 * Model: test/model/rwlock.pml; its steps are named after the functions here.
 */
#include <heald/rwlock.h>

#include "ipc/monitor.h"
#include "ipc/order.h"

#include <errno.h>

enum { INCONSISTENT = 1, PENDING = 2 };

int heald_rwlock_init(struct heald_rwlock *lock, unsigned flags)
{
    if (flags & ~(unsigned)HEALD_RWLOCK_PREFER_WRITER)
        return -EINVAL;
    *lock = (struct heald_rwlock){.flags = flags};
    return 0;
}

static uint64_t *find_reader(struct heald_rwlock *lock, uint64_t id)
{
    return monitor_find(lock->readers, HEALD_RWLOCK_READERS, id);
}

/* Forgets the readers that are gone. One of the others, or 0; *ret_several: there are more. */
static uint64_t some_reader(struct heald_rwlock *lock, const struct heald_participant *me,
                            bool *ret_several)
{
    uint64_t found = 0;

    *ret_several = false;
    for (unsigned i = 0; i < HEALD_RWLOCK_READERS; i++) {
        /* Seq_cst: pairs with monitor_claim(); see above. */
        uint64_t id = __atomic_load_n(&lock->readers[i], __ATOMIC_SEQ_CST);
        if (id && monitor_is_gone(me, id) == -EOWNERDEAD)
            monitor_swap(&lock->readers[i], id, 0);
        else if (id && found)
            *ret_several = true;
        else if (id)
            found = id;
    }
    return found;
}

static uint64_t writer_of(const struct heald_rwlock *lock)
{
    /* Seq_cst: pairs with set_writer(); see above. */
    return __atomic_load_n(&lock->writer, __ATOMIC_SEQ_CST);
}

static void set_writer(struct heald_rwlock *lock, uint64_t word)
{
    __atomic_store_n(&lock->writer, word, __ATOMIC_SEQ_CST);
}

/* Inside. What holds for readers and writers alike. -EBUSY: a writer that lives has it. */
static int admit(struct heald_rwlock *lock, const struct heald_participant *me)
{
    uint64_t writer = writer_of(lock);

    if (lock->lost)
        return -ENOTRECOVERABLE;
    if (writer & PENDING)
        set_writer(lock, 0);
    if (!writer || writer & PENDING)
        return 0;
    int err = monitor_is_gone(me, writer);
    return err ? err : -EBUSY;
}

static int give_back_reading(struct heald_rwlock *lock, struct heald_participant *me)
{
    if (!monitor_release(lock->readers, HEALD_RWLOCK_READERS, me))
        return -EPERM;
    return monitor_tell_if_waiting(&lock->monitor, me);
}

/*
 * Without entering: where nobody writes or is to be let go first. `lost` is looked at after
 * `writer`, of which it is stored before: between a first look and the cell a writer can have died
 * and another have given the lock up.
 */
static bool read_at_once(struct heald_rwlock *lock, struct heald_participant *me)
{
    if (writer_of(lock) || __atomic_load_n(&lock->next, __ATOMIC_RELAXED) ||
        !monitor_claim(lock->readers, HEALD_RWLOCK_READERS, me, false))
        return false;
    /* Relaxed: set_writer() released it, and it is for ever. */
    if (!writer_of(lock) && !__atomic_load_n(&lock->lost, __ATOMIC_RELAXED))
        return true;
    give_back_reading(lock, me);
    return false;
}

static int look_to_read(void *object, struct heald_participant *me, int64_t *memory,
                        struct region_wait *wait)
{
    struct heald_rwlock *lock = object;
    uint64_t holder;

    (void)memory;
    if (me->id && read_at_once(lock, me))
        return 0;
    int err = monitor_enter(&lock->monitor, me, wait);
    if (err)
        return err;
    holder = region_id(lock->writer);
    err = admit(lock, me);
    /* Who reads already would wait for a writer that waits for him. */
    if (!err && monitor_is_gone(me, lock->next) == 0 && !find_reader(lock, me->id)) {
        holder = lock->next;
        err = -EBUSY;
    }
    if (!err) {
        holder = 0;
        monitor_will_wait(&lock->monitor);
        if (!monitor_claim(lock->readers, HEALD_RWLOCK_READERS, me, true))
            err = -EBUSY;
    }
    if (err == -EBUSY)
        return monitor_leave_to_wait(&lock->monitor, me, holder, !holder, wait);
    monitor_leave(&lock->monitor, me);
    return err;
}

/* Has readers wait from now on, if that is wanted and no other writer does already. */
static void announce(struct heald_rwlock *lock, const struct heald_participant *me)
{
    if (lock->flags & HEALD_RWLOCK_PREFER_WRITER && monitor_is_gone(me, lock->next) == -EOWNERDEAD)
        __atomic_store_n(&lock->next, me->id, __ATOMIC_RELAXED);
}

static void renounce(struct heald_rwlock *lock, const struct heald_participant *me)
{
    if (lock->next == me->id)
        __atomic_store_n(&lock->next, 0, __ATOMIC_RELAXED);
}

/* Inside, with nobody writing: 0, or -EBUSY: there are readers. */
static int shut_out_readers(struct heald_rwlock *lock, const struct heald_participant *me,
                            uint64_t *ret_holder, bool *ret_several)
{
    monitor_will_wait(&lock->monitor);
    set_writer(lock, me->id | PENDING);
    *ret_holder = some_reader(lock, me, ret_several);
    set_writer(lock, *ret_holder ? 0 : me->id);
    return *ret_holder ? -EBUSY : 0;
}

static int look_to_write(void *object, struct heald_participant *me, int64_t *memory,
                         struct region_wait *wait)
{
    struct heald_rwlock *lock = object;
    bool several = false;
    int err = monitor_enter(&lock->monitor, me, wait);

    (void)memory;
    if (err)
        return err;
    err = admit(lock, me);
    uint64_t holder = err == -EBUSY ? region_id(lock->writer) : 0;
    if (!err)
        err = shut_out_readers(lock, me, &holder, &several);
    else if (err == -EOWNERDEAD) /* he had shut them out */
        set_writer(lock, me->id | INCONSISTENT);
    if (err == -EBUSY) {
        announce(lock, me);
        return monitor_leave_to_wait(&lock->monitor, me, holder, several, wait);
    }
    if (!err || err == -EOWNERDEAD)
        renounce(lock, me);
    monitor_leave(&lock->monitor, me);
    return err;
}

static int abandon_writing(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_rwlock *lock = object;

    (void)memory;
    if (monitor_enter_now(&lock->monitor, me))
        return -EBUSY;
    renounce(lock, me);
    monitor_leave_and_tell(&lock->monitor, me);
    return -EBUSY;
}

const struct ipc_form ipc_rdlock_form = {.look = look_to_read, .kind = HEALD_OBJECT_RWLOCK};
const struct ipc_form ipc_wrlock_form = {
    .look = look_to_write, .abandon = abandon_writing, .kind = HEALD_OBJECT_RWLOCK};

/* Then nobody else can give one back. */
static bool has_all_cells(const struct heald_rwlock *lock, const struct heald_participant *me)
{
    unsigned i = 0;

    /* Relaxed: nobody else makes it mine, or not mine. */
    while (me->id && i < HEALD_RWLOCK_READERS &&
           __atomic_load_n(&lock->readers[i], __ATOMIC_RELAXED) == me->id)
        i++;
    return i == HEALD_RWLOCK_READERS;
}

/* A thread that blocks would wait for itself for ever; an op of a loop only for another op. */
static int look_to_read_alone(void *object, struct heald_participant *me, int64_t *memory,
                              struct region_wait *wait)
{
    const struct heald_rwlock *lock = object;

    /* Relaxed: nobody else makes it mine, or not mine. */
    if (me->id && region_id(__atomic_load_n(&lock->writer, __ATOMIC_RELAXED)) == me->id)
        return -EDEADLK;
    if (has_all_cells(lock, me))
        return -EAGAIN;
    return look_to_read(object, me, memory, wait);
}

static int look_to_write_alone(void *object, struct heald_participant *me, int64_t *memory,
                               struct region_wait *wait)
{
    struct heald_rwlock *lock = object;

    if (me->id && (find_reader(lock, me->id) ||
                   region_id(__atomic_load_n(&lock->writer, __ATOMIC_RELAXED)) == me->id))
        return -EDEADLK;
    return look_to_write(object, me, memory, wait);
}

static const struct ipc_form rdlock_alone = {.look = look_to_read_alone,
                                             .kind = HEALD_OBJECT_RWLOCK};
static const struct ipc_form wrlock_alone = {
    .look = look_to_write_alone, .abandon = abandon_writing, .kind = HEALD_OBJECT_RWLOCK};

/* What came of an attempt: a reader does not get what a dead writer left. */
static int taken(const struct ipc_form *form, struct heald_rwlock *lock,
                 struct heald_participant *me, int err)
{
    if (me->is_traced && (err == 0 || (err == -EOWNERDEAD && form == &wrlock_alone)))
        ipc_order_took(me, lock);
    return err;
}

static int lock_in_order(const struct ipc_form *form, struct heald_rwlock *lock,
                         struct heald_participant *me, int64_t deadline_ns, uint64_t site)
{
    if (!me->is_traced && form == &rdlock_alone && me->id && read_at_once(lock, me))
        return 0;
    if (me->is_traced)
        ipc_order_wants(me, lock, site);
    return taken(form, lock, me, ipc_block(form, lock, me, deadline_ns));
}

int heald_rwlock_rdlock(struct heald_rwlock *lock, struct heald_participant *me,
                        int64_t deadline_ns)
{
    return lock_in_order(&rdlock_alone, lock, me, deadline_ns, IPC_SITE);
}

int heald_rwlock_wrlock(struct heald_rwlock *lock, struct heald_participant *me,
                        int64_t deadline_ns)
{
    return lock_in_order(&wrlock_alone, lock, me, deadline_ns, IPC_SITE);
}

int heald_rwlock_tryrdlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    return taken(&rdlock_alone, lock, me, ipc_try(&rdlock_alone, lock, me, -EBUSY));
}

int heald_rwlock_trywrlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    return taken(&wrlock_alone, lock, me, ipc_try(&wrlock_alone, lock, me, -EBUSY));
}

static int give_back_writing(struct heald_rwlock *lock, struct heald_participant *me)
{
    int err = monitor_enter_now(&lock->monitor, me);

    if (err)
        return err;
    if (lock->writer & INCONSISTENT)
        __atomic_store_n(&lock->lost, 1, __ATOMIC_RELAXED);
    set_writer(lock, 0);
    monitor_leave_and_tell(&lock->monitor, me);
    return 0;
}

int heald_rwlock_unlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    if (!me->id)
        return -ESTALE;
    if (me->is_traced)
        ipc_order_gave(me, lock);
    /* Relaxed: nobody else makes it mine. */
    bool writes = region_id(__atomic_load_n(&lock->writer, __ATOMIC_RELAXED)) == me->id;
    return writes ? give_back_writing(lock, me) : give_back_reading(lock, me);
}

int heald_rwlock_consistent(struct heald_rwlock *lock, struct heald_participant *me)
{
    int err = monitor_enter_now(&lock->monitor, me);

    if (err)
        return err;
    if (region_id(lock->writer) != me->id)
        err = -EPERM;
    else if (!(lock->writer & INCONSISTENT))
        err = -EINVAL;
    else
        set_writer(lock, me->id);
    monitor_leave(&lock->monitor, me);
    return err;
}
