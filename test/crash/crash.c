/*
 * test/crash/crash.c: the director. Plays each scene again and again; each time the victim is
 * stepped some instructions further (ptrace(2)) before it is killed.
 *
 * HEALD_CRASH_STRIDE=N steps N instructions further each time; 1 misses none. Without it each scene
 * is played through once, which shows how long it is, and then killed at places spread over that.
 *
 * The director and the victim share a processor, where one step costs two switches and no wake of
 * another processor.
 */
#include "crash/crash.h"

#include "harness/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 100, SCENE_SECONDS = 600, POLL_US = 20, TICK_US = 500 };

/* By default: so many kills in a scene, or fewer if that would be more steps. */
enum { KILLS = 24, STEPS = 18 * 1000, RESTLESS = 25 * 1000 };

#define SCENE_NS (3 * HEALD_SEC / 2)

struct tally {
    unsigned long plays, steps;
    int64_t slowest_ns;
};

static struct tally tally, *all; /* of a scene; of all, shared by the processes of the cases */
static cpu_set_t processors;     /* that there are; the director's is one of them */

static int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

/* Twice the room in a normal build: other tests run beside this one. */
static int64_t limit_ns(void)
{
    return LIMIT_MS * HEALD_MS * (getenv("HEALD_CRASH_STRIDE") ? 1 : 5) * harness_slow();
}

/* Does a process sleep in a system call? */
static bool is_asleep(pid_t pid)
{
    char path[32], text[256];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *p = strrchr(text, ')');
    return p && p[1] && p[2] == 'S';
}

/* Asleep now and a while later. */
static bool is_blocked(pid_t pid)
{
    if (!is_asleep(pid))
        return false;
    usleep(200);
    return is_asleep(pid);
}

static bool is_in_time(int64_t begin)
{
    int64_t took = now() - begin;

    if (took > tally.slowest_ns)
        tally.slowest_ns = took;
    return took <= limit_ns();
}

bool crash_through(struct stage *st)
{
    int64_t begin = now();

    while (!__atomic_load_n(&st->data->through, __ATOMIC_ACQUIRE)) {
        if (now() - begin > limit_ns())
            return false;
        usleep(POLL_US);
    }
    return is_in_time(begin);
}

/* In a child: as a process of its own, with its participant and its loop. */
static void begin_life(struct stage *st, bool anywhere)
{
    if (anywhere)
        sched_setaffinity(0, sizeof processors, &processors);
    if (heald_attach(st->region, &st->me) != 0 || crash_open_loop(st) != 0)
        _exit(1);
}

/* The survivor, once it waits for what the scene makes it wait for. */
static void start_survivor(const struct scene *scene, struct stage *st)
{
    st->survivor = fork();
    if (st->survivor == 0) {
        begin_life(st, true);
        __atomic_store_n(&st->data->ready, 1, __ATOMIC_RELEASE);
        scene->survive(st);
        __atomic_store_n(&st->data->through, 1, __ATOMIC_RELEASE);
        crash_close_loop(st);
        heald_detach(st->me);
        _exit(0);
    }
}

static void await_survivor_blocked(struct stage *st)
{
    int64_t end = now() + 5 * HEALD_SEC * harness_slow();

    while (!__atomic_load_n(&st->data->ready, __ATOMIC_ACQUIRE) || !is_blocked(st->survivor)) {
        ck_assert_int_lt(now(), end);
        usleep(POLL_US);
    }
}

/* Stands before the operation, stopped. */
static void start_victim(const struct scene *scene, struct stage *st)
{
    int status;

    st->victim = fork();
    if (st->victim == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        begin_life(st, false);
        scene->enter(st);
        raise(SIGSTOP);
        scene->act(st);
        raise(SIGSTOP);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(st->victim, &status, 0), st->victim);
    ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

enum step { STEP_DONE, STEP_END, STEP_BLOCKED };

static void on_tick(int signal)
{
    (void)signal;
}

/* While the victim is stepped: ends a wait for it now and then. */
static void tick(bool on)
{
    struct itimerval time = {0};

    time.it_interval.tv_usec = time.it_value.tv_usec = on ? TICK_US : 0;
    ck_assert_int_eq(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_tick}, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &time, NULL), 0);
}

/* One instruction. If it is a system call that blocks, the cue is given, once. */
static enum step step(const struct scene *scene, struct stage *st, bool *cued)
{
    int status;

    ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, st->victim, NULL, NULL), 0);
    while (waitpid(st->victim, &status, 0) < 0) {
        ck_assert_int_eq(errno, EINTR);
        if (!is_blocked(st->victim))
            continue;
        if (!scene->cue)
            return STEP_BLOCKED;
        if (!*cued)
            scene->cue(st);
        *cued = true;
    }
    ck_assert(WIFSTOPPED(status));
    ck_assert_msg(WSTOPSIG(status) != SIGABRT, "%s: the victim aborts", scene->name);
    return WSTOPSIG(status) == SIGSTOP ? STEP_END : STEP_DONE;
}

void crash_bury(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        while (waitpid(*pid, NULL, 0) < 0)
            ck_assert_int_eq(errno, EINTR);
    }
    *pid = 0;
}

/* Kills the victim after so many steps, or when the operation is through, or blocked for good. How
 * many it made. */
