/*
 * channel/hello.c: the one message with a descriptor that either side sends first. Whatever else
 * comes breaks the channel. Its owner's thread.
 */
#include "channel/channel.h"

#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    VERSION = 1,
    FDS_MAX = 253 /* in a message: SCM_MAX_FD of the kernel */
};

static const char magic[8] = "heald-ch";

struct hello {
    char magic[8];
    uint32_t version;
    uint32_t room;     /* bytes */
    uint32_t recv_max; /* longest message that it accepts */
    uint32_t stride;   /* bytes of a cell, in a broadcast; 0: it is none */
};

int heald__hello_send(const struct heald_channel *c, int segment_fd)
{
    struct hello h = {
        .version = VERSION, .room = c->own.size, .recv_max = c->recv_max, .stride = c->own_stride};
    struct heald_fd_msg m;
    int64_t n;

    memcpy(h.magic, magic, sizeof magic);
    heald_fd_msg_send(&m, &h, sizeof h, &segment_fd, 1);
    do
        n = heald__plat_sendmsg_now(c->fd, &m.msg, 0);
    while (n == -EINTR);
    return n < 0 ? (int)n : 0;
}

static bool is_power(uint32_t n)
{
    return n && !(n & (n - 1));
}

/* The own side of a broadcast has no use for another one. */
static bool is_stride(const struct heald_channel *c, const struct hello *h)
{
    return !h->stride || (!c->own_stride && is_power(h->stride) && h->stride > CELL_HEAD &&
                          h->stride <= h->room / 2);
}

static bool is_sane(const struct heald_channel *c, const struct hello *h, const char **ret_why)
{
    *ret_why = NULL;
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        *ret_why = "the peer does not open a channel";
    else if (h->version != VERSION)
        *ret_why = "the peer has another version";
    else if (!is_power(h->room) || h->room < HEALD_CHANNEL_ROOM_MIN ||
             h->room > HEALD_CHANNEL_ROOM_MAX || !is_stride(c, h))
        *ret_why = "the peer's room has no size that there is";
    else if (h->room > c->peer_room_max)
        *ret_why = "the peer's room is above peer_room_max";
    return !*ret_why;
}

static int accept_hello(struct heald_channel *c, const struct hello *h, int fd)
{
    const char *why;

    if (!is_sane(c, h, &why))
        return heald__channel_break(c, why);
    /* Of a subscriber only what it waits for is read. */
    if (heald__segment_map(&c->peer, fd, h->room, c->own_stride ? 0 : h->room, &why))
        return heald__channel_break(c, why);
    c->peer_recv_max = h->recv_max;
    uint32_t longest = h->stride ? h->stride - CELL_HEAD : h->room - RECORD_HEAD;
    if (!c->recv_max || c->recv_max > longest)
        c->recv_max = longest;
    if (h->stride)
        heald__broadcast_follow(c, h->stride);
    heald__plat_refuse_fds(c->fd);
    return 0;
}

/* Descriptors that found no room would be closed by the kernel, which lingers. */
int64_t heald__socket_take(const struct heald_channel *c, void *buf, size_t size, struct passed *p)
{
    struct heald_fd_msg m;
    union {
        size_t align; /* as struct cmsghdr begins */
        char room[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(256)];
    } control;
    int64_t n;

    heald_fd_msg_recv(&m, buf, size);
    m.msg.msg_control = control.room;
    m.msg.msg_controllen = sizeof control.room;
    do
        n = heald__plat_recvmsg_now(c->fd, &m.msg, 0);
    while (n == -EINTR);
    p->is_cut = n >= 0 && m.msg.msg_flags & MSG_TRUNC;
    p->count = n < 0 ? 0 : heald_fd_msg_fds(&m, p->fds, 2);
    return n;
}

void heald__passed_close(const struct passed *p)
{
    for (int i = 0; i < p->count; i++)
        heald__plat_close_passed(p->fds[i]);
}

/* The message is taken from the socket whatever becomes of it. */
int heald__hello_recv(struct heald_channel *c)
{
    struct hello h;
    struct passed p;
    int64_t n = heald__socket_take(c, &h, sizeof h, &p);

    if (n == -EAGAIN)
        return -EAGAIN;
    if (n < 0 || (n == 0 && p.count == 0)) {
        c->has_ended = true;
        return -EPIPE;
    }
    if (p.count < 0)
        return heald__channel_break(c, "no descriptor is free for what the peer passed");
    bool is_whole = n == (int64_t)sizeof h && p.count == 1 && !p.is_cut;
    int err = is_whole ? accept_hello(c, &h, p.fds[0])
                       : heald__channel_break(c, "the peer does not open a channel");
    heald__passed_close(&p);
    return err;
}
