/* test/fault/scenes_other.c: scenes with timers, signals, children, posts, and as a guest. */
#include "fault/scene.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t now(enum heald_clock clock)
{
    return heald_clock_now(clock);
}

static void period_notified(struct entry *e)
{
    if (e->op.flags & HEALD_MORE)
        scene_cancel(e);
}

static void timers(struct scene *s)
{
    /* Not every platform has the other clock. */
    enum heald_clock clock = now(HEALD_CLOCK_BOOT) < 0 ? HEALD_CLOCK_MONOTONIC : HEALD_CLOCK_BOOT;
    int fds[2];
    struct entry *e;

    scene_pair(s, SOCK_STREAM, fds);
    heald_prep_timer(&(e = scene_op(s, NULL))->op, now(HEALD_CLOCK_MONOTONIC) + 200 * HEALD_US);
    scene_go(e);
    heald_prep_timer_clock(&(e = scene_op(s, NULL))->op, clock, now(clock) + 300 * HEALD_US, 0);
    scene_go(e);
    heald_prep_timer_clock(&(e = scene_op(s, period_notified))->op, HEALD_CLOCK_MONOTONIC,
                           now(HEALD_CLOCK_MONOTONIC), 100 * HEALD_US);
    scene_go(e);
    heald_prep_recv(&(e = scene_op(s, NULL))->op, fds[0], s->room[0].bytes, 6, 0);
    e->op.deadline_ns = now(HEALD_CLOCK_MONOTONIC) + 200 * HEALD_US;
    e->cancelled = true;
    scene_go(e);
}

const struct scene_kind scene_timers = {"timers", timers, NULL};

static void signal_notified(struct entry *e)
{
    if (e->op.flags & HEALD_MORE)
        scene_cancel(e);
}

static void signals(struct scene *s)
{
    struct entry *e;

    heald_prep_signal(&(e = scene_op(s, signal_notified))->op, SIGUSR1, &s->room[0].info);
    scene_go(e);
    if (e->accepted)
        kill(getpid(), SIGUSR1);
    /* Notified by a signal that the case has blocked, and takes at the end. */
    e = scene_op(s, NULL);
    heald_op_notify_signal(&e->op, SIGUSR2);
    heald_prep_timer(&e->op, now(HEALD_CLOCK_MONOTONIC));
    e->posted = true; /* no callback to count */
    scene_go(e);
}

static void signals_stop(struct scene *s)
{
    sigset_t set;
    struct timespec none = {0};

    (void)s;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
}

const struct scene_kind scene_signals = {"signals", signals, signals_stop};

static void child(struct scene *s)
{
    char name[] = "true";
    char *argv[] = {name, NULL};
    struct heald_spawn spawn = {.file = "true",
                                .argv = argv,
                                .stdio = {HEALD_STDIO_NULL, HEALD_STDIO_NULL, HEALD_STDIO_NULL}};
    struct heald_child *c = s->own = calloc(1, sizeof *c);
    struct entry *e;

    if (heald_spawn(&spawn, c))
        abort();
    heald_prep_child(&(e = scene_op(s, NULL))->op, c->pid, &s->room[0].status);
    scene_go(e);
}

static void child_stop(struct scene *s)
{
    struct heald_child *c = s->own;

    waitpid(c->pid, NULL, 0); /* -ECHILD if the op has reaped it */
    free(c);
}

const struct scene_kind scene_child = {"child", child, child_stop};

struct posts {
    struct entry *post[2], *back;
    pthread_t thread;
};

static void *post_all(void *arg)
{
    struct posts *p = arg;

    for (int i = 0; i < 2; i++)
        if (heald_loop_post(p->post[i]->scene->loop, &p->post[i]->op, scene_notified))
            abort();
    return NULL;
}

static void posted(struct entry *e)
{
    e->scene->far--;
}

static void posts(struct scene *s)
{
    struct posts *p = s->own = calloc(1, sizeof *p);
    struct entry *e;

    for (int i = 0; i < 2; i++) {
        p->post[i] = scene_op(s, posted);
        p->post[i]->accepted = true;
    }
    s->far = 2;
    if (pthread_create(&p->thread, NULL, post_all, p))
        abort();
    e = scene_op(s, NULL);
    heald_op_notify_thread(&e->op);
    heald_prep_timer(&e->op, now(HEALD_CLOCK_MONOTONIC));
    scene_go(e);
}

static void posts_stop(struct scene *s)
{
    struct posts *p = s->own;

    pthread_join(p->thread, NULL);
    free(p);
}

const struct scene_kind scene_posts = {"posts", posts, posts_stop};

/* Another loop waits for ours, once. */
static void guest(struct scene *s)
{
    int fds[2];
    struct entry *e;
    int64_t deadline = 0;

    scene_pair(s, SOCK_STREAM, fds);
    heald_prep_recv(&(e = scene_op(s, NULL))->op, fds[0], s->room[0].bytes, 1, 0);
    scene_go(e);
    struct pollfd p = {.fd = heald_loop_fd(s->loop), .events = POLLIN};
    heald_prep_recv(&(e = scene_op(s, NULL))->op, fds[1], s->room[0].bytes, 1, 0);
    scene_go(e);
    heald_loop_prepare(s->loop, &deadline);
    if (write(fds[1], "x", 1) != 1 || write(fds[0], "x", 1) != 1)
        abort();
    if (p.fd >= 0)
        poll(&p, 1, 20);
}

const struct scene_kind scene_guest = {"guest", guest, NULL};
