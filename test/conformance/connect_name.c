/* test/conformance/connect_name.c: connections to names (RFC 8305), over the fake resolver. */
#include "conformance/conformance.h"
#include "conformance/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

enum { FILL = 16 };

struct call {
    struct probe p;
    struct heald_connect_name name;
};

static void call_start(struct heald_loop *loop, struct call *c, const char *host,
                       const char *service)
{
    ck_assert_int_eq(heald_prep_connect_name(&c->p.op, &c->name, host, service), 0);
    probe_start(loop, &c->p);
}

static int64_t call_do(struct heald_loop *loop, struct call *c, const char *host,
                       const char *service)
{
    call_start(loop, c, host, service);
    return probe_end(&c->p);
}

static void resolves(const struct heald_addr *addr)
{
    resolver.addrs[resolver.count++] = *addr;
}

static int listen_at(const char *text, struct heald_addr *ret_addr)
{
    int fd = heald_listen(text, SOCK_STREAM, 16);

    if (fd >= 0)
        ck_assert_int_eq(heald_local_addr(fd, ret_addr), 0);
    return fd;
}

/* Without IPv6 there is only half of the subject. */
static int listen_ipv6(struct heald_addr *ret_addr)
{
    int fd = listen_at("[::1]:0", ret_addr);

    if (fd < 0)
        harness_skip("no IPv6 here: %s", heald_strerror(fd));
    return fd;
}

/* A listener whose queue is full: a connect to it waits. Its descriptors, the last is -1. */
static void black_hole(int fds[FILL], struct heald_addr *ret_addr)
{
    int n = 0;

    fds[n++] = tcp_listen(1, ret_addr);
    while (n < FILL - 1) {
        struct pollfd p = {.fd = heald_socket(ret_addr, SOCK_STREAM), .events = POLLOUT};
        fds[n++] = p.fd;
        must(connect(p.fd, &ret_addr->u.sa, ret_addr->len) < 0 && errno == EINPROGRESS);
        if (poll(&p, 1, 20) == 0)
            break;
    }
    fds[n] = -1;
}

static void black_hole_end(const int fds[FILL])
{
    for (int i = 0; fds[i] >= 0; i++)
        close(fds[i]);
}

static bool is_connected_to(int fd, const struct heald_addr *addr)
{
    struct heald_addr peer;

    return heald_peer_addr(fd, &peer) == 0 && peer.u.sa.sa_family == addr->u.sa.sa_family &&
           memcmp(&peer.u, &addr->u, addr->len) == 0;
}

HEALD_CASE(without_a_name)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    int listener = tcp_listen(4, &addr);
    char port[8], text[HEALD_ADDR_TEXT];

    heald_addr_format(&addr, text, sizeof text);
    snprintf(port, sizeof port, "%s", strrchr(text, ':') + 1);
    const char *hosts[] = {"127.0.0.1", "localhost", NULL};
    for (int i = 0; i < 3; i++) {
        struct call c = {0};
        int fd = (int)call_do(loop, &c, hosts[i], port);
        ck_assert_int_ge(fd, 0);
        ck_assert(is_connected_to(fd, &addr));
        ck_assert_int_eq(c.name.phase, HEALD_PHASE_CONNECTED);
        ck_assert_int_eq(memcmp(&c.name.addr.u, &addr.u, addr.len), 0);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        heald_close(loop, fd);
    }
    ck_assert_int_eq(resolver_get(&resolver.calls), 0);
    close(listener);
    loop_end(loop);
}

HEALD_CASE(a_path)
{
    struct heald_loop *loop = loop_on(_i);
    char dir[64], text[100];
    struct call c = {0};
    int at = dir_make(dir);

    snprintf(text, sizeof text, "unix:%s/socket", dir);
    ck_assert_int_eq(call_do(loop, &c, text, NULL), -ENOENT);
    ck_assert_int_eq(c.name.phase, HEALD_PHASE_CONNECT);
    int listener = heald_listen(text, SOCK_SEQPACKET, 1);
    c.name.type = SOCK_SEQPACKET;
    int fd = (int)call_do(loop, &c, text, NULL);
    ck_assert_int_ge(fd, 0);
    heald_close(loop, fd);
    close(listener);
    ck_assert_int_eq(call_do(loop, &c, "fifo:/x", NULL), -EAFNOSUPPORT);
    dir_remove(at, dir);
    loop_end(loop);
}

