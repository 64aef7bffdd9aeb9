/*
 * test/fault/faults.c: each scene on each back end with each engine, with every call failing once,
 * in every way that it can: the first call of a kind, the second, … until the scene ends before it
 * comes to that. Allocations likewise.
 *
 * Afterwards: nobody crashed or hangs, every op that was taken ended exactly once, no descriptor
 * and no byte is left, and the loop closes. An interruption changes nothing at all.
 *
 * HEALD_CASE=streams_epoll_sync picks one row; HEALD_FAULT="recv_now EINTR 3" one fault in it.
 * HEALD_FAULT_STRIDE=3, as under a sanitizer, lets the first call fail, the fourth, …
 */
#include "fault/scene.h"

#include "harness/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    NTH_MAX = 64, /* of one call in one scene */
    STRIDE_SLOW = 3,
    GRACE_MS = 10, /* for what goes on after a failure; then all is cancelled */
    HANG_MS = 4000,
    HARD_SECONDS = 40,
    DESCRIPTORS = 96 /* looked at for leaks */
};

static const struct scene_kind *const scenes[] = {
    &scene_streams, &scene_pipes,   &scene_net,   &scene_files, &scene_timers,
    &scene_signals, &scene_child,   &scene_posts, &scene_guest, &scene_crowd,
    &scene_work,    &scene_lookups, &scene_calls, &scene_paths, &scene_locks,
    &scene_piped,   &scene_queue,   &scene_fifo,  &scene_sysv};
static const char *const backends[] = {"poll", "select", "epoll", "kqueue", "uring"};
static const char *const engines[] = {"sync", "threads", "uring"};

enum {
    SCENES = sizeof scenes / sizeof *scenes,
    BACKENDS = sizeof backends / sizeof *backends,
    ENGINES = sizeof engines / sizeof *engines
};

static const struct {
    const char *name;
    int err;
} errors[] = {{"EINTR", EINTR},     {"EAGAIN", EAGAIN}, {"EBUSY", EBUSY},
              {"ENOMEM", ENOMEM},   {"EIO", EIO},       {"EMFILE", EMFILE},
              {"ENOBUFS", ENOBUFS}, {"EINVAL", EINVAL}, {NULL, 0}};

/* What runs now, for the report of its failure. */
static struct {
    const char *scene, *backend, *engine, *error;
    enum fault_call call;
    unsigned nth;
    bool set;
    char text[160];
} trial;

static void describe(void)
{
    snprintf(trial.text, sizeof trial.text, "%s on %s with %s, %s %s %u", trial.scene,
             trial.backend, trial.engine, trial.set ? fault_name(trial.call) : "no fault",
             trial.set ? trial.error : "", trial.nth);
}

static void on_crash(int signo)
{
    ssize_t n = write(STDERR_FILENO, trial.text, strlen(trial.text));

    if (signo == SIGALRM)
        n = write(STDERR_FILENO, ": hangs\n", 8);
    else
        n = write(STDERR_FILENO, ": crashed\n", 10);
    (void)n;
    signal(signo == SIGALRM ? SIGABRT : signo, SIG_DFL);
    raise(signo == SIGALRM ? SIGABRT : signo);
}

static unsigned descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < DESCRIPTORS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

struct entry *scene_op(struct scene *s, void (*then)(struct entry *e))
{
    ck_assert_uint_lt(s->count, SCENE_OPS);
    struct entry *e = &s->entry[s->count++];
    e->scene = s;
    e->then = then;
    return e;
}

void scene_notified(struct heald_op *op)
{
    struct entry *e = heald_container_of(op, struct entry, op);

    if (!(op->flags & HEALD_MORE))
        __atomic_fetch_add(&e->ends, 1, __ATOMIC_RELAXED);
    if (e->then)
        e->then(e);
}

void scene_go(struct entry *e)
{
    e->accepted = heald_submit(e->scene->loop, &e->op, scene_notified) == 0;
}

void scene_cancel(struct entry *e)
{
    e->cancelled = true;
    heald_cancel(&e->op);
}

