/*
 * test/differential/units_other.c: what comes from outside the loop: posts of another thread,
 * signals, the end of a child, descriptors in messages; and the other notifications.
 */
#include "differential/program.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POSTS = 20, SIGNALS_SENT = 5, TOLD = 4 };

/* Posts of one thread come in order, as long as one class and policy rule them all. */
struct posts {
    struct unit *u;
    struct heald_op op[POSTS];
    unsigned count, seen;
    pthread_t thread;
};

static void on_post(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct posts *p = u->state;

    ck_assert_int_eq(op->result, 0);
    ck_assert_ptr_eq(op, &p->op[p->seen]);
    if (++p->seen < p->count)
        return;
    pthread_join(p->thread, NULL);
    heald_loop_release(u->run->loop);
    unit_over(u);
}

static void *post_all(void *arg)
{
    struct posts *p = arg;

    for (unsigned i = 0; i < p->count; i++)
        if (heald_loop_post(p->u->run->loop, &p->op[i], on_post))
            abort();
    return NULL;
}

static void posts_start(struct unit *u)
{
    struct posts *p = u->state;
    sigset_t all, old;

    p->u = u;
    p->count = rng_range(&u->plan, 1, POSTS);
    for (unsigned i = 0; i < p->count; i++)
        p->op[i].data = u;
    heald_loop_hold(u->run->loop);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, post_all, p), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

const struct unit_kind unit_posts = {"posts", sizeof(struct posts), posts_start, 3};

/* Real-time signals queue: each one is delivered, in order, with its value. */
struct signals {
    struct heald_op op;
    struct heald_siginfo info;
    int signo;
    unsigned count, sent, seen;
};

static void send_signal(struct unit *u)
{
    struct signals *s = u->state;

    ck_assert_int_eq(
        sigqueue(getpid(), s->signo, (union sigval){.sival_int = (int)(100 + s->sent)}), 0);
    s->sent++;
}

static void on_signal(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct signals *s = u->state;

    if (!(op->flags & HEALD_MORE)) {
        u->value[0] = op->result;
        u->value[1] = s->seen;
        unit_over(u);
        return;
    }
    ck_assert_int_eq(op->result, s->signo);
    ck_assert_int_eq(s->info.signo, s->signo);
    ck_assert_int_eq(s->info.pid, getpid());
    ck_assert_int_eq(s->info.value_int, 100 + (int)s->seen);
    s->seen++;
    if (s->seen == s->count)
        ck_assert_int_eq(heald_cancel(op), 0);
    else if (s->seen == s->sent)
        send_signal(u);
}

static void signals_start(struct unit *u)
{
    struct signals *s = u->state;

    s->signo = SIGRTMIN + 2 + (int)u->index;
    s->count = rng_range(&u->plan, 1, SIGNALS_SENT);
    heald_prep_signal(&s->op, s->signo, &s->info);
    unit_go(u, &s->op, on_signal);
    for (unsigned n = rng_range(&u->plan, 1, s->count); n; n--)
        send_signal(u);
}

const struct unit_kind unit_signals = {"signals", sizeof(struct signals), signals_start, 3};

/* A child writes into a pipe and ends. */
struct child {
    struct heald_child child;
    struct heald_child_status status;
    struct heald_op wait, read;
    char text[32];
    size_t length;
    unsigned left;
};

static void child_over(struct unit *u)
{
    struct child *c = u->state;

    if (--c->left)
        return;
    ck_assert_int_eq(heald_close(u->run->loop, c->child.stdio[1]), 0);
    u->value[0] = WIFEXITED(c->status.status) ? WEXITSTATUS(c->status.status) : -1;
    u->value[1] = (int64_t)c->length;
    ck_assert_mem_eq(c->text, "out\n", 4);
    unit_over(u);
}

static void on_child(struct heald_op *op)
{
    struct child *c = unit_of(op)->state;

    ck_assert_int_eq(op->result, 0);
    ck_assert_int_eq(c->status.pid, c->child.pid);
    child_over(unit_of(op));
}

static void on_child_text(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct child *c = u->state;

    ck_assert_int_ge(op->result, 0);
    c->length += (size_t)op->result;
    if (op->result == 0) {
        child_over(u);
        return;
    }
    heald_prep_read(op, c->child.stdio[1], c->text + c->length, sizeof c->text - c->length,
                    HEALD_NO_OFFSET);
    unit_go(u, op, on_child_text);
}

