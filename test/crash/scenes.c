/* test/crash/scenes.c: which process is killed, in which operation on an object, and what must then
 * hold. A wait is one of take.c's, so that it is played in each way. */
#include "crash/take.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static void lock_or_die(struct stage *st)
{
    must(scene_lock(st));
}

static void unlock(struct stage *st)
{
    must(heald_mutex_unlock(&st->data->mutex, st->me) == 0);
}

static void nothing(struct stage *st)
{
    (void)st;
}

static void section(struct stage *st)
{
    lock_or_die(st);
    st->data->a++;
    st->data->b++;
    unlock(st);
}

static bool let_go_and_lock(struct stage *st)
{
    unlock(st);
    return scene_section_works(st);
}

/* The condition variable. */

static void wait_for_turn(struct stage *st)
{
    lock_or_die(st);
    st->data->waiting++;
    while (!st->data->turn)
        must(scene_mend(st, take_signal(st)));
    unlock(st);
}

static void change_then_signal(struct stage *st)
{
    lock_or_die(st);
    st->data->turn = 1;
    unlock(st);
    heald_cond_signal(&st->data->cond);
}

static void change_and_signal(struct stage *st)
{
    lock_or_die(st);
    st->data->turn = 1;
    heald_cond_signal(&st->data->cond);
    unlock(st);
}

static void change_and_signal_unlock(struct stage *st)
{
    lock_or_die(st);
    st->data->turn = 1;
    must(heald_cond_signal_unlock(&st->data->cond, &st->data->mutex, st->me) == 0);
}

/* A signal that was begun wakes the survivor without help; one that was not is given by the process
 * that comes after the dead one, as any half-done change is repaired. */
static bool signalled_or_again(struct stage *st)
{
    uint32_t begun = __atomic_load_n(&st->data->cond.sequence, __ATOMIC_ACQUIRE);

    if (begun && !crash_through(st))
        return false;
    change_and_signal(st);
    return scene_section_works(st);
}

/* The holder dies while the victim and the survivor wait, or before. */

static void let_hold(struct stage *st, void (*take)(struct stage *))
{
    if ((st->holder = fork()) == 0) {
        must(heald_attach(st->region, &st->me) == 0);
        take(st);
        st->data->a++;
        __atomic_store_n(&st->data->turn, 1, __ATOMIC_RELEASE);
        for (;;)
            pause();
    }
    while (!__atomic_load_n(&st->data->turn, __ATOMIC_ACQUIRE))
        usleep(50);
}

static void let_one_hold(struct stage *st)
{
    let_hold(st, lock_or_die);
}

static void kill_the_holder(struct stage *st)
{
    crash_bury(&st->holder);
}

/* The victim, which is attached already: so that death is not recorded when it begins. */
static bool is_one_gone(struct stage *st)
{
    struct heald_participant_info info = {0};

    for (unsigned cursor = 0; !info.is_gone;)
        if (!heald_participant_next(st->region, &cursor, &info))
            return false;
    return true;
}

/* The portable platform cannot find it: there the process is given the time. */
static void see_the_holder_die(struct stage *st)
{
    must(kill(st->holder, SIGKILL) == 0);
    for (int i = 0; i < 200 && !is_one_gone(st); i++)
        usleep(100);
}

/* The larger objects: one permit, so that it excludes as a mutex does. */

static void set_up(struct stage *st)
{
    must(heald_sem_init(&st->data->ticket.sem, 1) == 0);
    must(heald_rwlock_init(&st->data->lock, HEALD_RWLOCK_PREFER_WRITER) == 0);
    must(heald_barrier_init(&st->data->barrier, 2) == 0);
}

static void take_permit(struct stage *st)
{
    must(take_ticket(st) == 0);
}

static void give_permit(struct stage *st)
{
    must(heald_sem_post(&st->data->ticket.sem, st->me) == 0);
}

static void use_permit(struct stage *st)
{
    take_permit(st);
    give_permit(st);
}

static void let_one_have_the_permit(struct stage *st)
{
    set_up(st);
    let_hold(st, take_permit);
}

static void set_up_taken(struct stage *st)
{
    set_up(st);
    take_permit(st);
}

static bool permit_works(struct stage *st)
{
    use_permit(st);
    return heald_sem_value(&st->data->ticket.sem, st->me) == 1;
}

static int write_lock(struct stage *st)
{
    int err = take_writing(st);

    if (err == -EOWNERDEAD) {
        st->data->a = st->data->b;
        err = heald_rwlock_consistent(&st->data->lock, st->me);
    }
    must(err == 0 && st->data->a == st->data->b);
    return err;
}

static void give_lock(struct stage *st)
{
    must(heald_rwlock_unlock(&st->data->lock, st->me) == 0);
}

static void write_section(struct stage *st)
{
    write_lock(st);
    st->data->a++;
    st->data->b++;
    give_lock(st);
}

static void read_section(struct stage *st)
{
    int err;

    /* A writer died: another must write, and repair. */
    while ((err = take_reading(st)) == -EOWNERDEAD)
        write_section(st);
    must(err == 0 && st->data->a == st->data->b);
    give_lock(st);
}

