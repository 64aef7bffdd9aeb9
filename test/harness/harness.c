/*
 * test/harness/harness.c: see harness.h.
 *
 * libcheck forks a process for each case; what a case must report to the parent beyond its verdict
 * (that it was skipped, and why) goes through a shared mapping made before the first fork.
 * Everything else here is private to the process of the case. libcheck passes no user pointer to a
 * case, which is why this file, unlike src/, has file-scope state.
 */
#include "harness/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_GROUPS = 512,
    MAX_REASONS = 1024, /* skips beyond it are counted, their reasons are not kept */
    REASON_SIZE = 240,
    MAX_SCAN = 65536, /* descriptors looked at one by one where the system has no list */
    TEXT_SIZE = 2048,
};

struct skips {
    int count;
    char reason[MAX_REASONS][REASON_SIZE];
};

struct numbers {
    size_t count, room;
    unsigned long *at;
};

/* What a process holds that a case must leave as it was. */
struct holdings {
    struct numbers descriptors;
    struct numbers mappings; /* the addresses of the shared ones */
};

static struct {
    struct {
        TCase *tcase;
        const char *name;
    } groups[MAX_GROUPS];
    int group_count;
    struct skips *skips;
    const char *case_name;
    int case_index;
    struct holdings before;
} harness;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* A list of numbers. */

static void numbers_add(struct numbers *numbers, unsigned long number)
{
    if (numbers->count == numbers->room) {
        numbers->room = numbers->room ? numbers->room * 2 : 64;
        numbers->at = realloc(numbers->at, numbers->room * sizeof *numbers->at);
        if (!numbers->at)
            die("harness: realloc");
    }
    numbers->at[numbers->count++] = number;
}

static bool numbers_have(const struct numbers *numbers, unsigned long number)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->at[i] == number)
            return true;
    return false;
}

/* What the process holds. */

static void scan_descriptors(struct numbers *ret)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    int end = limit.rlim_cur < MAX_SCAN ? (int)limit.rlim_cur : MAX_SCAN;
    for (int fd = 0; fd < end; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            numbers_add(ret, (unsigned long)fd);
}

static void list_descriptors(struct numbers *ret)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) { /* no /proc here, or no descriptor left to open it with */
        scan_descriptors(ret);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        unsigned long fd = strtoul(entry->d_name, NULL, 10);
        if (fd != (unsigned long)dirfd(dir))
            numbers_add(ret, fd);
    }
    closedir(dir);
}

/* The shared mappings: private ones come and go with malloc and with threads' stacks. */
static void list_mappings(struct numbers *ret)
{
    FILE *file = fopen("/proc/self/maps", "re");
    if (!file)
        return;
    char line[TEXT_SIZE];
    while (fgets(line, sizeof line, file)) {
        char *end;
        unsigned long start = strtoul(line, &end, 16);
        const char *rights = strchr(line, ' ');
        if (*end == '-' && rights && strlen(rights) > 4 && rights[4] == 's')
            numbers_add(ret, start);
    }
    fclose(file);
}

static void holdings_take(struct holdings *ret)
{
    *ret = (struct holdings){0};
    list_descriptors(&ret->descriptors);
    list_mappings(&ret->mappings);
}

static void holdings_free(struct holdings *holdings)
{
    free(holdings->descriptors.at);
    free(holdings->mappings.at);
    *holdings = (struct holdings){0};
}

/* What a case left behind, as text. */

__attribute__((format(printf, 2, 3))) static void append(char text[static TEXT_SIZE],
                                                         const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, TEXT_SIZE - length, format, args);
    va_end(args);
}

static void name_descriptor(char text[static TEXT_SIZE], unsigned long fd)
{
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/self/fd/%lu", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    append(text, "; descriptor %lu (%s) left open", fd, length > 0 ? target : "target unknown");
}

/* What only a program with libkqueue has, on Linux: its thread opens and closes descriptors of its
 * own at any time, so those of a case are not told from them. */
extern int kqueue(void) __attribute__((weak));

static bool has_libkqueue(void)
{
#ifdef __linux__
    return kqueue != NULL;
#else
    return false;
#endif
}

static void compare(char text[static TEXT_SIZE], const struct holdings *before,
                    const struct holdings *after)
{
    for (size_t i = 0; i < after->descriptors.count && !has_libkqueue(); i++)
        if (!numbers_have(&before->descriptors, after->descriptors.at[i]))
            name_descriptor(text, after->descriptors.at[i]);
    for (size_t i = 0; i < before->descriptors.count && !has_libkqueue(); i++)
        if (!numbers_have(&after->descriptors, before->descriptors.at[i]))
            append(text, "; descriptor %lu, not its own, closed", before->descriptors.at[i]);
    for (size_t i = 0; i < after->mappings.count; i++)
        if (!numbers_have(&before->mappings, after->mappings.at[i]))
            append(text, "; shared mapping at %#lx left", after->mappings.at[i]);
}

static void find_children(char text[static TEXT_SIZE])
{
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT))
        return; /* ECHILD: none */
    if (info.si_pid)
        append(text, "; child process %ld not waited for", (long)info.si_pid);
    else
        append(text, "; a child process still runs");
}

