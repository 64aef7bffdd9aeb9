/*
 * test/aio/main.c: the program.
 *
 *     test-aio-libc libc [FEATURE...]          glibc; where it is known to depart: skipped
 *     test-aio-libc libc-all [FEATURE...]      glibc, those as well: to check the table
 *     test-aio-libc --table                    a line for each case: what glibc does there
 *     test-aio uring|threads [FEATURE...]      libheald-aio
 */
#include "aio/suite.h"

enum { ROWS_MAX = 200 };

/* An exit while the I/O thread ends leaves threads of its pools that it has not joined. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "thread:heald__pool_begin\nthread:start_fresh\n";
}

static struct {
    const char *method, *feature, *why_not;
    bool table;
    int count; /* of cases */
    TTest skips[ROWS_MAX];
} run;

bool on_libc(void)
{
    return !on_uring() && !on_threads();
}

/* On io_uring, but woken as before Linux 6.7. */
static bool on_eventfd(void)
{
    return strcmp(run.method, "eventfd") == 0;
}

bool on_uring(void)
{
    return strcmp(run.method, "uring") == 0 || on_eventfd();
}

bool on_threads(void)
{
    return strcmp(run.method, "threads") == 0;
}

static void known_difference(int row)
{
    harness_case_begin(run.skips[row].name, 0);
    harness_skip("glibc: %s", difference_text(row));
}

static const TTest *skipping(int row, const TTest *test)
{
    run.skips[row] = (TTest){test->name, known_difference, test->file, test->line};
    return &run.skips[row];
}

void add(TCase *group, const TTest *test)
{
    int row = difference(run.feature, test->name);

    must(row < ROWS_MAX);
    run.count++;
    if (run.table)
        printf("%-9s %-44s %s\n", run.feature, test->name, row < 0 ? "same" : difference_text(row));
    else if (row >= 0 && strcmp(run.method, "libc") == 0)
        harness_add_range(group, skipping(row, test), row, row + 1);
    else
        harness_add(group, test);
}

/* What the implementation holds from its first request on is not a leak of the case. One that has
 * to wait, for others may be done without what it takes to wait. */
static void first_request(void)
{
    int fds[2];
    char buf[8];
    struct aiocb cb;

    pipe_make(fds);
    start_read(&cb, fds[0], buf, sizeof buf, 0);
    must_be(write(fds[1], "first", 5), 5);
    must_be(result_of(&cb), 5);
    pair_close(fds);
}

/* Those look at a process that has not used AIO yet. */
static bool starts_unused(const char *feature)
{
    return strcmp(feature, "programs") == 0 || strcmp(feature, "limits") == 0 ||
           strcmp(feature, "injection") == 0 || strcmp(feature, "growth") == 0;
}

#define FEATURE_ROW(feature) {#feature, add_##feature},

static int add_feature(Suite *suite, const char *wish)
{
    static const struct {
        const char *name;
        void (*add)(TCase *group);
    } features[] = {FEATURES(FEATURE_ROW)};
    int found = 0;

    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        if (!wish || strcmp(wish, features[i].name) == 0) {
            TCase *group = harness_group(suite, features[i].name);
            run.feature = features[i].name;
            /* glibc, which keeps threads only, does not survive a fork after it. */
            if (!starts_unused(run.feature) && !on_libc())
                tcase_add_checked_fixture(group, first_request, NULL);
            features[i].add(group);
            found++;
        }
    return found;
}

/* Bad arguments: EINVAL or EFAULT where there is an io_uring, ENOSYS or EPERM where not. */
static bool has_uring(void)
{
    return syscall(SYS_io_uring_setup, 0, NULL) < 0 && errno != ENOSYS && errno != EPERM;
}

static void choose(const char *method)
{
    run.method = method;
    run.table = strcmp(method, "--table") == 0;
    if (on_threads())
        setenv("HEALD_NO_URING", "1", 1);
    else
        unsetenv("HEALD_NO_URING");
    if (on_eventfd())
        setenv("HEALD_AWAIT", "thread", 1);
    else
        unsetenv("HEALD_AWAIT");
    if (on_uring() && !has_uring())
        run.why_not = "this kernel has no io_uring, or does not let us";
}

int main(int argc, char *argv[])
{
    Suite *suite = suite_create("aio");

    choose(argc > 1 ? argv[1] : "libc");
    if (argc < 3)
        add_feature(suite, NULL);
    for (int i = 2; i < argc; i++)
        if (!add_feature(suite, argv[i])) {
            fprintf(stderr, "there is no feature \"%s\"\n", argv[i]);
            return 2;
        }
    if (run.table)
        return 0;
    if (run.why_not) {
        printf("skip: %s\n# 0 passed, 0 failed, %d skipped\n", run.why_not, run.count);
        return 77;
    }
    return harness_run(suite);
}