static void set_up_reading(struct stage *st)
{
    set_up(st);
    read_section(st);
    must(take_reading(st) == 0);
}

static void hold_writing(struct stage *st)
{
    write_lock(st);
}

static bool lock_works(struct stage *st)
{
    write_section(st);
    read_section(st);
    return true;
}

static void come(struct stage *st)
{
    take_barrier(st);
}

/* Both are there, or were. */
static bool have_come(const struct heald_barrier *b)
{
    /* See sync/barrier_state.h: how many have come, and which round it is. */
    uint64_t state = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);

    return (state >> 32 & 0xfff) > 1 || (uint32_t)state;
}

/* The victim has come, and the survivor was let through or sees it broken without anybody's help;
 * or the victim has not, and the director does. */
static bool barrier_works(struct stage *st)
{
    if (!have_come(&st->data->barrier) && take_barrier(st) < 0)
        return false;
    return crash_through(st) && heald_barrier_reset(&st->data->barrier, st->me,
                                                    heald_barrier_round(&st->data->barrier)) == 0;
}

static void do_once(struct stage *st)
{
    int err = take_once(st);

    if (err == 0)
        return;
    must(err == 1 || err == -EOWNERDEAD);
    st->data->a = 1;
    st->data->b = 1;
    must(heald_once_end(&st->data->once, st->me, 1) == 0);
}

static void begin_once(struct stage *st)
{
    must(take_once(st) == 1);
}

/* It was not done: another may. */
static void leave_undone(struct stage *st)
{
    must(heald_once_end(&st->data->once, st->me, 0) == 0);
}

static bool once_works(struct stage *st)
{
    do_once(st);
    return st->data->a == 1 && st->data->b == 1;
}

/* Fair: the victim and the survivor stand in line, in this order or the other. */

static void hold_fair(struct stage *st)
{
    must(heald_mutex_init(&st->data->mutex, HEALD_MUTEX_FAIR) == 0);
    lock_or_die(st);
}

enum { NONE, SEEN = SCENE_SURVIVOR, LOOP = SCENE_LOOP, BOTH = SEEN | LOOP };

static const struct scene scenes[] = {
    {"mutex: holder", NONE, nothing, nothing, section, NULL, NULL, scene_section_works},
    {"mutex: holder, somebody waits", BOTH, nothing, lock_or_die, unlock, NULL, section,
     scene_section_works},
    {"mutex: waiter", LOOP, lock_or_die, nothing, section, NULL, NULL, let_go_and_lock},
    {"mutex: woken waiter, somebody waits", BOTH, lock_or_die, nothing, section, unlock, section,
     scene_section_works},
    {"mutex: woken by a death, somebody waits", BOTH, let_one_hold, nothing, section,
     kill_the_holder, section, scene_section_works},
    {"mutex: sweeper", LOOP, let_one_hold, see_the_holder_die, section, NULL, NULL,
     scene_section_works},
    {"cond: waiter", BOTH, nothing, nothing, wait_for_turn, change_and_signal, wait_for_turn,
     signalled_or_again},
    {"cond: signaller without the mutex", BOTH, nothing, nothing, change_then_signal, NULL,
     wait_for_turn, signalled_or_again},
    {"cond: signaller with the mutex", BOTH, nothing, nothing, change_and_signal, NULL,
     wait_for_turn, signalled_or_again},
    {"cond: signaller that unlocks", BOTH, nothing, nothing, change_and_signal_unlock, NULL,
     wait_for_turn, signalled_or_again},
    {"sem: holder", NONE, set_up, nothing, use_permit, NULL, NULL, permit_works},
    {"sem: holder, somebody waits", BOTH, set_up, take_permit, give_permit, NULL, use_permit,
     permit_works},
    {"sem: woken waiter, somebody waits", BOTH, set_up_taken, nothing, use_permit, give_permit,
     use_permit, permit_works},
    {"sem: woken by a death, somebody waits", BOTH, let_one_have_the_permit, nothing, use_permit,
     kill_the_holder, use_permit, permit_works},
    {"sem: sweeper", LOOP, let_one_have_the_permit, see_the_holder_die, use_permit, NULL, NULL,
     permit_works},
    {"rwlock: writer", NONE, set_up, nothing, write_section, NULL, NULL, lock_works},
    {"rwlock: writer, a reader waits", BOTH, set_up, hold_writing, give_lock, NULL, read_section,
     lock_works},
    {"rwlock: waiting writer, a writer waits", BOTH, set_up_reading, nothing, write_section,
     give_lock, write_section, lock_works},
    {"rwlock: reader", NONE, set_up, nothing, read_section, NULL, NULL, lock_works},
    {"barrier: the last to come", BOTH, set_up, nothing, come, NULL, come, barrier_works},
    {"once", NONE, set_up, nothing, do_once, NULL, NULL, once_works},
    {"once: woken waiter, somebody waits", BOTH, begin_once, nothing, do_once, leave_undone,
     do_once, once_works},
    {"fair: woken waiter, somebody waits", BOTH, hold_fair, nothing, section, unlock, section,
     scene_section_works},
};

const struct scene_list crash_objects = {scenes, sizeof scenes / sizeof scenes[0]};
