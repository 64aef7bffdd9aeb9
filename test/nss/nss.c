/*
 * test/nss/nss.c: look-ups of names over the C library's own getaddrinfo(3), with an NSS module
 * that hangs and fails. The module is found by LD_LIBRARY_PATH, with which the test starts itself
 * again, and named in an nsswitch.conf that is there for a case alone, in a mount name space.
 */
#include "nss/nss.h"

#include "harness/harness.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CROWD = 1000, THREADS = 8 /* of HEALD_WORKERS_NAMES */, ADDRS = 128 };

struct nss_control nss_control;

struct ask {
    struct heald_op op;
    struct heald_lookup lookup;
    struct heald_addr addrs[ADDRS];
    char host[40];
    int done;
};

static int get(const int *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static int64_t patience(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + 10 * harness_slow() * HEALD_SEC;
}

static void wait_for(const int *word, int value)
{
    for (int64_t end = patience(); get(word) < value; usleep(500))
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
}

/* Has the hanging calls return, and waits until they have. */
static void go(void)
{
    __atomic_store_n(&nss_control.go, 1, __ATOMIC_SEQ_CST);
    wait_for(&nss_control.ended, get(&nss_control.hanging));
}

static int write_file(const char *text)
{
    char path[] = "/tmp/heald-nss-XXXXXX", proc[40];
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, 0644))
        return -errno;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    int err = mount(proc, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) ? -errno : 0;
    unlink(path);
    close(fd);
    return err;
}

/* The module answers for all names from now on, in this process and what it starts. */
static void use_module(void)
{
    if (access("/run/nscd/socket", F_OK) == 0)
        harness_skip("nscd answers in the place of the modules");
    if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) != 0)
        harness_skip("no mount name space: %s", strerror(errno));
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        harness_skip("no mount of its own: %s", strerror(errno));
    int err = write_file("hosts: heald_test\nservices: files\n");
    if (err)
        harness_skip("no nsswitch.conf of its own: %s", heald_strerror(err));
}

static struct heald_loop *loop_new(void)
{
    struct heald_loop *loop = NULL;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    return loop;
}

static void on_done(struct heald_op *op)
{
    heald_container_of(op, struct ask, op)->done++;
}

static void ask_start(struct heald_loop *loop, struct ask *a, const char *host)
{
    a->done = 0;
    a->lookup.max = ADDRS;
    a->lookup.ret_addrs = a->addrs;
    snprintf(a->host, sizeof a->host, "%s", host);
    ck_assert_int_eq(heald_prep_lookup(&a->op, &a->lookup, a->host, "80"), 0);
    ck_assert_int_eq(heald_submit(loop, &a->op, on_done), 0);
}

static int64_t ask_end(struct ask *a)
{
    int64_t end = patience();

    while (!a->done) {
        ck_assert_int_ge(heald_loop_turn(a->op.loop, end), 0);
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
    }
    ck_assert_int_eq(a->done, 1);
    return a->op.result;
}

static int64_t ask_do(struct heald_loop *loop, struct ask *a, const char *host)
{
    ask_start(loop, a, host);
    return ask_end(a);
}

/* Names that hang, each another. */
static void ask_hanging(struct heald_loop *loop, struct ask a[], int count)
{
    char host[40];

    for (int i = 0; i < count; i++) {
        snprintf(host, sizeof host, "hang-%d.nss-test", i);
        ask_start(loop, &a[i], host);
    }
    wait_for(&nss_control.hanging, count < THREADS ? count : THREADS);
}

static struct heald_workers_stats stats_of(struct heald_loop *loop)
{
    struct heald_workers *workers;
    struct heald_workers_stats stats;

    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_NAMES, &workers), 0);
    heald_workers_stats(workers, &stats);
    return stats;
}

static void on_read(struct heald_op *op)
{
    (void)op;
}

/* Files have threads of their own. */
static void read_a_file(struct heald_loop *loop)
{
    struct heald_op op = {0}, *const ops[] = {&op};
    char text[16] = "";
    int fd = open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC);

    heald_prep_read(&op, fd, text, 6, 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_read), 0);
    ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, patience()), 1);
    ck_assert_str_eq(text, "hosts:");
    heald_close(loop, fd);
}

HEALD_CASE(what_a_module_says)
{
    static const struct {
        const char *host;
        int64_t result;
    } rows[] = {{"fast.nss-test", 1},
                {"many.nss-test", 100},
                {"none.nss-test", -HEALD_ENONAME},
                {"again.nss-test", -HEALD_ENAMESERVER},
                {"fail.nss-test", -EIO}};
    char text[HEALD_ADDR_TEXT];

    use_module();
    struct heald_loop *loop = loop_new();
    static struct ask a;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t result = ask_do(loop, &a, rows[i].host);
        ck_assert_msg(result == rows[i].result, "%s: %lld", rows[i].host, (long long)result);
    }
    ck_assert_int_eq(ask_do(loop, &a, "fast.nss-test"), 1);
    heald_addr_format(&a.addrs[0], text, sizeof text);
    ck_assert_str_eq(text, "192.0.2.1:80");
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

