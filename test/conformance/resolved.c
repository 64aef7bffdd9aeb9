/* test/conformance/resolved.c: look-ups by systemd-resolved, which is a thread of the case here:
 * answers as it gives them, slowly, in pieces, and things that it should not say. The C library,
 * which is asked then, is the fake of resolver.h. */
#include "conformance/conformance.h"
#include "conformance/resolver.h"

#include <pthread.h>
#include <stdio.h>

enum { HUNG = 8, PIECES = 4096 };

#define ONE(last)  "{\"ifindex\":0,\"family\":2,\"address\":[127,0,0," last "]}"
#define GOOD(list) "{\"parameters\":{\"addresses\":[" list "],\"name\":\"x\",\"flags\":1}}"

/* The server. */
static struct server {
    char dir[64], address[120];
    int dir_fd, listener, hung[HUNG], hung_count;
    pthread_t thread;
    int requests; /* atomic */
} server;

static const struct {
    const char *name, *reply;
    size_t extra; /* bytes after the terminating 0 */
} replies[] = {
    {"good.test", GOOD(ONE("1") "," ONE("2")), 0},
    {"nobody.test", "{\"error\":\"io.systemd.Resolve.DNSError\",\"parameters\":{\"rcode\":3}}", 0},
    {"down.test", "{\"error\":\"io.systemd.Resolve.NetworkDown\",\"parameters\":{}}", 0},
    {"garbage.test", "HTTP/1.1 400 Bad Request", 0},
    {"method.test", "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{}}", 0},
    {"family.test", GOOD("{\"family\":3,\"address\":[1,2,3,4]}"), 0},
    {"nul.test", GOOD(ONE("1")) "\0" GOOD(ONE("1")), 60},
};

static bool asks_for(const char *request, const char *name)
{
    return strstr(request, name) != NULL;
}

static void send_all(int fd, const char *text, size_t n, bool in_pieces)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t k = send(fd, text + sent, in_pieces ? 1 : n - sent, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        sent += (size_t)k;
        if (in_pieces)
            usleep(20);
    }
}

static void send_huge(int fd)
{
    char piece[PIECES];

    memset(piece, ' ', sizeof piece);
    for (int i = 0; i < 256; i++)
        if (send(fd, piece, sizeof piece, MSG_NOSIGNAL) <= 0)
            return;
}

/* Answers a question; false: it is never answered. */
static bool answer(int fd, const char *request)
{
    static const char good[] = GOOD(ONE("1"));

    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        if (asks_for(request, replies[i].name))
            send_all(fd, replies[i].reply, strlen(replies[i].reply) + 1 + replies[i].extra, false);
    if (asks_for(request, "split.test"))
        send_all(fd, good, sizeof good, true);
    if (asks_for(request, "huge.test"))
        send_huge(fd);
    if (asks_for(request, "half.test"))
        send_all(fd, good, sizeof good / 2, false);
    return !asks_for(request, "hang");
}

static void serve_one(int fd)
{
    char request[1024];
    size_t n = 0;
    ssize_t k = 0;

    while (n < sizeof request && (!n || request[n - 1]) &&
           (k = recv(fd, request + n, sizeof request - n, 0)) > 0)
        n += (size_t)k;
    __atomic_fetch_add(&server.requests, 1, __ATOMIC_ACQ_REL);
    if (k > 0 && !answer(fd, request))
        server.hung[server.hung_count++] = fd;
    else
        close(fd);
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        serve_one(fd);
    return NULL;
}

static void server_start(void)
{
    char text[200];

    server = (struct server){0};
    server.dir_fd = dir_make(server.dir);
    snprintf(server.address, sizeof server.address, "unix:%s/socket", server.dir);
    server.listener = heald_listen(server.address, SOCK_STREAM, 0);
    ck_assert_int_ge(server.listener, 0);
    set_blocking(server.listener, true);
    snprintf(text, sizeof text, "resolved:%s", server.address);
    setenv("HEALD_RESOLVER", text, 1);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    for (int i = 0; i < server.hung_count; i++)
        close(server.hung[i]);
    dir_remove(server.dir_fd, server.dir);
}

static unsigned threads_of(struct heald_loop *loop)
{
    struct heald_workers *workers;
    struct heald_workers_stats stats;

    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_NAMES, &workers), 0);
    heald_workers_stats(workers, &stats);
    return stats.threads;
}

