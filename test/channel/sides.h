/* test/channel/sides.h: the two sides of a channel; and a peer that makes its side by hand. */
#ifndef HEALD_TEST_CHANNEL_SIDES_H
#define HEALD_TEST_CHANNEL_SIDES_H

#include "channel/segment.h"
#include "harness/harness.h"

#include <heald/heald.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In a thread or a child, where Check cannot report. */
#define must(condition) ((condition) ? (void)0 : abort())

struct pair {
    int fds[2];
    struct heald_channel *a, *b;
};

static inline void channel_make(struct heald_channel **ret, int fd,
                                const struct heald_channel_options *o)
{
    int err = heald_channel_open(ret, fd, o);

    if (err == -ENOSYS)
        harness_skip("no memfd with seals here");
    ck_assert_int_eq(err, 0);
}

static inline struct pair pair_open(int type, const struct heald_channel_options *o)
{
    struct pair p;

    ck_assert_int_eq(heald_socketpair(type, p.fds), 0);
    channel_make(&p.a, p.fds[0], o);
    channel_make(&p.b, p.fds[1], o);
    return p;
}

static inline void pair_close(struct pair *p)
{
    heald_channel_close(p->a);
    heald_channel_close(p->b);
    close(p->fds[0]);
    close(p->fds[1]);
}

static inline const char *why_of(const struct heald_channel *c)
{
    struct heald_channel_info info;

    heald_channel_describe(c, &info);
    return info.why;
}

static inline bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* A peer by hand: what it passes, and a mapping that it writes to. */
struct rogue {
    int fds[2]; /* [0] is the honest side's socket */
    struct heald_channel *honest;
    struct segment *segment;
    char *room;
    size_t size; /* of the room */
};

/* The hello as it is on the socket. */
struct rogue_hello {
    char magic[8];
    uint32_t version, room, recv_max, stride;
};

enum { ROGUE_ROOM = 4096 };

/* The headers of the system may be older. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define ROGUE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE)

void rogue_open(struct rogue *r, const struct heald_channel_options *o);
void rogue_hello(struct rogue *r, const struct rogue_hello *h, const int *fds, unsigned count);
int rogue_memory(struct rogue *r, size_t size, int seals, unsigned flags);
void rogue_join(struct rogue *r, const struct heald_channel_options *o);
void rogue_close(struct rogue *r);

extern const struct rogue_hello rogue_usual;

#endif
