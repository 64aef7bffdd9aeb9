/*
 * channel/bell.c: how the sides of a channel wake each other. The owner's thread.
 *
 * A side that waits adds one to armed[] of its segment. The other one, after each change, reads
 * that word: if it is one more than the times that it has rung, it sends one byte. A side has one
 * wait at a time that is not answered, so that no more bytes come than it waits, and none while it
 * does not. A byte that was not asked for breaks the channel, and so does a word that moved by more
 * than one.
 *
 * A peer that answers each wait at once, with nothing, would keep this side busy. But a side rings
 * after a change only. So when nothing is there it has rung at most as often as it sent messages,
 * which were all received; and at most as often as it freed words of the room. A subscriber does
 * not receive what was published before it saw the publisher's hello, but may have waited: of these
 * samples one may have answered that wait, and the last one the next wait.
 *
 * Nobody sleeps in vain. One side: store armed, fence (1), read the position again. The other one:
 * store the position, fence (2), read armed. Both fences are seq_cst, so that one of the two reads
 * sees the other's store. The byte stays in the socket until it is taken, and it is taken only by
 * heald_channel_arm(), which looks at the positions afterwards. A side that has not seen the
 * other's hello looks for it after each change: the hello was sent before that side waited.
 *
 * test/model/channel.pml has these steps: neither of two sides that keep to the rules accuses the
 * other, and both end.
 *
 * The byte is sent, and read, with MSG_DONTWAIT: whatever the flags of the socket say, which others
 * may share, nothing waits.
 */
#include "channel/channel.h"

#include "platform/sys.h"

#include <errno.h>

static const char bell_bytes[BELLS] = {'i', 'o'};

void heald__bell_ring(struct heald_channel *c, int bell)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* (2) */
    if (!c->peer.segment && heald__hello_recv(c) < 0)
        return;
    uint32_t armed = segment_read(&c->peer.segment->armed[bell]);
    if (armed == c->bells.rung[bell])
        return;
    if (armed != ++c->bells.rung[bell]) {
        heald__channel_break(c, "the peer waits more often than it can");
        return;
    }
    int64_t n;
    do
        n = heald__plat_send_now(c->fd, &bell_bytes[bell], 1, 0);
    while (n == -EINTR);
    if (n == -ENOMEM || n == -ENOBUFS)
        c->bells.rung[bell]--; /* with the next change */
    else if (n < 0 && n != -EAGAIN)
        c->has_ended = true; /* of -EAGAIN: the socket is full of what it did not take */
}

/* One byte, which was asked for. */
static void answer(struct heald_channel *c, char byte)
{
    for (int bell = 0; bell < BELLS; bell++)
        if (byte == bell_bytes[bell] && c->bells.pending[bell]) {
            c->bells.pending[bell] = false;
            c->bells.heard[bell]++;
            return;
        }
    heald__channel_break(c, "the peer sent something else to the socket");
}

static int64_t take_bytes(struct heald_channel *c)
{
    char bytes[BELLS + 1];
    struct passed p;
    int64_t n = heald__socket_take(c, bytes, sizeof bytes, &p);

    heald__passed_close(&p);
    if (p.count > 0)
        heald__channel_break(c, "the peer passed a descriptor that nobody asked for");
    for (int64_t i = 0; i < n && !c->why; i++)
        answer(c, bytes[i]);
    return n;
}

/* Each answer had a reason. */
static void check_reasons(struct heald_channel *c)
{
    if (heald__channel_has_message(c) == 0 &&
        c->bells.heard[BELL_IN] > c->messages_received + c->lost + c->missed)
        heald__channel_break(c, "the peer rings for no message");
    if (c->bells.heard[BELL_OUT] > c->words_freed && heald__channel_has_room(c, c->own.size) >= 0 &&
        c->bells.heard[BELL_OUT] > c->words_freed)
        heald__channel_break(c, "the peer rings for no room");
}

/* It was sent before the peer waited, and what was sent before it came has rung nobody. */
void heald__bell_meet(struct heald_channel *c)
{
    if (!c->peer.segment && heald__hello_recv(c) == 0 && c->messages_sent)
        heald__bell_ring(c, BELL_IN);
}

/* At most as many messages as there are bells, and one more, which is one too many or the end. */
void heald__bell_take(struct heald_channel *c)
{
    int64_t n = 1;

    heald__bell_meet(c);
    if (!c->peer.segment)
        return;
    for (int i = 0; i <= BELLS && n > 0 && !c->why && !c->has_ended; i++)
        n = take_bytes(c);
    if (n == 0 || (n < 0 && n != -EAGAIN))
        c->has_ended = true;
    check_reasons(c);
}

void heald__bell_arm(struct heald_channel *c, int bell)
{
    if (c->bells.pending[bell])
        return;
    c->bells.pending[bell] = true;
    segment_write(&c->own.segment->armed[bell], ++c->bells.armed[bell]);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* (1) */
}
