/* test/shm/shm.h: what the tests of shared objects share: a region on a memfd, children that use
 * it, and their death. */
#ifndef HEALD_TEST_SHM_SHM_H
#define HEALD_TEST_SHM_SHM_H

#include "harness/harness.h"

#include <heald/heald.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a thread or a child, where Check cannot report. */
#define must(condition) ((condition) ? (void)0 : abort())

/* A name that no other process takes, and nothing under it. */
static inline const char *fresh_name(void)
{
    static char name[64];

    snprintf(name, sizeof name, "/heald-test-%ld", (long)getpid());
    heald_region_unlink(name);
    return name;
}

/* A region for one case, on a file that has no name; and the case's thread in it. */
struct fixture {
    struct heald_region *region;
    struct heald_participant *me;
    void *data;
    int ready;
};

static inline struct fixture fixture_open_with(const struct heald_region_options *options)
{
    char name[] = "/tmp/heald-shm-XXXXXX", text[64];
    struct fixture f = {0};
    int fd = mkstemp(name);

    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(name);
    snprintf(text, sizeof text, "file:%s", name);
    ck_assert_int_eq(
        heald_region_open(&f.region, text, HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE, options),
        0);
    ck_assert_int_eq(heald_region_unlink(text), 0);
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    f.data = heald_region_data(f.region);
    return f;
}

static inline struct fixture fixture_open(void)
{
    return fixture_open_with(NULL);
}

static inline void fixture_close(struct fixture *f)
{
    heald_detach(f->me);
    ck_assert_int_eq(heald_region_close(f->region), 0);
}

/* A child of the case, attached anew, that runs fn and then waits to be killed (fn returns true) or
 * ends. */
static inline pid_t child_start(struct fixture *f, bool (*fn)(struct fixture *))
{
    pid_t pid = fork();

    if (pid == 0) {
        if (heald_attach(f->region, &f->me) != 0)
            _exit(99);
        while (fn(f))
            pause();
        _exit(0);
    }
    /* The child reports nothing to Check: killed while doing that, it would leave half a message.
     */
    ck_assert_int_ge(pid, 0);
    return pid;
}

static inline void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* Waits for a child that ends by itself; its status. */
static inline int child_end(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static inline int64_t in_ms(int ms)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + ms * HEALD_MS;
}

/* Ends the case as skipped on the portable platform, which has one clock and none of the boot. */
static inline void skip_on_portable(const char *why)
{
    if (heald_clock_now(HEALD_CLOCK_BOOT) < 0)
        harness_skip("the portable platform %s", why);
}

/* Waits until a flag in shared memory is set by another process. */
static inline void until_set(const int *flag)
{
    for (int64_t end = in_ms(10000 * harness_slow()); !__atomic_load_n(flag, __ATOMIC_ACQUIRE);) {
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
        usleep(200);
    }
}

static inline void set_flag(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

#endif