static void child_start(struct unit *u)
{
    struct child *c = u->state;
    char shell[] = "sh", flag[] = "-c", fails[] = "echo out; exit 7", ends[] = "echo out";
    char *argv[] = {shell, flag, rng_one_in(&u->plan, 2) ? fails : ends, NULL};
    struct heald_spawn spawn = {.file = "/bin/sh",
                                .argv = argv,
                                .stdio = {HEALD_STDIO_NULL, HEALD_STDIO_PIPE, HEALD_STDIO_INHERIT}};

    ck_assert_int_eq(heald_spawn(&spawn, &c->child), 0);
    c->left = 2;
    heald_prep_child(&c->wait, c->child.pid, &c->status);
    unit_go(u, &c->wait, on_child);
    heald_prep_read(&c->read, c->child.stdio[1], c->text, sizeof c->text, HEALD_NO_OFFSET);
    unit_go(u, &c->read, on_child_text);
}

const struct unit_kind unit_child = {"child", sizeof(struct child), child_start, 1};

/* Ends that are notified on a thread, or not at all. */
struct tell {
    struct heald_op thread[TOLD], silent[TOLD], back[TOLD], last;
    unsigned count, left;
};

static void tell_over(struct unit *u)
{
    struct tell *t = u->state;

    if (--t->left)
        return;
    for (unsigned i = 0; i < t->count; i++) {
        u->value[i] = t->thread[i].result;
        u->value[TOLD + i] = heald_op_result(&t->silent[i]);
        ck_assert_int_eq(heald_op_error(&t->silent[i]), 0);
    }
    heald_loop_release(u->run->loop);
    unit_over(u);
}

static void on_back(struct heald_op *op)
{
    tell_over(unit_of(op));
}

static void on_thread(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct tell *t = u->state;
    unsigned i = (unsigned)(op - t->thread);

    if (heald_loop_post(u->run->loop, &t->back[i], on_back))
        abort();
}

static void tell_start(struct unit *u)
{
    struct tell *t = u->state;
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    t->count = rng_range(&u->plan, 1, TOLD);
    t->left = t->count + 1;
    heald_loop_hold(u->run->loop);
    for (unsigned i = 0; i < t->count; i++) {
        t->back[i].data = u;
        ck_assert_int_eq(heald_op_notify_thread(&t->thread[i]), 0);
        heald_prep_timer(&t->thread[i], now + rng_below(&u->plan, 500) * HEALD_US);
        unit_go(u, &t->thread[i], on_thread);
        heald_prep_timer(&t->silent[i], now + rng_below(&u->plan, 500) * HEALD_US);
        unit_go(u, &t->silent[i], NULL);
    }
    /* After the silent ones, by its time. */
    heald_prep_timer(&t->last, now + HEALD_MS);
    unit_go(u, &t->last, on_back);
}

const struct unit_kind unit_tell = {"tell", sizeof(struct tell), tell_start, 2};

/* A pipe's end travels through a socket; what is read from the pipe came through it. */
struct pass {
    int fds[2], pipe[2], got;
    struct heald_fd_msg out, in;
    struct heald_op send, recv, read;
    char byte, room[8], text[8];
    unsigned left;
};

static void pass_over(struct unit *u)
{
    struct pass *p = u->state;

    if (--p->left)
        return;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_close(u->run->loop, p->fds[i]), 0);
    ck_assert_int_eq(heald_close(u->run->loop, p->got), 0);
    unit_over(u);
}

static void on_pass_read(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct pass *p = u->state;

    u->value[0] = op->result;
    ck_assert_mem_eq(p->text, "piped", 5);
    pass_over(u);
}

static void on_pass_recv(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct pass *p = u->state;

    ck_assert_int_eq(op->result, 1);
    ck_assert_int_eq(heald_fd_msg_fds(&p->in, &p->got, 1), 1);
    heald_prep_read(&p->read, p->got, p->text, sizeof p->text, HEALD_NO_OFFSET);
    unit_go(u, &p->read, on_pass_read);
}

static void on_pass_send(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct pass *p = u->state;

    ck_assert_int_eq(op->result, 1);
    close(p->pipe[0]);
    ck_assert_int_eq(write(p->pipe[1], "piped", 5), 5);
    close(p->pipe[1]);
    pass_over(u);
}

static void pass_start(struct unit *u)
{
    struct pass *p = u->state;

    unit_pair_open(PAIR_UNIX, p->fds);
    unit_pair_open(PAIR_PIPE, p->pipe);
    p->byte = 'f';
    p->left = 2;
    heald_fd_msg_recv(&p->in, p->room, sizeof p->room);
    heald_prep_recvmsg(&p->recv, p->fds[0], &p->in.msg, 0);
    unit_go(u, &p->recv, on_pass_recv);
    ck_assert_int_eq(heald_fd_msg_send(&p->out, &p->byte, 1, &p->pipe[0], 1), 0);
    heald_prep_sendmsg(&p->send, p->fds[1], &p->out.msg, 0);
    unit_go(u, &p->send, on_pass_send);
}

const struct unit_kind unit_pass = {"pass", sizeof(struct pass), pass_start, 2};
