/* test/conformance/names.c: look-ups of names, over the fake resolver of resolver.h. */
#include "conformance/conformance.h"
#include "conformance/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/wait.h>

enum { CROWD = 1000, THREADS = 8 /* of HEALD_WORKERS_NAMES */, KEPT = 256 };

static const char *text_of(const struct heald_addr *addr)
{
    static char text[HEALD_ADDR_TEXT];

    heald_addr_format(addr, text, sizeof text);
    return text;
}

static struct heald_workers_stats stats_of(struct heald_loop *loop)
{
    struct heald_workers *workers;
    struct heald_workers_stats stats;

    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_NAMES, &workers), 0);
    heald_workers_stats(workers, &stats);
    return stats;
}

HEALD_CASE(what_needs_no_thread)
{
    static const struct {
        const char *host, *service;
        int family;
        unsigned flags;
        int64_t result;
        const char *first, *second;
    } rows[] = {
        {"192.0.2.1", "80", 0, 0, 1, "192.0.2.1:80", NULL},
        {"2001:db8::1", "443", 0, 0, 1, "[2001:db8::1]:443", NULL},
        {"::1", NULL, AF_INET6, 0, 1, "[::1]:0", NULL},
        {"localhost", "8080", 0, 0, 2, "[::1]:8080", "127.0.0.1:8080"},
        {"LocalHost.", "1", AF_INET, 0, 1, "127.0.0.1:1", NULL},
        {"a.localhost", "1", AF_INET6, 0, 1, "[::1]:1", NULL},
        {NULL, "53", 0, 0, 2, "[::1]:53", "127.0.0.1:53"},
        {NULL, "53", 0, HEALD_LOOKUP_PASSIVE, 2, "[::]:53", "0.0.0.0:53"},
        {"*", "53", AF_INET, 0, 1, "0.0.0.0:53", NULL},
        {"unix:/run/x", NULL, 0, 0, 1, "unix:/run/x", NULL},
        {"fifo:/run/x", NULL, 0, 0, 1, "fifo:/run/x", NULL},
        {"192.0.2.1", "80", AF_INET6, 0, -EAFNOSUPPORT, NULL, NULL},
        {"192.0.2.1", "65536", 0, 0, -EINVAL, NULL, NULL},
        {"localhost", "", 0, 0, -EINVAL, NULL, NULL},
        {"1:2", "80", 0, 0, -EINVAL, NULL, NULL},
        {"fe80::1%nowhere", "80", 0, 0, -ENODEV, NULL, NULL},
        {"", "80", 0, 0, -HEALD_ENONAME, NULL, NULL},
        {"fast.test", "80", 0, HEALD_LOOKUP_NUMERIC, -HEALD_ENONAME, NULL, NULL},
        {"unix:", NULL, 0, 0, -EINVAL, NULL, NULL},
    };
    struct heald_loop *loop = loop_on(_i);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct query q = {.lookup = {.family = rows[i].family, .flags = rows[i].flags}};
        ck_assert_msg(query_do(loop, &q, rows[i].host, rows[i].service) == rows[i].result,
                      "%s: %lld", rows[i].host, (long long)q.p.result);
        if (rows[i].first)
            ck_assert_str_eq(text_of(&q.addrs[0]), rows[i].first);
        if (rows[i].second)
            ck_assert_str_eq(text_of(&q.addrs[1]), rows[i].second);
    }
    ck_assert_int_eq(resolver_get(&resolver.calls), 0);
    ck_assert_uint_eq(stats_of(loop).threads, 0);
    loop_end(loop);
}

HEALD_CASE(what_the_c_library_says)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q = {0};

    ck_assert_int_eq(query_do(loop, &q, "fast.test", "81"), 1);
    ck_assert_str_eq(text_of(&q.addrs[0]), "192.0.2.1:81");
    ck_assert_int_eq(query_do(loop, &q, "slow.test", "http"), 1);
    ck_assert_int_eq(query_do(loop, &q, "twice.test", NULL), 1);
    ck_assert_int_eq(query_do(loop, &q, "192.0.2.1", "http"), 1); /* of /etc/services */
    ck_assert_int_eq(query_do(loop, &q, "many.test", NULL), 100);
    ck_assert_str_eq(text_of(&q.addrs[QUERY_ADDRS - 1]), "192.0.2.8:0");
    q = (struct query){0};
    ck_assert_int_eq(heald_prep_lookup(&q.p.op, &q.lookup, "many.test", NULL), 0);
    ck_assert_str_eq(heald_op_kind(&q.p.op), "lookup");
    ck_assert_int_eq(probe_do(loop, &q.p), 100); /* no room is no error */
    ck_assert_int_eq(resolver_get(&resolver.calls), 6);
    ck_assert_uint_eq(stats_of(loop).threads, 1);
    loop_end(loop);
}