/* Around and inside a case. */

/* HEALD_TEST_EXCEPT: lines "PATTERN REASON", of cases that cannot run here. */
static void skip_exceptions(void)
{
    const char *path = getenv("HEALD_TEST_EXCEPT");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[512], pattern[128];
    int at;

    if (path && !file)
        die(path);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#' && sscanf(line, "%127s %n", pattern, &at) == 1 &&
            fnmatch(pattern, harness.case_name, 0) == 0) {
            fclose(file);
            harness_skip("%s", line + at);
        }
    }
    if (file)
        fclose(file);
}

void harness_case_begin(const char *name, int index)
{
    harness.case_name = name;
    harness.case_index = index;
    skip_exceptions();
    holdings_take(&harness.before);
}

void harness_case_end(void)
{
    struct holdings after;
    char text[TEXT_SIZE] = "";
    holdings_take(&after);
    compare(text, &harness.before, &after);
    find_children(text);
    holdings_free(&after);
    holdings_free(&harness.before);
    if (text[0])
        ck_abort_msg("the case leaks: %s", text + strlen("; "));
}

static void print_summary(int passed, int failed, int skipped)
{
    printf("# %d passed, %d failed, %d skipped\n", passed, failed, skipped);
    fflush(stdout);
}

void harness_skip(const char *format, ...)
{
    char text[REASON_SIZE - 64]; /* leaves room for the name of the case */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    int slot = __atomic_fetch_add(&harness.skips->count, 1, __ATOMIC_RELAXED);
    if (slot < MAX_REASONS)
        snprintf(harness.skips->reason[slot], REASON_SIZE, "%s:%d: %s", harness.case_name,
                 harness.case_index, text);
    fflush(NULL);
    const char *fork_mode = getenv("CK_FORK");
    if (fork_mode && strcmp(fork_mode, "no") == 0) {
        printf("skip: %s; with CK_FORK=no the cases after it do not run\n", text);
        print_summary(0, 0, 1);
        _exit(77);
    }
    _exit(0); /* Not exit(): what the case held is not a leak of the code under test. */
}

void harness_bind_now(int argc, char **argv)
{
    if (argc > 0 && !getenv("LD_BIND_NOW") && setenv("LD_BIND_NOW", "1", 1) == 0)
        execv("/proc/self/exe", argv);
}

int harness_slow(void)
{
    const char *text = getenv("HEALD_TEST_SLOW");
    int factor = text ? atoi(text) : 1;
    return factor > 1 ? factor : 1;
}

/* What only a program with one of them has. */
extern void __tsan_init(void) __attribute__((weak));
extern void __asan_init(void) __attribute__((weak));

bool harness_has_tsan(void)
{
    return __tsan_init != NULL;
}

bool harness_is_sanitized(void)
{
    return harness_has_tsan() || __asan_init != NULL;
}

/* Building the suite. */

void harness_limit(TCase *group, int seconds)
{
    tcase_set_timeout(group, seconds * harness_slow());
}

TCase *harness_group(Suite *suite, const char *name)
{
    TCase *group = tcase_create(name);
    suite_add_tcase(suite, group);
    harness_limit(group, HARNESS_LIMIT_SECONDS);
    if (harness.group_count == MAX_GROUPS) {
        fprintf(stderr, "harness: more than %d groups\n", MAX_GROUPS);
        exit(1);
    }
    harness.groups[harness.group_count].tcase = group;
    harness.groups[harness.group_count].name = name;
    harness.group_count++;
    return group;
}

static const char *group_name(const TCase *group)
{
    for (int i = 0; i < harness.group_count; i++)
        if (harness.groups[i].tcase == group)
            return harness.groups[i].name;
    return "";
}

static bool is_wanted(const TCase *group, const TTest *test, int index)
{
    const char *filter = getenv("HEALD_CASE");
    char label[256];
    snprintf(label, sizeof label, "%s:%s:%d:", group_name(group), test->name, index);
    return !filter || strstr(label, filter);
}

void harness_add_range(TCase *group, const TTest *test, int first, int last)
{
    for (int i = first; i < last; i++)
        if (is_wanted(group, test, i))
            tcase_add_loop_test(group, test, i, i + 1);
}

void harness_add(TCase *group, const TTest *test)
{
    harness_add_range(group, test, 0, 1);
}

/* Running it. */

static void open_skips(void)
{
    void *memory = mmap(NULL, sizeof *harness.skips, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("harness: mmap");
    harness.skips = memory;
}

static void print_reasons(void)
{
    for (int i = 0; i < harness.skips->count && i < MAX_REASONS; i++)
        printf("skip: %s\n", harness.skips->reason[i]);
}

int harness_run(Suite *suite)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    open_skips();
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int run = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    int skipped = harness.skips->count;
    srunner_free(runner);

    print_reasons();
    munmap(harness.skips, sizeof *harness.skips);
    if (run == 0)
        printf("no case ran%s\n", getenv("HEALD_CASE") ? ": none matches HEALD_CASE" : "");
    print_summary(run - failed - skipped, failed, skipped);
    if (failed || run == 0)
        return 1;
    return skipped == run ? 77 : 0;
}
