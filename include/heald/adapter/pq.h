/*
 * heald/adapter/pq.h: a connection of libpq (PostgreSQL 9.5 or newer) in a loop of heald.
 *
 * heald_pq_open() connects. In `ready` and later the program sends with libpq's own functions on
 * `conn`, PQsendQuery(), PQsendQueryParams(), PQputCopyData(), …, and then calls heald_pq_flush().
 * Results, notifications and the loss of the connection are reported. Header-only; the program
 * links -lpq. It is not part of heald/heald.h. The connection keeps heald_loop_run() running until
 * it is closed or lost.
 *
 * All functions are called on the loop's thread. They do not block, with one exception of libpq's:
 * a host name in `conninfo` is looked up in heald_pq_open(); hostaddr avoids that. connect_timeout
 * has no effect: a timer of the loop and heald_pq_close() are the way.
 */
#ifndef HEALD_ADAPTER_PQ_H
#define HEALD_ADAPTER_PQ_H

#include <heald/adapter/watch.h>

#include <libpq-fe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_pq;

/* What is reported, from the loop's turn. A member may be NULL. In each of them any function may be
 * called. */
struct heald_pq_events {
    void (*ready)(struct heald_pq *pq); /* connected */

    /* One result of a query; NULL: the query has ended, and the next may be sent. The adapter
     * clears it afterwards. After one of PGRES_COPY_IN, _OUT or _BOTH the program copies with the
     * blocking calls of libpq, after PQsetnonblocking(conn, 0), and then calls heald_pq_flush(). */
    void (*result)(struct heald_pq *pq, PGresult *result);

    void (*notify)(struct heald_pq *pq, PGnotify *notify); /* the adapter frees it */

    /* It did not connect, or the connection was lost. Once; the program closes it. Nothing else is
     * reported after it. The text is libpq's, until the close. */
    void (*error)(struct heald_pq *pq, const char *text);
};

/* A connection in a loop. The caller owns it; it stays in place from heald_pq_open() until the
 * function given to heald_pq_close() runs. Zero it once. */
struct heald_pq {
    void *data;   /* the caller's */
    PGconn *conn; /* for the functions of libpq, but PQfinish() and PQreset() */
    struct heald_loop *loop;
    const struct heald_pq_events *events; /* private, as all that follow */
    void (*closed)(struct heald_pq *pq);
    struct heald_watch watch;
    int state;
    int is_busy; /* a query was sent, and its last result has not come */
};

/* heald_pq.state. Private. */
enum { HEALD__PQ_CONNECTING = 0, HEALD__PQ_READY = 1, HEALD__PQ_FAILED = 2, HEALD__PQ_CLOSING = 3 };

static inline void heald__pq_fail(struct heald_pq *pq)
{
    if (pq->state >= HEALD__PQ_FAILED)
        return;
    pq->state = HEALD__PQ_FAILED;
    heald_watch_set(&pq->watch, 0);
    if (pq->watch.fd >= 0)
        heald_forget(pq->loop, pq->watch.fd); /* libpq has closed it already, or will */
    pq->watch.fd = -1;
    if (pq->events->error)
        pq->events->error(pq, PQerrorMessage(pq->conn));
}

/* One step of the connect, in which libpq may close the socket and open another one, even of the
 * same number. */
static inline void heald__pq_connect(struct heald_pq *pq)
{
    heald_watch_set(&pq->watch, 0);
    heald_forget(pq->loop, pq->watch.fd);
    PostgresPollingStatusType status = PQconnectPoll(pq->conn);

    if (status == PGRES_POLLING_FAILED) {
        heald__pq_fail(pq);
        return;
    }
    pq->watch.fd = PQsocket(pq->conn);
    if (status != PGRES_POLLING_OK) {
        heald_watch_set(&pq->watch, status == PGRES_POLLING_READING ? POLLIN : POLLOUT);
        return;
    }
    pq->state = HEALD__PQ_READY;
    PQsetnonblocking(pq->conn, 1);
    heald_watch_set(&pq->watch, POLLIN);
    if (pq->events->ready)
        pq->events->ready(pq);
}

