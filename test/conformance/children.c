/* test/conformance/children.c: the end of child processes: status, usage, nobody left behind. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/wait.h>

enum { BROOD = 30 };

/* A child that ends on request. */
static pid_t child_start(int code, int after_us)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (after_us < 0)
            for (;;)
                pause();
        usleep((useconds_t)after_us);
        _exit(code);
    }
    ck_assert_int_ge(pid, 0);
    return pid;
}

HEALD_CASE(how_it_ended)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_child_status st = {0};
    struct probe p = {0};

    pid_t pid = child_start(7, 2000);
    ck_assert_int_eq(heald_prep_child(&p.op, pid, &st), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(st.pid, pid);
    ck_assert(WIFEXITED(st.status));
    ck_assert_int_eq(WEXITSTATUS(st.status), 7);
    ck_assert_int_gt(st.usage.ru_maxrss, 0);

    pid = child_start(0, -1);
    heald_prep_child(&p.op, pid, &st);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert(WIFSIGNALED(st.status));
    ck_assert_int_eq(WTERMSIG(st.status), SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    loop_end(loop);
}

HEALD_CASE(one_that_ended_before)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    siginfo_t info;

    pid_t pid = child_start(3, 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    heald_prep_child(&p.op, pid, NULL);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    loop_end(loop);
}

HEALD_CASE(who_is_no_child_of_ours)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    pid_t gone = child_start(0, 0);

    waitpid(gone, NULL, 0);
    const pid_t strangers[] = {getpid(), getppid(), gone};
    for (int i = 0; i < 3; i++) {
        heald_prep_child(&p.op, strangers[i], NULL);
        ck_assert_int_eq(probe_do(loop, &p), -ECHILD);
    }
    ck_assert_int_eq(heald_prep_child(&p.op, 0, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_child(&p.op, -1, NULL), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    loop_end(loop);
}

HEALD_CASE(cancelled_it_is_not_reaped)
{
    if (!has_pidfd_open())
        harness_skip("the thread of a child holds its pipe until the child has ended");
    struct heald_loop *loop = loop_on(_i);
    struct heald_child_status st;
    struct probe p = {0};

    pid_t pid = child_start(0, -1);
    for (int how = 0; how < 2; how++) {
        heald_prep_child(&p.op, pid, &st);
        if (how)
            p.op.deadline_ns = now() + HEALD_MS;
        probe_start(loop, &p);
        if (how)
            ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
        else
            probe_cancel(&p);
    }
    kill(pid, SIGUSR1);
    heald_prep_child(&p.op, pid, &st);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(WTERMSIG(st.status), SIGUSR1);
    loop_end(loop);
}

HEALD_CASE(many_at_once)
{
    static struct heald_loop *loop; /* static: where valgrind finds it in the children, too */
    struct heald_child_status st[BROOD];
    struct probe p[BROOD] = {0};
    pid_t pid[BROOD];

    loop = loop_on(_i);
    for (int i = 0; i < BROOD; i++) {
        pid[i] = child_start(i, i * 37 % 11 * 300);
        heald_prep_child(&p[i].op, pid[i], &st[i]);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < BROOD; i++) {
        ck_assert_int_eq(probe_end(&p[i]), 0);
        ck_assert_int_eq(st[i].pid, pid[i]);
        ck_assert_int_eq(WEXITSTATUS(st[i].status), i);
    }
    loop_end(loop);
}

/* Two ops for one child: one reaps it, the other gets the error that there is none. */
HEALD_CASE(awaited_twice)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};

    pid_t pid = child_start(0, 1000);
    for (int i = 0; i < 2; i++) {
        heald_prep_child(&p[i].op, pid, NULL);
        probe_start(loop, &p[i]);
    }
    int64_t a = probe_end(&p[0]), b = probe_end(&p[1]);
    ck_assert_int_eq(a + b, -ECHILD);
    ck_assert(a == 0 || b == 0);
    loop_end(loop);
}

/* With SIGCHLD as an op beside it. */
HEALD_CASE(beside_the_signal)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_siginfo info = {0};
    struct probe p = {0}, s = {0};

    heald_prep_signal(&s.op, SIGCHLD, &info);
    probe_start(loop, &s);
    pid_t pid = child_start(5, 1000);
    heald_prep_child(&p.op, pid, NULL);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    turn_until(loop, &s.calls, 1);
    ck_assert_int_eq(info.pid, pid);
    ck_assert_int_eq(info.code, CLD_EXITED);
    ck_assert_int_eq(info.status, 5);
    probe_cancel(&s);
    loop_end(loop);
}

/* A child that is stopped has not ended. */
HEALD_CASE(stopped_is_not_ended)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    pid_t pid = child_start(0, -1);
    heald_prep_child(&p.op, pid, NULL);
    probe_start(loop, &p);
    kill(pid, SIGSTOP);
    turn_for(loop, 2 * HEALD_MS);
    kill(pid, SIGCONT);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    kill(pid, SIGKILL);
    ck_assert_int_eq(probe_end(&p), 0);
    loop_end(loop);
}

void add_children(TCase *group)
{
    add_everywhere(group, how_it_ended);
    add_everywhere(group, one_that_ended_before);
    add_everywhere(group, who_is_no_child_of_ours);
    add_everywhere(group, cancelled_it_is_not_reaped);
    add_everywhere(group, many_at_once);
    add_everywhere(group, awaited_twice);
    add_everywhere(group, beside_the_signal);
    add_everywhere(group, stopped_is_not_ended);
}
