/* test/conformance/splices.c: streams whose portions are passed on together, at the end of a turn:
 * what other callbacks of that turn, other processes and a closed peer may do to them. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { MANY = 40, PORTION = 48 * 1024, ROOM = 32 * 1024 };

struct crowd;

/* A stream that is piped to another, and the other ends of both. */
struct way {
    struct heald_stream from, to;
    struct crowd *crowd;
    int source, target, failed, ended;
    size_t sent, got;
};

struct crowd {
    struct heald_loop *loop;
    struct way *ways[MANY];
    unsigned count;
    int open, failures; /* streams */
    void (*on_failure)(struct crowd *crowd, struct way *way);
    void (*act)(struct crowd *crowd); /* once, amid a turn */
    struct heald_op post;
};

static void on_error(struct heald_stream *s, int err)
{
    struct way *way = s->data;

    ck_assert(err == -EPIPE || err == -ECONNRESET);
    way->failed++;
    way->crowd->failures++;
    if (way->crowd->on_failure)
        way->crowd->on_failure(way->crowd, way);
}

static void on_end(struct heald_stream *s)
{
    ((struct way *)s->data)->ended++;
}

static const struct heald_stream_events events = {.end = on_end, .error = on_error};

static void on_closed(struct heald_stream *s, int err)
{
    struct way *way = s->data;

    (void)err;
    way->crowd->open--;
    if (!way->from.loop && !way->to.loop)
        free(way);
}