/* The results that are there; stops while the program copies, and for one that is not whole. */
static inline void heald__pq_results(struct heald_pq *pq)
{
    while (pq->is_busy && pq->state == HEALD__PQ_READY && !PQisBusy(pq->conn)) {
        PGresult *result = PQgetResult(pq->conn);
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;

        pq->is_busy = result && status != PGRES_COPY_IN && status != PGRES_COPY_OUT &&
                      status != PGRES_COPY_BOTH;
        if (pq->events->result)
            pq->events->result(pq, result);
        PQclear(result);
    }
}

static inline void heald__pq_notifies(struct heald_pq *pq)
{
    PGnotify *notify;

    while (pq->state == HEALD__PQ_READY && (notify = PQnotifies(pq->conn))) {
        if (pq->events->notify)
            pq->events->notify(pq, notify);
        PQfreemem(notify);
    }
}

/* Sends what is queued; waits for room if there is none. */
static inline void heald__pq_send(struct heald_pq *pq)
{
    if (pq->state == HEALD__PQ_READY)
        heald_watch_set(&pq->watch, PQflush(pq->conn) == 1 ? POLLIN | POLLOUT : POLLIN);
}

static inline void heald__pq_ready(struct heald_watch *watch, unsigned events)
{
    struct heald_pq *pq = heald_container_of(watch, struct heald_pq, watch);

    if (watch->err) {
        heald__pq_fail(pq);
        return;
    }
    if (pq->state == HEALD__PQ_CONNECTING) {
        heald__pq_connect(pq);
        return;
    }
    /* Also before a write: the server may wait for us to read. */
    int is_alive = PQconsumeInput(pq->conn);
    if (is_alive && events & POLLOUT)
        heald__pq_send(pq);
    heald__pq_results(pq);
    heald__pq_notifies(pq);
    if (pq->state == HEALD__PQ_READY && (!is_alive || PQstatus(pq->conn) == CONNECTION_BAD))
        heald__pq_fail(pq);
}

/*
 * Begins to connect, as PQconnectStart().
 *
 *   0         `ready` or `error` will run
 *   -ENOMEM   no memory
 */
static inline int heald_pq_open(struct heald_pq *pq, struct heald_loop *loop, const char *conninfo,
                                const struct heald_pq_events *events)
{
    pq->conn = PQconnectStart(conninfo);
    pq->loop = loop;
    pq->events = events;
    pq->closed = NULL;
    pq->state = HEALD__PQ_CONNECTING;
    pq->is_busy = 0;
    if (!pq->conn)
        return -ENOMEM;
    /* Without a socket it has failed: the watch reports that with the next turn. */
    heald_watch_open(&pq->watch, loop, PQsocket(pq->conn), heald__pq_ready);
    heald_watch_set(&pq->watch, POLLOUT);
    return 0;
}

/*
 * Sends what the program has given to libpq, and reads the results: after PQsendQuery() and the
 * like.
 *
 *   0           done
 *   -ENOTCONN   it is not connected, has failed, or is being closed
 */
static inline int heald_pq_flush(struct heald_pq *pq)
{
    if (pq->state != HEALD__PQ_READY)
        return -ENOTCONN;
    pq->is_busy = 1;
    heald__pq_send(pq);
    return 0;
}

static inline void heald__pq_on_closed(struct heald_watch *watch)
{
    struct heald_pq *pq = heald_container_of(watch, struct heald_pq, watch);

    PQfinish(pq->conn);
    pq->conn = NULL;
    if (pq->closed)
        pq->closed(pq);
}

/* Closes the connection, in a later turn. Nothing is reported any more. Then closed(pq) runs once,
 * and the memory is the caller's. It may be NULL for memory that outlives the loop. */
static inline void heald_pq_close(struct heald_pq *pq, void (*closed)(struct heald_pq *pq))
{
    if (pq->state == HEALD__PQ_CLOSING)
        return;
    pq->state = HEALD__PQ_CLOSING;
    pq->closed = closed;
    heald_watch_close(&pq->watch, heald__pq_on_closed);
}

#ifdef __cplusplus
}
#endif
#endif
