/* guest-glib: heald inside GLib: a timer of the host submits one of heald, which ends the host. */
#include <heald/adapter/glib.h>
#include <heald/heald.h>

#include <stdio.h>

struct program {
    struct heald_loop *loop;
    struct heald_op timer; /* its data is the host */
};

static void on_heald_timer(struct heald_op *op)
{
    printf("heald's timer: %s\n", heald_strerror((int)op->result));
    g_main_loop_quit((GMainLoop *)op->data);
}

static gboolean on_host_timer(gpointer user)
{
    struct program *p = (struct program *)user;
    printf("the host's timer\n");
    heald_prep_timer(&p->timer, heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS);
    heald_submit(p->loop, &p->timer, on_heald_timer);
    return G_SOURCE_REMOVE;
}

int main(void)
{
    GMainLoop *host = g_main_loop_new(NULL, FALSE);
    struct program p = {.timer.data = host};
    struct heald_glib adapter;
    int err = heald_loop_open(&p.loop, NULL);
    if (err || (err = heald_glib_open(&adapter, NULL, p.loop, NULL)))
        return fprintf(stderr, "guest-glib: %s\n", heald_strerror(err)), 1;
    g_timeout_add(20, on_host_timer, &p);
    g_main_loop_run(host); /* until it is quit: GLib never runs out of work */
    heald_glib_close(&adapter, NULL);
    g_main_loop_unref(host);
    return adapter.error || heald_loop_close(p.loop);
}
