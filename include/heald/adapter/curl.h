/*
 * heald/adapter/curl.h: transfers of libcurl (7.30 or newer) in a loop of heald.
 *
 * heald_curl_open() makes a multi handle whose sockets and timer are those of the loop. The program
 * adds easy handles to it with curl_multi_add_handle(), at any time also in `done`; a cancel is
 * curl_multi_remove_handle(), outside of curl's own callbacks. heald_loop_run() ends when no
 * transfer is left; connections that libcurl keeps for later do not hold it. Header-only; the
 * program links -lcurl and calls curl_global_init(). It is not part of heald/heald.h.
 *
 * All functions are called on the loop's thread. They do not block, as far as libcurl does not: a
 * libcurl without threads or c-ares blocks to look names up.
 */
#ifndef HEALD_ADAPTER_CURL_H
#define HEALD_ADAPTER_CURL_H

#include <heald/adapter/watch.h>

#include <curl/curl.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A multi handle in a loop. The caller owns it; it stays in place from heald_curl_open() until the
 * function given to heald_curl_close() runs. Zero it once. */
struct heald_curl {
    void *data;   /* the caller's */
    CURLM *multi; /* for curl_multi_add_handle(), _remove_handle(), _setopt(); its socket and timer
                     functions are the adapter's */
    struct heald_loop *loop;
    void (*done)(struct heald_curl *curl, CURL *easy, CURLcode result); /* private, as all below */
    void (*closed)(struct heald_curl *curl);
    struct heald_watch_timer timer;
    unsigned sockets; /* that are watched, or whose watch is being closed */
    int is_closing;
};

/* The program may remove and free the handle, add others, and close the adapter. */
static inline void heald__curl_report(struct heald_curl *curl)
{
    CURLMsg *message;
    int left;

    while (!curl->is_closing && (message = curl_multi_info_read(curl->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            curl->done(curl, message->easy_handle, message->data.result);
}

static inline void heald__curl_act(struct heald_curl *curl, curl_socket_t fd, int what)
{
    int running;

    if (curl->is_closing)
        return;
    curl_multi_socket_action(curl->multi, fd, what, &running);
    heald__curl_report(curl);
}

static inline void heald__curl_ready(struct heald_watch *watch, unsigned events)
{
    heald__curl_act((struct heald_curl *)watch->data, watch->fd,
                    (events & POLLIN ? CURL_CSELECT_IN : 0) |
                        (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
                        (events & POLLERR ? CURL_CSELECT_ERR : 0));
}

static inline void heald__curl_due(struct heald_watch_timer *timer)
{
    heald__curl_act((struct heald_curl *)timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static inline void heald__curl_ended(struct heald_curl *curl)
{
    if (!curl->multi && !curl->sockets && curl->closed)
        curl->closed(curl);
}

static inline void heald__curl_free(struct heald_watch *watch)
{
    struct heald_curl *curl = (struct heald_curl *)watch->data;

    free(watch);
    curl->sockets--;
    heald__curl_ended(curl);
}

static inline struct heald_watch *heald__curl_watch(struct heald_curl *curl, curl_socket_t fd)
{
    struct heald_watch *watch = (struct heald_watch *)calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->data = curl;
    heald_watch_open(watch, curl->loop, fd, heald__curl_ready);
    curl_multi_assign(curl->multi, fd, watch);
    curl->sockets++;
    return watch;
}

/* libcurl wants something of a socket, or is about to close it or keep it for later. */
static inline int heald__curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                                        void *socket)
{
    struct heald_curl *curl = (struct heald_curl *)user;
    struct heald_watch *watch = (struct heald_watch *)socket;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            heald_watch_close(watch, heald__curl_free);
        return 0;
    }
    if (!watch && !(watch = heald__curl_watch(curl, fd)))
        return -1; /* no memory: libcurl fails the transfers */
    heald_watch_set(watch,
                    (what & CURL_POLL_IN ? POLLIN : 0u) | (what & CURL_POLL_OUT ? POLLOUT : 0u));
    return 0;
}

static inline int heald__curl_on_timer(CURLM *multi, long ms, void *user)
{
    struct heald_curl *curl = (struct heald_curl *)user;

    (void)multi;
    heald_watch_timer_set(&curl->timer,
                          ms < 0 ? HEALD_FOREVER : heald_now(curl->loop) + ms * HEALD_MS);
    return 0;
}

/*
 * Opens a multi handle in a loop. done(curl, easy, result) runs in a turn for each transfer that
 * ends, not for one that the program removes; there the program removes the easy handle, and frees
 * it or uses it again.
 *
 *   0         done
 *   -ENOMEM   no memory
 */
static inline int heald_curl_open(struct heald_curl *curl, struct heald_loop *loop,
                                  void (*done)(struct heald_curl *curl, CURL *easy,
                                               CURLcode result))
{
    CURLM *multi = curl_multi_init();

    if (!multi)
        return -ENOMEM;
    curl->multi = multi;
    curl->loop = loop;
    curl->done = done;
    curl->closed = NULL;
    curl->sockets = 0;
    curl->is_closing = 0;
    curl->timer.data = curl;
    heald_watch_timer_open(&curl->timer, loop, heald__curl_due);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, heald__curl_on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, heald__curl_on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl);
    return 0;
}

/* In a turn of its own: never within a call of libcurl, which forbids that. */
static inline void heald__curl_clean_up(struct heald_watch_timer *timer)
{
    struct heald_curl *curl = (struct heald_curl *)timer->data;

    curl_multi_cleanup(curl->multi);
    curl->multi = NULL;
    heald__curl_ended(curl);
}

/*
 * Closes the multi handle and its connections, in a later turn; also in curl's callbacks. `done`
 * runs no more. Then closed(curl) runs once, and the memory is the caller's; easy handles that are
 * still there are the caller's to free, then or later. It may be NULL for memory that outlives the
 * loop.
 */
static inline void heald_curl_close(struct heald_curl *curl,
                                    void (*closed)(struct heald_curl *curl))
{
    if (curl->is_closing)
        return;
    curl->is_closing = 1;
    curl->closed = closed;
    heald_watch_timer_close(&curl->timer, heald__curl_clean_up);
}

#ifdef __cplusplus
}
#endif
#endif
