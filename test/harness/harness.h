/*
 * test/harness/harness.h: what our C tests add to libcheck. A test file looks like this:
 *
 *     HEALD_CASE(it_adds)
 *     {
 *         ck_assert_int_eq(1 + 1, 2);
 *     }
 *
 *     int main(void)
 *     {
 *         Suite *suite = suite_create("sums");
 *         TCase *group = harness_group(suite, "small");
 *         harness_add(group, it_adds);
 *         return harness_run(suite);
 *     }
 *
 * Every case runs in a process of its own, with a time limit, and fails when it leaves behind an
 * open descriptor, a shared mapping or a child process, or has closed a descriptor that it did not
 * open. CK_FORK=no runs all in one process, for a debugger.
 *
 * Environment: HEALD_CASE=TEXT runs only the cases whose "group:case:index:" contains TEXT;
 * HEALD_TEST_EXCEPT names a file of cases that cannot run here, "PATTERN REASON" a line, which are
 * skipped for that reason; HEALD_TEST_SLOW=N multiplies the time limits by N (sanitizers,
 * valgrind); CK_VERBOSITY=verbose lists the cases that passed as well.
 */
#ifndef HEALD_TEST_HARNESS_H
#define HEALD_TEST_HARNESS_H

#include <check.h>
#include <stdbool.h>

enum { HARNESS_LIMIT_SECONDS = 20 };

/* One case; its body follows. The index of harness_add_range() is `_i` in there. */
#define HEALD_CASE(name)                                                      \
    static void name##_body(int _i);                                          \
    static void name##_fn(int _i)                                             \
    {                                                                         \
        harness_case_begin(#name, _i);                                        \
        name##_body(_i);                                                      \
        harness_case_end();                                                   \
    }                                                                         \
    static const TTest name##_ttest = {#name, name##_fn, __FILE__, __LINE__}; \
    static const TTest *name = &name##_ttest;                                 \
    static void name##_body(int _i __attribute__((unused)))

/*
 * A named group of cases in the suite, with the usual time limit for each case. It is an ordinary
 * TCase: checked fixtures can be added to it, and what they open is not counted as a leak.
 * harness_limit() gives its cases another limit, in seconds before HEALD_TEST_SLOW.
 */
TCase *harness_group(Suite *suite, const char *name);
void harness_limit(TCase *group, int seconds);

/* Is ThreadSanitizer at work? It writes down every byte that a call reads or writes. */
bool harness_has_tsan(void);

/* Is that, or AddressSanitizer? Memory is not what it would be. */
bool harness_is_sanitized(void);

/* Adds a case to a group; the second form once for each index from `first` to `last - 1`. */
void harness_add(TCase *group, const TTest *test);
void harness_add_range(TCase *group, const TTest *test, int first, int last);

/*
 * Runs the suite and prints, last, "# N passed, N failed, N skipped".
 * Returns what main() should: 0, 1 when a case failed or none ran, 77 when all were skipped.
 */
int harness_run(Suite *suite);

/* Ends the case as skipped, for a reason. From the process of the case only, not from its child. */
void harness_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The factor of HEALD_TEST_SLOW, 1 when not set: for the deadlines that a case sets itself. */
int harness_slow(void);

/* Runs the program again, if need be, so that nothing is left for the dynamic linker to do at the
 * first call of a function: for one whose instructions are stepped. */
void harness_bind_now(int argc, char **argv);

/* What HEALD_CASE() puts around the body. */
void harness_case_begin(const char *name, int index);
void harness_case_end(void);

#endif
