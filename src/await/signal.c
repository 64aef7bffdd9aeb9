/*
 * await/signal.c: signals as ops. The loop's thread.
 *
 * The signals that ops wait for are blocked in the loop's thread and read from a descriptor, one at
 * a time: the next is not read before the callbacks of the last have run, so nothing is
 * overwritten, and what is not read stays with the kernel. The descriptor lives as long as the
 * loop; with nobody waiting its set is empty.
 *
 * A thread has one mask and may have several loops. While one of them waits for a signal it must
 * stay blocked, or it would do its default action, which often is to end the process. So `blocked`
 * counts, in each thread and for each signal, the loops that wait, and whether the first of them
 * found the signal unblocked, which the last restores. The count belongs to the mask, and the mask
 * to the thread: the loops of a thread do not know each other, no descriptor shows which thread it
 * was made for, and a table of threads would be state of the process with a lock. So this is the
 * one _Thread_local variable of the library (test/style/limits names it). It owns nothing, so it
 * needs no end: a thread that ends takes its mask along. A loop that is cancelled in another thread
 * than the one it submitted in finds a count of 0 there and leaves that mask alone.
 */
#include "await/await.h"
#include "base/list.h"
#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>
#include <signal.h>

enum { SIGNALS = 128 };

struct heald_signals {
    struct heald_signal_source source;
    struct heald_link ops; /* by op->link */
    unsigned waiters[SIGNALS];
    sigset_t set; /* what ops wait for */
    struct heald_op watch;
};

static _Thread_local struct {
    unsigned loops : 31;
    unsigned unblock : 1; /* it was not blocked before the first of them */
} blocked[SIGNALS];

static void block(int signo)
{
    sigset_t one, old;

    if (blocked[signo].loops++)
        return;
    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_BLOCK, &one, &old);
    blocked[signo].unblock = sigismember(&old, signo) != 1;
}

static void unblock(int signo)
{
    sigset_t one;

    if (!blocked[signo].loops || --blocked[signo].loops || !blocked[signo].unblock)
        return;
    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static void deliver(struct heald_loop *loop, const struct heald_siginfo *info)
{
    struct heald_link *head = &loop->signals->ops;

    for (struct heald_link *n = head->next; n != head; n = n->next) {
        struct heald_op *op = fds_op(n);
        if (op->u.signal.signo != info->signo)
            continue;
        if (op->u.signal.ret)
            *op->u.signal.ret = *info;
        heald__complete_more(loop, op, info->signo);
    }
}

static void on_readable(struct heald_op *watch)
{
    struct heald_loop *loop = watch->loop;
    struct heald_link *head = &loop->signals->ops;
    struct heald_siginfo info;

    for (struct heald_link *n = head->next; n != head; n = n->next)
        if (fds_op(n)->flags & OP_DUE)
            return;
    if (loop->sys->signals_read(&loop->signals->source, &info) == 0)
        deliver(loop, &info);
}

static int open_signals(struct heald_loop *loop)
{
    struct heald_signals *s = alloc_new(&loop->alloc, sizeof *s);

    if (!s)
        return -ENOMEM;
    list_init(&s->ops);
    sigemptyset(&s->set);
    s->source.fd = -1;
    int err = loop->sys->signals_open(&s->source, &s->set);
    if (!err && (err = heald__loop_watch(loop, &s->watch, s->source.fd, on_readable, NULL))) {
        heald_forget(loop, s->source.fd);
        loop->sys->signals_close(&s->source);
    }
    if (err) {
        alloc_free(&loop->alloc, s, sizeof *s);
        return err;
    }
    loop->signals = s;
    return 0;
}

static int add_signo(struct heald_loop *loop, int signo)
{
    struct heald_signals *s = loop->signals;

    if (heald__plat_is_interrupt(signo))
        return -EBUSY;
    block(signo);
    sigaddset(&s->set, signo);
    int err = loop->sys->signals_open(&s->source, &s->set);
    if (err) {
        sigdelset(&s->set, signo);
        unblock(signo);
    }
    return err;
}

static void remove_signo(struct heald_loop *loop, int signo)
{
    struct heald_signals *s = loop->signals;

    sigdelset(&s->set, signo);
    loop->sys->signals_open(&s->source, &s->set);
    unblock(signo);
}

static int signal_start(struct heald_loop *loop, struct heald_op *op)
{
    int signo = op->u.signal.signo, err;

    if (signo >= SIGNALS)
        return -EINVAL;
    if (!loop->signals && (err = open_signals(loop)))
        return err;
    if (!loop->signals->waiters[signo] && (err = add_signo(loop, signo)))
        return err;
    loop->signals->waiters[signo]++;
    list_push(&loop->signals->ops, &op->link);
    op_move(op, OP_ARMED);
    return 0;
}

static void signal_cancel(struct heald_loop *loop, struct heald_op *op)
{
    list_remove(&op->link);
    if (!--loop->signals->waiters[op->u.signal.signo])
        remove_signo(loop, op->u.signal.signo);
    heald__complete(loop, op, -ECANCELED);
}

static void signals_close(struct heald_loop *loop)
{
    if (!loop->signals)
        return;
    loop->sys->signals_close(&loop->signals->source);
    alloc_free(&loop->alloc, loop->signals, sizeof *loop->signals);
    loop->signals = NULL;
}

static void signals_each(struct heald_loop *loop, void (*each)(const struct heald_op *, void *),
                         void *user)
{
    if (!loop->signals)
        return;
    struct heald_link *head = &loop->signals->ops;
    for (struct heald_link *n = head->next; n != head; n = n->next)
        if (!(fds_op(n)->flags & OP_DUE))
            each(fds_op(n), user);
}

const struct heald_upper heald__await_signals = {
    .start = signal_start,
    .cancel = signal_cancel,
    .each = signals_each,
    .close = signals_close,
};