static void way_open(struct crowd *c, enum pair_kind kind)
{
    struct way *way = calloc(1, sizeof *way);
    int from[2], to[2], room = ROOM;

    must(way);
    pair_open(kind, from);
    pair_open(kind, to);
    setsockopt(to[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(to[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    way->crowd = c;
    way->from.data = way->to.data = way;
    way->source = from[1];
    way->target = to[0];
    ck_assert_int_eq(heald_stream_open(&way->from, c->loop, from[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_open(&way->to, c->loop, to[1], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&way->from, &way->to), 0);
    c->ways[c->count++] = way;
    c->open += 2;
}

static void way_close(struct way *way)
{
    heald_stream_close(&way->from, on_closed);
    heald_stream_close(&way->to, on_closed);
}

static void turn(struct crowd *c)
{
    must(heald_loop_turn(c->loop, now() + HEALD_MS) >= 0);
}

/* As much of a portion as there is room for. */
static void feed(struct way *way)
{
    static char part[PORTION];

    pattern_fill(part, PORTION, way->sent);
    ssize_t n = send(way->source, part, PORTION, MSG_NOSIGNAL);
    must(n > 0 || errno == EAGAIN);
    way->sent += n > 0 ? (size_t)n : 0;
}

static void take(struct way *way)
{
    static char part[PORTION];
    ssize_t n = recv(way->target, part, PORTION, 0);

    must(n > 0 || (n < 0 && errno == EAGAIN));
    if (n > 0)
        pattern_check(part, (size_t)n, way->got);
    way->got += n > 0 ? (size_t)n : 0;
}

static void take_all(struct crowd *c, struct way *way)
{
    int64_t until = now() + 5 * HEALD_SEC;

    for (; way->got < way->sent; turn(c)) {
        ck_assert_int_lt(now(), until);
        take(way);
    }
}

/* So many ways, each of which has passed on a portion, and waits for the next. */
static void crowd_open(struct crowd *c, int combination, unsigned count, enum pair_kind kind)
{
    *c = (struct crowd){.loop = loop_on(combination)};
    while (c->count < count)
        way_open(c, kind);
    for (unsigned i = 0; i < count; i++)
        for (int portion = 0; portion < 3; portion++) {
            feed(c->ways[i]);
            take_all(c, c->ways[i]);
        }
}

/* The ways may be gone. */
static void crowd_close(struct crowd *c, int sources, const int *fds)
{
    int64_t until = now() + 5 * HEALD_SEC;

    for (; c->open; turn(c))
        ck_assert_int_lt(now(), until);
    for (int i = 0; i < sources; i++)
        close(fds[i]);
    loop_end(c->loop);
}

static void crowd_end(struct crowd *c)
{
    int fds[2 * MANY], count = 0;

    for (unsigned i = 0; i < c->count; i++) {
        fds[count++] = c->ways[i]->source;
        fds[count++] = c->ways[i]->target;
        way_close(c->ways[i]);
    }
    crowd_close(c, count, fds);
}

static void on_post(struct heald_op *op)
{
    struct crowd *c = op->data;

    c->act(c);
}

/* A portion for each, and `act` in the turn that finds them, behind the callbacks that say so. */
static void feed_all_and(struct crowd *c, void (*act)(struct crowd *c))
{
    for (unsigned i = 0; i < c->count; i++)
        feed(c->ways[i]);
    c->act = act;
    c->post.data = c;
    ck_assert_int_eq(heald_loop_post(c->loop, &c->post, on_post), 0);
    turn(c);
}

HEALD_CASE(many_in_a_turn)
{
    struct crowd c;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        crowd_open(&c, _i, MANY, kind);
        for (int round = 0; round < 5; round++) {
            for (unsigned i = 0; i < c.count; i++)
                feed(c.ways[i]);
            for (unsigned i = 0; i < c.count; i++)
                take_all(&c, c.ways[i]);
        }
        ck_assert_int_eq(c.failures, 0);
        crowd_end(&c);
    }
}

static bool signal_is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

/* Half of the targets go before the turn; the others get what is theirs. */
static void break_half(int combination, enum pair_kind kind)
{
    struct crowd c;

    crowd_open(&c, combination, 8, kind);
    for (unsigned i = 0; i < c.count; i += 2) {
        /* Unread data makes it a reset. */
        close(c.ways[i]->target);
        c.ways[i]->target = dup(c.ways[i]->source);
    }
    int64_t until = now() + 5 * HEALD_SEC;
    for (; c.failures < 4; turn(&c)) {
        ck_assert_int_lt(now(), until);
        for (unsigned i = 0; i < c.count; i++)
            if (!c.ways[i]->failed && c.ways[i]->sent < 8 * PORTION)
                feed(c.ways[i]);
        for (unsigned i = 1; i < c.count; i += 2)
            take(c.ways[i]);
    }
    for (unsigned i = 1; i < c.count; i += 2)
        take_all(&c, c.ways[i]);
    ck_assert_int_eq(c.failures, 4);
    crowd_end(&c);
}

/* Errors, and no signal, whose disposition is the default. */
HEALD_CASE(targets_go)
{
    sigset_t mask;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++)
        break_half(_i, kind);
    ck_assert(!signal_is_pending());
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert(!sigismember(&mask, SIGPIPE));
}

/* Blocked by the program, and pending or not: both remain so. */
HEALD_CASE(targets_go_while_the_signal_is_blocked)
{
    const struct timespec at_once = {0};
    sigset_t pipe, mask;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    for (int i = 0; i < 4; i++) {
        if (i % 2)
            pthread_kill(pthread_self(), SIGPIPE);
        break_half(_i, i / 2 ? PAIR_UNIX : PAIR_TCP);
        ck_assert_int_eq(signal_is_pending(), i % 2);
        if (i % 2)
            ck_assert_int_eq(sigtimedwait(&pipe, NULL, &at_once), SIGPIPE);
        ck_assert(!signal_is_pending());
    }
    pthread_sigmask(SIG_UNBLOCK, &pipe, &mask);
    ck_assert(sigismember(&mask, SIGPIPE));
}

struct cut {
    int source, target, begins; /* atomic */
    unsigned delay;
};

static void *cut_off(void *arg)
{
    struct cut *cut = arg;

    while (!__atomic_load_n(&cut->begins, __ATOMIC_ACQUIRE))
        ;
    for (volatile unsigned i = 0; i < cut->delay; i++)
        ;
    dup2(cut->source, cut->target); /* closes it */
    return NULL;
}

static void break_amid(int combination, unsigned delay)
{
    struct crowd c;
    struct cut cut = {.delay = delay};
    pthread_t thread;

    crowd_open(&c, combination, 1, PAIR_TCP);
    cut.source = c.ways[0]->source;
    cut.target = c.ways[0]->target;
    must(pthread_create(&thread, NULL, cut_off, &cut) == 0);
    for (int i = 0; i < 4; i++)
        feed(c.ways[0]);
    __atomic_store_n(&cut.begins, 1, __ATOMIC_RELEASE);
    for (int64_t until = now() + 5 * HEALD_SEC; !c.failures; turn(&c)) {
        ck_assert_int_lt(now(), until);
        feed(c.ways[0]);
    }
    pthread_join(thread, NULL);
    crowd_end(&c);
}

/* A part is sent, and the rest makes the signal: splice(2) says how much, and nothing of that. */
HEALD_CASE(a_target_goes_amid_a_portion)
{
    for (unsigned i = 0; i < 100; i++)
        break_amid(_i, i * 200);
    ck_assert(!signal_is_pending());
}

static void close_all(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        way_close(c->ways[i]);
}

static void close_all_sources(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        heald_stream_close(&c->ways[i]->from, on_closed);
}

static void close_all_targets(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        heald_stream_close(&c->ways[i]->to, on_closed);
}

static void unpipe_all(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        ck_assert_int_eq(heald_stream_pipe(&c->ways[i]->from, NULL), 0);
}

static void shut_all(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        ck_assert_int_eq(heald_stream_shutdown(&c->ways[i]->to), 0);
}

static void end_all(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        heald_stream_end(&c->ways[i]->from, on_closed);
        heald_stream_end(&c->ways[i]->to, on_closed);
    }
}

/* The memory of a stream goes with it. */
HEALD_CASE(others_interfere)
{
    void (*const acts[])(struct crowd * c) = {close_all,  close_all_sources, close_all_targets,
                                              unpipe_all, shut_all,          end_all};
    struct crowd c;
    int fds[8];

    for (unsigned i = 0; i < 2 * (sizeof acts / sizeof *acts); i++) {
        crowd_open(&c, _i, 4, i % 2 ? PAIR_TCP : PAIR_UNIX);
        struct way *ways[4];
        memcpy(ways, c.ways, sizeof ways);
        for (int w = 0; w < 4; w++)
            fds[2 * w] = ways[w]->source, fds[2 * w + 1] = ways[w]->target;
        feed_all_and(&c, acts[i / 2]);
        turn(&c);
        if (acts[i / 2] == close_all || acts[i / 2] == end_all) {
            /* An end waits for the peers'. */
            for (int f = 0; f < 8; f++)
                close(fds[f]);
            crowd_close(&c, 0, fds);
        } else {
            /* What is piped to who writes no more is a failure of that. */
            ck_assert_int_eq(c.failures, acts[i / 2] == shut_all ? 4 : 0);
            crowd_end(&c);
        }
    }
}

static void pause_all(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++)
        heald_stream_pause(&c->ways[i]->from);
}

HEALD_CASE(paused_amid_the_turn)
{
    struct crowd c;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        crowd_open(&c, _i, 4, kind);
        feed_all_and(&c, pause_all);
        for (unsigned i = 0; i < c.count; i++)
            heald_stream_resume(&c.ways[i]->from);
        for (unsigned i = 0; i < c.count; i++)
            take_all(&c, c.ways[i]);
        crowd_end(&c);
    }
}

static void turn_round(struct crowd *c)
{
    struct way *a = c->ways[0], *b = c->ways[1];

    ck_assert_int_eq(heald_stream_pipe(&a->from, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&b->from, &a->to), 0);
    ck_assert_int_eq(heald_stream_pipe(&a->from, &b->to), 0);
}

/* Another target, which may have no pipe yet: all that was read is there, and not in descriptor 0,
 * which is a pipe. */
HEALD_CASE(piped_elsewhere_amid_the_turn)
{
    static char part[PORTION];
    struct crowd c;
    int input[2];

    ck_assert_int_eq(pipe(input), 0);
    ck_assert_int_eq(dup2(input[1], 0), 0);
    for (int i = 0; i < 4; i++) {
        crowd_open(&c, _i, 1, i % 2 ? PAIR_TCP : PAIR_UNIX);
        way_open(&c, i % 2 ? PAIR_TCP : PAIR_UNIX);
        struct way *a = c.ways[0], *b = c.ways[1];
        size_t before = a->sent, got = 0;
        feed(a);
        c.act = turn_round;
        c.post.data = &c;
        if (i / 2) {
            turn_round(&c); /* while it polls */
        } else {
            ck_assert_int_eq(heald_loop_post(c.loop, &c.post, on_post), 0);
        }
        int64_t until = now() + 5 * HEALD_SEC;
        for (; got < a->sent - before; turn(&c)) {
            ck_assert_int_lt(now(), until);
            int fd = recv(a->target, part, 1, MSG_PEEK) > 0 ? a->target : b->target;
            ssize_t n = recv(fd, part, PORTION, 0);
            if (n > 0)
                pattern_check(part, (size_t)n, before + got);
            got += n > 0 ? (size_t)n : 0;
        }
        crowd_end(&c);
    }
    close(input[0]);
    close(input[1]);
}

static void make_blocking(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        int other = dup(c->ways[i]->to.fd);
        set_blocking(other, true);
        close(other);
    }
}

