/*
 * test/channel/hostile.c: a peer that does not keep to the rules: each incident that is known from
 * other libraries of shared rings, by hand; and one that writes at random while calls run, for
 * HEALD_HOSTILE_SECONDS (1). Under AddressSanitizer a message is received into memory of its exact
 * size.
 */
#include "channel/sides.h"
#include "harness/seeds.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { LINGER_SECONDS = 8, PLACES = 3, FLOOD = 253 };

static const struct heald_channel_options limited = {.recv_max = 256};

/* Broken, and for good. */
static void broken(struct rogue *r)
{
    char got[8];

    heald_channel_arm(r->honest, HEALD_CHANNEL_IN);
    ck_assert_int_eq(heald_channel_tryrecv(r->honest, got, sizeof got), -EPROTO);
    ck_assert_ptr_nonnull(why_of(r->honest));
    ck_assert_int_eq(heald_channel_trysend(r->honest, "x", 1), -EPROTO);
    ck_assert_int_eq(heald_channel_send(r->honest, "x", 1, HEALD_FOREVER), -EPROTO);
    ck_assert_int_eq(heald_channel_recv(r->honest, got, sizeof got, HEALD_FOREVER), -EPROTO);
    ck_assert_int_eq(heald_channel_arm(r->honest, HEALD_CHANNEL_IN), HEALD_CHANNEL_IN);
    if (r->segment)
        memset(r->segment, 0, sizeof *r->segment);
    ck_assert_int_eq(heald_channel_tryrecv(r->honest, got, sizeof got), -EPROTO);
    rogue_close(r);
}

static void put(struct rogue *r, uint32_t at, uint32_t size)
{
    memcpy(r->room + at % ROGUE_ROOM, &size, sizeof size);
}

static void sends(struct rogue *r, uint32_t position)
{
    segment_write(&r->segment->sent, position);
}

HEALD_CASE(a_hello_that_makes_no_sense)
{
    static const struct rogue_hello wrong[] = {
        {"heald-cx", 1, ROGUE_ROOM, 0, 0}, {"heald-ch", 2, ROGUE_ROOM, 0, 0},
        {"heald-ch", 1, 0, 0, 0},          {"heald-ch", 1, ROGUE_ROOM + 8, 0, 0},
        {"heald-ch", 1, 2048, 0, 0},       {"heald-ch", 1, 1u << 31, 0, 0},
        {"heald-ch", 1, 1u << 30, 0, 0},   {"heald-ch", 1, 2 * ROGUE_ROOM, 0, 0},
        {"heald-ch", 1, ROGUE_ROOM, 0, 1},
    };

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rogue r;
        rogue_open(&r, NULL);
        int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0);
        rogue_hello(&r, &wrong[i], &fd, 1);
        close(fd);
        broken(&r);
    }
}

HEALD_CASE(memory_that_would_fault)
{
    static const int absent[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_FUTURE_WRITE,
                                 ROGUE_SEALS};

    for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        struct rogue r;
        rogue_open(&r, NULL);
        int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS & ~absent[i], 0);
        rogue_hello(&r, &rogue_usual, &fd, 1);
        close(fd);
        broken(&r);
    }
    for (int i = 0; i < 3; i++) {
        struct rogue r;
        int fds[2];
        rogue_open(&r, NULL);
        ck_assert_int_eq(heald_pipe(fds), 0);
        int fd = i == 0 ? fds[0] : i == 1 ? open("/dev/zero", O_RDWR) : open("/", O_RDONLY);
        rogue_hello(&r, &rogue_usual, &fd, 1);
        if (i)
            close(fd);
        close(fds[0]);
        close(fds[1]);
        broken(&r);
    }
}

/* Pages that are made when they are read here would be this process's. */
HEALD_CASE(memory_with_holes)
{
    enum { TAKE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
    struct rogue r;

    rogue_open(&r, NULL);
    int fd = rogue_memory(&r, ROGUE_ROOM, 0, 0);
    ck_assert_int_eq(fallocate(fd, TAKE, SEGMENT_HEAD, ROGUE_ROOM), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ROGUE_SEALS), 0);
    rogue_hello(&r, &rogue_usual, &fd, 1);
    close(fd);
    heald_channel_arm(r.honest, HEALD_CHANNEL_IN);
    ck_assert_str_eq(why_of(r.honest), "the memory that the peer passed has holes");
    broken(&r);

    rogue_open(&r, NULL);
    fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0); /* as an honest one has it */
    ck_assert_int_eq(fallocate(fd, TAKE, SEGMENT_HEAD, ROGUE_ROOM), -1);
    ck_assert_int_eq(madvise(r.room, ROGUE_ROOM, MADV_REMOVE), -1);
    rogue_hello(&r, &rogue_usual, &fd, 1);
    close(fd);
    ck_assert_int_eq(heald_channel_arm(r.honest, HEALD_CHANNEL_IN), 0);
    rogue_close(&r);
}