int scene_keep(struct scene *s, int fd)
{
    ck_assert_msg(fd >= 0 && s->fd_count < SCENE_FDS, "%s: %d", trial.text, fd);
    return s->fds[s->fd_count++] = fd;
}

void scene_pair(struct scene *s, int type, int ret_fds[2])
{
    ck_assert_int_eq(heald_socketpair(type, ret_fds), 0);
    scene_keep(s, ret_fds[0]);
    scene_keep(s, ret_fds[1]);
}

/* Faults that nobody may notice. */
static bool is_harmless(void)
{
    int err = 0;

    for (unsigned i = 0; trial.set && errors[i].name; i++)
        if (strcmp(errors[i].name, trial.error) == 0)
            err = errors[i].err;
    if (!trial.set || err == EINTR || err == EBUSY)
        return true;
    return err == EAGAIN && (trial.call == FAULT_gate_ring_enter ||
                             trial.call == FAULT_bell_drain || trial.call == FAULT_alarm_drain ||
                             trial.call == FAULT_signals_read || trial.call == FAULT_child_reap ||
                             trial.call == FAULT_signal_queue || trial.call == FAULT_open_beneath);
}

static unsigned live(const struct scene *s)
{
    struct heald_loop_stats stats;

    heald_loop_stats(s->loop, &stats);
    return (unsigned)stats.pending + s->far;
}

/* Turns the loop until nothing is pending or the time has passed; true if nothing is pending. */
static bool settle(struct scene *s, int ms)
{
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + ms * harness_slow() * HEALD_MS;
    unsigned refused = 0;

    while (live(s) && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end) {
        int err = heald_loop_turn(s->loop, end);
        if (err >= 0)
            continue;
        ck_assert_msg(!is_harmless() && fault_struck() && err != -EINTR && ++refused < 8,
                      "%s: a turn gives %s", trial.text, heald_strerror(err));
    }
    return !live(s);
}

static void list_one(const struct heald_op *op, void *user)
{
    (void)user;
    fprintf(stderr, "  %s %s\n", heald_op_kind(op), heald_op_state(op));
}

static void end_all(struct scene *s)
{
    bool quiet = settle(s, is_harmless() ? HANG_MS : GRACE_MS);

    if (!quiet && !is_harmless()) {
        for (unsigned i = 0; i < s->count; i++)
            scene_cancel(&s->entry[i]);
        quiet = settle(s, HANG_MS);
    }
    if (!quiet)
        heald_loop_list(s->loop, list_one, NULL);
    ck_assert_msg(quiet, "%s: something never ends", trial.text);
}

static void check_ends(const struct scene *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const struct entry *e = &s->entry[i];
        int want = e->accepted && !e->posted;
        ck_assert_msg(e->ends == want, "%s: op %u, %s, ended %d times, not %d", trial.text, i,
                      heald_op_kind(&e->op), e->ends, want);
        if (e->accepted)
            ck_assert_msg(e->op.result != -EINTR, "%s: op %u: interrupted", trial.text, i);
        if (is_harmless())
            ck_assert_msg(e->accepted && (e->op.result >= 0 || e->cancelled),
                          "%s: op %u, %s, %s: %s", trial.text, i, heald_op_kind(&e->op),
                          e->accepted ? "taken" : "refused", heald_strerror((int)e->op.result));
    }
}