static unsigned long play(const struct scene *scene, struct stage *st, unsigned long steps)
{
    enum step how = STEP_DONE;
    unsigned long made = 0;
    bool cued = false, works;

    memset(st->data, 0, sizeof *st->data);
    scene->set(st);
    start_victim(scene, st);
    if (scene->flags & SCENE_SURVIVOR) {
        start_survivor(scene, st);
        await_survivor_blocked(st);
    }
    tick(true);
    for (; made < steps && how == STEP_DONE; made += how == STEP_DONE) {
        how = step(scene, st, &cued);
        /* Where a step takes very long, a wait ends before the next has begun. */
        if (made < RESTLESS || cued || how != STEP_DONE)
            continue;
        if (!scene->cue)
            how = STEP_BLOCKED;
        else
            scene->cue(st);
        cued = true;
    }
    tick(false);
    crash_bury(&st->victim);
    /* A cue that the victim did not live to need is the survivor's. */
    if (scene->cue && !cued)
        scene->cue(st);
    int64_t begin = now();
    works = scene->check(st) && (!(scene->flags & SCENE_SURVIVOR) || crash_through(st));
    works = works && is_in_time(begin);
    crash_bury(&st->survivor);
    crash_bury(&st->holder);
    tally.plays++;
    tally.steps += made;
    ck_assert_msg(works, "%s: nobody got on after a kill at instruction %lu", scene->name, made);
    return made;
}

static unsigned long stride_for(unsigned long length)
{
    unsigned long kills = length ? 2UL * STEPS / length : KILLS;

    if (kills > KILLS)
        kills = KILLS;
    return kills < length ? length / (kills ? kills : 1) : 1;
}

static void play_all(const struct scene *scene, struct stage *st)
{
    const char *stride_text = getenv("HEALD_CRASH_STRIDE");
    int64_t begin = now();
    unsigned long length = play(scene, st, ULONG_MAX), n = 0;
    unsigned long stride = stride_text ? strtoul(stride_text, NULL, 10) : stride_for(length);

    ck_assert_uint_gt(stride, 0);
    while (play(scene, st, n) == n) {
        /* On a slow machine fewer places, but to the end all the same. */
        if (!stride_text && now() - begin > SCENE_NS)
            stride *= 2;
        n += stride;
    }
    all->plays += tally.plays;
    all->steps += tally.steps;
    printf("     %s, %s: %lu kills within %lu instructions, slowest recovery %lld us (so far: %lu "
           "kills, %lu steps)\n",
           scene->name, st->waiter->name, tally.plays, length,
           (long long)(tally.slowest_ns / HEALD_US), all->plays, all->steps);
    fflush(stdout);
}

/* Is there such a loop here? */
static void try_the_waiter(const struct waiter *waiter)
{
    struct heald_region_options o = {.participants = 2, .size = sizeof(struct scene_data)};
    struct stage st = {.waiter = waiter};
    char name[64];
    int err;

    if (!waiter->backend)
        return;
    snprintf(name, sizeof name, "/heald-waiter-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&st.region, name, HEALD_REGION_CREATE, &o), 0);
    heald_region_unlink(name);
    ck_assert_int_eq(heald_attach(st.region, &st.me), 0);
    st.data = heald_region_data(st.region);
    err = crash_open_loop(&st);
    crash_close_loop(&st);
    heald_detach(st.me);
    ck_assert_int_eq(heald_region_close(st.region), 0);
    if (err)
        harness_skip("no loop on %s with the waiter %s: %s", waiter->backend, waiter->await,
                     strerror(-err));
}

static void stay_on_one_processor(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* The number of a case: that of a scene, and of a way to wait. */
static const struct scene *scene_of(int number)
{
    static const struct scene_list *const lists[] = {&crash_objects, &crash_memory, &crash_messages,
                                                     &crash_topics};
    unsigned i = (unsigned)number / WAITERS, list = 0;

    while (i >= lists[list]->count)
        i -= lists[list++]->count;
    return &lists[list]->scenes[i];
}

HEALD_CASE(killed_at_each_instruction)
{
    struct heald_region_options o = {
        .participants = 4, .size = sizeof(struct scene_data), .heap = 1, .names = 2};
    char name[64];
    struct stage st = {.waiter = &crash_waiters[_i % WAITERS]};

    try_the_waiter(st.waiter);
    stay_on_one_processor();
    snprintf(name, sizeof name, "/heald-stage-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&st.region, name, HEALD_REGION_CREATE, &o), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(st.region, &st.me), 0);
    st.data = heald_region_data(st.region);
    play_all(scene_of(_i), &st);
    heald_detach(st.me);
    ck_assert_int_eq(heald_region_close(st.region), 0);
}

int main(int argc, char **argv)
{
    harness_bind_now(argc, argv);
    Suite *suite = suite_create("crash");
    TCase *group = harness_group(suite, "crash");
    int scenes =
        (int)(crash_objects.count + crash_memory.count + crash_messages.count + crash_topics.count);

    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || sched_getaffinity(0, sizeof processors, &processors) != 0)
        return 1;
    harness_limit(group, SCENE_SECONDS);
    for (int i = 0; i < scenes * WAITERS; i++)
        if (i % WAITERS == 0 || scene_of(i)->flags & SCENE_LOOP)
            harness_add_range(group, killed_at_each_instruction, i, i + 1);
    return harness_run(suite);
}
