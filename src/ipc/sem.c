/*
 * ipc/sem.c: a semaphore. Any thread, as the participant it is.
 *
 * A permit is a word: 0, or the id of who has it. Taking and giving back are one store each, inside
 * the monitor; a permit whose holder is gone is free. What is read from the region is checked.
 *
 * Model: test/model/sem.pml; its steps are named after the functions here.
 */
#include <heald/sem.h>

#include "ipc/monitor.h"

#include <errno.h>
#include <string.h>

static uint64_t *permits_of(struct heald_sem *sem)
{
    return (uint64_t *)(void *)(sem + 1);
}

/* Do the permits lie in the region? */
static bool is_sound(const struct heald_sem *sem, const struct heald_participant *me)
{
    return sem->permits <= HEALD_SEM_PERMITS_MAX &&
           region_has(me->region, sem, HEALD_SEM_SIZE(sem->permits));
}

int heald_sem_init(struct heald_sem *sem, unsigned permits)
{
    if (!permits || permits > HEALD_SEM_PERMITS_MAX)
        return -EINVAL;
    *sem = (struct heald_sem){.permits = permits};
    memset(permits_of(sem), 0, permits * sizeof(uint64_t));
    return 0;
}

int heald_sem_init_counting(struct heald_sem *sem, unsigned value)
{
    *sem = (struct heald_sem){.value = value};
    return 0;
}

/* Somebody else who has one, or 0. */
static uint64_t another_holder(struct heald_sem *sem, const struct heald_participant *me)
{
    for (unsigned i = 0; i < sem->permits; i++)
        if (permits_of(sem)[i] != me->id)
            return permits_of(sem)[i];
    return 0;
}

/* Inside. 0: taken; -EBUSY: there is none. */
static int take(struct heald_sem *sem, const struct heald_participant *me)
{
    if (!is_sound(sem, me))
        return -EBADMSG;
    if (!sem->permits) {
        if (!sem->value)
            return -EBUSY;
        sem->value--;
        return 0;
    }
    uint64_t *permit = monitor_find_free(permits_of(sem), sem->permits, me);
    if (!permit)
        return -EBUSY;
    *permit = me->id;
    return 0;
}

static int look(void *object, struct heald_participant *me, int64_t *memory,
                struct region_wait *wait)
{
    struct heald_sem *sem = object;
    int err = monitor_enter(&sem->monitor, me, wait);

    (void)memory;
    if (err)
        return err;
    err = take(sem, me);
    if (err == -EBUSY)
        return monitor_leave_to_wait(&sem->monitor, me, another_holder(sem, me), sem->permits > 1,
                                     wait);
    monitor_leave(&sem->monitor, me);
    return err;
}

const struct ipc_form ipc_sem_form = {.look = look, .kind = HEALD_OBJECT_SEM};

int heald_sem_wait(struct heald_sem *sem, struct heald_participant *me, int64_t deadline_ns)
{
    return ipc_block(&ipc_sem_form, sem, me, deadline_ns);
}

int heald_sem_trywait(struct heald_sem *sem, struct heald_participant *me)
{
    return ipc_try(&ipc_sem_form, sem, me, -EAGAIN);
}

static int give_back(struct heald_sem *sem, struct heald_participant *me)
{
    uint64_t *permit = monitor_find(permits_of(sem), sem->permits, me->id);

    if (!permit)
        return -EPERM;
    *permit = 0;
    return 0;
}

int heald_sem_post(struct heald_sem *sem, struct heald_participant *me)
{
    int err = monitor_enter_now(&sem->monitor, me);

    if (err)
        return err;
    if (!is_sound(sem, me))
        err = -EBADMSG;
    else if (sem->permits)
        err = give_back(sem, me);
    else if (sem->value == UINT32_MAX)
        err = -EOVERFLOW;
    else
        sem->value++;
    if (err)
        monitor_leave(&sem->monitor, me);
    else
        monitor_leave_and_tell(&sem->monitor, me);
    return err;
}

int64_t heald_sem_value(struct heald_sem *sem, struct heald_participant *me)
{
    int64_t value = monitor_enter_now(&sem->monitor, me);

    if (value)
        return value;
    if (!is_sound(sem, me))
        value = -EBADMSG;
    else if (!sem->permits)
        value = sem->value;
    for (unsigned i = 0; value >= 0 && i < sem->permits; i++)
        value += monitor_is_gone(me, permits_of(sem)[i]) == -EOWNERDEAD;
    monitor_leave(&sem->monitor, me);
    return value;
}