/* Huge pages are given when they are touched, or not. */
HEALD_CASE(memory_of_huge_pages)
{
    enum { HUGE_ROOM = (2 << 20) - SEGMENT_HEAD };
    struct rogue r;
    int fd = memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    if (fd < 0 || ftruncate(fd, 2 << 20) < 0 || fcntl(fd, F_ADD_SEALS, ROGUE_SEALS) < 0) {
        if (fd >= 0)
            close(fd);
        harness_skip("no huge pages here");
    }
    rogue_open(&r, NULL);
    rogue_hello(&r, &(struct rogue_hello){"heald-ch", 1, HUGE_ROOM, 0, 0}, &fd, 1);
    close(fd);
    broken(&r);
}

/* All of them are closed: the harness looks. */
HEALD_CASE(descriptors_that_nobody_asked_for)
{
    for (unsigned count = 0; count <= HEALD_MSG_FDS; count += count ? 3 : 2) {
        struct rogue r;
        int fds[HEALD_MSG_FDS];
        rogue_open(&r, NULL);
        for (unsigned i = 0; i < count; i++)
            fds[i] = r.fds[1];
        rogue_hello(&r, &rogue_usual, fds, count);
        broken(&r);
    }
    struct rogue r;
    struct heald_fd_msg m;
    rogue_join(&r, NULL);
    heald_fd_msg_send(&m, "i", 1, &r.fds[1], 1);
    ssize_t n = sendmsg(r.fds[1], &m.msg, MSG_NOSIGNAL);
    ck_assert(n == 1 || (n < 0 && errno == EPERM));
    heald_channel_arm(r.honest, HEALD_CHANNEL_IN);
    ck_assert_int_eq(why_of(r.honest) != NULL, n == 1);
    rogue_close(&r);
}

/* A connected socket whose last close(2) waits for what its peer does not take. */
static int lingering_socket(int *ret_other)
{
    static const char data[1 << 16];
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct linger linger = {1, LINGER_SECONDS};
    socklen_t size = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &size), 0);
    (void)connect(fd, (struct sockaddr *)&addr, size);
    *ret_other = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_other, 0);
    close(listener);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    while (write(fd, data, sizeof data) > 0)
        ;
    return fd;
}

/* As the last of so many. */
static void pass(const struct rogue *r, int fd, int count)
{
    union {
        size_t align;
        char room[CMSG_SPACE(FLOOD * sizeof(int))];
    } control = {0};
    char byte = 'i';
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof fd, i == count - 1 ? &fd : &r->fds[1], sizeof fd);
    ck_assert_int_eq(sendmsg(r->fds[1], &msg, 0), 1);
}

/* At the beginning, behind the hello, or behind many others. */
HEALD_CASE(a_descriptor_whose_close_waits)
{
    for (int behind = 0; behind < PLACES; behind++) {
        struct rogue r;
        int other, lingering = lingering_socket(&other);
        rogue_open(&r, NULL);
        int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0);
        rogue_hello(&r, &rogue_usual, behind ? &fd : &lingering, 1);
        if (behind)
            pass(&r, lingering, behind == 1 ? 1 : FLOOD);
        close(fd);
        close(lingering);
        int64_t began_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        broken(&r);
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC) - began_ns,
                         LINGER_SECONDS * HEALD_SEC / 2);
        close(other);
    }
}

HEALD_CASE(a_socket_with_something_else)
{
    static const char *const texts[] = {"heald-ch", "GET / HTTP/1.1\r\n\r\n", "i"};

    for (int i = 0; i < 3; i++) {
        struct rogue r;
        rogue_open(&r, NULL);
        ck_assert_int_eq(write(r.fds[1], texts[i], strlen(texts[i])), (int)strlen(texts[i]));
        broken(&r);
    }
}

HEALD_CASE(messages_of_impossible_lengths)
{
    static const uint32_t lengths[] = {257, 4096, 1u << 30, 1u << 31, UINT32_MAX, UINT32_MAX - 7};

    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct rogue r;
        rogue_join(&r, &limited);
        put(&r, 0, lengths[i]);
        sends(&r, ROGUE_ROOM);
        broken(&r);
    }
    /* Of which the last word is missing. */
    struct rogue r;
    rogue_join(&r, &limited);
    put(&r, 0, 9);
    sends(&r, 16);
    broken(&r);
}

/* The positions of a peer: more than the room, not whole, or back. */
HEALD_CASE(positions_that_jump)
{
    static const uint32_t positions[] = {ROGUE_ROOM + 8, 1u << 31, UINT32_MAX,
                                         UINT32_MAX - 7, 4,        9};
    struct rogue r;
    char got[8];

    for (unsigned i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        rogue_join(&r, &limited);
        sends(&r, positions[i]);
        broken(&r);
    }
    rogue_join(&r, &limited);
    put(&r, 0, 0);
    put(&r, 8, 0);
    sends(&r, 16);
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, sizeof got), 0);
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, sizeof got), 0);
    sends(&r, 8);
    broken(&r);
}

