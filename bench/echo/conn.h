/*
 * One connection of the servers that learn of readiness (epoll, libevent, libev).
 *
 * All connections share one scratch buffer, which stays in the first-level cache; a connection owns
 * memory only while the client does not take what was echoed.  Reading stops meanwhile, so a
 * client that never reads costs one buffer at most.
 */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONN_SCRATCH = 16384 };

struct conn {
    int fd;
    char *pending; /* what is still to send, NULL most of the time */
    size_t off, len;
};

/* What a connection waits for next; CONN_MORE: nothing, there may be more to receive already. */
enum conn_want { CONN_READ, CONN_MORE, CONN_WRITE, CONN_CLOSE };

static inline int conn_again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static inline enum conn_want conn_flush(struct conn *c)
{
    ssize_t n = send(c->fd, c->pending + c->off, c->len - c->off, MSG_NOSIGNAL);

    if (n < 0)
        return conn_again() ? CONN_WRITE : CONN_CLOSE;
    c->off += (size_t)n;
    if (c->off < c->len)
        return CONN_WRITE;
    free(c->pending);
    c->pending = NULL;
    return CONN_MORE;
}

static inline enum conn_want conn_keep(struct conn *c, const char *rest, size_t len)
{
    c->pending = malloc(len);
    if (!c->pending)
        return CONN_CLOSE;
    memcpy(c->pending, rest, len);
    c->off = 0;
    c->len = len;
    return CONN_WRITE;
}

/* Receive once, send back once.  A receive that does not fill the buffer has emptied the socket. */
static inline enum conn_want conn_echo(struct conn *c, char *scratch)
{
    ssize_t sent, n = recv(c->fd, scratch, CONN_SCRATCH, 0);

    if (n <= 0)
        return n < 0 && conn_again() ? CONN_READ : CONN_CLOSE;
    sent = send(c->fd, scratch, (size_t)n, MSG_NOSIGNAL);
    if (sent == n)
        return n < CONN_SCRATCH ? CONN_READ : CONN_MORE;
    if (sent < 0) {
        if (!conn_again())
            return CONN_CLOSE;
        sent = 0;
    }
    return conn_keep(c, scratch + sent, (size_t)(n - sent));
}

static inline struct conn *conn_init(struct conn *c, int fd)
{
    c->fd = fd;
    c->pending = NULL;
    return c;
}

static inline void conn_fini(struct conn *c)
{
    close(c->fd);
    free(c->pending);
}

#endif
