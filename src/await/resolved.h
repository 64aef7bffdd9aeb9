/* await/resolved.h: one question to systemd-resolved, over a connection of its own. The loop's
 * thread. */
#ifndef HEALD_SRC_AWAIT_RESOLVED_H
#define HEALD_SRC_AWAIT_RESOLVED_H

#include "base/alloc.h"
#include "net/varlink.h"

#include <stdbool.h>

struct heald_resolved {
    struct heald_op op; /* connect, send, receive, one after the other */
    /* The end: 0, and the reply is buf[0 .. len]; or -errno. */
    void (*done)(struct heald_resolved *r, int err);
    struct heald_loop *loop;
    const struct heald_addr *addr;
    struct heald_allocator alloc;
    int fd;
    bool cancelled;
    char request[VARLINK_REQUEST];
    size_t request_len, sent;
    char *buf;
    size_t len, room;
};

/* Begins: 0, and done() is called once, from a turn; or -errno; -EOPNOTSUPP: this host is none for
 * resolved. loop, addr, alloc and done are set; addr stays in place. */
int heald__resolved_ask(struct heald_resolved *r, const char *host, int family);

/* Has it end: done() comes. */
void heald__resolved_cancel(struct heald_resolved *r);

/* Frees the reply. */
void heald__resolved_free(struct heald_resolved *r);

#endif