HEALD_CASE(how_it_fails)
{
    static const struct {
        const char *host;
        int result, eai;
    } rows[] = {
        {"none.test", -HEALD_ENONAME, EAI_NONAME},  {"again.test", -HEALD_ENAMESERVER, EAI_AGAIN},
        {"fail.test", -HEALD_ENAMEFAIL, EAI_FAIL},  {"service.test", -HEALD_ESERVICE, EAI_SERVICE},
        {"family.test", -EAFNOSUPPORT, EAI_FAMILY}, {"memory.test", -ENOMEM, EAI_MEMORY},
        {"system.test", -EIO, EAI_SYSTEM},          {"busy.test", -HEALD_ENAMEFAIL, EAI_SYSTEM}};
    struct heald_loop *loop = loop_on(_i);
    char host[400], service[100];
    struct query q = {0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(query_do(loop, &q, rows[i].host, "80"), rows[i].result);
        ck_assert_int_eq(q.lookup.eai, rows[i].eai);
        ck_assert_str_ne(heald_strerror(rows[i].result), "unknown error");
        ck_assert_int_eq(heald_op_error(&q.p.op), rows[i].result);
    }
    memset(host, 'a', sizeof host);
    memset(service, 'a', sizeof service);
    host[sizeof host - 1] = service[sizeof service - 1] = 0;
    ck_assert_int_eq(query_do(loop, &q, host, "80"), -ENAMETOOLONG);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", service), -ENAMETOOLONG);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "80"), 1);
    ck_assert_int_eq(q.lookup.eai, 0);
    loop_end(loop);
}

HEALD_CASE(a_thousand_of_one_name)
{
    static struct query q[CROWD];
    struct heald_loop *loop = loop_on(_i);

    memset(q, 0, sizeof q);
    for (int i = 0; i < CROWD; i++)
        query_start(loop, &q[i], "hang.test", "80");
    resolver_wait(&resolver.hanging, 1);
    for (int i = 0; i < CROWD; i += 2)
        probe_cancel(&q[i].p);
    ck_assert_uint_eq(stats_of(loop).threads, 1);
    ck_assert_uint_eq(stats_of(loop).queued, 0);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), CROWD / 2);
    resolver_go();
    for (int i = 1; i < CROWD; i += 2)
        ck_assert_int_eq(probe_end(&q[i].p), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 1);
    /* Others differ. */
    q[0].lookup.type = SOCK_DGRAM;
    q[1].lookup.family = AF_INET;
    for (int i = 0; i < 3; i++)
        query_start(loop, &q[i], "hang.test", "80");
    query_start(loop, &q[3], "hang.test", "81");
    query_start(loop, &q[4], "hang.test", NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(probe_end(&q[i].p), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 6);
    loop_end(loop);
}

/* While it waits for a thread; while the call runs; when the answer is on its way. */
HEALD_CASE(cancelled_in_each_state)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q[THREADS + 2] = {0};
    char name[THREADS + 2][20];

    for (int i = 0; i < THREADS + 2; i++) {
        snprintf(name[i], sizeof name[i], "hang-%d.test", i);
        query_start(loop, &q[i], name[i], "80");
    }
    resolver_wait(&resolver.hanging, THREADS);
    ck_assert_uint_eq(stats_of(loop).queued, 2);
    probe_cancel(&q[THREADS].p);
    ck_assert_uint_eq(stats_of(loop).queued, 1);
    probe_cancel(&q[0].p);
    ck_assert_uint_eq(stats_of(loop).detached, 1);
    /* The same name once more is another question. */
    query_start(loop, &q[0], name[0], "80");
    ck_assert_uint_eq(stats_of(loop).queued, 2);
    resolver_go();
    int64_t end = now() + 5 * harness_slow() * HEALD_SEC;
    while (stats_of(loop).running || stats_of(loop).queued)
        must(now() < end);
    /* The answers are there, and the loop has not fetched them. */
    probe_cancel(&q[1].p);
    for (int i = 2; i < THREADS; i++)
        ck_assert_int_eq(probe_end(&q[i].p), 1);
    ck_assert_int_eq(probe_end(&q[0].p), 1);
    ck_assert_int_eq(probe_end(&q[THREADS + 1].p), 1);
    loop_end(loop);
}

