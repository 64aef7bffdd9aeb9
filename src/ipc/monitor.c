/*
 * ipc/monitor.c: see monitor.h. Any thread, as the participant it is.
 *
 * Model: test/model/monitor.pml; its steps are named after the functions here.
 */
#include "ipc/monitor.h"

#include <errno.h>

/* Nobody is inside when he enters, nobody enters twice, and no monitor is given up: a mutex that
 * says so is corrupt. Nobody else would give it back: so that is said, and not waited for. */
static int entered(struct heald_monitor *m, struct heald_participant *me, int err)
{
    switch (err) {
    case -EOWNERDEAD: return heald_mutex_consistent(&m->mutex, me);
    case -EBUSY:
        /* Relaxed: only the caller can have made it his own. */
        return region_id(__atomic_load_n(&m->mutex.word, __ATOMIC_RELAXED)) == me->id ? -EBADMSG
                                                                                      : err;
    case -EDEADLK:
    case -EAGAIN:
    case -ENOTRECOVERABLE: return -EBADMSG;
    default: return err;
    }
}

int monitor_enter(struct heald_monitor *m, struct heald_participant *me,
                  struct region_wait *ret_wait)
{
    uint32_t bell;

    if (!me->id)
        return -ESTALE;
    bell = region_bell(me);
    int err = entered(m, me, ipc_mutex_begin(&m->mutex, me, ret_wait));
    /* For monitor_leave_to_wait(): from before all that is looked at inside. */
    if (!err)
        ret_wait->bell = bell;
    return err;
}

int monitor_enter_now(struct heald_monitor *m, struct heald_participant *me)
{
    return entered(m, me, ipc_mutex_enter(&m->mutex, me));
}

void monitor_leave(struct heald_monitor *m, struct heald_participant *me)
{
    heald_mutex_unlock(&m->mutex, me);
}

void monitor_leave_and_tell(struct heald_monitor *m, struct heald_participant *me)
{
    /* Relaxed: changed inside only. */
    if (!__atomic_load_n(&m->waiting, __ATOMIC_RELAXED)) {
        monitor_leave(m, me);
        return;
    }
    /* Who is killed before the last step is found dead inside, and all are told to look. It leaves
     * and tells in one: who is woken can enter. Relaxed: the step releases it. */
    __atomic_fetch_add(&m->sequence, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&m->waiting, 0, __ATOMIC_RELAXED);
    ipc_mutex_unlock_and_wake(&m->mutex, &m->sequence);
}

int monitor_leave_to_wait(struct heald_monitor *m, struct heald_participant *me, uint64_t holder,
                          bool several, struct region_wait *ret_wait)
{
    monitor_will_wait(m);
    /* Relaxed: changed inside only. */
    *ret_wait = (struct region_wait){.me = me,
                                     .word = &m->sequence,
                                     .seen = __atomic_load_n(&m->sequence, __ATOMIC_RELAXED),
                                     .bell = ret_wait->bell,
                                     .holder = holder,
                                     .guard = &m->mutex.word,
                                     .several = several};
    monitor_leave(m, me);
    return -EBUSY;
}

int monitor_is_gone(const struct heald_participant *me, uint64_t id)
{
    return id ? region_is_gone(me->region, region_id(id)) : -EOWNERDEAD;
}

uint64_t *monitor_find(uint64_t words[], unsigned count, uint64_t id)
{
    for (unsigned i = 0; i < count; i++)
        /* Relaxed: from outside only one's own id is looked for, which nobody else writes. */
        if (__atomic_load_n(&words[i], __ATOMIC_RELAXED) == id)
            return &words[i];
    return NULL;
}

/* Where one begins to look: so that each finds his own cell at once, and no two the same. */
static unsigned first_of(const struct heald_participant *me, unsigned count)
{
    uint32_t slot = region_id_slot(me->id);

    /* Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4), scaled without dividing. */
    return (unsigned)((uint64_t)(slot * UINT32_C(2654435769)) * count >> 32);
}

