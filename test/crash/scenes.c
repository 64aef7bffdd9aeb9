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

/* The larger objects: one permit, so that it excludes as a mutex does. */

static void set_up(struct stage *st)
{
    must(heald_sem_init(&st->data->ticket.sem, 1) == 0);
    must(heald_rwlock_init(&st->data->lock, HEALD_RWLOCK_PREFER_WRITER) == 0);
    must(heald_barrier_init(&st->data->barrier, 2) == 0);
}

static void take_permit(struct stage *st)
{
    must(heald_sem_wait(&st->data->ticket.sem, st->me, soon()) == 0);
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
    int err = heald_rwlock_wrlock(&st->data->lock, st->me, soon());

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

    /* A writer died: somebody must write, and mend. */
    while ((err = heald_rwlock_rdlock(&st->data->lock, st->me, soon())) == -EOWNERDEAD)
        write_section(st);
    must(err == 0 && st->data->a == st->data->b);
    give_lock(st);
}

static void set_up_reading(struct stage *st)
{
    set_up(st);
    read_section(st);
    must(heald_rwlock_rdlock(&st->data->lock, st->me, soon()) == 0);
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
    heald_barrier_wait(&st->data->barrier, st->me, soon());
}

/* The victim was let through, or has broken it, or has not come and the director does. */
static bool barrier_works(struct stage *st)
{
    int64_t patience = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS;

    if (!crash_through(st) && heald_barrier_wait(&st->data->barrier, st->me, patience) < 0 &&
        !crash_through(st))
        return false;
    return heald_barrier_reset(&st->data->barrier, st->me) == 0;
}

static void do_once(struct stage *st)
{
    int err = heald_once_begin(&st->data->once, st->me, soon());

    if (err == 0)
        return;
    must(err == 1 || err == -EOWNERDEAD);
    st->data->a = 1;
    st->data->b = 1;
    must(heald_once_end(&st->data->once, st->me, 1) == 0);
}

static bool once_works(struct stage *st)
{
    do_once(st);
    return st->data->a == 1 && st->data->b == 1;
}

/* The heap and its names. Three blocks, so that one that is freed has neighbours. */

static void set_up_heap(struct stage *st)
{
    for (int i = 0; i < 3; i++)
        must(heald_alloc(st->me, 100, &st->data->where[i]) == 0);
}

static void use_heap(struct stage *st)
{
    must(heald_free(st->me, &st->data->where[1]) == 0);
    must(heald_free(st->me, &st->data->where[0]) == 0);
    must(heald_alloc(st->me, 60, &st->data->where[0]) == 0);
    must(heald_alloc(st->me, 300, &st->data->where[1]) == 0);
}

/* Nothing is lost: what is handed out is what the words refer to. */
static bool heap_works(struct stage *st)
{
    struct heald_heap_stats before, after;
    unsigned blocks = 0;

    if (heald_heap_stats(st->me, &before) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        blocks += st->data->where[i] != 0;
        if (heald_free(st->me, &st->data->where[i]) != 0)
            return false;
    }
    return before.blocks == blocks && heald_heap_stats(st->me, &after) == 0 && after.used == 0;
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

/* A heap grows but once: each play has a region of its own, full but for a little. */
static struct stage growing;

static void set_up_growing(struct stage *st)
{
    struct heald_region_options o = {.participants = 2, .size = 64, .heap = 1};
    struct heald_heap_stats stats;

    name_region(st);
    must(heald_region_open(&growing.region, region_name, HEALD_REGION_CREATE, &o) == 0);
    must(heald_region_unlink(region_name) == 0);
    must(heald_attach(growing.region, &growing.me) == 0);
    must(heald_heap_stats(growing.me, &stats) == 0);
    must(heald_alloc(growing.me, (size_t)stats.largest - 600, heald_region_data(growing.region)) ==
         0);
}

static void attach_growing(struct stage *st)
{
    (void)st;
    must(heald_attach(growing.region, &growing.me) == 0);
}

static void grow(struct stage *st)
{
    (void)st;
    must(heald_alloc(growing.me, 1000, (uint64_t *)heald_region_data(growing.region) + 1) == 0);
}

static bool growing_works(struct stage *st)
{
    uint64_t *where = heald_region_data(growing.region);
    struct heald_heap_stats stats;
    bool works = heald_free(growing.me, &where[1]) == 0;

    grow(st);
    works = works && heald_heap_stats(growing.me, &stats) == 0 && stats.blocks == 2;
    heald_detach(growing.me);
    return heald_region_close(growing.region) == 0 && works;
}

static const struct heald_object_options door = {.type = HEALD_OBJECT_MUTEX};

static void use_name(struct stage *st)
{
    void *object;

    must(heald_object_open(st->me, "door", &door, &object, NULL) == 0);
    must(heald_object_remove(st->me, "door") == 0);
}

static bool names_work(struct stage *st)
{
    int err = heald_object_remove(st->me, "door");

    if (err != 0 && err != -ENOENT)
        return false;
    use_name(st);
    return heap_works(st);
}

/* Fair: the victim and the survivor stand in line, in this order or the other. */

static void hold_fair(struct stage *st)
{
    must(heald_mutex_init(&st->data->mutex, HEALD_MUTEX_FAIR) == 0);
    lock_or_die(st);
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
    {"sem: holder", false, set_up, nothing, use_permit, NULL, NULL, permit_works},
    {"sem: holder, somebody waits", true, set_up, take_permit, give_permit, NULL, use_permit,
     permit_works},
    {"sem: woken waiter, somebody waits", true, set_up_taken, nothing, use_permit, give_permit,
     use_permit, permit_works},
    {"rwlock: writer", false, set_up, nothing, write_section, NULL, NULL, lock_works},
    {"rwlock: writer, a reader waits", true, set_up, hold_writing, give_lock, NULL, read_section,
     lock_works},
    {"rwlock: waiting writer, a writer waits", true, set_up_reading, nothing, write_section,
     give_lock, write_section, lock_works},
    {"rwlock: reader", false, set_up, nothing, read_section, NULL, NULL, lock_works},
    {"barrier: the last to come", true, set_up, nothing, come, NULL, come, barrier_works},
    {"once", false, set_up, nothing, do_once, NULL, NULL, once_works},
    {"fair: woken waiter, somebody waits", true, hold_fair, nothing, section, unlock, section,
     section_works},
    {"heap: free and allocate", false, set_up_heap, nothing, use_heap, NULL, NULL, heap_works},
    {"heap: grow", false, set_up_growing, attach_growing, grow, NULL, NULL, growing_works},
    {"name: make and remove", false, nothing, nothing, use_name, NULL, NULL, names_work},
    {"region: attach and detach", false, nothing, nothing, attach_again, NULL, NULL, attach_works},
    {"region: make", false, name_region, nothing, make_region, NULL, NULL, region_works},
};

const unsigned crash_scene_count = sizeof crash_scenes / sizeof crash_scenes[0];
