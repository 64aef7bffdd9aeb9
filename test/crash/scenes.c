/* test/crash/scenes.c: who is killed, in which operation, and what must then hold. */
#include "crash/crash.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_NS (10 * HEALD_SEC)

static int64_t soon(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + LONG_NS;
}

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* With the mutex held: what guards it is in order, or is mended if the holder died. */
static bool mend(struct stage *st, int err)
{
    struct scene_data *d = st->data;

    if (err == -EOWNERDEAD) {
        d->a = d->b;
        d->mended++;
        return heald_mutex_consistent(&d->mutex, st->me) == 0;
    }
    return err == 0 && d->a == d->b;
}

static bool lock(struct stage *st)
{
    return mend(st, heald_mutex_lock(&st->data->mutex, st->me, soon()));
}

static void unlock(struct stage *st)
{
    must(heald_mutex_unlock(&st->data->mutex, st->me) == 0);
}

static void lock_or_die(struct stage *st)
{
    must(lock(st));
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

static bool section_works(struct stage *st)
{
    bool works = lock(st);

    if (works)
        unlock(st);
    return works;
}

static bool let_go_and_lock(struct stage *st)
{
    unlock(st);
    return section_works(st);
}

/* The condition variable. */

static void wait_for_turn(struct stage *st)
{
    lock_or_die(st);
    st->data->waiting++;
    while (!st->data->turn)
        must(mend(st, heald_cond_wait(&st->data->cond, &st->data->mutex, st->me, soon())));
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

/* A signal that was begun wakes the survivor without anybody's help; one that was not is given by
 * whoever comes after the dead, as any half-done change is mended. */
static bool signalled_or_again(struct stage *st)
{
    uint32_t begun = __atomic_load_n(&st->data->cond.sequence, __ATOMIC_ACQUIRE);

    if (begun && !crash_through(st))
        return false;
    change_and_signal(st);
    return section_works(st);
}

/* The holder dies while the victim and the survivor wait. */

static void let_one_hold(struct stage *st)
{
    if ((st->holder = fork()) == 0) {
        must(heald_attach(st->region, &st->me) == 0);
        lock_or_die(st);
        st->data->a++;
        __atomic_store_n(&st->data->turn, 1, __ATOMIC_RELEASE);
        for (;;)
            pause();
    }
    while (!__atomic_load_n(&st->data->turn, __ATOMIC_ACQUIRE))
        usleep(50);
}

static void kill_the_holder(struct stage *st)
{
    kill(st->holder, SIGKILL);
    waitpid(st->holder, NULL, 0);
    st->holder = 0;
}

/* Regions. */

static void attach_again(struct stage *st)
{
    struct heald_participant *second;

    must(heald_attach(st->region, &second) == 0);
    heald_detach(second);
}

static bool attach_works(struct stage *st)
{
    struct heald_participant *second;

    if (heald_attach(st->region, &second) < 0)
        return false;
    heald_detach(second);
    return section_works(st);
}

static char region_name[64];

static void name_region(struct stage *st)
{
    (void)st;
    if (!region_name[0]) {
        const char text[] = "/heald-crash-";
        unsigned pid = (unsigned)getpid(), n = 0;
        for (; text[n]; n++)
            region_name[n] = text[n];
        for (; pid; pid /= 10)
            region_name[n++] = (char)('0' + pid % 10);
    }
    heald_region_unlink(region_name);
}

static void make_region(struct stage *st)
{
    struct heald_region_options o = {.participants = 2, .size = 64};
    struct heald_region *r;

    (void)st;
    must(heald_region_open(&r, region_name, HEALD_REGION_CREATE, &o) == 0);
}

/* It is there whole, or not at all. */
static bool region_works(struct stage *st)
{
    struct heald_participant *me;
    struct heald_region *r;
    bool works;

    (void)st;
    if (heald_region_open(&r, region_name, HEALD_REGION_CREATE, NULL) != 0)
        return false;
    works = heald_attach(r, &me) == 0;
    if (works)
        heald_detach(me);
    return heald_region_close(r) == 0 && heald_region_unlink(region_name) == 0 && works;
}

const struct scene crash_scenes[] = {
    {"mutex: holder", false, nothing, nothing, section, NULL, NULL, section_works},
    {"mutex: holder, somebody waits", true, nothing, lock_or_die, unlock, NULL, section,
     section_works},
    {"mutex: waiter", false, lock_or_die, nothing, section, NULL, NULL, let_go_and_lock},
    {"mutex: woken waiter, somebody waits", true, lock_or_die, nothing, section, unlock, section,
     section_works},
    {"mutex: woken by a death, somebody waits", true, let_one_hold, nothing, section,
     kill_the_holder, section, section_works},
    {"cond: waiter", true, nothing, nothing, wait_for_turn, change_and_signal, wait_for_turn,
     signalled_or_again},
    {"cond: signaller without the mutex", true, nothing, nothing, change_then_signal, NULL,
     wait_for_turn, signalled_or_again},
    {"cond: signaller with the mutex", true, nothing, nothing, change_and_signal, NULL,
     wait_for_turn, signalled_or_again},
    {"region: attach and detach", false, nothing, nothing, attach_again, NULL, NULL, attach_works},
    {"region: make", false, name_region, nothing, make_region, NULL, NULL, region_works},
};

const unsigned crash_scene_count = sizeof crash_scenes / sizeof crash_scenes[0];
