/*
 * test/crash/crash.c: the director. Plays each scene again and again; each time the victim is
 * stepped one instruction further (ptrace(2)) before it is killed.
 *
 * HEALD_CRASH_STRIDE=N steps N instructions further each time; 1 misses none.
 */
#include "crash/crash.h"

#include "check/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRIDE_DEFAULT = 23, LIMIT_MS = 100, SCENE_SECONDS = 600, POLL_US = 20 };

static struct {
    unsigned long plays, steps;
    int64_t slowest_ns;
} tally;

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

bool crash_through(struct stage *st)
{
    int64_t begin = now();

    while (!__atomic_load_n(&st->data->through, __ATOMIC_ACQUIRE)) {
        if (now() - begin > limit_ns())
            return false;
        usleep(POLL_US);
    }
    if (now() - begin > tally.slowest_ns)
        tally.slowest_ns = now() - begin;
    return true;
}

/* The survivor, once it waits for what the scene makes it wait for. */
static void start_survivor(const struct scene *scene, struct stage *st)
{
    st->survivor = fork();
    if (st->survivor == 0) {
        if (heald_attach(st->region, &st->me) != 0)
            _exit(1);
        scene->survive(st);
        __atomic_store_n(&st->data->through, 1, __ATOMIC_RELEASE);
        heald_detach(st->me);
        _exit(0);
    }
}

static void await_survivor_blocked(struct stage *st)
{
    int64_t end = now() + 5 * HEALD_SEC * harness_slow();

    while (!is_blocked(st->survivor))
        ck_assert_int_lt(now(), end);
}

/* Stands before the operation, stopped. */
static void start_victim(const struct scene *scene, struct stage *st)
{
    int status;

    st->victim = fork();
    if (st->victim == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        if (heald_attach(st->region, &st->me) != 0)
            _exit(1);
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

/* One instruction. If it is a system call that blocks, the cue is given, once. */
static enum step step(const struct scene *scene, struct stage *st, bool *cued)
{
    int status, looks = 0;

    ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, st->victim, NULL, NULL), 0);
    while (waitpid(st->victim, &status, WNOHANG) == 0) {
        if (++looks < 100 || !is_blocked(st->victim))
            continue;
        if (!scene->cue)
            return STEP_BLOCKED;
        if (!*cued)
            scene->cue(st);
        *cued = true;
    }
    ck_assert(WIFSTOPPED(status));
    return WSTOPSIG(status) == SIGSTOP ? STEP_END : STEP_DONE;
}

static void bury(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* Kills the victim after so many steps. False: the operation was through, or blocked for good. */
static bool play(const struct scene *scene, struct stage *st, unsigned long steps)
{
    enum step how = STEP_DONE;
    bool cued = false, works;

    memset(st->data, 0, sizeof *st->data);
    scene->set(st);
    start_victim(scene, st);
    if (scene->survivor) {
        start_survivor(scene, st);
        await_survivor_blocked(st);
    }
    for (unsigned long i = 0; i < steps && how == STEP_DONE; i++)
        how = step(scene, st, &cued);
    bury(st->victim);
    /* A cue that the victim did not live to need is the survivor's. */
    if (scene->cue && !cued)
        scene->cue(st);
    works = scene->check(st) && (!scene->survivor || crash_through(st));
    if (scene->survivor)
        bury(st->survivor);
    bury(st->holder);
    st->holder = 0;
    tally.plays++;
    tally.steps += steps;
    ck_assert_msg(works, "%s: nobody got on after a kill at instruction %lu", scene->name, steps);
    return how == STEP_DONE;
}

HEALD_CASE(killed_at_each_instruction)
{
    const char *stride_text = getenv("HEALD_CRASH_STRIDE");
    unsigned long stride = stride_text ? strtoul(stride_text, NULL, 10) : STRIDE_DEFAULT, n = 0;
    struct heald_region_options o = {
        .participants = 4, .size = sizeof(struct scene_data), .heap = 1, .names = 2};
    char name[64];
    const struct scene *scene = &crash_scenes[_i];
    struct stage st = {0};

    ck_assert_uint_gt(stride, 0);
    snprintf(name, sizeof name, "/heald-stage-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&st.region, name, HEALD_REGION_CREATE, &o), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(st.region, &st.me), 0);
    st.data = heald_region_data(st.region);
    while (play(scene, &st, n))
        n += stride;
    printf("     %s: %lu kills within %lu instructions, slowest recovery %lld us\n", scene->name,
           tally.plays, n, (long long)(tally.slowest_ns / HEALD_US));
    fflush(stdout);
    heald_detach(st.me);
    ck_assert_int_eq(heald_region_close(st.region), 0);
}

int main(void)
{
    Suite *suite = suite_create("crash");
    TCase *group = harness_group(suite, "crash");

    harness_limit(group, SCENE_SECONDS);
    harness_add_range(group, killed_at_each_instruction, 0, (int)crash_scene_count);
    return harness_run(suite);
}
