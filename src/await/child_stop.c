/*
 * await/child_stop.c: the end of a child, step by step: SIGTERM, a while, SIGKILL. The loop's
 * thread.
 *
 * One op waits for the child, with a deadline at first. It has not been reaped while the op is
 * pending, so its number is its own.
 */
#include <heald/loop.h>
#include <heald/process.h>

#include <errno.h>
#include <signal.h>

static int send_signal(const struct heald_child_stop *stop, int signo)
{
    if (!stop->to_group)
        return heald_child_kill(&stop->child, signo);
    return kill(-stop->child.pid, signo) < 0 ? -errno : 0;
}

static void on_ended(struct heald_op *op)
{
    struct heald_child_stop *stop = heald_container_of(op, struct heald_child_stop, op);
    int err = (int)op->result;

    if (err == -ETIMEDOUT && !stop->is_killed) {
        stop->is_killed = 1;
        send_signal(stop, SIGKILL);
        heald_prep_child(op, stop->child.pid, &stop->status);
        err = heald_submit(op->loop, op, on_ended);
        if (!err)
            return;
    }
    stop->fn(stop, err);
}

int heald_child_stop(struct heald_child_stop *stop, struct heald_loop *loop,
                     const struct heald_child *child, int64_t grace_ns,
                     void (*fn)(struct heald_child_stop *stop, int err))
{
    if (!fn || grace_ns < 0)
        return -EINVAL;
    *stop = (struct heald_child_stop){
        .data = stop->data, .to_group = stop->to_group, .child = *child, .fn = fn};
    stop->op.name = "child-stop";
    int err = send_signal(stop, SIGTERM);
    if (err)
        return err;
    send_signal(stop, SIGCONT);
    if ((err = heald_prep_child(&stop->op, child->pid, &stop->status)))
        return err;
    int64_t now = heald_now(loop);
    stop->op.deadline_ns = grace_ns > HEALD_FOREVER - now ? HEALD_FOREVER : now + grace_ns;
    return heald_submit(loop, &stop->op, on_ended);
}