HEALD_CASE(answers_without_a_thread)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q = {0};
    char text[HEALD_ADDR_TEXT];

    server_start();
    ck_assert_int_eq(query_do(loop, &q, "good.test", "81"), 2);
    heald_addr_format(&q.addrs[1], text, sizeof text);
    ck_assert_str_eq(text, "127.0.0.2:81");
    ck_assert_int_eq(query_do(loop, &q, "split.test", NULL), 1);
    ck_assert_int_eq(query_do(loop, &q, "nobody.test", "80"), -HEALD_ENONAME);
    ck_assert_int_eq(query_do(loop, &q, "down.test", "80"), -ENETDOWN);
    ck_assert_int_eq(query_do(loop, &q, "localhost", "80"), 2);
    ck_assert_int_eq(resolver_get(&resolver.calls), 0);
    ck_assert_uint_eq(threads_of(loop), 0);
    /* A service by name, and a host that would have to be escaped. */
    ck_assert_int_eq(query_do(loop, &q, "good.test", "http"), 1);
    ck_assert_int_eq(query_do(loop, &q, "caf\xc3\xa9.test", "80"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 2);
    ck_assert_int_eq(query_do(loop, &q, "good.test", "80"), 2);
    loop_end(loop);
    server_stop();
}

/* The C library answers then, also the next question. */
HEALD_CASE(what_it_should_not_say)
{
    static const char *const names[] = {"garbage.test", "method.test", "family.test", "nul.test",
                                        "huge.test",    "half.test",   "close.test"};

    server_start();
    for (int i = 0; i < 7; i++) {
        struct heald_loop *loop = loop_on(_i);
        struct query q = {0};
        int64_t want = strcmp(names[i], "family.test") == 0 ? -EAFNOSUPPORT : 1;
        ck_assert_msg(query_do(loop, &q, names[i], "80") == want, "%s: %lld", names[i],
                      (long long)q.p.result);
        ck_assert_int_eq(query_do(loop, &q, "good.test", "80"), 1);
        loop_end(loop);
    }
    ck_assert_int_eq(resolver_get(&resolver.calls), 14);
    ck_assert_int_eq(resolver_get(&server.requests), 7);
    server_stop();
}

HEALD_CASE(nobody_listens)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q = {0};

    setenv("HEALD_RESOLVER", "resolved:unix:/nowhere/socket", 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(query_do(loop, &q, "fast.test", "80"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 2);
    loop_end(loop);
}

/* One question for all; it is cancelled for good with the last op. */
HEALD_CASE(cancels_and_deadlines)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q[4] = {0}, late = {0};

    server_start();
    for (int i = 0; i < 4; i++)
        query_start(loop, &q[i], "hang.test", "80");
    turn_for(loop, 2 * HEALD_MS);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 4);
    for (int i = 0; i < 4; i++)
        probe_cancel(&q[i].p);
    query_start(loop, &late, "hang.test", "80");
    probe_cancel(&late.p);
    ck_assert_int_eq(heald_prep_lookup(&late.p.op, &late.lookup, "hang.test", "80"), 0);
    late.p.op.deadline_ns = now() + 5 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &late.p), -ETIMEDOUT);
    ck_assert_int_eq(query_do(loop, &late, "good.test", "80"), 2);
    ck_assert_int_eq(resolver_get(&resolver.calls), 0);
    ck_assert_uint_eq(threads_of(loop), 0);
    loop_end(loop);
    server_stop();
}

/* More questions than connections: the others are the C library's. */
HEALD_CASE(a_hundred_names)
{
    struct heald_loop *loop = loop_on(_i);
    static struct query q[100];
    char name[100][32];
    int from_libc = 0;

    memset(q, 0, sizeof q);
    server_start();
    for (int i = 0; i < 100; i++) {
        snprintf(name[i], sizeof name[i], "%d.good.test", i);
        query_start(loop, &q[i], name[i], "80");
    }
    for (int i = 0; i < 100; i++) {
        int64_t n = probe_end(&q[i].p);
        ck_assert(n == 1 || n == 2);
        from_libc += n == 1;
    }
    ck_assert_int_eq(from_libc, resolver_get(&resolver.calls));
    ck_assert_int_ge(from_libc, 36);
    ck_assert_int_eq(query_do(loop, &q[0], "good.test", "80") > 0, 1);
    loop_end(loop);
    server_stop();
}

HEALD_CASE(connections_to_names)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_connect_name name = {.family = AF_INET};
    struct heald_addr addr;
    int listener = tcp_listen(4, &addr);
    char text[HEALD_ADDR_TEXT];
    struct probe p = {0};

    server_start();
    heald_addr_format(&addr, text, sizeof text);
    heald_prep_connect_name(&p.op, &name, "good.test", strrchr(text, ':') + 1);
    int fd = (int)probe_do(loop, &p);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(resolver_get(&resolver.calls), 0);
    heald_close(loop, fd);
    close(listener);
    loop_end(loop);
    server_stop();
}

void add_resolved(TCase *group)
{
    add_everywhere(group, answers_without_a_thread);
    add_on_backends(group, what_it_should_not_say);
    add_on_backends(group, nobody_listens);
    add_everywhere(group, cancels_and_deadlines);
    add_on_backends(group, a_hundred_names);
    add_on_backends(group, connections_to_names);
}
