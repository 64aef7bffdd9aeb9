/* test/channel/broadcast.c: one publisher, and subscribers that keep up, lag, lie, or are gone. */
#include "channel/sides.h"
#include "harness/seeds.h"

#include <heald/broadcast.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { STRIDE = 256, LONGEST = STRIDE - CELL_HEAD };

struct scene {
    struct heald_broadcast *b;
    int fds[2]; /* [0] is the publisher's */
    struct heald_channel *c;
};

static void scene_join(struct scene *s, const struct heald_channel_options *o)
{
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, s->fds), 0);
    ck_assert_int_eq(heald_broadcast_admit(s->b, s->fds[0]), 0);
    channel_make(&s->c, s->fds[1], o);
    ck_assert_int_eq(heald_channel_arm(s->c, HEALD_CHANNEL_OUT), HEALD_CHANNEL_OUT);
}

static struct scene scene_open(const struct heald_broadcast_options *o)
{
    struct scene s = {0};
    int err = heald_broadcast_open(&s.b, o);

    if (err == -ENOSYS)
        harness_skip("no memfd with seals here");
    ck_assert_int_eq(err, 0);
    scene_join(&s, NULL);
    return s;
}

static void scene_leave(struct scene *s)
{
    heald_channel_close(s->c);
    for (int i = 0; i < 2; i++)
        close(s->fds[i]);
}

static void scene_close(struct scene *s)
{
    heald_broadcast_close(s->b);
    scene_leave(s);
}

static void publish(struct scene *s, unsigned from, unsigned to)
{
    for (; from < to; from++)
        ck_assert_int_eq(heald_broadcast_publish(s->b, &from, sizeof from), 0);
}

static void expect(struct scene *s, unsigned from, unsigned to)
{
    unsigned got;

    for (; from < to; from++) {
        ck_assert_int_eq(heald_channel_next(s->c), (int)sizeof got);
        ck_assert_int_eq(heald_channel_tryrecv(s->c, &got, sizeof got), (int)sizeof got);
        ck_assert_uint_eq(got, from);
    }
}

static uint64_t lost(const struct scene *s)
{
    struct heald_channel_info info;

    heald_channel_describe(s->c, &info);
    ck_assert(info.is_broadcast);
    return info.lost;
}

HEALD_CASE(options_are_checked)
{
    static const struct heald_broadcast_options wrong[] = {
        {.samples = (size_t)1 << 31},
        {.sample_max = (size_t)HEALD_CHANNEL_ROOM_MAX},
        {.sample_max = SIZE_MAX, .samples = SIZE_MAX},
        {.sample_max = 1 << 20, .samples = 1 << 20},
        {.subscribers = HEALD_BROADCAST_SUBSCRIBERS_MAX + 1},
    };
    struct scene s = scene_open(&(struct heald_broadcast_options){.subscribers = 1});
    struct heald_broadcast *b = NULL;
    char data[1009] = {0};
    int fds[2];

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(heald_broadcast_open(&b, &wrong[i]), -EINVAL);
    ck_assert_ptr_null(b);
    ck_assert_int_eq(heald_broadcast_publish(s.b, data, sizeof data), -EMSGSIZE);
    ck_assert_int_eq(heald_broadcast_publish(s.b, data, sizeof data - 1), 0);
    ck_assert_int_eq(heald_channel_tryrecv(s.c, data, 10), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_tryrecv(s.c, data, sizeof data), 1008);
    ck_assert_int_eq(heald_channel_trysend(s.c, "x", 1), -EOPNOTSUPP);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(heald_broadcast_admit(s.b, fds[0]), -EUSERS);
    ck_assert_int_eq(heald_broadcast_remove(s.b, fds[0]), -ENOENT);
    ck_assert_int_eq(heald_broadcast_remove(s.b, s.fds[0]), 0);
    ck_assert_int_eq(heald_broadcast_admit(s.b, -1), -EBADF);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    scene_close(&s);
    heald_broadcast_close(NULL);
}