/* What was never sent is received; what was received comes back. */
HEALD_CASE(a_receiver_that_lies)
{
    static const uint32_t lies[] = {4192 + 8, 2032, UINT32_MAX, 1u << 31, 2044};

    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        static const char big[2032];
        struct rogue r;
        rogue_join(&r, &(struct heald_channel_options){.room = 4096});
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(heald_channel_trysend(r.honest, big, sizeof big), 0);
        segment_write(&r.segment->received, 2040);
        ck_assert_int_eq(heald_channel_trysend(r.honest, big, 100), 0);
        segment_write(&r.segment->received, lies[i]); /* 4192 were sent */
        ck_assert_int_eq(heald_channel_trysend(r.honest, big, sizeof big), -EPROTO);
        broken(&r);
    }
}

/* The length is checked, and then it is another one. */
HEALD_CASE(a_length_that_changes_between_two_looks)
{
    struct rogue r;
    char got[16];

    rogue_join(&r, &limited);
    put(&r, 0, 16);
    sends(&r, 24);
    ck_assert_int_eq(heald_channel_next(r.honest), 16);
    put(&r, 0, 4000);
    ck_assert_int_eq(heald_channel_next(r.honest), 16);
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, 8), -EMSGSIZE);
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, sizeof got), 16);
    ck_assert_int_eq(heald_channel_tryrecv(r.honest, got, sizeof got), -EAGAIN);
    rogue_close(&r);
}

/* They wake this side as others do. */
HEALD_CASE(urgent_bytes)
{
    for (int first = 0; first < 2; first++) {
        struct rogue r;
        if (first)
            rogue_open(&r, NULL);
        else
            rogue_join(&r, NULL);
        ssize_t n = send(r.fds[1], "o", 1, MSG_OOB);
        if (n < 0) { /* before Linux 5.15 */
            ck_assert_int_eq(errno, EOPNOTSUPP);
            rogue_close(&r);
            continue;
        }
        broken(&r);
    }
}

/* A peer that wakes this side for nothing, or without having been asked to. */
HEALD_CASE(bells_without_a_reason)
{
    struct rogue r;

    rogue_join(&r, NULL); /* it is awaited: one bell, and no message */
    ck_assert_int_eq(write(r.fds[1], "i", 1), 1);
    broken(&r);
    rogue_join(&r, NULL);
    ck_assert_int_eq(write(r.fds[1], "o", 1), 1); /* nobody waits for room */
    broken(&r);
    rogue_join(&r, NULL);
    put(&r, 0, 0);
    sends(&r, 8);
    ck_assert_int_eq(write(r.fds[1], "ii", 2), 2);
    broken(&r);
    rogue_join(&r, NULL);
    ck_assert_int_eq(write(r.fds[1], "x", 1), 1);
    broken(&r);
}

/* One that says that it waits, over and over, is rung once for each message at most. */
HEALD_CASE(waits_without_end)
{
    struct rogue r;

    rogue_join(&r, NULL);
    for (uint32_t i = 1; i <= 1000; i++) {
        segment_write(&r.segment->armed[BELL_IN], i);
        ck_assert_int_eq(heald_channel_trysend(r.honest, "", 0), 0);
    }
    segment_write(&r.segment->armed[BELL_IN], 1002);
    ck_assert_int_eq(heald_channel_trysend(r.honest, "", 0), 0);
    broken(&r);
}

