/*
 * test/channel/killed.c: one side of a channel or of a broadcast is killed at instructions spread
 * over all that it does. The other side receives what was sent, whole and in order, then sees the
 * end, never -EPROTO, and nothing of the peer is left in it: no descriptor and no mapping.
 *
 * HEALD_CRASH_STRIDE=N kills at each Nth instruction, as in test/crash.
 */
#include "harness/harness.h"

#include <heald/heald.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 24, MESSAGES = 3, LONGEST = 1008, SCENE_SECONDS = 600 };

#define SCENE_NS HEALD_SEC

#define must(condition) ((condition) ? (void)0 : abort())

struct message {
    unsigned number;
    char fill[LONGEST - sizeof(unsigned)];
};

struct stage {
    int fds[2]; /* [0] is the survivor's, which the test is itself */
    struct heald_channel *channel, *other;
    struct heald_broadcast *broadcast;
    int other_fds[2];
};

struct scene {
    const char *name;
    void (*set)(struct stage *st);   /* the survivor, when the victim is about to begin */
    void (*act)(int fd);             /* the victim */
    void (*check)(struct stage *st); /* the survivor, when the victim is dead */
};

static int64_t soon(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + 10 * harness_slow() * HEALD_SEC;
}

static void fill(struct message *m, unsigned number)
{
    m->number = number;
    memset(m->fill, 'a' + (int)number, sizeof m->fill);
}

static bool is_whole(const struct message *m, ssize_t size)
{
    struct message wanted;

    fill(&wanted, m->number < MESSAGES ? m->number : 0);
    return size == sizeof *m && memcmp(m, &wanted, sizeof wanted) == 0;
}

/* Receives what the victim sent, to its end. How many there were. */
static unsigned drain(struct heald_channel *c)
{
    struct heald_channel_info info;
    struct message m;
    unsigned count = 0;
    ssize_t n;

    for (; (n = heald_channel_recv(c, &m, sizeof m, soon())) >= 0; count++) {
        ck_assert(is_whole(&m, n));
        ck_assert_uint_eq(m.number, count);
    }
    ck_assert_int_eq(n, -EPIPE);
    heald_channel_describe(c, &info);
    ck_assert_ptr_null(info.why);
    ck_assert(info.has_ended);
    ck_assert_uint_eq(info.received, count);
    ck_assert_uint_eq(info.lost, 0);
    ck_assert_uint_le(info.queued, info.room);
    ck_assert_uint_le(count, MESSAGES);
    return count;
}

/* Two sides that both send and receive. */
static void channel_set(struct stage *st)
{
    struct message m;

    ck_assert_int_eq(heald_channel_open(&st->channel, st->fds[0], NULL), 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        fill(&m, i);
        ck_assert_int_eq(heald_channel_trysend(st->channel, &m, sizeof m), 0);
    }
}

static void channel_act(int fd)
{
    struct heald_channel *c;
    struct message m;

    must(heald_channel_open(&c, fd, NULL) == 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        fill(&m, i);
        must(heald_channel_send(c, &m, sizeof m, HEALD_FOREVER) == 0);
        must(is_whole(&m, heald_channel_recv(c, &m, sizeof m, HEALD_FOREVER)));
    }
    must(heald_channel_arm(c, HEALD_CHANNEL_IN) == 0);
    heald_channel_close(c);
    close(fd);
}

static void channel_check(struct stage *st)
{
    struct message m = {.number = 0};

    drain(st->channel);
    ck_assert_int_eq(heald_channel_trysend(st->channel, &m, sizeof m), -EPIPE);
}

/* A subscriber is killed: the publisher, and another subscriber, go on. */
static void subscriber_set(struct stage *st)
{
    struct message m;

    ck_assert_int_eq(heald_broadcast_open(&st->broadcast, NULL), 0);
    ck_assert_int_eq(heald_broadcast_admit(st->broadcast, st->fds[0]), 0);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, st->other_fds), 0);
    ck_assert_int_eq(heald_broadcast_admit(st->broadcast, st->other_fds[0]), 0);
    ck_assert_int_eq(heald_channel_open(&st->other, st->other_fds[1], NULL), 0);
    ck_assert_int_eq(heald_channel_arm(st->other, HEALD_CHANNEL_IN), 0);
    for (unsigned i = 0; i < MESSAGES - 1; i++) {
        fill(&m, i);
        ck_assert_int_eq(heald_broadcast_publish(st->broadcast, &m, sizeof m), 0);
    }
}

static void subscriber_act(int fd)
{
    struct heald_channel_options o = {.history = MESSAGES};
    struct heald_channel *c;
    struct message m;

    must(heald_channel_open(&c, fd, &o) == 0);
    for (unsigned i = 0; i < MESSAGES - 1; i++)
        must(is_whole(&m, heald_channel_recv(c, &m, sizeof m, HEALD_FOREVER)));
    must(heald_channel_arm(c, HEALD_CHANNEL_IN) == 0);
    heald_channel_close(c);
    close(fd);
}