HEALD_CASE(cancelled_with_its_answer_on_the_way_to_a_loop_that_closes)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q = {0};

    for (int i = 0; i < 20; i++) {
        query_start(loop, &q, "fast.test", "80");
        usleep((useconds_t)(i * 20));
        probe_cancel(&q.p);
    }
    query_start(loop, &q, "fast.test", "80");
    resolver_wait(&resolver.calls, 1);
    probe_cancel(&q.p);
    loop_end(loop);
    usleep(2000);
}

/* Nine hang: the tenth waits for a thread, or for its deadline; nothing else does. */
HEALD_CASE(nine_that_hang)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q[THREADS + 1] = {0}, fast = {0};
    char name[THREADS + 1][20], byte;

    for (int i = 0; i < THREADS + 1; i++) {
        snprintf(name[i], sizeof name[i], "hang-%d.test", i);
        query_start(loop, &q[i], name[i], "80");
    }
    resolver_wait(&resolver.hanging, THREADS);
    ck_assert_int_eq(heald_prep_lookup(&fast.p.op, &fast.lookup, "fast.test", "80"), 0);
    fast.p.op.deadline_ns = now() + 20 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &fast.p), -ETIMEDOUT);
    ck_assert_int_eq(query_do(loop, &fast, "localhost", "80"), 2);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ck_assert_int_eq(op_read(loop, fd, &byte, 1, 0), 1);
        heald_close(loop, fd);
    }
    ck_assert_int_ge(stats_of(loop).longest_ns, 10 * HEALD_MS);
    query_start(loop, &fast, "fast.test", "80");
    resolver_go();
    ck_assert_int_eq(probe_end(&fast.p), 1);
    for (int i = 0; i < THREADS + 1; i++)
        ck_assert_int_eq(probe_end(&q[i].p), 1);
    loop_end(loop);
}

HEALD_CASE(a_loop_closes_without_what_hangs)
{
    struct heald_loop *loop = loop_on(_i);
    struct query q[3] = {0};
    static const char *const names[] = {"hang-a.test", "hang-b.test", "hang-c.test"};

    for (int i = 0; i < 3; i++) {
        query_start(loop, &q[i], names[i], "80");
        resolver_wait(&resolver.hanging, i + 1);
        probe_cancel(&q[i].p);
    }
    int64_t began = now();
    loop_end(loop);
    ck_assert_int_lt(now() - began, HEALD_SEC);
    resolver_go();
    usleep(20000); /* the threads free what they have */
}

HEALD_CASE(a_child_of_fork_looks_up_as_well)
{
    if (harness_has_tsan())
        harness_skip("ThreadSanitizer starts no threads after a fork");
    struct heald_loop *loop = loop_on(_i);
    struct query q = {0};
    int status;

    query_start(loop, &q, "hang.test", "80");
    resolver_wait(&resolver.hanging, 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct heald_loop *mine = loop_on(_i);
        struct query other = {0};
        int64_t result = query_do(mine, &other, "fast.test", "80");
        _exit(result == 1 && heald_loop_close(mine) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    resolver_go();
    ck_assert_int_eq(probe_end(&q.p), 1);
    loop_end(loop);
}

/* Waits until what was kept has expired. */
static void wait_ns(int64_t ns)
{
    int64_t end = now() + ns;

    while (now() <= end)
        usleep(1000);
}

HEALD_CASE(answers_that_are_kept)
{
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.lookup_cache_ns = 30 * HEALD_SEC});
    struct heald_loop *other = loop_on(_i);
    struct query q = {0};

    for (int i = 0; i < 3; i++) {
        memset(q.addrs, 0, sizeof q.addrs);
        ck_assert_int_eq(query_do(loop, &q, "fast.test", "81"), 1);
        ck_assert_str_eq(text_of(&q.addrs[0]), "192.0.2.1:81");
        ck_assert_int_eq(q.lookup.eai, 0);
    }
    ck_assert_int_eq(resolver_get(&resolver.calls), 1);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "82"), 1); /* another question */
    ck_assert_int_eq(query_do(other, &q, "fast.test", "81"), 1);
    ck_assert_int_eq(query_do(other, &q, "fast.test", "81"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 4);
    /* No error is kept, nor what is very long. */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(query_do(loop, &q, "none.test", "80"), -HEALD_ENONAME);
        ck_assert_int_eq(query_do(loop, &q, "again.test", "80"), -HEALD_ENAMESERVER);
        ck_assert_int_eq(query_do(loop, &q, "many.test", "80"), 100);
    }
    ck_assert_int_eq(resolver_get(&resolver.calls), 10);
    loop_end(other);
    loop_end(loop);
}

