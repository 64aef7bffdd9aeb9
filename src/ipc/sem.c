/*
 * ipc/sem.c: a semaphore. Any thread, as the participant it is.
 *
 * A permit is a word: 0, or the id of who has it. Taking and giving back are one store each, inside
 * the monitor; a permit whose holder is gone is free. What is read from the region is checked.
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
    const char *end = me->region->base + me->region->size;

    return sem->permits <= HEALD_SEM_PERMITS_MAX &&
           (size_t)(end - (const char *)(sem + 1)) / sizeof(uint64_t) >= sem->permits;
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

/* A permit that is free; else NULL, and *ret_holder has one of them. */
static uint64_t *find_free(struct heald_sem *sem, struct heald_participant *me,
                           uint64_t *ret_holder)
{
    uint64_t *permits = permits_of(sem);

    for (unsigned i = 0; i < sem->permits; i++)
        if (!permits[i])
            return &permits[i];
    for (unsigned i = 0; i < sem->permits; i++) {
        if (monitor_is_gone(me, permits[i]) == -EOWNERDEAD)
            return &permits[i];
        if (permits[i] != me->id)
            *ret_holder = permits[i];
    }
    return NULL;
}

static int look(void *object, struct heald_participant *me, int64_t *memory,
                struct region_wait *wait)
{
    struct heald_sem *sem = object;
    uint64_t holder = 0;
    int err = monitor_enter(&sem->monitor, me, wait);

    (void)memory;
    if (err)
        return err;
    if (sem->permits) {
        uint64_t *permit = is_sound(sem, me) ? find_free(sem, me, &holder) : NULL;
        if (permit)
            *permit = me->id;
        else if (is_sound(sem, me))
            return monitor_leave_to_wait(&sem->monitor, me, holder, sem->permits > 1, wait);
        err = permit ? 0 : -EBADMSG;
    } else if (sem->value) {
        sem->value--;
    } else {
        return monitor_leave_to_wait(&sem->monitor, me, 0, false, wait);
    }
    monitor_leave(&sem->monitor, me);
    return err;
}

const struct ipc_form ipc_sem_form = {.look = look};

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
    uint64_t *permits = permits_of(sem);

    for (unsigned i = 0; i < sem->permits; i++)
        if (permits[i] == me->id) {
            permits[i] = 0;
            return 0;
        }
    return -EPERM;
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