/* With seven that hang there is a thread; with nine there is none, and a deadline holds. */
HEALD_CASE(nine_that_hang_and_one_that_is_fast)
{
    static struct ask a[THREADS + 1], fast;

    use_module();
    struct heald_loop *loop = loop_new();
    ask_hanging(loop, a, THREADS - 1);
    ask_start(loop, &fast, "fast.nss-test");
    ck_assert_int_eq(heald_op_set_deadline(&fast.op, patience()), 0);
    ck_assert_int_eq(ask_end(&fast), 1);
    ask_start(loop, &a[THREADS - 1], "hang-8th.nss-test");
    ask_start(loop, &a[THREADS], "hang-9th.nss-test");
    wait_for(&nss_control.hanging, THREADS);
    ask_start(loop, &fast, "fast.nss-test");
    int64_t soon = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS;
    ck_assert_int_eq(heald_op_set_deadline(&fast.op, soon), 0);
    ck_assert_int_eq(ask_end(&fast), -ETIMEDOUT);
    struct heald_workers_stats stats = stats_of(loop);
    ck_assert_uint_eq(stats.running, THREADS);
    ck_assert_uint_eq(stats.queued, 1);
    ck_assert_int_ge(stats.oldest_ns, 20 * HEALD_MS);
    ck_assert_int_ge(stats.longest_ns, 20 * HEALD_MS);
    read_a_file(loop);
    ask_start(loop, &fast, "fast.nss-test");
    go();
    ck_assert_int_eq(ask_end(&fast), 1);
    for (int i = 0; i < THREADS + 1; i++)
        ck_assert_int_eq(ask_end(&a[i]), 1);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

/* The calls hang until go(): so neither waits for one. */
HEALD_CASE(a_cancel_and_a_close_wait_for_none)
{
    static struct ask a[3];

    use_module();
    struct heald_loop *loop = loop_new();
    ask_hanging(loop, a, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_cancel(&a[i].op), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ask_end(&a[i]), -ECANCELED);
    ck_assert_uint_eq(stats_of(loop).detached, 3);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(get(&nss_control.ended), 0);
    go();
    usleep(20000); /* the threads free what they have */
}

HEALD_CASE(a_thousand_of_one_name_are_one_call)
{
    static struct ask a[CROWD];

    use_module();
    struct heald_loop *loop = loop_new();
    for (int i = 0; i < CROWD; i++)
        ask_start(loop, &a[i], "hang.nss-test");
    wait_for(&nss_control.hanging, 1);
    go();
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(ask_end(&a[i]), 1);
    ck_assert_int_eq(get(&nss_control.calls), 1);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

/* The numeric addresses that getent(1) says for a name; how many, 0 if it knows none. */
static int getent(const char *host, char text[][HEALD_ADDR_TEXT], int max)
{
    char command[300], line[400], type[20];
    int n = 0;

    snprintf(command, sizeof command, "getent ahosts '%s'", host);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (n < max && fgets(line, sizeof line, f))
        n += sscanf(line, "%127s %19s", text[n], type) == 2 && strcmp(type, "STREAM") == 0;
    int status = pclose(f);
    if (status > 0 && status >> 8 == 127)
        harness_skip("no getent");
    return n;
}

/* Without its port. */
static const char *numeric(const struct heald_addr *addr)
{
    static char text[HEALD_ADDR_TEXT];

    heald_addr_format(addr, text, sizeof text);
    *strrchr(text, ':') = 0;
    if (text[0] != '[')
        return text;
    text[strlen(text) - 1] = 0;
    return text + 1;
}

/* getent leaves out families of which the machine has no address. */
static void compare(struct heald_loop *loop, const char *host)
{
    static char text[ADDRS][HEALD_ADDR_TEXT];
    static struct ask a;
    int family[2] = {0}, n = getent(host, text, ADDRS), at = 0;
    int64_t count = ask_do(loop, &a, host);

    for (int i = 0; i < n; i++)
        family[strchr(text[i], ':') != NULL] = 1;
    if (!n)
        ck_assert_msg(count < 0, "%s: %lld, and getent knows none", host, (long long)count);
    for (int i = 0; i < count; i++) {
        bool v6 = a.addrs[i].u.sa.sa_family == AF_INET6;
        if (!family[v6])
            continue;
        ck_assert_msg(at < n && strcmp(numeric(&a.addrs[i]), text[at]) == 0, "%s: %s, and %s", host,
                      numeric(&a.addrs[i]), at < n ? text[at] : "nothing");
        at++;
    }
    ck_assert_int_eq(at, n);
}

/* The names that each machine has, over its own nsswitch.conf. */
HEALD_CASE(the_answers_of_getent)
{
    struct heald_loop *loop = loop_new();
    char host[256] = "";

    ck_assert_int_eq(gethostname(host, sizeof host - 1), 0);
    compare(loop, "localhost");
    if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
        strlen(host))
        compare(loop, host);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

HEALD_CASE(the_answers_of_getent_with_the_module)
{
    use_module();
    struct heald_loop *loop = loop_new();

    compare(loop, "fast.nss-test");
    compare(loop, "many.nss-test");
    compare(loop, "none.nss-test");
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

/* The loader reads the variable when a program starts. */
static void start_again(char *argv[])
{
    const char *dir = getenv("HEALD_BUILD_DIR");
    char path[4096];

    if (!dir || getenv("HEALD_TEST_NSS"))
        return;
    snprintf(path, sizeof path, "%s/test", dir);
    setenv("LD_LIBRARY_PATH", path, 1);
    setenv("HEALD_TEST_NSS", "1", 1);
    unsetenv("HEALD_RESOLVER");
    execv("/proc/self/exe", argv);
}

int main(int argc, char *argv[])
{
    Suite *suite = suite_create("nss");
    TCase *group = harness_group(suite, "names");

    (void)argc;
    start_again(argv);
    harness_add(group, what_a_module_says);
    harness_add(group, nine_that_hang_and_one_that_is_fast);
    harness_add(group, a_cancel_and_a_close_wait_for_none);
    harness_add(group, a_thousand_of_one_name_are_one_call);
    harness_add(group, the_answers_of_getent);
    harness_add(group, the_answers_of_getent_with_the_module);
    return harness_run(suite);
}
