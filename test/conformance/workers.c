/* test/conformance/workers.c: see workers.h. */
#include "conformance/workers.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct workers *workers_open(int combination)
{
    struct workers *all =
        mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    must(all != MAP_FAILED);
    all->combination = combination;
    return all;
}

struct worker *worker_start(struct workers *all, const char *name, worker_fn *fn, void *arg)
{
    must(all->used < WORKERS);
    struct worker *w = &all->worker[all->used++];

    w->name = name;
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        fn(all, w, arg);
        w->left = true;
        _exit(0);
    }
    w->pid = pid;
    return w;
}

void worker_kill(struct worker *w)
{
    if (w->pid <= 0)
        return;
    kill(w->pid, SIGKILL);
    must(waitpid(w->pid, NULL, 0) == w->pid);
    w->pid = 0;
    w->left = true;
}

static bool all_left(struct workers *all)
{
    bool left = true;

    for (unsigned i = 0; i < all->used; i++) {
        struct worker *w = &all->worker[i];
        if (w->pid > 0 && waitpid(w->pid, NULL, WNOHANG) == w->pid)
            w->pid = 0;
        left = left && w->pid == 0;
    }
    return left;
}

void workers_end(struct workers *all, int64_t ns)
{
    char text[1200] = "";
    int64_t end = now() + ns * harness_slow();

    __atomic_store_n(&all->stop, 1, __ATOMIC_RELAXED);
    while (!all_left(all) && now() < end)
        usleep(500);
    for (unsigned i = 0; i < all->used; i++) {
        struct worker *w = &all->worker[i];
        size_t n = strlen(text);
        if (w->pid > 0)
            snprintf(text + n, sizeof text - n, "; %s: does not go on", w->name);
        else if (w->why[0] || !w->left)
            snprintf(text + n, sizeof text - n, "; %s: %s", w->name, w->why[0] ? w->why : "died");
        worker_kill(w);
    }
    if (text[0])
        ck_abort_msg("%s", text + strlen("; "));
}

void workers_close(struct workers *all)
{
    munmap(all, sizeof *all);
}

bool workers_stop(const struct workers *all)
{
    return __atomic_load_n(&all->stop, __ATOMIC_RELAXED);
}

void worker_fail(struct worker *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    _exit(1);
}

struct heald_loop *worker_loop(struct workers *all, struct worker *me)
{
    struct heald_loop *loop = NULL;
    struct heald_loop_options options = {.backend = backend_of(all->combination),
                                         .engine = engine_of(all->combination)};
    int err = heald_loop_open(&loop, &options);

    if (err)
        worker_fail(me, "open: %s", heald_strerror(err));
    return loop;
}

void worker_turn(struct worker *me, struct heald_loop *loop, int64_t ns)
{
    int64_t end = now() + ns;

    do {
        int n = heald_loop_turn(loop, end);
        if (n < 0)
            worker_fail(me, "turn: %s", heald_strerror(n));
    } while (now() < end);
}

static void on_tick(struct heald_op *op)
{
    struct worker_ticks *t = heald_container_of(op, struct worker_ticks, op);
    int64_t at = now();

    if (at - t->last > t->worker->gap_ns)
        t->worker->gap_ns = at - t->last;
    t->last = at;
}

void worker_tick(struct worker_ticks *ticks, struct worker *me, struct heald_loop *loop)
{
    *ticks = (struct worker_ticks){.worker = me, .last = now()};
    heald_prep_timer_clock(&ticks->op, HEALD_CLOCK_MONOTONIC, now(), 2 * HEALD_MS);
    need(me, heald_submit(loop, &ticks->op, on_tick) == 0);
}

void workers_saw(struct workers *all, unsigned i)
{
    if (i < RECORDS)
        __atomic_fetch_add(&all->seen[i], 1, __ATOMIC_RELAXED);
}
