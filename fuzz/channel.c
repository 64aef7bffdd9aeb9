/*
 * fuzz/channel.c: a peer that follows a script: what it passes at the beginning, what it writes to
 * its memory and to the socket, and which calls run in between. With an odd first byte a thread
 * plays the script once more while the calls run.
 *
 * After the first byte: 16 bytes of a hello (version, room, recv_max, stride), then 8 bytes a
 * command: what, a small number, a place (16 bits), a value (32 bits).
 */
#include "fuzz.h"

#include "channel/segment.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COMMAND = 8, HELLO = 16, COMMANDS_MAX = 512, ROOM_MAX = 1 << 16, LONGEST = 300 };

/* The headers of the system may be older. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE };

struct command {
    uint8_t what, number;
    uint16_t place;
    uint32_t value;
};

struct run {
    int fds[2];
    struct heald_channel *channel;
    struct segment *segment;
    uint32_t room; /* bytes */
    const uint8_t *script;
    size_t commands;
};

static struct command command_at(const struct run *r, size_t i)
{
    struct command c;

    memcpy(&c, r->script + i * COMMAND, sizeof c);
    return c;
}

/* What the peer does by itself. */
static void play(const struct run *r, struct command c)
{
    struct segment *s = r->segment;
    uint32_t *word =
        (uint32_t *)(void *)((char *)s + SEGMENT_HEAD + c.place % (r->room - 3) / 4 * 4);

    switch (c.what % 8) {
    case 0: segment_write(word, c.value); break;
    case 1: segment_write(&s->sent, c.value); break;
    case 2: segment_write(&s->received, c.value); break;
    case 3: segment_write(&s->armed[c.number % BELLS], c.value); break;
    case 4: __atomic_store_n(&s->published, c.value, __ATOMIC_RELEASE); break;
    case 5: (void)send(r->fds[1], &c.value, c.number % 5, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    default: break;
    }
}

static void *play_all(void *ctx)
{
    const struct run *r = ctx;

    for (size_t i = 0; i < r->commands; i++)
        play(r, command_at(r, i));
    return NULL;
}

static void receive(struct heald_channel *channel, size_t room)
{
    char *buf = malloc(room ? room : 1);
    ssize_t n = heald_channel_tryrecv(channel, buf, room);

    MUST(n == -EAGAIN || n == -EPROTO || n == -EPIPE || n == -EMSGSIZE ||
         (n >= 0 && (size_t)n <= room));
    free(buf);
}

/* The calls of the honest side. */
static void call(const struct run *r, struct command c)
{
    static const char data[2 * LONGEST];
    int err = 0;

    if (c.what % 8 == 6)
        err = heald_channel_trysend(r->channel, data, c.value % sizeof data);
    else if (c.number % 3 == 0)
        MUST(heald_channel_arm(r->channel, 1 + c.number / 3 % 3) >= 0);
    else
        receive(r->channel, c.value % (LONGEST + 1));
    MUST(!err || err == -EAGAIN || err == -EPROTO || err == -EPIPE || err == -EMSGSIZE ||
         err == -EOPNOTSUPP);
}

/* The peer's memory and its hello; what is not plausible is passed as it is. */
static int join(struct run *r, const uint8_t *bytes)
{
    char hello[24] = "heald-ch";
    struct heald_fd_msg m;

    memcpy(hello + 8, bytes, HELLO);
    memcpy(&r->room, bytes + 4, sizeof r->room);
    if (r->room < 4096 || r->room > ROOM_MAX)
        r->room = 4096;
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    MUST(fd >= 0 && posix_fallocate(fd, 0, (off_t)(SEGMENT_HEAD + (size_t)r->room)) == 0);
    r->segment = mmap(NULL, SEGMENT_HEAD + r->room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(r->segment != MAP_FAILED);
    MUST(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
    heald_fd_msg_send(&m, hello, sizeof hello, &fd, 1);
    MUST(sendmsg(r->fds[1], &m.msg, 0) == (ssize_t)sizeof hello);
    close(fd);
    return heald_channel_arm(r->channel, HEALD_CHANNEL_IN);
}

static void follow_script(struct run *r)
{
    for (size_t i = 0; i < r->commands; i++) {
        struct command c = command_at(r, i);
        if (c.what % 8 < 6)
            play(r, c);
        else
            call(r, c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {0};
    pthread_t thread;

    if (size < 1 + HELLO || heald_socketpair(SOCK_STREAM, r.fds) < 0)
        return 0;
    r.script = data + 1 + HELLO;
    r.commands = (size - 1 - HELLO) / COMMAND;
    if (r.commands > COMMANDS_MAX)
        r.commands = COMMANDS_MAX;
    int err = heald_channel_open(
        &r.channel, r.fds[0], &(struct heald_channel_options){.room = 4096, .recv_max = LONGEST});
    if (!err) {
        join(&r, data + 1);
        bool twice = data[0] & 1 && pthread_create(&thread, NULL, play_all, &r) == 0;
        follow_script(&r);
        if (twice)
            pthread_join(thread, NULL);
        munmap(r.segment, SEGMENT_HEAD + r.room);
        heald_channel_close(r.channel);
    }
    for (int i = 0; i < 2; i++)
        close(r.fds[i]);
    return 0;
}