HEALD_CASE(samples_arrive_in_order)
{
    struct scene s = scene_open(&(struct heald_broadcast_options){.samples = 8});
    unsigned got;

    ck_assert_int_eq(heald_channel_tryrecv(s.c, &got, sizeof got), -EAGAIN);
    for (unsigned i = 0; i < 100; i++) {
        publish(&s, 2 * i, 2 * i + 2);
        expect(&s, 2 * i, 2 * i + 2);
    }
    ck_assert_uint_eq(lost(&s), 0);
    scene_close(&s);
}

HEALD_CASE(a_slow_subscriber_loses_the_oldest)
{
    struct scene s = scene_open(&(struct heald_broadcast_options){.samples = 8});

    publish(&s, 0, 100);
    expect(&s, 100 - 7, 100);
    ck_assert_uint_eq(lost(&s), 100 - 7);
    scene_close(&s);
}

HEALD_CASE(history_for_who_comes_late)
{
    struct scene s = scene_open(&(struct heald_broadcast_options){.samples = 8});

    publish(&s, 0, 3);
    for (unsigned history = 0; history < 20; history++) {
        struct scene late = {.b = s.b};
        unsigned have = history < 3 ? history : 3;
        scene_join(&late, &(struct heald_channel_options){.history = history});
        expect(&late, 3 - have, 3);
        ck_assert_int_eq(heald_channel_next(late.c), -EAGAIN);
        ck_assert_int_eq(heald_broadcast_remove(s.b, late.fds[0]), 0);
        scene_leave(&late);
    }
    scene_close(&s);
}

/* It waits before the publisher admits it: the sample that wakes it is not for it, nor is the last
 * one before it came, whose publisher looks whether it waits only then. */
HEALD_CASE(a_subscriber_that_waits_first)
{
    for (unsigned history = 0; history < 3; history++) {
        struct scene s = {0};
        ck_assert_int_eq(heald_socketpair(SOCK_STREAM, s.fds), 0);
        channel_make(&s.c, s.fds[1], &(struct heald_channel_options){.history = history});
        ck_assert_int_eq(heald_channel_arm(s.c, HEALD_CHANNEL_IN), 0);
        ck_assert_int_eq(heald_broadcast_open(&s.b, NULL), 0);
        ck_assert_int_eq(heald_broadcast_admit(s.b, s.fds[0]), 0);
        publish(&s, 0, 3);
        ck_assert_int_eq(heald_channel_arm(s.c, HEALD_CHANNEL_IN), history ? HEALD_CHANNEL_IN : 0);
        ck_assert_ptr_null(why_of(s.c));
        expect(&s, 3 - history, 3);
        ck_assert_int_eq(heald_channel_arm(s.c, HEALD_CHANNEL_IN), 0);
        publish(&s, 3, 4);
        ck_assert(is_readable(s.fds[1]));
        ck_assert_int_eq(heald_channel_arm(s.c, HEALD_CHANNEL_IN), HEALD_CHANNEL_IN);
        expect(&s, 3, 4);
        scene_close(&s);
    }
}

/* Its room has no use here, and no limit. */
HEALD_CASE(a_subscriber_with_a_large_room)
{
    struct scene s = scene_open(NULL), other = {.b = s.b};

    scene_join(&other, &(struct heald_channel_options){.room = 1 << 20});
    publish(&s, 0, 1);
    ck_assert_int_eq(heald_broadcast_remove_gone(s.b, NULL), -ENOENT);
    expect(&other, 0, 1);
    ck_assert_int_eq(heald_channel_arm(other.c, HEALD_CHANNEL_IN), 0);
    publish(&s, 1, 2);
    ck_assert(is_readable(other.fds[1]));
    scene_leave(&other);
    scene_close(&s);
}

HEALD_CASE(who_is_gone_is_removed)
{
    struct scene s = scene_open(NULL), other = {.b = s.b};
    const char *why = "?";

    scene_join(&other, NULL);
    ck_assert_int_eq(heald_channel_arm(other.c, HEALD_CHANNEL_IN), 0);
    ck_assert_int_eq(heald_broadcast_remove_gone(s.b, &why), -ENOENT);
    heald_channel_close(other.c);
    close(other.fds[1]);
    publish(&s, 0, 2);
    ck_assert_int_eq(heald_broadcast_remove_gone(s.b, &why), other.fds[0]);
    ck_assert_ptr_null(why);
    ck_assert_int_eq(heald_broadcast_remove_gone(s.b, NULL), -ENOENT);
    close(other.fds[0]);
    expect(&s, 0, 2);
    heald_broadcast_close(s.b);
    close(s.fds[0]);
    s.fds[0] = open("/dev/null", O_RDONLY);
    s.b = NULL;
    unsigned got;
    ck_assert_int_eq(heald_channel_recv(s.c, &got, sizeof got, HEALD_FOREVER), -EPIPE);
    scene_close(&s);
}

