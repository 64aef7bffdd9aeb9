/* guest-uv: heald inside libuv: a timer of the host submits one of heald, and the host ends. */
#include <heald/adapter/uv.h>
#include <heald/heald.h>

#include <stdio.h>

static void on_heald_timer(struct heald_op *op)
{
    printf("heald's timer: %s\n", heald_strerror((int)op->result));
}

static void on_host_timer(uv_timer_t *timer)
{
    static struct heald_op op;

    printf("the host's timer\n");
    heald_prep_timer(&op, heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS);
    heald_submit((struct heald_loop *)timer->data, &op, on_heald_timer);
}

int main(void)
{
    uv_loop_t *host = uv_default_loop();
    struct heald_uv adapter;
    struct heald_loop *loop;
    uv_timer_t timer;

    int err = heald_loop_open(&loop, NULL);
    if (err || (err = heald_uv_open(&adapter, host, loop, NULL)))
        return fprintf(stderr, "guest-uv: %s\n", heald_strerror(err)), 1;
    uv_timer_init(host, &timer);
    timer.data = loop;
    uv_timer_start(&timer, on_host_timer, 20, 0);
    uv_run(host, UV_RUN_DEFAULT); /* until neither has anything to do */
    heald_uv_close(&adapter, NULL);
    uv_run(host, UV_RUN_DEFAULT); /* in which the adapter is closed */
    return adapter.error || heald_loop_close(loop);
}