bool monitor_swap(uint64_t *cell, uint64_t from, uint64_t to)
{
    /* Seq_cst: pairs with those who store something and then look at the cells. */
    return __atomic_compare_exchange_n(cell, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static uint64_t *claim_of_the_dead(uint64_t cells[], unsigned count,
                                   const struct heald_participant *me)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t id = __atomic_load_n(&cells[i], __ATOMIC_ACQUIRE);
        if (id && monitor_is_gone(me, id) == -EOWNERDEAD && monitor_swap(&cells[i], id, me->id))
            return &cells[i];
    }
    return NULL;
}

uint64_t *monitor_claim(uint64_t cells[], unsigned count, const struct heald_participant *me,
                        bool thoroughly)
{
    unsigned at = first_of(me, count);

    for (unsigned i = 0; i < count; i++, at = at + 1 < count ? at + 1 : 0)
        if (!__atomic_load_n(&cells[at], __ATOMIC_SEQ_CST) && monitor_swap(&cells[at], 0, me->id))
            return &cells[at];
    return thoroughly ? claim_of_the_dead(cells, count, me) : NULL;
}

bool monitor_release(uint64_t cells[], unsigned count, const struct heald_participant *me)
{
    unsigned at = first_of(me, count);

    for (unsigned i = 0; i < count; i++, at = at + 1 < count ? at + 1 : 0) {
        /* Relaxed: nobody else makes it the caller's. */
        if (__atomic_load_n(&cells[at], __ATOMIC_RELAXED) != me->id)
            continue;
        __atomic_store_n(&cells[at], 0, __ATOMIC_SEQ_CST);
        return true;
    }
    return false;
}

void monitor_will_wait(struct heald_monitor *m)
{
    /* Seq_cst: pairs with monitor_tell_if_waiting(). */
    __atomic_store_n(&m->waiting, 1, __ATOMIC_SEQ_CST);
}

int monitor_tell_if_waiting(struct heald_monitor *m, struct heald_participant *me)
{
    if (!__atomic_load_n(&m->waiting, __ATOMIC_SEQ_CST))
        return 0;
    int err = monitor_enter_now(m, me);
    if (!err)
        monitor_leave_and_tell(m, me);
    return err;
}

int ipc_give_up(const struct ipc_form *form, void *object, struct heald_participant *me,
                int64_t *memory, int result)
{
    int instead = form->abandon ? form->abandon(object, me, memory) : -EBUSY;
    return instead == -EBUSY ? result : instead;
}

int ipc_block(const struct ipc_form *form, void *object, struct heald_participant *me,
              int64_t deadline_ns)
{
    int64_t memory = 0;

    return ipc_block_and_tell(form, object, me, deadline_ns, &memory);
}

int ipc_block_and_tell(const struct ipc_form *form, void *object, struct heald_participant *me,
                       int64_t deadline_ns, int64_t *memory)
{
    unsigned flags = ipc_wait_flags(deadline_ns), place = 0;
    struct region_wait wait;
    int err, late = 0;

    while (!late && (err = form->look(object, me, memory, &wait)) == -EBUSY) {
        if (!place)
            place = region_line_up(me, object, form->kind, flags);
        late = region_wait(&wait, deadline_ns);
    }
    region_step_out(me, place);
    return late ? ipc_give_up(form, object, me, memory, late) : err;
}

int ipc_try(const struct ipc_form *form, void *object, struct heald_participant *me, int busy)
{
    int64_t memory = 0;
    struct region_wait wait;
    int err;

    /* Only the wait for the monitor itself has no guard. */
    while ((err = form->look(object, me, &memory, &wait)) == -EBUSY && !wait.guard)
        region_wait(&wait, HEALD_FOREVER);
    return err == -EBUSY ? ipc_give_up(form, object, me, &memory, busy) : err;
}
