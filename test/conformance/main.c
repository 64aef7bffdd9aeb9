/*
 * test/conformance/main.c: the combinations, and the program: test-conformance [FEATURE...].
 * Without an argument all features run.
 */
#include "conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

enum { FEATURES_MAX = 16 };

static struct {
    struct heald_feature backends[FEATURES_MAX], engines[FEATURES_MAX];
    int backend_count, engine_count;
    int pairs; /* of a case and a combination that were added */
} table;

int combinations(void)
{
    return table.backend_count * table.engine_count;
}

static const struct heald_feature *backend_row(int combination)
{
    return &table.backends[combination % combinations() / table.engine_count];
}

static const struct heald_feature *engine_row(int combination)
{
    return &table.engines[combination % table.engine_count];
}

const char *backend_of(int combination)
{
    return backend_row(combination)->name;
}

void skip_on_kqueue(int combination, const char *why)
{
    if (strcmp(backend_of(combination), "kqueue") == 0)
        harness_skip("kqueue: %s", why);
}

void skip_on_portable(const char *why)
{
    /* The portable platform knows no other clock. */
    if (heald_clock_now(HEALD_CLOCK_BOOT) < 0)
        harness_skip("portable platform: %s", why);
}

#ifdef __linux__
/* -1 is no good argument to any of the calls that are asked about. */
static bool has_call(long number)
{
    return heald_clock_now(HEALD_CLOCK_BOOT) >= 0 && syscall(number, -1L, NULL, NULL, 0L) < 0 &&
           errno != ENOSYS && errno != EPERM;
}

bool has_pidfd_open(void)
{
    return has_call(SYS_pidfd_open);
}

bool has_pidfd_group(void)
{
    enum { PROCESS_GROUP = 1 << 2 }; /* Linux 6.9; the headers of the system may be older */
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd < 0)
        return false;
    /* -ESRCH: there is no group of this number. */
    bool has = syscall(SYS_pidfd_send_signal, fd, 0, NULL, PROCESS_GROUP) == 0 || errno == ESRCH;
    close(fd);
    return has;
}

bool has_openat2(void)
{
    return has_call(SYS_openat2);
}
#else
bool has_pidfd_open(void)
{
    return false;
}

bool has_pidfd_group(void)
{
    return false;
}

bool has_openat2(void)
{
    return false;
}
#endif

const char *engine_of(int combination)
{
    return engine_row(combination)->name;
}

/* HEALD_COMBINATIONS="uring/sync epoll/uring": these alone. */
static bool is_wanted(int combination)
{
    const char *wish = getenv("HEALD_COMBINATIONS");
    char list[256], name[64];

    if (!wish || !*wish)
        return true;
    snprintf(list, sizeof list, " %s ", wish);
    snprintf(name, sizeof name, " %s/%s ", backend_of(combination), engine_of(combination));
    return strstr(list, name);
}

static bool is_there(int combination)
{
    return !backend_row(combination)->error && !engine_row(combination)->error &&
           is_wanted(combination);
}

void add_everywhere(TCase *group, const TTest *test)
{
    for (int i = 0; i < combinations(); i++)
        if (is_there(i)) {
            harness_add_range(group, test, i, i + 1);
            table.pairs++;
        }
}

void add_on_backends(TCase *group, const TTest *test)
{
    for (int i = 0; i < combinations(); i++)
        if (is_there(i) && strcmp(engine_of(i), "sync") == 0) {
            harness_add_range(group, test, i, i + 1);
            table.pairs++;
        }
}

void add_on_waiters(TCase *group, const TTest *test)
{
    add_everywhere(group, test);
    for (int i = 0; i < combinations(); i++)
        if (is_there(i) && strcmp(engine_of(i), "sync") == 0) {
            harness_add_range(group, test, combinations() + i, combinations() + i + 1);
            table.pairs++;
        }
}

bool waits_by_thread(int combination)
{
    return combination >= combinations();
}

void add_once(TCase *group, const TTest *test)
{
    harness_add(group, test);
}

HEALD_CASE(opens_and_closes)
{
    const struct heald_feature *backend = backend_row(_i), *engine = engine_row(_i);

    if (backend->error)
        harness_skip("back end %s: %s", backend->name, backend->why);
    if (engine->error)
        harness_skip("engine %s: %s", engine->name, engine->why);
    struct heald_loop *loop = loop_on(_i);
    ck_assert_str_eq(heald_loop_backend(loop), backend->name);
    ck_assert_str_eq(heald_loop_engine(loop), engine->name);
    loop_end(loop);
}

void add_combinations(TCase *group)
{
    harness_add_range(group, opens_and_closes, 0, combinations());
}

static void print_pairs(void)
{
    const char *before = "";

    printf("%d pairs of a case and a combination:", table.pairs);
    for (int i = 0; i < combinations(); i++)
        if (is_there(i)) {
            printf("%s %d %s/%s", before, i, backend_of(i), engine_of(i));
            before = ",";
        }
    printf("\n");
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
            features[i].add(harness_group(suite, features[i].name));
            found++;
        }
    return found;
}

/* In a child: what libkqueue closes after its descriptor, and when, does not end up here. */
static void fill_table(void)
{
    void *shared =
        mmap(NULL, sizeof table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 1;
    pid_t pid = shared == MAP_FAILED ? -1 : fork();

    if (pid == 0) {
        table.backend_count = (int)heald_backends(table.backends, FEATURES_MAX);
        table.engine_count = (int)heald_engines(table.engines, FEATURES_MAX);
        memcpy(shared, &table, sizeof table);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "conformance: no back ends\n");
        exit(1);
    }
    memcpy(&table, shared, sizeof table);
    munmap(shared, sizeof table);
}

int main(int argc, char *argv[])
{
    /* The loops here are opened by name; a wish of the user's would only be in the way. */
    unsetenv("HEALD_BACKEND");
    unsetenv("HEALD_ENGINE");
    unsetenv("HEALD_AWAIT");
    fill_table();
    Suite *suite = suite_create("conformance");
    if (argc < 2)
        add_feature(suite, NULL);
    for (int i = 1; i < argc; i++)
        if (!add_feature(suite, argv[i])) {
            fprintf(stderr, "there is no feature \"%s\"\n", argv[i]);
            return 2;
        }
    print_pairs();
    return harness_run(suite);
}