/* Without a service: a textual address. */
HEALD_CASE(by_text)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    int listener = tcp_listen(8, &addr);
    char text[HEALD_ADDR_TEXT], port[16];
    static const char *const hosts[] = {"127.0.0.1", "localhost", "", "x.at"};
    static const char *const wrong[] = {"x.at", "x.at:", "[::1]", "::1", "[::1]80", "unix:"};

    resolves(&addr);
    heald_addr_format(&addr, text, sizeof text);
    snprintf(port, sizeof port, "%s", strrchr(text, ':'));
    for (int i = 0; i < 4; i++) {
        struct call c = {0};
        snprintf(text, sizeof text, "%s%s", hosts[i], port);
        int fd = (int)call_do(loop, &c, text, NULL);
        ck_assert_msg(fd >= 0, "%s: %s", text, heald_strerror(fd));
        ck_assert(is_connected_to(fd, &addr));
        heald_close(loop, fd);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct call c = {0};
        ck_assert_int_eq(call_do(loop, &c, wrong[i], NULL), -EINVAL);
        ck_assert_int_eq(c.name.phase, HEALD_PHASE_LOOKUP);
    }
    close(listener);
    loop_end(loop);
}

/* One after the other, the families in turn, and at once when one has failed. */
HEALD_CASE(until_one_answers)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr good, bad6, bad[2];
    int listener = tcp_listen(4, &good);
    int refuse[] = {tcp_refuse("[::1]", &bad6), tcp_refuse("127.0.0.1", &bad[0]),
                    tcp_refuse("127.0.0.1", &bad[1])};
    struct call c = {.name = {.delay_ns = HEALD_FOREVER}};

    if (refuse[0] < 0)
        harness_skip("no IPv6 here");
    resolves(&bad6);
    resolves(&bad[0]);
    resolves(&bad6);
    resolves(&bad[1]);
    ck_assert_int_eq(call_do(loop, &c, "x.at", "80"), -ECONNREFUSED);
    ck_assert_int_eq(c.name.phase, HEALD_PHASE_CONNECT);
    ck_assert_uint_eq(c.name.attempts, 3); /* one address is there twice */
    ck_assert_int_eq(memcmp(&c.name.addr.u, &bad[1].u, bad[1].len), 0);
    resolves(&good);
    int64_t began = now();
    int fd = (int)call_do(loop, &c, "x.at", "80");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(now() - began, 4 * HEALD_SEC);
    ck_assert_uint_eq(c.name.attempts, 4);
    ck_assert(is_connected_to(fd, &good));
    heald_close(loop, fd);
    for (int i = 0; i < 3; i++)
        close(refuse[i]);
    close(listener);
    loop_end(loop);
}

/* A black hole costs the delay and not the time-out of a connect. */
HEALD_CASE(past_a_black_hole)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr hole, good;
    int fds[FILL], listener = tcp_listen(4, &good);
    struct call c = {.name = {.delay_ns = 20 * HEALD_MS}};

    black_hole(fds, &hole);
    resolves(&hole);
    resolves(&good);
    int64_t began = now();
    call_start(loop, &c, "x.at", "80");
    turn_for(loop, HEALD_MS);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 1);
    int fd = (int)probe_end(&c.p);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(now() - began, 20 * HEALD_MS);
    ck_assert_int_lt(now() - began, harness_slow() * HEALD_SEC);
    ck_assert_uint_eq(c.name.attempts, 2);
    ck_assert(is_connected_to(fd, &good));
    heald_close(loop, fd);
    close(listener);
    black_hole_end(fds);
    loop_end(loop);
}

/* The answer for IPv6 comes within the time in which that for IPv4 waits for it. */
HEALD_CASE(ipv6_a_little_later)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr six, four;
    int listener[2] = {listen_ipv6(&six), tcp_listen(4, &four)};
    struct call c = {0};

    resolves(&four);
    resolves(&six);
    resolver.delay_ms[1] = 10;
    int fd = (int)call_do(loop, &c, "x.at", "80");
    ck_assert_int_ge(fd, 0);
    if (harness_slow() == 1)
        ck_assert(is_connected_to(fd, &six));
    heald_close(loop, fd);
    close(listener[0]);
    close(listener[1]);
    loop_end(loop);
}