static void subscriber_check(struct stage *st)
{
    struct message m;
    const char *why = NULL;

    fill(&m, MESSAGES - 1);
    ck_assert_int_eq(heald_broadcast_publish(st->broadcast, &m, sizeof m), 0);
    int fd = heald_broadcast_remove_gone(st->broadcast, &why);
    ck_assert_ptr_null(why);
    /* One that did not wait has not been rung for. */
    if (fd == -ENOENT)
        ck_assert_int_eq(heald_broadcast_remove(st->broadcast, st->fds[0]), 0);
    else
        ck_assert_int_eq(fd, st->fds[0]);
    heald_broadcast_close(st->broadcast);
    st->broadcast = NULL;
    close(st->other_fds[0]);
    ck_assert_uint_eq(drain(st->other), MESSAGES);
    heald_channel_close(st->other);
    close(st->other_fds[1]);
}

/* The publisher is killed. */
static void publisher_set(struct stage *st)
{
    ck_assert_int_eq(heald_channel_open(&st->channel, st->fds[0], NULL), 0);
}

static void publisher_act(int fd)
{
    struct heald_broadcast *b;
    struct message m;

    must(heald_broadcast_open(&b, NULL) == 0);
    must(heald_broadcast_admit(b, fd) == 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        fill(&m, i);
        must(heald_broadcast_publish(b, &m, sizeof m) == 0);
    }
    heald_broadcast_close(b);
    close(fd);
}

static void publisher_check(struct stage *st)
{
    drain(st->channel);
}

static const struct scene scenes[] = {
    {"a side of a channel", channel_set, channel_act, channel_check},
    {"a subscriber", subscriber_set, subscriber_act, subscriber_check},
    {"a publisher", publisher_set, publisher_act, publisher_check},
};

enum { SCENES = sizeof scenes / sizeof scenes[0] };

/* The descriptors of this process, and its mappings of memory that was passed. */
static unsigned census(void)
{
    unsigned count = 0;
    char line[512];
    DIR *directory = opendir("/proc/self/fd");
    FILE *maps = fopen("/proc/self/maps", "re");

    if (!directory || !maps)
        harness_skip("no /proc here");
    while (readdir(directory))
        count++;
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "memfd:") != NULL;
    closedir(directory);
    fclose(maps);
    return count;
}

/* Stands before what it does, stopped. */
static pid_t start_victim(const struct scene *scene, const struct stage *st)
{
    int status;
    pid_t victim = fork();

    if (victim == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        close(st->fds[0]);
        raise(SIGSTOP);
        scene->act(st->fds[1]);
        raise(SIGSTOP);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(victim, &status, 0), victim);
    ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    return victim;
}

/* One instruction. False: it was the last. */
static bool step(const struct scene *scene, pid_t victim)
{
    int status;

    ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, victim, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(victim, &status, 0), victim);
    ck_assert_msg(WIFSTOPPED(status), "%s ends", scene->name);
    ck_assert_msg(WSTOPSIG(status) != SIGABRT, "%s aborts", scene->name);
    return WSTOPSIG(status) != SIGSTOP;
}

/* Kills the victim after so many steps, or when it is through. How many it made. */
static unsigned long play(const struct scene *scene, unsigned long steps)
{
    unsigned before = census();
    struct stage st = {0};
    unsigned long made = 0;

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, st.fds), 0);
    pid_t victim = start_victim(scene, &st);
    close(st.fds[1]);
    scene->set(&st);
    while (made < steps && step(scene, victim))
        made++;
    kill(victim, SIGKILL);
    ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
    scene->check(&st);
    heald_channel_close(st.channel);
    close(st.fds[0]);
    ck_assert_msg(census() == before, "%s: something is left after a kill at instruction %lu",
                  scene->name, made);
    return made;
}

/* The system has what a channel needs; and what a process loads or maps once is there. */
static void try_a_channel(void)
{
    struct heald_channel *c;
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    int err = heald_channel_open(&c, fds[0], NULL);
    if (err == -ENOSYS)
        harness_skip("no memfd with seals here");
    ck_assert_int_eq(err, 0);
    heald_channel_close(c);
    close(fds[0]);
    close(fds[1]);
    census();
}

HEALD_CASE(killed_at_each_instruction)
{
    const char *stride_text = getenv("HEALD_CRASH_STRIDE");
    const struct scene *scene = &scenes[_i];
    unsigned long kills = 1;

    try_a_channel();
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    unsigned long length = play(scene, ULONG_MAX);
    unsigned long stride = stride_text ? strtoul(stride_text, NULL, 10) : length / KILLS + 1;

    ck_assert_uint_gt(stride, 0);
    for (unsigned long n = 0; n < length; n += stride, kills++) {
        play(scene, n);
        /* On a slow machine fewer places, but to the end all the same. */
        if (!stride_text && heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin > SCENE_NS)
            stride *= 2;
    }
    printf("     %s: %lu kills within %lu instructions\n", scene->name, kills, length);
}

int main(int argc, char **argv)
{
    harness_bind_now(argc, argv);
    Suite *suite = suite_create("channel-killed");
    TCase *group = harness_group(suite, "killed");

    harness_limit(group, SCENE_SECONDS);
    harness_add_range(group, killed_at_each_instruction, 0, SCENES);
    return harness_run(suite);
}
