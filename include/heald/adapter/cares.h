/*
 * heald/adapter/cares.h: DNS queries of c-ares (1.18 or newer) in a loop of heald.
 *
 * heald_cares_open() makes a channel whose sockets and time-outs are those of the loop. The program
 * queries with c-ares's own functions on `channel`: ares_gethostbyname(), ares_getaddrinfo(),
 * ares_query(), …; ares_cancel() cancels. For plain look-ups of names heald_prep_lookup()
 * (heald/name.h) answers as the rest of the system does; c-ares has the other records, and servers
 * of the program's choice.
 *
 * Header-only; the program links -lcares. It is not part of heald/heald.h. heald_loop_run() ends
 * when no query is pending. All functions are called on the loop's thread; none blocks. Callbacks
 * of c-ares run from the loop's turn, and within the calls of c-ares that answer at once.
 */
#ifndef HEALD_ADAPTER_CARES_H
#define HEALD_ADAPTER_CARES_H

#include <heald/adapter/watch.h>

#include <sys/select.h> /* ares.h needs fd_set and struct timeval */
#include <sys/time.h>

#include <ares.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_cares_socket;

/* A channel in a loop. The caller owns it; it stays in place from heald_cares_open() until the
 * function given to heald_cares_close() runs. Zero it once. */
struct heald_cares {
    void *data;           /* the caller's */
    ares_channel channel; /* for the functions of c-ares, but ares_destroy() and ares_process() */
    struct heald_loop *loop;
    void (*closed)(struct heald_cares *cares); /* private, as all that follow */
    struct heald_watch_timer timer;
    struct heald_hook hook;
    struct heald_cares_socket *sockets; /* that are open */
    unsigned watched;                   /* and those whose watch is being closed */
    int is_closing;
};

/* A socket of a channel. All members are private. */
struct heald_cares_socket {
    struct heald_watch watch;
    struct heald_cares_socket *next;
};

static inline void heald__cares_ready(struct heald_watch *watch, unsigned events)
{
    struct heald_cares *cares = (struct heald_cares *)watch->data;
    ares_socket_t fd = watch->fd;
    int is_broken = !(events & (POLLIN | POLLOUT));

    if (!cares->is_closing)
        ares_process_fd(cares->channel, events & POLLIN || is_broken ? fd : ARES_SOCKET_BAD,
                        events & POLLOUT || is_broken ? fd : ARES_SOCKET_BAD);
}

static inline void heald__cares_due(struct heald_watch_timer *timer)
{
    struct heald_cares *cares = (struct heald_cares *)timer->data;

    ares_process_fd(cares->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* c-ares does not say when its time-outs change: before each wait it is asked. It counts in whole
 * milliseconds, rounded down. */
static inline void heald__cares_prepare(struct heald_loop *loop, struct heald_hook *hook)
{
    struct heald_cares *cares = heald_container_of(hook, struct heald_cares, hook);
    struct timeval tv, *left = ares_timeout(cares->channel, NULL, &tv);

    heald_watch_timer_set(&cares->timer, left ? heald_now(loop) + left->tv_sec * HEALD_SEC +
                                                    left->tv_usec * HEALD_US + HEALD_MS
                                              : HEALD_FOREVER);
}

static inline void heald__cares_ended(struct heald_cares *cares)
{
    if (!cares->channel && !cares->watched && cares->closed)
        cares->closed(cares);
}

static inline void heald__cares_free(struct heald_watch *watch)
{
    struct heald_cares *cares = (struct heald_cares *)watch->data;

    free(heald_container_of(watch, struct heald_cares_socket, watch));
    cares->watched--;
    heald__cares_ended(cares);
}

static inline struct heald_cares_socket *heald__cares_add(struct heald_cares *cares, int fd)
{
    struct heald_cares_socket *s = (struct heald_cares_socket *)calloc(1, sizeof *s);

    if (!s)
        return NULL; /* its queries time out */
    s->watch.data = cares;
    heald_watch_open(&s->watch, cares->loop, fd, heald__cares_ready);
    s->next = cares->sockets;
    cares->sockets = s;
    cares->watched++;
    return s;
}

/* c-ares wants something of a socket, or is about to close it. */
static inline void heald__cares_on_socket(void *data, ares_socket_t fd, int reads, int writes)
{
    struct heald_cares *cares = (struct heald_cares *)data;
    struct heald_cares_socket **at = &cares->sockets, *s;

    while (*at && (*at)->watch.fd != fd)
        at = &(*at)->next;
    s = *at;
    if (reads || writes) {
        if (s || (s = heald__cares_add(cares, fd)))
            heald_watch_set(&s->watch, (reads ? POLLIN : 0u) | (writes ? POLLOUT : 0u));
    } else if (s) {
        *at = s->next;
        heald_watch_close(&s->watch, heald__cares_free);
    }
}

/*
 * Opens a channel in a loop, with the options and the mask of ares_init_options(); NULL and 0 are
 * the defaults of the system. ARES_OPT_SOCK_STATE_CB is the adapter's.
 *
 *   0         done
 *   -ENOMEM   no memory
 *   -EINVAL   another error of ares_init_options()
 */
static inline int heald_cares_open(struct heald_cares *cares, struct heald_loop *loop,
                                   const struct ares_options *options, int mask)
{
    struct ares_options with_sockets;
    int status;

    memset(&with_sockets, 0, sizeof with_sockets);
    if (options)
        with_sockets = *options;
    with_sockets.sock_state_cb = heald__cares_on_socket;
    with_sockets.sock_state_cb_data = cares;
    status = ares_init_options(&cares->channel, &with_sockets, mask | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    cares->loop = loop;
    cares->closed = NULL;
    cares->sockets = NULL;
    cares->watched = 0;
    cares->is_closing = 0;
    cares->timer.data = cares;
    heald_watch_timer_open(&cares->timer, loop, heald__cares_due);
    return heald_hook_add(loop, &cares->hook, HEALD_HOOK_PREPARE, heald__cares_prepare);
}

/* In a turn of its own: never within a call of c-ares, which forbids that. */
static inline void heald__cares_destroy(struct heald_watch_timer *timer)
{
    struct heald_cares *cares = (struct heald_cares *)timer->data;

    ares_destroy(cares->channel);
    cares->channel = NULL;
    heald__cares_ended(cares);
}

/*
 * Closes the channel, in a later turn; also in a callback of c-ares. The callbacks of pending
 * queries run then, with ARES_EDESTRUCTION. Then closed(cares) runs once, and the memory is the
 * caller's. It may be NULL for memory that outlives the loop.
 */
static inline void heald_cares_close(struct heald_cares *cares,
                                     void (*closed)(struct heald_cares *cares))
{
    if (cares->is_closing)
        return;
    cares->is_closing = 1;
    cares->closed = closed;
    heald_hook_remove(&cares->hook);
    heald_watch_timer_close(&cares->timer, heald__cares_destroy);
}

#ifdef __cplusplus
}
#endif
#endif