HEALD_CASE(ipv6_much_later)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr six, four;
    int listener[2] = {listen_ipv6(&six), tcp_listen(4, &four)};
    struct call c = {0};

    resolves(&four);
    resolves(&six);
    resolver.delay_ms[1] = 1000 * harness_slow();
    int64_t began = now();
    int fd = (int)call_do(loop, &c, "x.at", "80");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(now() - began, 50 * HEALD_MS);
    ck_assert_int_lt(now() - began, 900 * harness_slow() * HEALD_MS);
    ck_assert(is_connected_to(fd, &four));
    ck_assert_uint_eq(c.name.attempts, 1);
    heald_close(loop, fd);
    close(listener[0]);
    close(listener[1]);
    loop_end(loop); /* the look-up goes on without it */
}

/* What comes late joins those that are tried. */
HEALD_CASE(a_late_answer_is_used)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr six, hole;
    int fds[FILL], listener = listen_ipv6(&six);
    struct call c = {.name = {.delay_ns = 10 * HEALD_MS}};

    black_hole(fds, &hole);
    resolves(&hole);
    resolves(&six);
    resolver.delay_ms[1] = 100;
    int fd = (int)call_do(loop, &c, "x.at", "80");
    ck_assert_int_ge(fd, 0);
    ck_assert(is_connected_to(fd, &six));
    heald_close(loop, fd);
    close(listener);
    black_hole_end(fds);
    loop_end(loop);
}

HEALD_CASE(no_such_name)
{
    struct heald_loop *loop = loop_on(_i);
    struct call c = {0};

    ck_assert_int_eq(call_do(loop, &c, "none.test", "80"), -HEALD_ENONAME);
    ck_assert_int_eq(c.name.phase, HEALD_PHASE_LOOKUP);
    ck_assert_int_eq(c.name.eai, EAI_NONAME);
    ck_assert_uint_eq(c.name.attempts, 0);
    for (int v6 = 0; v6 < 2; v6++) {
        resolver.error[v6] = EAI_AGAIN;
        resolver.error[!v6] = EAI_NONAME;
        ck_assert_int_eq(call_do(loop, &c, "x.at", "80"), -HEALD_ENAMESERVER);
        ck_assert_int_eq(c.name.eai, EAI_AGAIN);
    }
    ck_assert_int_eq(call_do(loop, &c, "127.0.0.1", "65536"), -EINVAL);
    ck_assert_int_eq(call_do(loop, &c, "", "80"), -HEALD_ENONAME);
    loop_end(loop);
}

/* One deadline for all; the phase says where it passed. */
HEALD_CASE(deadlines_and_cancels)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr hole;
    int fds[FILL];

    black_hole(fds, &hole);
    resolves(&hole);
    for (int how = 0; how < 4; how++) {
        struct call c = {.name = {.family = AF_INET}};
        heald_prep_connect_name(&c.p.op, &c.name, how % 2 ? "x.at" : "hang.test", "80");
        if (how < 2)
            c.p.op.deadline_ns = now() + 50 * harness_slow() * HEALD_MS;
        probe_start(loop, &c.p);
        int64_t end = now() + 5 * HEALD_SEC;
        while (how % 2 && c.name.phase != HEALD_PHASE_CONNECT && now() < end)
            heald_loop_turn(loop, now() + HEALD_MS);
        if (how < 2)
            ck_assert_int_eq(probe_end(&c.p), -ETIMEDOUT);
        else
            probe_cancel(&c.p);
        ck_assert_int_eq(c.name.phase, how % 2 ? HEALD_PHASE_CONNECT : HEALD_PHASE_LOOKUP);
    }
    black_hole_end(fds);
    loop_end(loop);
    resolver_go();
    usleep(10000);
}

HEALD_CASE(many_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr good, bad;
    int refuse = tcp_refuse("127.0.0.1", &bad), listener = tcp_listen(64, &good);
    static struct call c[32];

    memset(c, 0, sizeof c);
    resolves(&bad);
    resolves(&good);
    for (int i = 0; i < 32; i++)
        call_start(loop, &c[i], "x.at", "80");
    for (int i = 0; i < 32; i += 4)
        heald_cancel(&c[i].p.op);
    for (int i = 0; i < 32; i++) {
        int fd = (int)probe_end(&c[i].p);
        ck_assert_int_eq(fd >= 0, i % 4 != 0);
        if (fd >= 0)
            heald_close(loop, fd);
    }
    close(refuse);
    close(listener);
    loop_end(loop);
}

