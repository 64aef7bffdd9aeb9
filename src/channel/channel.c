/* channel/channel.c: a channel is opened, awaited, described and closed. Its owner's thread. */
#include "channel/channel.h"

#include "base/alloc.h"
#include "base/round.h"
#include "platform/sys.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_ROOM_MAX_DEFAULT = 16 << 20 };

int heald__channel_break(struct heald_channel *c, const char *why)
{
    if (!c->why)
        c->why = why;
    return -EPROTO;
}

static int check_socket(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t size = sizeof addr, int_size = sizeof(int);
    int type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_size) < 0 ||
        getpeername(fd, (struct sockaddr *)&addr, &size) < 0)
        return -errno;
    bool keeps_order = type == SOCK_STREAM || type == SOCK_SEQPACKET;
    return addr.ss_family == AF_UNIX && keeps_order ? 0 : -EOPNOTSUPP;
}

static int set_options(struct heald_channel *c, const struct heald_channel_options *o)
{
    size_t room = o->room ? o->room : HEALD_CHANNEL_ROOM_DEFAULT;
    size_t peer_room = o->peer_room_max ? o->peer_room_max : PEER_ROOM_MAX_DEFAULT;

    if (room > HEALD_CHANNEL_ROOM_MAX || peer_room > HEALD_CHANNEL_ROOM_MAX ||
        peer_room < HEALD_CHANNEL_ROOM_MIN || o->recv_max > HEALD_CHANNEL_ROOM_MAX)
        return -EINVAL;
    if (room < HEALD_CHANNEL_ROOM_MIN)
        room = HEALD_CHANNEL_ROOM_MIN;
    c->own.size = (uint32_t)round_to_power(room);
    c->peer_room_max = (uint32_t)peer_room;
    c->recv_max = (uint32_t)o->recv_max;
    c->history = o->history;
    return 0;
}

/* Urgent bytes come as others: else they wake this side, and recvmsg(2) discards them. */
int heald__channel_begin(struct heald_channel *c, int fd, int segment_fd)
{
    int err = check_socket(fd), on = 1;

    if (!err)
        (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    c->fd = fd;
    c->next_size = -1;
    return err ? err : heald__hello_send(c, segment_fd);
}

static int begin(struct heald_channel *c, int fd)
{
    int segment_fd = heald__segment_make(&c->own, c->own.size);
    if (segment_fd < 0)
        return segment_fd;
    int err = heald__channel_begin(c, fd, segment_fd);

    close(segment_fd);
    if (err)
        heald__segment_unmap(&c->own);
    return err;
}

int heald_channel_open(struct heald_channel **ret_channel, int fd,
                       const struct heald_channel_options *options)
{
    static const struct heald_channel_options usual = {0};
    struct heald_channel *c = alloc_new(&heald__alloc_libc, sizeof *c);
    int err = c ? set_options(c, options ? options : &usual) : -ENOMEM;

    if (!err)
        err = begin(c, fd);
    if (err)
        alloc_free(&heald__alloc_libc, c, sizeof *c);
    else
        *ret_channel = c;
    return err;
}

void heald_channel_close(struct heald_channel *channel)
{
    if (!channel)
        return;
    heald__segment_unmap(&channel->own);
    heald__segment_unmap(&channel->peer);
    alloc_free(&heald__alloc_libc, channel, sizeof *channel);
}

static int look(struct heald_channel *c, int events)
{
    int ready = 0;

    if (events & HEALD_CHANNEL_IN && heald__channel_has_message(c))
        ready |= HEALD_CHANNEL_IN;
    if (events & HEALD_CHANNEL_OUT && heald__channel_may_send(c))
        ready |= HEALD_CHANNEL_OUT;
    return ready;
}

int heald_channel_arm(struct heald_channel *channel, int events)
{
    if (!events || events & ~(HEALD_CHANNEL_IN | HEALD_CHANNEL_OUT))
        return -EINVAL;
    if (!channel->why && !channel->has_ended)
        heald__bell_take(channel);
    int ready = look(channel, events);
    if (ready)
        return ready;
    if (events & HEALD_CHANNEL_IN)
        heald__bell_arm(channel, BELL_IN);
    if (events & HEALD_CHANNEL_OUT)
        heald__bell_arm(channel, BELL_OUT);
    return look(channel, events);
}

void heald_channel_describe(const struct heald_channel *channel,
                            struct heald_channel_info *ret_info)
{
    *ret_info = (struct heald_channel_info){
        .is_open = channel->peer.segment != NULL,
        .has_ended = channel->has_ended,
        .room = channel->own.size,
        .queued = channel->sent - channel->peer_received,
        .peer_room = channel->peer.size,
        .is_broadcast = channel->peer_stride != 0,
        .recv_max = channel->recv_max,
        .sent = channel->messages_sent,
        .received = channel->messages_received,
        .lost = channel->lost,
        .why = channel->why,
    };
}
