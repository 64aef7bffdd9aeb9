/*
 * test/harness/selftest.c: the harness finds what it promises to find.
 *
 * The program runs itself again with the argument "victims": a suite of cases each of which does
 * one wrong thing. The cases of the outer suite look at what the harness made of each.
 */
#include "harness/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *self;

/* The victims. */

HEALD_CASE(passes)
{
    ck_assert_int_eq(1, 1);
}

HEALD_CASE(fails)
{
    ck_assert_int_eq(1, 2);
}

HEALD_CASE(crashes)
{
    raise(SIGSEGV);
}

HEALD_CASE(hangs)
{
    for (;;)
        pause();
}

HEALD_CASE(skips)
{
    harness_skip("there is no %s here", "unicorn");
}

HEALD_CASE(leaks_descriptor)
{
    ck_assert_int_ge(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

HEALD_CASE(closes_descriptor)
{
    close(STDIN_FILENO);
}

HEALD_CASE(leaks_mapping)
{
    ck_assert_ptr_ne(mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
}

HEALD_CASE(leaks_child)
{
    if (fork() == 0) {
        pause();
        _exit(0);
    }
}

HEALD_CASE(leaks_zombie)
{
    siginfo_t info;
    if (fork() == 0)
        _exit(0);
    waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
}

HEALD_CASE(odd_fails)
{
    ck_assert_int_eq(_i % 2, 0);
}

static void hold_descriptor(void)
{
    ck_assert_int_ge(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

static int run_victims(void)
{
    Suite *suite = suite_create("victims");
    TCase *group = harness_group(suite, "victim");
    harness_limit(group, 2);
    harness_add(group, passes);
    harness_add(group, fails);
    harness_add(group, crashes);
    harness_add(group, hangs);
    harness_add(group, skips);
    harness_add(group, leaks_descriptor);
    harness_add(group, closes_descriptor);
    harness_add(group, leaks_mapping);
    harness_add(group, leaks_child);
    harness_add(group, leaks_zombie);
    harness_add_range(group, odd_fails, 0, 4);
    TCase *held = harness_group(suite, "fixture");
    tcase_add_checked_fixture(held, hold_descriptor, NULL);
    harness_add(held, passes);
    return harness_run(suite);
}

/* The cases. */

struct outcome {
    int status;
    char text[16384];
};

/* Without HEALD_TEST_SLOW: the victim that hangs need not hang five times as long. */
static struct outcome run(const char *filter)
{
    struct outcome outcome = {0};
    char command[1024];
    snprintf(command, sizeof command, "HEALD_TEST_SLOW=1 HEALD_CASE='%s' '%s' victims 2>&1", filter,
             self);
    FILE *output = popen(command, "r");
    ck_assert_ptr_nonnull(output);
    size_t length = fread(outcome.text, 1, sizeof outcome.text - 1, output);
    outcome.text[length] = '\0';
    int status = pclose(output);
    ck_assert(WIFEXITED(status));
    outcome.status = WEXITSTATUS(status);
    return outcome;
}

static void expect(const char *filter, int status, const char *summary, const char *detail)
{
    struct outcome outcome = run(filter);
    const char *last = strstr(outcome.text, "# ");
    ck_assert_msg(last && strcmp(last, summary) == 0, "%s: expected %sin:\n%s", filter, summary,
                  outcome.text);
    ck_assert_msg(strstr(outcome.text, detail) != NULL, "%s: expected \"%s\" in:\n%s", filter,
                  detail, outcome.text);
    ck_assert_int_eq(outcome.status, status);
}

HEALD_CASE(a_pass_is_counted)
{
    expect("victim:passes", 0, "# 1 passed, 0 failed, 0 skipped\n", "");
}

HEALD_CASE(a_failed_assertion_is_found)
{
    expect("victim:fails", 1, "# 0 passed, 1 failed, 0 skipped\n", "1 == 2");
}

HEALD_CASE(a_crash_is_found)
{
    expect("victim:crashes", 1, "# 0 passed, 1 failed, 0 skipped\n", "victim:crashes");
}

HEALD_CASE(a_time_out_is_found)
{
    expect("victim:hangs", 1, "# 0 passed, 1 failed, 0 skipped\n", "timeout");
}

HEALD_CASE(a_skip_says_why)
{
    expect("victim:skips", 77, "# 0 passed, 0 failed, 1 skipped\n",
           "skip: skips:0: there is no unicorn here");
}

HEALD_CASE(a_leaked_descriptor_is_named)
{
    expect("leaks_descriptor", 1, "# 0 passed, 1 failed, 0 skipped\n", "(/dev/null) left open");
}

HEALD_CASE(a_stolen_descriptor_is_named)
{
    expect("closes_descriptor", 1, "# 0 passed, 1 failed, 0 skipped\n",
           "descriptor 0, not its own, closed");
}

HEALD_CASE(a_leaked_mapping_is_found)
{
    expect("leaks_mapping", 1, "# 0 passed, 1 failed, 0 skipped\n", "shared mapping at 0x");
}

HEALD_CASE(a_child_left_running_is_found)
{
    expect("leaks_child", 1, "# 0 passed, 1 failed, 0 skipped\n", "a child process still runs");
}

HEALD_CASE(a_zombie_is_found)
{
    expect("leaks_zombie", 1, "# 0 passed, 1 failed, 0 skipped\n", "not waited for");
}

HEALD_CASE(a_range_runs_each_index)
{
    expect("odd_fails", 1, "# 2 passed, 2 failed, 0 skipped\n", "odd_fails:3:");
    expect("odd_fails:2:", 0, "# 1 passed, 0 failed, 0 skipped\n", "");
}

HEALD_CASE(a_fixture_may_hold_descriptors)
{
    expect("fixture:", 0, "# 1 passed, 0 failed, 0 skipped\n", "");
}

HEALD_CASE(the_sum_adds_up)
{
    expect("", 1, "# 4 passed, 10 failed, 1 skipped\n", "");
}

HEALD_CASE(nothing_to_run_is_a_failure)
{
    expect("no such case", 1, "# 0 passed, 0 failed, 0 skipped\n", "none matches HEALD_CASE");
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "victims") == 0)
        return run_victims();
    Suite *suite = suite_create("harness");
    TCase *group = harness_group(suite, "harness");
    harness_add(group, a_pass_is_counted);
    harness_add(group, a_failed_assertion_is_found);
    harness_add(group, a_crash_is_found);
    harness_add(group, a_time_out_is_found);
    harness_add(group, a_skip_says_why);
    harness_add(group, a_leaked_descriptor_is_named);
    harness_add(group, a_stolen_descriptor_is_named);
    harness_add(group, a_leaked_mapping_is_found);
    harness_add(group, a_child_left_running_is_found);
    harness_add(group, a_zombie_is_found);
    harness_add(group, a_range_runs_each_index);
    harness_add(group, a_fixture_may_hold_descriptors);
    harness_add(group, the_sum_adds_up);
    harness_add(group, nothing_to_run_is_a_failure);
    return harness_run(suite);
}