static void scene_end(struct scene *s)
{
    heald_channel_close(s->c);
    close(s->fds[1]);
}

/* Each is found once, wherever the look before ended. */
HEALD_CASE(all_that_are_gone_are_removed)
{
    enum { MANY = 9 };
    struct scene s = scene_open(NULL), others[MANY];
    bool is_closed[MANY] = {false};
    int fd;

    for (unsigned i = 0; i < MANY; i++) {
        others[i] = (struct scene){.b = s.b};
        scene_join(&others[i], NULL);
        ck_assert_int_eq(heald_channel_arm(others[i].c, HEALD_CHANNEL_IN), 0);
    }
    for (unsigned step = 4; step; step -= 2) {
        unsigned gone = 0, removed = 0;
        for (unsigned i = 0; i < MANY; i++)
            if (!is_closed[i] && i % step == 0) {
                is_closed[i] = true;
                scene_end(&others[i]);
                gone++;
            }
        publish(&s, 0, 1);
        for (; (fd = heald_broadcast_remove_gone(s.b, NULL)) >= 0; removed++)
            close(fd);
        ck_assert_int_eq(fd, -ENOENT);
        ck_assert_uint_eq(removed, gone);
        for (unsigned i = 0; i < MANY; i++)
            if (!is_closed[i]) {
                expect(&others[i], 0, 1);
                ck_assert_int_eq(heald_channel_arm(others[i].c, HEALD_CHANNEL_IN), 0);
            }
    }
    for (unsigned i = 1; i < MANY; i += 2)
        scene_leave(&others[i]);
    scene_close(&s);
}

/* Subscribers in processes of their own, one of which is killed while all wait. */
static void subscribe_and_sum(int fd, unsigned last)
{
    struct heald_channel *c;
    unsigned got = 0, before = 0;

    must(heald_channel_open(&c, fd, &(struct heald_channel_options){.history = 10}) == 0);
    while (got != last) {
        must(heald_channel_recv(c, &got, sizeof got, HEALD_FOREVER) == sizeof got);
        must(got > before);
        before = got;
    }
    heald_channel_close(c);
}

HEALD_CASE(several_processes)
{
    enum { SUBSCRIBERS = 3, LAST = 20000 };
    struct scene s = scene_open(&(struct heald_broadcast_options){.samples = 16});
    pid_t children[SUBSCRIBERS];
    int status;

    for (int i = 0; i < SUBSCRIBERS; i++) {
        int fds[2];
        ck_assert_int_eq(heald_socketpair(SOCK_SEQPACKET, fds), 0);
        ck_assert_int_eq(heald_broadcast_admit(s.b, fds[0]), 0);
        children[i] = fork();
        if (children[i] == 0) {
            subscribe_and_sum(fds[1], LAST);
            _exit(0);
        }
        close(fds[1]);
    }
    publish(&s, 1, LAST / 2);
    kill(children[0], SIGKILL);
    publish(&s, LAST / 2, LAST + 1);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, i ? 0 : SIGKILL);
    }
    for (int fd; (fd = heald_broadcast_remove_gone(s.b, NULL)) >= 0;)
        close(fd);
    for (int fd = 3; fd < 64; fd++)
        if (heald_broadcast_remove(s.b, fd) == 0 && fd != s.fds[0])
            close(fd);
    scene_close(&s);
}

/* A publisher by hand. */
static const struct rogue_hello usual = {"heald-ch", 1, ROGUE_ROOM, 0, STRIDE};

static struct cell *rogue_cell(struct rogue *r, unsigned i)
{
    return (struct cell *)(void *)(r->room + i * STRIDE);
}

static void rogue_publisher(struct rogue *r)
{
    rogue_open(r, &(struct heald_channel_options){.recv_max = 100});
    int fd = rogue_memory(r, ROGUE_ROOM, ROGUE_SEALS, 0);
    rogue_hello(r, &usual, &fd, 1);
    close(fd);
    ck_assert_int_eq(heald_channel_arm(r->honest, HEALD_CHANNEL_IN), 0);
}