/* Look-ups, connections and work, begun and cancelled as it happens, again and again. */
enum { STORM_OPS = 40, STORM_STEPS = 400 };

struct storm {
    struct heald_op op;
    struct heald_connect_name name;
    struct heald_lookup lookup;
    struct heald_addr addr;
    int ends;
};

static int64_t nap(struct heald_op *op)
{
    usleep(50);
    return heald_work_cancelled(op) ? -ECANCELED : 0;
}

static void storm_ended(struct heald_op *op)
{
    struct storm *s = heald_container_of(op, struct storm, op);

    s->ends++;
    if (strcmp(heald_op_kind(op), "connect-name") == 0 && op->result >= 0)
        heald_close(op->loop, (int)op->result);
}

static void storm_step(struct heald_loop *loop, struct storm *s, unsigned random)
{
    static const char *const names[] = {"x.at",      "fast.test", "slow.test", "none.test",
                                        "localhost", "many.test", "127.0.0.1", "busy.test"};
    const char *host = names[random / 64 % 8];

    if (heald_op_error(&s->op) == -EINPROGRESS) {
        heald_cancel(&s->op);
        return;
    }
    s->lookup = (struct heald_lookup){.max = 1, .ret_addrs = &s->addr};
    s->name = (struct heald_connect_name){.delay_ns = 10 * HEALD_MS};
    switch (random % 3) {
    case 0: heald_prep_connect_name(&s->op, &s->name, host, "1"); break;
    case 1: heald_prep_lookup(&s->op, &s->lookup, host, "1"); break;
    case 2: heald_prep_work(&s->op, nap, NULL); break;
    }
    if (random / 4 % 3 == 0)
        s->op.deadline_ns = now() + random / 16 % 4 * HEALD_MS;
    s->ends--;
    ck_assert_int_eq(heald_submit(loop, &s->op, storm_ended), 0);
}

HEALD_CASE(a_storm)
{
    static struct storm s[STORM_OPS];
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr good, bad;
    int refuse = tcp_refuse("127.0.0.1", &bad), listener = tcp_listen(64, &good);
    unsigned random = (unsigned)_i + 1;

    memset(s, 0, sizeof s);
    resolves(&bad);
    resolves(&good);
    resolver.delay_ms[1] = 1;
    for (int i = 0; i < STORM_STEPS; i++) {
        random = random * 1103515245u + 12345u;
        storm_step(loop, &s[random / 65536 % STORM_OPS], random / 256);
        if (random / 1024 % 4 == 0)
            heald_loop_turn(loop, random / 4096 % 2 ? now() + HEALD_MS : 0);
    }
    for (int i = 0; i < STORM_OPS; i++)
        heald_cancel(&s[i].op);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < STORM_OPS; i++)
        ck_assert_int_eq(s[i].ends, 0);
    close(refuse);
    close(listener);
    loop_end(loop);
}

HEALD_CASE(what_is_refused)
{
    struct heald_connect_name wrong[] = {
        {.family = AF_UNIX}, {.type = SOCK_RAW}, {.delay_ns = 1}, {.delay_ns = -HEALD_SEC}, {0}};
    struct heald_op op = {0};

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(heald_prep_connect_name(&op, &wrong[i], "fast.test", "80"), -EINVAL);
    ck_assert_int_eq(heald_prep_connect_name(&op, &wrong[4], NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_connect_name(&op, NULL, "fast.test", "80"), -EINVAL);
    ck_assert_int_eq(heald_prep_connect_name(&op, &wrong[4], "fast.test", "80"), 0);
    ck_assert_str_eq(heald_op_kind(&op), "connect-name");
}

void add_connect_name(TCase *group)
{
    add_everywhere(group, without_a_name);
    add_on_backends(group, a_path);
    add_on_backends(group, by_text);
    add_everywhere(group, until_one_answers);
    add_on_backends(group, past_a_black_hole);
    add_on_backends(group, ipv6_a_little_later);
    add_on_backends(group, ipv6_much_later);
    add_on_backends(group, a_late_answer_is_used);
    add_on_backends(group, no_such_name);
    add_on_backends(group, deadlines_and_cancels);
    add_everywhere(group, many_at_once);
    add_everywhere(group, a_storm);
    add_once(group, what_is_refused);
}
