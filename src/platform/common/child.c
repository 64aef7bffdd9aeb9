/*
 * platform/common/child.c: reaping, by POSIX and the wait4(2) that every system has; and the end of
 * a child as a readable descriptor where the system has none: a thread waits for the child and then
 * closes its end of a pipe. The child is left to be reaped. The thread ends with the child, also
 * when nobody waits any more.
 */
#include "platform/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

void heald__plat_child_wait(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int heald__plat_child_reap(pid_t pid, struct heald_child_status *ret_status)
{
    struct heald_child_status st = {.pid = pid};
    pid_t got = wait4(pid, &st.status, WNOHANG, &st.usage);

    if (got < 0)
        return -errno;
    if (got == 0)
        return -EAGAIN;
    if (ret_status)
        *ret_status = st;
    return 0;
}

struct watch {
    pid_t pid;
    int write_fd;
};

static void *wait_for_end(void *arg)
{
    struct watch *w = arg;
    siginfo_t si;

    while (waitid(P_PID, (id_t)w->pid, &si, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    close(w->write_fd);
    free(w);
    return NULL;
}

static int start(struct watch *w)
{
    pthread_t thread;
    int err = heald__plat_thread_start(&thread, wait_for_end, w);

    if (!err)
        pthread_detach(thread);
    return err;
}

int heald__plat_child_watch(pid_t pid)
{
    int fds[2], err;
    siginfo_t si;
    struct watch *w;

    if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -errno;
    if ((err = heald__plat_own_pipe(fds)))
        return err;
    w = malloc(sizeof *w);
    if (w) {
        *w = (struct watch){.pid = pid, .write_fd = fds[1]};
        err = start(w);
    } else {
        err = -ENOMEM;
    }
    if (!err)
        return fds[0];
    free(w);
    close(fds[0]);
    close(fds[1]);
    return err;
}
