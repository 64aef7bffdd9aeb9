/*
 * loop/timers.c: deadlines of ops, and timers on both clocks. The loop's thread.
 *
 * Monotonic times lie in loop->timers and bound how long the back end waits. Times on the boot
 * clock lie in a wheel of their own, whose earliest is set on a descriptor of the system's (an
 * alarm): only the system knows when it wakes up.
 */
#include "loop/complete.h"

#include <heald/io.h>
#include <heald/work.h>

#include <errno.h>
#include <limits.h>

int64_t heald_now(struct heald_loop *loop)
{
    /* Between turns nobody says when a turn began, and what is remembered may be long ago. */
    if (!loop->now_ns || !loop->running)
        loop->now_ns = loop->sys->now(HEALD_CLOCK_MONOTONIC);
    return loop->now_ns;
}

int heald_slice(struct heald_loop *loop, int64_t ns)
{
    /* In a callback heald_now() stays what it was when it was first asked for. */
    int64_t began = heald_now(loop);
    return loop->sys->now(HEALD_CLOCK_MONOTONIC) - began >= ns;
}

static struct heald_wheel *wheel_of(struct heald_loop *loop, const struct heald_op *op)
{
    bool boot = op->kind == OP_TIMER && op->u.timer.clock == HEALD_CLOCK_BOOT;
    return boot ? &loop->boot->wheel : &loop->timers;
}

static void add(struct heald_loop *loop, struct heald_op *op)
{
    loop->attention.timers = true;
    heald__wheel_add(wheel_of(loop, op), op);
}

static void timer_expired(struct heald_loop *loop, struct heald_op *op, int64_t now)
{
    int64_t period = op->u.timer.period;

    if (!period) {
        heald__complete(loop, op, 0);
        return;
    }
    /* From the time that was meant, not from now: no drift. What passed unnoticed is counted, not
     * made up for. */
    int64_t passed = (now - op->deadline_ns) / period + 1;
    int64_t last = op->deadline_ns + (passed - 1) * period;
    op->deadline_ns = period > HEALD_FOREVER - last ? HEALD_FOREVER : last + period;
    add(loop, op);
    if (op->flags & OP_DUE)
        op->result += passed;
    else
        heald__complete_more(loop, op, passed);
}

struct expiry {
    struct heald_loop *loop;
    int64_t now;
};

static void expired(void *ctx, struct heald_op *op)
{
    struct expiry *x = ctx;

    if (op->kind == OP_TIMER) {
        timer_expired(x->loop, op, x->now);
    } else if (op->kind == OP_PAUSE) {
        heald__pause_expired(x->loop, op);
    } else if (op->kind == OP_RETRY) {
        x->loop->upper[UPPER_RETRIES]->try(x->loop);
    } else if (!op_is_ending(op)) {
        op->flags |= OP_TIMED_OUT;
        heald__op_cancel(x->loop, op);
    }
}

/*
 * No more than can be called back in this turn, so that they are still in the cache; but all of
 * them where one that comes later may have to be called back first.
 */
static unsigned expiry_limit(const struct heald_loop *loop)
{
    return heald__loop_sorts(loop) ? UINT_MAX : loop->turn_callbacks;
}

static void alarm_rang(struct heald_op *watch)
{
    struct heald_alarm *a = heald_container_of(watch, struct heald_alarm, watch);
    struct expiry x = {.loop = watch->loop, .now = watch->loop->sys->now(HEALD_CLOCK_BOOT)};

    x.loop->sys->alarm_drain(a->fd);
    a->set_ns = 0;
    heald__wheel_expire(&a->wheel, x.now, expiry_limit(x.loop), expired, &x);
}

