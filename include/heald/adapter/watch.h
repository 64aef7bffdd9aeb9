/*
 * heald/adapter/watch.h: a descriptor that a library owns, and the time at which it wants to be
 * called: for libraries that say what they wait for, and do their own I/O.
 *
 * The adapters of this directory are made of these; a program uses them for a library without one.
 * Header-only; not part of heald/heald.h. All functions are called on the loop's thread, in a
 * callback or outside, and none blocks. Callbacks run from the loop's turn, never inside a call of
 * this header, and any function may be called in them.
 */
#ifndef HEALD_ADAPTER_WATCH_H
#define HEALD_ADAPTER_WATCH_H

#include <heald/io.h>
#include <heald/loop.h>
#include <heald/timer.h>

#include <errno.h>
#include <poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A descriptor that is waited for as long as something is wanted of it, level-triggered. The caller
 * owns it; it stays in place from heald_watch_open() until the function given to
 * heald_watch_close() runs. Zero it once.
 */
struct heald_watch {
    void *data; /* the caller's */
    struct heald_loop *loop;
    int fd;
    int err;         /* why it cannot be waited for: -errno; 0 */
    unsigned wanted; /* set by heald_watch_set() */
    int is_closing;  /* private, as all that follow */
    void (*ready)(struct heald_watch *watch, unsigned events);
    void (*closed)(struct heald_watch *watch);
    struct heald_op in, out; /* one a direction, so that a change of one leaves the other */
};

static inline int heald__watch_is_pending(const struct heald_op *op)
{
    return heald_op_error(op) == -EINPROGRESS;
}

static inline void heald__watch_start(struct heald_watch *watch, struct heald_op *op);

static inline void heald__watch_on_op(struct heald_op *op)
{
    struct heald_watch *watch = (struct heald_watch *)op->data;
    unsigned event = op == &watch->in ? POLLIN : POLLOUT;

    if (op->result < 0 && op->result != -ECANCELED)
        watch->err = (int)op->result;
    if (!watch->is_closing && watch->err) {
        watch->wanted = 0;
        watch->ready(watch, POLLERR);
    } else if (!watch->is_closing && op->result > 0 && watch->wanted & event) {
        watch->ready(watch, event | ((unsigned)op->result & (POLLERR | POLLHUP)));
    }
    heald__watch_start(watch, op);
}

/* Waits in a direction if it is wanted and not waited for; otherwise ends the close. What cannot be
 * submitted is reported with the next turn. */
static inline void heald__watch_start(struct heald_watch *watch, struct heald_op *op)
{
    unsigned event = op == &watch->in ? POLLIN : POLLOUT;

    if (watch->is_closing) {
        if (!heald__watch_is_pending(&watch->in) && !heald__watch_is_pending(&watch->out) &&
            watch->closed)
            watch->closed(watch);
        return;
    }
    if (!(watch->wanted & event) || heald__watch_is_pending(op))
        return;
    heald_prep_poll(op, watch->fd, event);
    watch->err = heald_submit(watch->loop, op, heald__watch_on_op);
    if (watch->err) {
        heald_prep_timer(op, 0);
        heald_submit(watch->loop, op, heald__watch_on_op);
    }
}

/*
 * Opens a watch on a descriptor, of which nothing is wanted yet. `ready` runs in each turn in which
 * the descriptor is ready for what is wanted: once for POLLIN, once for POLLOUT, each with POLLERR
 * and POLLHUP if they hold. With POLLERR alone and watch->err set the descriptor cannot be waited
 * for, and nothing is wanted any more.
 */
static inline void heald_watch_open(struct heald_watch *watch, struct heald_loop *loop, int fd,
                                    void (*ready)(struct heald_watch *watch, unsigned events))
{
    watch->loop = loop;
    watch->fd = fd;
    watch->err = 0;
    watch->wanted = 0;
    watch->is_closing = 0;
    watch->ready = ready;
    watch->closed = NULL;
    watch->in.data = watch->out.data = watch;
}