/* It never takes what is in its socket, which is small. */
HEALD_CASE(a_socket_that_is_never_emptied)
{
    struct rogue r;
    int size = 1;

    rogue_open(&r, NULL);
    setsockopt(r.fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    int fd = rogue_memory(&r, ROGUE_ROOM, ROGUE_SEALS, 0);
    rogue_hello(&r, &rogue_usual, &fd, 1);
    close(fd);
    int flags = fcntl(r.fds[0], F_GETFL);
    ck_assert_int_eq(fcntl(r.fds[0], F_SETFL, flags & ~O_NONBLOCK), 0);
    ck_assert_int_eq(heald_channel_arm(r.honest, HEALD_CHANNEL_IN), 0);
    for (uint32_t i = 1; i <= 5000; i++) {
        segment_write(&r.segment->armed[BELL_IN], i);
        ck_assert_int_eq(heald_channel_trysend(r.honest, "", 0), 0);
    }
    rogue_close(&r);
}

struct player {
    struct rogue rogue;
    struct rng seed;
    int stop;
};

static uint32_t draw(struct rng *seed)
{
    return (uint32_t)(rng_next(seed) >> 32);
}

/* Near to what is allowed, or anything. */
static uint32_t some_word(struct rng *seed, uint32_t near)
{
    static const uint32_t edges[] = {0, 8, 256, ROGUE_ROOM - 8, ROGUE_ROOM, 1u << 31, UINT32_MAX};

    switch (draw(seed) % 8) {
    case 0: return draw(seed);
    case 1: return edges[draw(seed) % 7];
    case 2: return near + draw(seed) % ROGUE_ROOM;
    default: return near + 8 * (draw(seed) % 6);
    }
}

static void write_somewhere(struct rogue *r, struct rng *seed)
{
    uint32_t kind = draw(seed) % 16, at = draw(seed) % (ROGUE_ROOM / 8) * 8;
    struct segment *s = r->segment;

    if (kind < 8)
        __atomic_store_n((uint32_t *)(void *)(r->room + at), some_word(seed, 0), __ATOMIC_RELAXED);
    else if (kind < 12)
        segment_write(&s->sent, some_word(seed, segment_read(&s->sent)));
    else if (kind < 14)
        segment_write(&s->received, some_word(seed, segment_read(&s->received)));
    else if (kind == 14)
        segment_write(&s->armed[draw(seed) % 2], draw(seed) % 3 + segment_read(&s->armed[0]));
    else if (draw(seed) % 64 == 0)
        (void)send(r->fds[1], draw(seed) % 2 ? "i" : "o", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void *play(void *ctx)
{
    struct player *p = ctx;

    while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED))
        write_somewhere(&p->rogue, &p->seed);
    return NULL;
}

/* A message into memory of its size, and no more. */
static int receive_one(struct heald_channel *c)
{
    ssize_t n = heald_channel_next(c);

    if (n < 0)
        return (int)n;
    ck_assert_int_le(n, 256);
    char *buf = malloc(n ? (size_t)n : 1);
    ck_assert_int_eq(heald_channel_tryrecv(c, buf, (size_t)n), n);
    free(buf);
    return 0;
}

/* Until it is broken, or for so many calls. */
static void resist(struct heald_channel *c, struct rng seed)
{
    static const char data[300];
    int err = 0;

    for (int i = 0; i < 3000 && err != -EPROTO; i++) {
        uint32_t what = draw(&seed) % 4;
        if (what == 0)
            err = heald_channel_trysend(c, data, draw(&seed) % sizeof data);
        else if (what == 1)
            ck_assert_int_ge(heald_channel_arm(c, 1 + (int)(draw(&seed) % 3)), 0);
        else
            err = receive_one(c);
        ck_assert(!err || err == -EAGAIN || err == -EPROTO || err == -EMSGSIZE || err == -EPIPE);
    }
    ck_assert_int_eq(why_of(c) != NULL, heald_channel_next(c) == -EPROTO);
}

static void play_once(uint64_t seed, unsigned *ret_broken)
{
    struct player p = {.seed = rng_of(seed, 0)};
    pthread_t thread;

    rogue_join(&p.rogue, &limited);
    ck_assert_int_eq(pthread_create(&thread, NULL, play, &p), 0);
    resist(p.rogue.honest, rng_of(seed, 1));
    __atomic_store_n(&p.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    *ret_broken += why_of(p.rogue.honest) != NULL;
    rogue_close(&p.rogue);
}

HEALD_CASE(a_peer_that_writes_at_random)
{
    const char *text = getenv("HEALD_HOSTILE_SECONDS");
    time_t end = time(NULL) + (text ? atoi(text) : 1);
    unsigned rounds = 0, count_broken = 0;

    do
        play_once(rounds++, &count_broken);
    while (time(NULL) < end);
    printf("# %u peers, %u found out\n", rounds, count_broken);
    ck_assert_uint_gt(count_broken, 0);
}

int main(void)
{
    Suite *suite = suite_create("channel-hostile");
    TCase *group = harness_group(suite, "hostile");

    harness_add(group, a_hello_that_makes_no_sense);
    harness_add(group, memory_that_would_fault);
    harness_add(group, memory_with_holes);
    harness_add(group, memory_of_huge_pages);
    harness_add(group, descriptors_that_nobody_asked_for);
    harness_add(group, a_descriptor_whose_close_waits);
    harness_add(group, a_socket_with_something_else);
    harness_add(group, messages_of_impossible_lengths);
    harness_add(group, positions_that_jump);
    harness_add(group, a_receiver_that_lies);
    harness_add(group, a_length_that_changes_between_two_looks);
    harness_add(group, urgent_bytes);
    harness_add(group, bells_without_a_reason);
    harness_add(group, waits_without_end);
    harness_add(group, a_socket_that_is_never_emptied);
    harness_add(group, a_peer_that_writes_at_random);
    return harness_run(suite);
}