static void broken(struct rogue *r)
{
    char got[100];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_channel_tryrecv(r->honest, got, sizeof got), -EPROTO);
    rogue_close(r);
}

HEALD_CASE(strides_that_make_no_sense)
{
    static const uint32_t strides[] = {1, 16, 24, 8192, 4096, 1u << 31, UINT32_MAX};

    for (unsigned i = 0; i < sizeof strides / sizeof strides[0]; i++) {
        struct rogue r;
        struct rogue_hello h = usual;
        rogue_open(&r, NULL);
        h.stride = strides[i];
        int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0);
        rogue_hello(&r, &h, &fd, 1);
        close(fd);
        heald_channel_arm(r.honest, HEALD_CHANNEL_IN);
        broken(&r);
    }
}

HEALD_CASE(samples_that_make_no_sense)
{
    struct rogue r;

    rogue_publisher(&r); /* it says that there is one */
    r.segment->published = 1;
    broken(&r);
    rogue_publisher(&r);
    *rogue_cell(&r, 0) = (struct cell){2, 101, 0};
    r.segment->published = 1;
    broken(&r);
    rogue_publisher(&r);
    r.segment->published = UINT64_MAX / 2;
    broken(&r);
    rogue_publisher(&r);
    *rogue_cell(&r, 0) = (struct cell){2, 0, 0};
    r.segment->published = 1;
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, NULL, 0), 0);
    r.segment->published = 0;
    broken(&r);
}

/* Always overwritten, always new: a call ends all the same. */
HEALD_CASE(a_publisher_that_never_finishes)
{
    struct rogue r;
    char got[100];

    rogue_publisher(&r);
    for (uint64_t i = 1; i < 1000; i++) {
        for (unsigned k = 0; k < ROGUE_ROOM / STRIDE; k++)
            rogue_cell(&r, k)->sequence = 2 * 100000 * i + 1;
        r.segment->published = i * 100;
        ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, sizeof got), -EAGAIN);
    }
    rogue_close(&r);
}

/* It publishes what it never finishes, as fast as it can. */
static void *lap(void *ctx)
{
    struct rogue *r = ctx;
    uint64_t published = 0;

    for (unsigned i = 0; i < ROGUE_ROOM / STRIDE; i++)
        rogue_cell(r, i)->sequence = UINT64_MAX / 2;
    while (__atomic_load_n(&r->segment->armed[BELL_OUT], __ATOMIC_RELAXED) != UINT32_MAX)
        __atomic_store_n(&r->segment->published, published += 3, __ATOMIC_RELEASE);
    return NULL;
}

static int64_t cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * HEALD_SEC + t.tv_nsec;
}

/* A call that does not look at the time ends when the other thread is interrupted. */
HEALD_CASE(a_deadline_while_samples_are_overwritten)
{
    struct rogue r;
    pthread_t thread;
    char got[100];

    rogue_publisher(&r);
    ck_assert_int_eq(pthread_create(&thread, NULL, lap, &r), 0);
    while (!__atomic_load_n(&r.segment->published, __ATOMIC_RELAXED))
        ;
    int64_t began_ns = cpu_time();
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(heald_channel_recv(r.honest, got, sizeof got, 0), -ETIMEDOUT);
    printf("# %lld us\n", (long long)(cpu_time() - began_ns) / 1000);
    ck_assert_int_lt(cpu_time() - began_ns, HEALD_SEC / 2);
    segment_write(&r.segment->armed[BELL_OUT], UINT32_MAX);
    pthread_join(thread, NULL);
    rogue_close(&r);
}

struct player {
    struct rogue rogue;
    struct rng seed;
    int stop;
};