/* One scene, once. False: there is no such back end or engine here. */
static bool play(const struct scene_kind *kind)
{
    static struct scene scene;
    unsigned before = descriptors();
    struct heald_loop_options o = {.backend = trial.backend,
                                   .engine = trial.engine,
                                   .entries = kind == &scene_crowd ? 2 : 16,
                                   .pool_threads = 2,
                                   .allocator = fault_allocator,
                                   .sys = &fault_sys};

    scene = (struct scene){.backend = trial.backend, .engine = trial.engine};
    int err = heald_loop_open(&scene.loop, &o);
    if (!err) {
        kind->start(&scene);
        end_all(&scene);
        if (kind->stop)
            kind->stop(&scene);
        for (unsigned i = 0; i < scene.fd_count; i++)
            heald_close(scene.loop, scene.fds[i]);
        int closed = heald_loop_close(scene.loop);
        ck_assert_msg(closed == 0, "%s: close: %s", trial.text, heald_strerror(closed));
        check_ends(&scene);
    } else {
        /* In a build without io_uring the name is known but the thing is not there. */
        ck_assert_msg(!trial.set ? err == -ENOSYS || err == -EINVAL : !is_harmless(),
                      "%s: open: %s", trial.text, heald_strerror(err));
    }
    /* Where a thread waits for a child, it closes its end of a pipe when it has seen it. */
    for (int i = 0; i < HANG_MS && descriptors() != before; i++)
        poll(NULL, 0, 1);
    ck_assert_msg(descriptors() == before, "%s: a descriptor is left", trial.text);
    ck_assert_msg(fault_bytes() == 0, "%s: %zu bytes are left", trial.text, fault_bytes());
    return !err;
}

/* Of how many calls of a kind one is made to fail. */
static unsigned stride(void)
{
    const char *text = getenv("HEALD_FAULT_STRIDE");
    int n = text ? atoi(text) : harness_slow() > 1 ? STRIDE_SLOW : 1;
    return n > 1 ? (unsigned)n : 1;
}

/* Every Nth call, until the scene has no Nth. The first is always one of them. */
static unsigned play_fault(const struct scene_kind *kind, enum fault_call call, unsigned error)
{
    unsigned from = 1, to = NTH_MAX, step = stride(), runs = 0;
    const char *only = getenv("HEALD_FAULT");
    char text[64];

    snprintf(text, sizeof text, "%s %s ", fault_name(call), errors[error].name);
    if (only && strncmp(only, text, strlen(text)) != 0)
        return 0;
    if (only)
        from = to = (unsigned)atoi(only + strlen(text));
    for (unsigned n = from; n <= to; n += step) {
        trial.set = true;
        trial.call = call;
        trial.error = errors[error].name;
        trial.nth = n;
        describe();
        fault_set(call, n, errors[error].err);
        play(kind);
        if (!fault_struck())
            break;
        runs++;
    }
    fault_set(call, 0, 0);
    return runs;
}

static bool has_word(const char *words, const char *word)
{
    const char *at = strstr(words, word);
    size_t n = strlen(word);
    return at && (at[n] == 0 || at[n] == ' ');
}

static unsigned *totals; /* shared with the parent: faults that struck */

HEALD_CASE(scene)
{
    const struct scene_kind *kind = scenes[_i / (BACKENDS * ENGINES)];
    sigset_t blocked;

    trial.scene = kind->name;
    trial.backend = backends[_i / ENGINES % BACKENDS];
    trial.engine = engines[_i % ENGINES];
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    signal(SIGALRM, on_crash);
    alarm((unsigned)(HARD_SECONDS * harness_slow()));
    describe();
    if (!play(kind))
        harness_skip("back end %s or engine %s is not here", trial.backend, trial.engine);
    for (enum fault_call call = 0; call < FAULT_COUNT; call++)
        for (unsigned e = 0; errors[e].name; e++)
            if (has_word(fault_errors(call), errors[e].name))
                totals[0] += play_fault(kind, call, e);
    alarm(0);
}

static void report(void)
{
    printf("fault: %u faults struck\n", totals[0]);
}

/* A group for each row, so that HEALD_CASE finds it by name. */
int main(void)
{
    static char names[SCENES * BACKENDS * ENGINES][40];
    Suite *suite = suite_create("fault");
    TCase *group = NULL;

    signal(SIGPIPE, SIG_IGN);
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        return 1;
    for (int i = 0; i < SCENES * BACKENDS * ENGINES; i++) {
        snprintf(names[i], sizeof names[i], "%s_%s_%s", scenes[i / (BACKENDS * ENGINES)]->name,
                 backends[i / ENGINES % BACKENDS], engines[i % ENGINES]);
        group = harness_group(suite, names[i]);
        harness_limit(group, HARD_SECONDS + 10);
        harness_add_range(group, scene, i, i + 1);
    }
    tcase_add_unchecked_fixture(group, NULL, report);
    return harness_run(suite);
}
