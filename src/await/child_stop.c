/*
 * await/child_stop.c: the end of a child, step by step: SIGTERM, a while, SIGKILL. The loop's
 * thread.
 *
 * One op waits for the child, with a deadline at first. It has not been reaped while the op is
 * pending, so its number is its own.
 *
 * A group may outlive the child that led it. The number of the group is no name for it then: it may
 * be another's when the last member has ended. But a descriptor of the child is, with which the
 * kernel finds the members. Nothing is notified when the last one ends, so they are counted again
 * and again until the deadline.
 */
#include "platform/sys.h"

#include <heald/loop.h>
#include <heald/process.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { LOOK_FIRST_MS = 1, LOOK_MAX_MS = 50 };

static int send_signal(const struct heald_child_stop *stop, int signo)
{
    if (!stop->to_group)
        return heald_child_kill(&stop->child, signo);
    return kill(-stop->child.pid, signo) < 0 ? -errno : 0;
}

static void finish(struct heald_child_stop *stop, int err)
{
    if (stop->group >= 0)
        close(stop->group);
    stop->group = -1;
    stop->fn(stop, err);
}

static bool has_members(const struct heald_child_stop *stop)
{
    return stop->group >= 0 && heald__plat_handle_kill_group(stop->group, 0) == 0;
}

static void on_look(struct heald_op *op);

/* The child has been reaped, and members of its group have not ended. */
static int look_later(struct heald_child_stop *stop, struct heald_loop *loop, int64_t in_ns)
{
    int64_t now = heald_now(loop);
    bool is_last = stop->deadline_ns - now < in_ns;

    heald_prep_timer(&stop->op, is_last ? stop->deadline_ns : now + in_ns);
    return heald_submit(loop, &stop->op, on_look);
}

static void on_look(struct heald_op *op)
{
    struct heald_child_stop *stop = heald_container_of(op, struct heald_child_stop, op);
    struct heald_loop *loop = op->loop;
    int err = (int)op->result;

    if (!err && has_members(stop)) {
        if (heald_now(loop) >= stop->deadline_ns)
            heald__plat_handle_kill_group(stop->group, SIGKILL);
        else if (!(err = look_later(stop, loop, LOOK_MAX_MS * HEALD_MS)))
            return;
    }
    finish(stop, err);
}

static void on_ended(struct heald_op *op)
{
    struct heald_child_stop *stop = heald_container_of(op, struct heald_child_stop, op);
    struct heald_loop *loop = op->loop;
    int err = (int)op->result;

    if (err == -ETIMEDOUT && !stop->is_killed) {
        stop->is_killed = 1;
        send_signal(stop, SIGKILL);
        heald_prep_child(op, stop->child.pid, &stop->status);
        if (!(err = heald_submit(loop, op, on_ended)))
            return;
    }
    if (!err && !stop->is_killed && has_members(stop) &&
        !(err = look_later(stop, loop, LOOK_FIRST_MS * HEALD_MS)))
        return;
    finish(stop, err);
}

int heald_child_stop(struct heald_child_stop *stop, struct heald_loop *loop,
                     const struct heald_child *child, int64_t grace_ns,
                     void (*fn)(struct heald_child_stop *stop, int err))
{
    if (!fn || grace_ns < 0)
        return -EINVAL;
    int64_t now = heald_now(loop);
    *stop = (struct heald_child_stop){
        .data = stop->data,
        .to_group = stop->to_group,
        .child = *child,
        .fn = fn,
        .deadline_ns = grace_ns > HEALD_FOREVER - now ? HEALD_FOREVER : now + grace_ns,
        .group = -1};
    stop->op.name = "child-stop";
    int err = send_signal(stop, SIGTERM);
    if (err)
        return err;
    send_signal(stop, SIGCONT);
    if ((err = heald_prep_child(&stop->op, child->pid, &stop->status)))
        return err;
    /* It has not been reaped, so the number is its own. */
    if (stop->to_group)
        stop->group = heald__plat_handle_open(child->pid);
    stop->op.deadline_ns = stop->deadline_ns;
    err = heald_submit(loop, &stop->op, on_ended);
    if (err && stop->group >= 0)
        close(stop->group);
    return err;
}