/* A thousand at once are one call; what comes later is not even that. */
HEALD_CASE(one_call_and_then_none)
{
    static struct query q[CROWD];
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.lookup_cache_ns = 30 * HEALD_SEC});

    memset(q, 0, sizeof q);
    for (int i = 0; i < CROWD; i++)
        query_start(loop, &q[i], "hang.test", "80");
    resolver_wait(&resolver.hanging, 1);
    probe_cancel(&q[0].p);
    resolver_go();
    for (int i = 1; i < CROWD; i++)
        ck_assert_int_eq(probe_end(&q[i].p), 1);
    q[0].p.finals = 0;
    ck_assert_int_eq(query_do(loop, &q[0], "hang.test", "80"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 1);
    loop_end(loop);
}

HEALD_CASE(what_is_kept_expires)
{
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.lookup_cache_ns = 5 * HEALD_MS});
    struct query q = {0};

    ck_assert_int_eq(query_do(loop, &q, "fast.test", "80"), 1);
    wait_ns(6 * HEALD_MS);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "80"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), 2);
    loop_end(loop);
}

/* The oldest of them goes. */
HEALD_CASE(so_many_are_kept)
{
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.lookup_cache_ns = 30 * HEALD_SEC});
    struct query q = {0};
    char port[8];

    for (int i = 0; i < KEPT + 1; i++) {
        snprintf(port, sizeof port, "%d", i);
        ck_assert_int_eq(query_do(loop, &q, "fast.test", port), 1);
    }
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "1"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), KEPT + 1);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "0"), 1);
    ck_assert_int_eq(query_do(loop, &q, "fast.test", "1"), 1);
    ck_assert_int_eq(resolver_get(&resolver.calls), KEPT + 3);
    loop_end(loop);
}

HEALD_CASE(for_how_long_they_may_be_kept)
{
    static const int64_t wrong[] = {-1, 30 * HEALD_SEC + 1};
    struct heald_loop *loop = NULL;

    for (int i = 0; i < 2; i++) {
        struct heald_why why;
        struct heald_loop_options options = {.lookup_cache_ns = wrong[i], .ret_why = &why};
        ck_assert_int_eq(heald_loop_open(&loop, &options), -EINVAL);
        ck_assert_ptr_nonnull(strstr(why.text, "lookup_cache_ns="));
    }
    ck_assert_ptr_null(loop);
}

HEALD_CASE(what_is_refused)
{
    struct heald_addr addr;
    struct heald_lookup wrong[] = {{.family = AF_UNIX},
                                   {.type = SOCK_SEQPACKET},
                                   {.flags = 4},
                                   {.max = 1},
                                   {.max = 1, .ret_addrs = &addr}};
    struct heald_op op = {0};

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(heald_prep_lookup(&op, &wrong[i], "fast.test", NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_lookup(&op, &wrong[4], NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_lookup(&op, NULL, "fast.test", NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_lookup(&op, &wrong[4], "fast.test", NULL), 0);
}

void add_names(TCase *group)
{
    add_everywhere(group, what_needs_no_thread);
    add_everywhere(group, what_the_c_library_says);
    add_on_backends(group, how_it_fails);
    add_everywhere(group, a_thousand_of_one_name);
    add_everywhere(group, cancelled_in_each_state);
    add_everywhere(group, cancelled_with_its_answer_on_the_way_to_a_loop_that_closes);
    add_everywhere(group, nine_that_hang);
    add_on_backends(group, a_loop_closes_without_what_hangs);
    add_on_backends(group, a_child_of_fork_looks_up_as_well);
    add_everywhere(group, answers_that_are_kept);
    add_on_backends(group, one_call_and_then_none);
    add_on_backends(group, what_is_kept_expires);
    add_on_backends(group, so_many_are_kept);
    add_once(group, for_how_long_they_may_be_kept);
    add_once(group, what_is_refused);
}
