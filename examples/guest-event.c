/* guest-event: heald inside libevent: a timer of the host submits one of heald, and it ends. */
#include <heald/adapter/event.h>
#include <heald/heald.h>

#include <stdio.h>

static void on_heald_timer(struct heald_op *op)
{
    printf("heald's timer: %s\n", heald_strerror((int)op->result));
}

static void on_host_timer(evutil_socket_t fd, short what, void *arg)
{
    static struct heald_op op;
    struct heald_event *adapter = (struct heald_event *)arg;

    printf("the host's timer%s\n", fd < 0 && what & EV_TIMEOUT ? "" : "?");
    heald_prep_timer(&op, heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS);
    heald_submit((struct heald_loop *)adapter->data, &op, on_heald_timer);
    heald_event_update(adapter); /* libevent does not ask for what is new */
}

int main(void)
{
    struct event_base *host = event_base_new();
    struct heald_event adapter;
    struct heald_loop *loop;

    int err = heald_loop_open(&loop, NULL);
    if (err || (err = heald_event_open(&adapter, host, loop, NULL)))
        return fprintf(stderr, "guest-event: %s\n", heald_strerror(err)), 1;
    adapter.data = loop;
    event_base_once(host, -1, EV_TIMEOUT, on_host_timer, &adapter, &(struct timeval){0, 20000});
    event_base_dispatch(host); /* until neither has anything to do */
    heald_event_close(&adapter, NULL);
    event_base_free(host);
    return adapter.error || heald_loop_close(loop);
}