/* Who shares the socket changes it when the portion is known, and before it is sent. There is less
 * room than the portion needs. */
HEALD_CASE(made_blocking_amid_the_turn)
{
    struct crowd c;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        crowd_open(&c, _i, 4, kind);
        for (int i = 0; i < 4; i++)
            feed_all_and(&c, make_blocking);
        for (unsigned i = 0; i < c.count; i++)
            take_all(&c, c.ways[i]);
        ck_assert_int_eq(c.failures, 0);
        crowd_end(&c);
    }
}

/* Its callback runs when all has been passed on, and may close any of the others. */
static void close_the_others(struct crowd *c, struct way *way)
{
    (void)way;
    c->on_failure = NULL;
    close_all(c);
}

HEALD_CASE(a_failure_closes_all)
{
    struct crowd c;
    int fds[8];

    for (int i = 0; i < 8; i++) {
        crowd_open(&c, _i, 4, i % 2 ? PAIR_TCP : PAIR_UNIX);
        for (int w = 0; w < 4; w++)
            fds[2 * w] = c.ways[w]->source, fds[2 * w + 1] = c.ways[w]->target;
        c.on_failure = close_the_others;
        /* A reset, of the first, or the second … */
        close(fds[2 * (i / 2) + 1]);
        fds[2 * (i / 2) + 1] = dup(fds[0]);
        int64_t until = now() + 5 * HEALD_SEC;
        for (; !c.failures; turn(&c)) {
            ck_assert_int_lt(now(), until);
            for (int w = 0; w < 4; w++)
                if (c.ways[w]->sent < 8 * PORTION)
                    feed(c.ways[w]);
        }
        crowd_close(&c, 8, fds);
    }
}

void add_splices(TCase *group)
{
    add_on_backends(group, many_in_a_turn);
    add_on_backends(group, targets_go);
    add_on_backends(group, targets_go_while_the_signal_is_blocked);
    add_on_backends(group, a_target_goes_amid_a_portion);
    add_on_backends(group, others_interfere);
    add_on_backends(group, paused_amid_the_turn);
    add_on_backends(group, piped_elsewhere_amid_the_turn);
    add_on_backends(group, made_blocking_amid_the_turn);
    add_on_backends(group, a_failure_closes_all);
}