/* Selects what is wanted: POLLIN, POLLOUT, both or 0. */
static inline void heald_watch_set(struct heald_watch *watch, unsigned events)
{
    if (watch->is_closing)
        return;
    watch->wanted = events;
    if (!(events & POLLIN))
        heald_cancel(&watch->in);
    if (!(events & POLLOUT))
        heald_cancel(&watch->out);
    heald__watch_start(watch, &watch->in);
    heald__watch_start(watch, &watch->out);
}

/*
 * Closes a watch, not the descriptor: before the library closes it, or gives it to somebody else.
 * From then on the loop has nothing to do with the number, which may be used again at once. `ready`
 * runs no more. closed(watch) runs once, in a later turn; then the memory is the caller's. It may
 * be NULL for memory that outlives the loop.
 */
static inline void heald_watch_close(struct heald_watch *watch,
                                     void (*closed)(struct heald_watch *watch))
{
    if (watch->is_closing)
        return;
    watch->is_closing = 1;
    watch->closed = closed;
    if (watch->fd >= 0)
        heald_forget(watch->loop, watch->fd);
    heald_cancel(&watch->in); /* it may be a timer */
    heald_cancel(&watch->out);
    if (heald__watch_is_pending(&watch->in) || heald__watch_is_pending(&watch->out))
        return;
    heald_prep_timer(&watch->in, 0);
    heald_submit(watch->loop, &watch->in, heald__watch_on_op);
}

/* A time that moves. The caller owns it; it stays in place until the function given to
 * heald_watch_timer_close() runs. Zero it once. */
struct heald_watch_timer {
    void *data; /* the caller's */
    struct heald_loop *loop;
    int64_t at_ns;  /* HEALD_FOREVER: none */
    int is_closing; /* private, as all that follow */
    void (*due)(struct heald_watch_timer *timer);
    void (*closed)(struct heald_watch_timer *timer);
    struct heald_op op;
};

static inline void heald__watch_timer_start(struct heald_watch_timer *timer);

static inline void heald__watch_timer_on_op(struct heald_op *op)
{
    struct heald_watch_timer *timer = (struct heald_watch_timer *)op->data;

    if (timer->is_closing) {
        if (timer->closed)
            timer->closed(timer);
        return;
    }
    /* It may have been set again while its callback was due. */
    if (timer->at_ns <= heald_now(timer->loop)) {
        timer->at_ns = HEALD_FOREVER;
        timer->due(timer);
    }
    if (!timer->is_closing)
        heald__watch_timer_start(timer);
}

static inline void heald__watch_timer_start(struct heald_watch_timer *timer)
{
    if (timer->at_ns == HEALD_FOREVER) {
        heald_cancel(&timer->op);
    } else if (heald__watch_is_pending(&timer->op)) {
        heald_op_set_deadline(&timer->op, timer->at_ns); /* else its callback does it */
    } else {
        heald_prep_timer(&timer->op, timer->at_ns);
        heald_submit(timer->loop, &timer->op, heald__watch_timer_on_op);
    }
}

/* Opens a timer that is not set. due(timer) runs once, when its time has come. */
static inline void heald_watch_timer_open(struct heald_watch_timer *timer, struct heald_loop *loop,
                                          void (*due)(struct heald_watch_timer *timer))
{
    timer->loop = loop;
    timer->at_ns = HEALD_FOREVER;
    timer->is_closing = 0;
    timer->due = due;
    timer->closed = NULL;
    timer->op.data = timer;
}

/* Sets the monotonic time; one in the past is due in the next turn; HEALD_FOREVER: none. */
static inline void heald_watch_timer_set(struct heald_watch_timer *timer, int64_t at_ns)
{
    if (timer->is_closing || timer->at_ns == at_ns)
        return;
    timer->at_ns = at_ns;
    heald__watch_timer_start(timer);
}

/* Closes a timer: closed(timer) runs once, in a later turn; then the memory is the caller's. */
static inline void heald_watch_timer_close(struct heald_watch_timer *timer,
                                           void (*closed)(struct heald_watch_timer *timer))
{
    if (timer->is_closing)
        return;
    timer->is_closing = 1;
    timer->closed = closed;
    timer->at_ns = 0;
    heald_cancel(&timer->op);
    if (!heald__watch_is_pending(&timer->op))
        heald__watch_timer_start(timer);
}

#ifdef __cplusplus
}
#endif
#endif
