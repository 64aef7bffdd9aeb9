/* guest-sd-event: heald inside sd_event: the host's timer submits one of heald, which ends it. */
#include <heald/adapter/sd-event.h>
#include <heald/heald.h>

#include <stdio.h>

static void on_heald_timer(struct heald_op *op)
{
    printf("heald's timer: %s\n", heald_strerror((int)op->result));
    sd_event_exit((sd_event *)op->data, 0);
}

static int on_host_timer(sd_event_source *source, uint64_t us, void *loop)
{
    static struct heald_op op;

    printf("the host's timer%s\n", us ? "" : "?");
    op.data = sd_event_source_get_event(source);
    heald_prep_timer(&op, heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS);
    return heald_submit((struct heald_loop *)loop, &op, on_heald_timer);
}

int main(void)
{
    struct heald_sd_event adapter;
    struct heald_loop *loop;
    sd_event *host;
    int err = heald_loop_open(&loop, NULL);
    if (err || (err = sd_event_new(&host)) < 0 ||
        (err = heald_sd_event_open(&adapter, host, loop, NULL)))
        return fprintf(stderr, "guest-sd-event: %s\n", heald_strerror(err)), 1;
    uint64_t when = (uint64_t)(heald_clock_now(HEALD_CLOCK_MONOTONIC) / HEALD_US + 20000);
    sd_event_add_time(host, NULL, CLOCK_MONOTONIC, when, 1, on_host_timer, loop);
    err = sd_event_loop(host); /* until sd_event_exit(): it never runs out of work */
    heald_sd_event_close(&adapter, NULL);
    sd_event_unref(host);
    return err || adapter.error || heald_loop_close(loop);
}
