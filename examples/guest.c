/* guest: heald inside another loop: here a plain poll(2), with a pipe of its own. */
#include <heald/heald.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { TICKS = 5 };

/* heald's side: a periodic timer, which notifies the host by a byte in its pipe. */
static void on_tick(struct heald_op *op)
{
    if (op->flags & HEALD_MORE && write(*(int *)op->data, "!", 1) != 1)
        heald_cancel(op);
}

/* As poll(2) wants it: milliseconds, rounded up. */
static int timeout_until(int64_t deadline_ns)
{
    if (deadline_ns == HEALD_FOREVER)
        return -1;
    int64_t left = deadline_ns - heald_clock_now(HEALD_CLOCK_MONOTONIC);
    int64_t ms = left > 0 ? (left + HEALD_MS - 1) / HEALD_MS : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* The host's loop. Ends when its pipe has said TICKS times that heald ticked. */
static int host_loop(struct heald_loop *loop, int pipe_fd)
{
    struct pollfd fds[2] = {{.fd = pipe_fd, .events = POLLIN}, {.events = POLLIN}};
    int64_t deadline;
    char byte;

    if ((fds[1].fd = heald_loop_fd(loop)) < 0)
        return fds[1].fd;
    for (int notified = 0; notified < TICKS;) {
        int err = heald_loop_prepare(loop, &deadline);
        if (err < 0)
            return err;
        if (poll(fds, 2, timeout_until(deadline)) < 0 && errno != EINTR)
            return -errno;
        if ((err = heald_loop_turn(loop, 0)) < 0)
            return err;
        if (fds[0].revents & POLLIN && read(pipe_fd, &byte, 1) == 1)
            printf("the host was told: %d\n", ++notified);
    }
    return 0;
}

int main(void)
{
    int ends[2], err;
    struct heald_op tick = {.name = "tick", .data = &ends[1]};
    struct heald_loop *loop;
    struct heald_why why = {""};

    if ((err = heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why})) ||
        (err = heald_pipe(ends))) {
        fprintf(stderr, "guest: %s\n", *why.text ? why.text : heald_strerror(err));
        return 1;
    }
    int64_t first = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS;
    heald_prep_timer_clock(&tick, HEALD_CLOCK_MONOTONIC, first, 20 * HEALD_MS);
    if (!(err = heald_submit(loop, &tick, on_tick)))
        err = host_loop(loop, ends[0]);
    if (err == -ENOSYS)
        printf("guest: %s cannot be a guest here\n", heald_loop_backend(loop));
    else if (err)
        fprintf(stderr, "guest: %s\n", heald_strerror(err));
    heald_cancel(&tick);
    heald_loop_run(loop); /* to the end of what was cancelled */
    close(ends[0]);
    close(ends[1]);
    return heald_loop_close(loop) < 0 || (err && err != -ENOSYS);
}
