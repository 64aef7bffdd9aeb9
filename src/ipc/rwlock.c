/*
 * ipc/rwlock.c: a lock for many readers or one writer. Any thread, as the participant it is.
 *
 * A reader is a word with its id, and so is the writer: each is set and cleared by one store inside
 * the monitor. A reader that is gone is none. A writer that is gone stays in `writer` until another
 * takes its place, who is told. `next` is a hint, right or wrong, that only makes readers wait for
 * a writer that lives; it is taken back when the writer gives up.
 *
 * Model: test/model/rwlock.pml; its steps are named after the functions here.
 */
#include <heald/rwlock.h>

#include "ipc/monitor.h"
#include "ipc/order.h"

#include <errno.h>

enum { INCONSISTENT = 1 };

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
        uint64_t id = lock->readers[i];
        if (id && monitor_is_gone(me, id) == -EOWNERDEAD)
            lock->readers[i] = 0;
        else if (id && found)
            *ret_several = true;
        else if (id)
            found = id;
    }
    return found;
}

/* What holds for readers and writers alike. -EBUSY: a writer that lives has it. */
static int admit(const struct heald_rwlock *lock, const struct heald_participant *me)
{
    if (lock->lost)
        return -ENOTRECOVERABLE;
    if (!lock->writer)
        return 0;
    int err = monitor_is_gone(me, lock->writer);
    return err ? err : -EBUSY;
}

static int look_to_read(void *object, struct heald_participant *me, int64_t *memory,
                        struct region_wait *wait)
{
    struct heald_rwlock *lock = object;
    uint64_t holder, *place;
    int err = monitor_enter(&lock->monitor, me, wait);

    (void)memory;
    if (err)
        return err;
    holder = region_id(lock->writer);
    err = admit(lock, me);
    /* Who reads already would wait for a writer that waits for him. */
    if (!err && monitor_is_gone(me, lock->next) == 0 && !find_reader(lock, me->id)) {
        holder = lock->next;
        err = -EBUSY;
    }
    if (!err && (place = monitor_find_free(lock->readers, HEALD_RWLOCK_READERS, me)))
        *place = me->id;
    else if (!err)
        err = -EBUSY;
    if (err == -EBUSY)
        return monitor_leave_to_wait(&lock->monitor, me, holder, !holder, wait);
    monitor_leave(&lock->monitor, me);
    return err;
}

/* Has readers wait from now on, if that is wanted and no other writer does already. */
static void announce(struct heald_rwlock *lock, const struct heald_participant *me)
{
    if (lock->flags & HEALD_RWLOCK_PREFER_WRITER && monitor_is_gone(me, lock->next) == -EOWNERDEAD)
        lock->next = me->id;
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
    if (!err && (holder = some_reader(lock, me, &several)))
        err = -EBUSY;
    if (err == -EBUSY) {
        announce(lock, me);
        return monitor_leave_to_wait(&lock->monitor, me, holder, several, wait);
    }
    if (!err || err == -EOWNERDEAD) {
        lock->writer = me->id | (err ? INCONSISTENT : 0);
        if (lock->next == me->id)
            lock->next = 0;
    }
    monitor_leave(&lock->monitor, me);
    return err;
}

static int abandon_writing(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_rwlock *lock = object;

    (void)memory;
    if (monitor_enter_now(&lock->monitor, me))
        return -EBUSY;
    if (lock->next == me->id)
        lock->next = 0;
    monitor_leave_and_tell(&lock->monitor, me);
    return -EBUSY;
}

const struct ipc_form ipc_rdlock_form = {.look = look_to_read, .kind = HEALD_OBJECT_RWLOCK};
const struct ipc_form ipc_wrlock_form = {
    .look = look_to_write, .abandon = abandon_writing, .kind = HEALD_OBJECT_RWLOCK};

/* A thread that blocks would wait for itself for ever; an op of a loop only for another op. */
static int look_to_read_alone(void *object, struct heald_participant *me, int64_t *memory,
                              struct region_wait *wait)
{
    const struct heald_rwlock *lock = object;

    /* Relaxed: nobody else makes it mine, or not mine. */
    if (me->id && region_id(__atomic_load_n(&lock->writer, __ATOMIC_RELAXED)) == me->id)
        return -EDEADLK;
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

static int lock_in_order(const struct ipc_form *form, struct heald_rwlock *lock,
                         struct heald_participant *me, int64_t deadline_ns, uint64_t site)
{
    if (me->is_traced)
        ipc_order_wants(me, lock, site);
    int err = ipc_block(form, lock, me, deadline_ns);
    if (me->is_traced && (err == 0 || (err == -EOWNERDEAD && form == &wrlock_alone)))
        ipc_order_took(me, lock);
    return err;
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
    return ipc_try(&rdlock_alone, lock, me, -EBUSY);
}

int heald_rwlock_trywrlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    return ipc_try(&wrlock_alone, lock, me, -EBUSY);
}

int heald_rwlock_unlock(struct heald_rwlock *lock, struct heald_participant *me)
{
    int err = monitor_enter_now(&lock->monitor, me);
    uint64_t *reader;

    if (err)
        return err;
    if (region_id(lock->writer) == me->id) {
        if (lock->writer & INCONSISTENT)
            lock->lost = 1;
        lock->writer = 0;
    } else if ((reader = find_reader(lock, me->id))) {
        *reader = 0;
    } else {
        monitor_leave(&lock->monitor, me);
        return -EPERM;
    }
    if (me->is_traced)
        ipc_order_gave(me, lock);
    monitor_leave_and_tell(&lock->monitor, me);
    return 0;
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
        lock->writer = me->id;
    monitor_leave(&lock->monitor, me);
    return err;
}
