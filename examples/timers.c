/* timers: a timer, a periodic one that does not drift, and a deadline on another operation. */
#include <heald/heald.h>

#include <stdio.h>

enum { TICKS = 5 };

static void on_timer(struct heald_op *op)
{
    printf("%s: it is time\n", op->name);
}

static void on_tick(struct heald_op *op)
{
    int *ticks = op->data;

    if (!(op->flags & HEALD_MORE)) {
        printf("%s: %s\n", op->name, heald_strerror((int)op->result));
        return;
    }
    *ticks += (int)op->result; /* 1, or more when the loop was late */
    printf("%s: %d\n", op->name, *ticks);
    if (*ticks >= TICKS)
        heald_cancel(op); /* which leads to the call without HEALD_MORE */
}

static void on_read(struct heald_op *op)
{
    printf("%s: %s\n", op->name, heald_strerror((int)op->result));
}

int main(void)
{
    int ticks = 0, ends[2], err;
    char byte;
    struct heald_op once = {.name = "timer"}, tick = {.name = "tick", .data = &ticks};
    struct heald_op read = {.name = "read"};
    struct heald_loop *loop;
    struct heald_why why = {""};

    if ((err = heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why})) ||
        (err = heald_pipe(ends))) {
        fprintf(stderr, "timers: %s\n", *why.text ? why.text : heald_strerror(err));
        return 1;
    }
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    heald_prep_timer(&once, now + 50 * HEALD_MS);
    heald_prep_timer_clock(&tick, HEALD_CLOCK_MONOTONIC, now + 20 * HEALD_MS, 20 * HEALD_MS);
    heald_prep_read(&read, ends[0], &byte, sizeof byte, HEALD_NO_OFFSET); /* nobody writes */
    read.deadline_ns = now + 150 * HEALD_MS;
    if ((err = heald_submit(loop, &once, on_timer)) || (err = heald_submit(loop, &tick, on_tick)) ||
        (err = heald_submit(loop, &read, on_read)))
        fprintf(stderr, "timers: %s\n", heald_strerror(err));
    else
        err = heald_loop_run(loop); /* 0: no op is left */
    heald_close(loop, ends[0]);
    heald_close(loop, ends[1]);
    return heald_loop_close(loop) || err;
}