static int boot_open(struct heald_loop *loop)
{
    int64_t now = loop->sys->now(HEALD_CLOCK_BOOT);
    int fd = now < 0 ? (int)now : loop->sys->alarm_open(HEALD_CLOCK_BOOT);
    struct heald_alarm *a;

    if (fd < 0)
        return fd;
    if (!(a = alloc_new(&loop->alloc, sizeof *a))) {
        loop->sys->close(fd);
        return -ENOMEM;
    }
    heald__wheel_init(&a->wheel, now);
    a->fd = fd;
    int err = heald__loop_watch(loop, &a->watch, fd, alarm_rang, NULL);
    if (err) {
        alloc_free(&loop->alloc, a, sizeof *a);
        heald_close(loop, fd);
        return err;
    }
    loop->boot = a;
    loop->attention.more |= MORE_BOOT;
    return 0;
}

int heald__timers_submit(struct heald_loop *loop, struct heald_op *op)
{
    if (op->u.timer.clock == HEALD_CLOCK_BOOT && !loop->boot) {
        int err = boot_open(loop);
        if (err)
            return err;
    }
    add(loop, op);
    op_move(op, OP_ARMED);
    return 0;
}

/* A pending op, whose end nobody has asked for. */
static void move_deadline(struct heald_loop *loop, struct heald_op *op, int64_t deadline_ns)
{
    struct heald_wheel *wheel = wheel_of(loop, op);

    if (list_linked(&op->timer))
        heald__wheel_remove(wheel, op);
    op->deadline_ns = deadline_ns;
    if (deadline_ns != HEALD_FOREVER || op->kind == OP_TIMER)
        add(loop, op);
    if (heald__op_traits[op->kind] & OP_SHOWN)
        loop->upper[UPPER_LOCKS]->deadline(loop, op);
}

int heald_op_set_deadline(struct heald_op *op, int64_t deadline_ns)
{
    enum op_state state = op_load_state(op);

    if (deadline_ns < 0 || (state != OP_IDLE && !(heald__op_traits[op->kind] & OP_PUBLIC)))
        return -EINVAL;
    if (state == OP_IDLE) {
        op->deadline_ns = deadline_ns;
        op->flags |= OP_HAS_DEADLINE;
        return 0;
    }
    if (state == OP_DONE || op_is_ending(op) || op->flags & OP_TIMED_OUT)
        return -EALREADY;
    move_deadline(op->loop, op, deadline_ns);
    return 0;
}

void heald__timers_cancel(struct heald_loop *loop, struct heald_op *op)
{
    heald__wheel_remove(wheel_of(loop, op), op);
    op->result = -ECANCELED;
    heald__leave_background(loop, op);
    op_move(op, OP_DONE);
    if (op->fn || op->notify)
        heald__due_push(&loop->due, op);
    else
        heald__complete_silent(loop, op);
}

void heald__timers_remove(struct heald_loop *loop, struct heald_op *op)
{
    heald__wheel_remove(wheel_of(loop, op), op);
}

void heald__timers_expire(struct heald_loop *loop)
{
    struct expiry x = {.loop = loop, .now = heald_now(loop)};

    heald__wheel_expire(&loop->timers, x.now, expiry_limit(loop), expired, &x);
    loop->attention.timers = !heald__wheel_empty(&loop->timers);
}

int64_t heald__timers_next(struct heald_loop *loop)
{
    struct heald_alarm *a = loop->boot;

    if (a && !heald__wheel_empty(&a->wheel)) {
        int64_t next = heald__wheel_next(&a->wheel);
        /* Time 0 would turn the alarm off. */
        next = next > 0 ? next : 1;
        if (next != a->set_ns && loop->sys->alarm_set(a->fd, next) == 0)
            a->set_ns = next;
    }
    int64_t next = heald__wheel_next(&loop->timers);
    int64_t room = loop->waiting ? heald__pool_make_room(loop) : HEALD_FOREVER;
    return room < next ? room : next;
}

void heald__timers_close(struct heald_loop *loop)
{
    if (!loop->boot)
        return;
    loop->sys->close(loop->boot->fd);
    alloc_free(&loop->alloc, loop->boot, sizeof *loop->boot);
    loop->boot = NULL;
}
