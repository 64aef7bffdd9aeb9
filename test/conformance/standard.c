/*
 * test/conformance/standard.c: a program that was started without standard streams: the library
 * keeps none of these numbers for itself.
 */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { TIMER, SIGNALS, CHILD, PROBES };

static bool are_free(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            return false;
    return true;
}

/* In a child there is nobody to print to: the line that fails is the exit status. */
#define need(condition)                \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 250 + 1); \
    } while (0)

static void count_end(struct heald_op *op)
{
    if (!(op->flags & HEALD_MORE))
        ++*(int *)op->data;
}

static int submit(struct heald_loop *loop, struct heald_op *op, int *ended)
{
    op->data = ended;
    return heald_submit(loop, op, count_end);
}

/* Everything that makes a descriptor of the library's own. */
static void use_loop(int combination, pid_t child)
{
    struct heald_loop_options o = {.backend = backend_of(combination),
                                   .engine = engine_of(combination)};
    struct heald_op op[PROBES] = {0};
    struct heald_loop *loop;
    int ended = 0;

    need(heald_loop_open(&loop, &o) == 0);
    need(are_free());
    int64_t boot = heald_clock_now(HEALD_CLOCK_BOOT);
    if (boot >= 0) {
        need(heald_prep_timer_clock(&op[TIMER], HEALD_CLOCK_BOOT, boot + 1000 * HEALD_SEC, 0) == 0);
        need(submit(loop, &op[TIMER], &ended) == 0);
    }
    need(heald_prep_signal(&op[SIGNALS], SIGUSR1, NULL) == 0);
    need(submit(loop, &op[SIGNALS], &ended) == 0);
    need(heald_prep_child(&op[CHILD], child, NULL) == 0);
    need(submit(loop, &op[CHILD], &ended) == 0);
    need(heald_loop_fd(loop) != 0);
    need(heald_loop_turn(loop, 0) >= 0);
    need(are_free());
    /* And they work. */
    kill(child, SIGKILL);
    while (!ended)
        need(heald_loop_turn(loop, HEALD_FOREVER) >= 0);
    need(op[CHILD].result == 0);
    need(boot < 0 || heald_cancel(&op[TIMER]) == 0);
    need(heald_cancel(&op[SIGNALS]) == 0);
    need(heald_loop_run(loop) == 0);
    need(are_free());
    need(heald_loop_close(loop) == 0);
    need(are_free());
}

static void close_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
}

static void check_child(pid_t pid)
{
    int status;

    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "the child's status is %#x", (unsigned)status);
}

HEALD_CASE(a_loop_takes_none_of_them)
{
    skip_on_kqueue(_i, "libkqueue opens descriptors of its own, also 0 to 2");
    pid_t pid = fork();
    if (pid == 0) {
        close_standard_streams();
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        use_loop(_i, child);
        _exit(0);
    }
    check_child(pid);
}

static void use_regions(const char *name)
{
    struct heald_region *region, *again;

    need(heald_region_open(&region, name, HEALD_REGION_CREATE, NULL) == 0);
    need(are_free());
    need(heald_region_open(&again, name, 0, NULL) == 0);
    need(are_free());
    need(heald_region_close(again) == 0);
    need(heald_region_open_fd(&again, heald_region_fd(region)) == 0);
    need(are_free());
    need(heald_region_close(again) == 0);
    need(heald_region_close(region) == 0);
    int err = heald_region_create_memfd(&region, NULL);
    need(err == 0 || err == -ENOSYS);
    need(are_free());
    need(err || heald_region_close(region) == 0);
    need(heald_region_unlink(name) == 0);
    need(are_free());
}

HEALD_CASE(a_region_takes_none_of_them)
{
    char name[64];

    snprintf(name, sizeof name, "/heald-test-standard-%ld", (long)getpid());
    pid_t pid = fork();
    if (pid == 0) {
        close_standard_streams();
        use_regions(name);
        _exit(0);
    }
    check_child(pid);
}

/* What the program asks for it gets as the system numbers it. */
HEALD_CASE(a_program_gets_them)
{
    pid_t pid = fork();

    if (pid == 0) {
        int fds[2];
        close_standard_streams();
        need(heald_pipe(fds) == 0);
        need(fds[0] == 0 && fds[1] == 1);
        _exit(0);
    }
    check_child(pid);
}

void add_standard(TCase *group)
{
    add_everywhere(group, a_loop_takes_none_of_them);
    add_once(group, a_region_takes_none_of_them);
    add_once(group, a_program_gets_them);
}