/* As it should be done, and now and then something else. */
static void play_one(struct player *p)
{
    struct segment *s = p->rogue.segment;
    uint64_t n = __atomic_load_n(&s->published, __ATOMIC_RELAXED);
    struct cell *cell = rogue_cell(&p->rogue, (unsigned)(n % (ROGUE_ROOM / STRIDE)));
    uint32_t size = rng_below(&p->seed, 101);

    if (rng_below(&p->seed, 5000) == 0)
        size = UINT32_MAX - rng_below(&p->seed, 2);
    if (rng_below(&p->seed, 5000) == 0)
        n += rng_below(&p->seed, 3);
    __atomic_store_n(&cell->sequence, 2 * n + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&cell->size, size, __ATOMIC_RELAXED);
    memset((char *)cell + CELL_HEAD, (int)n, size <= 100 ? size : 0);
    __atomic_store_n(&cell->sequence, 2 * n + 2, __ATOMIC_RELEASE);
    __atomic_store_n(&s->published, n + 1, __ATOMIC_RELEASE);
}

static void *play(void *ctx)
{
    struct player *p = ctx;

    while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED))
        play_one(p);
    return NULL;
}

static int receive_one(struct heald_channel *c)
{
    char *buf = malloc(100);
    ssize_t n = heald_channel_tryrecv(c, buf, 100);

    for (ssize_t i = 1; i < n; i++)
        ck_assert_int_eq(buf[i], buf[0]); /* it is of one time */
    free(buf);
    ck_assert(n == -EAGAIN || n == -EPROTO || (n >= 0 && n <= 100));
    return (int)n;
}

HEALD_CASE(a_publisher_that_writes_at_random)
{
    unsigned received = 0;

    for (unsigned round = 0; round < 50; round++) {
        struct player p = {.seed = rng_of(round, 0)};
        pthread_t thread;
        int n = 0;
        rogue_publisher(&p.rogue);
        ck_assert_int_eq(pthread_create(&thread, NULL, play, &p), 0);
        for (int i = 0; i < 1000 && n != -EPROTO; i++)
            received += (n = receive_one(p.rogue.honest)) >= 0;
        __atomic_store_n(&p.stop, 1, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        rogue_close(&p.rogue);
    }
    printf("# %u samples\n", received);
}

/* A subscriber that lies about itself is removed, and holds up nobody. */
HEALD_CASE(a_subscriber_that_lies)
{
    static const struct rogue_hello wrong[] = {{"heald-ch", 1, ROGUE_ROOM, 0, STRIDE},
                                               {"heald-ch", 1, 0, 0, 0},
                                               {"heald-c!", 1, 4096, 0, 0}};

    for (int i = 0; i < 4; i++) {
        struct scene s = scene_open(NULL);
        struct rogue r = {0};
        const char *why = NULL;
        ck_assert_int_eq(heald_socketpair(SOCK_STREAM, r.fds), 0);
        ck_assert_int_eq(heald_broadcast_admit(s.b, r.fds[0]), 0);
        int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0);
        rogue_hello(&r, i < 3 ? &wrong[i] : &rogue_usual, &fd, 1);
        close(fd);
        publish(&s, 0, 1);
        if (i == 3) {
            ck_assert_int_eq(heald_broadcast_remove_gone(s.b, &why), -ENOENT);
            r.segment->armed[BELL_IN] = 7;
            publish(&s, 1, 2);
        }
        ck_assert_int_eq(heald_broadcast_remove_gone(s.b, &why), r.fds[0]);
        ck_assert_ptr_nonnull(why);
        expect(&s, 0, i == 3 ? 2 : 1);
        rogue_close(&r);
        scene_close(&s);
    }
}

int main(void)
{
    Suite *suite = suite_create("channel-broadcast");
    TCase *group = harness_group(suite, "broadcast");

    harness_add(group, options_are_checked);
    harness_add(group, samples_arrive_in_order);
    harness_add(group, a_slow_subscriber_loses_the_oldest);
    harness_add(group, history_for_who_comes_late);
    harness_add(group, a_subscriber_that_waits_first);
    harness_add(group, a_subscriber_with_a_large_room);
    harness_add(group, who_is_gone_is_removed);
    harness_add(group, all_that_are_gone_are_removed);
    harness_add(group, several_processes);
    harness_add(group, strides_that_make_no_sense);
    harness_add(group, samples_that_make_no_sense);
    harness_add(group, a_publisher_that_never_finishes);
    harness_add(group, a_deadline_while_samples_are_overwritten);
    harness_add(group, a_publisher_that_writes_at_random);
    harness_add(group, a_subscriber_that_lies);
    return harness_run(suite);
}
