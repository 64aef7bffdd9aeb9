/*
 * child/kill.c: signals to a child, and never to another process that has got its number. A process
 * keeps its number until it was reaped; a descriptor of it says so, or waitid(2) does.
 */
#include "platform/sys.h"

#include <heald/process.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int heald_child_kill(const struct heald_child *child, int signo)
{
    siginfo_t si;

    if (child->handle >= 0)
        return heald__plat_handle_kill(child->handle, signo);
    if (child->pid <= 0 || waitid(P_PID, (id_t)child->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -ESRCH;
    return kill(child->pid, signo) < 0 ? -errno : 0;
}

/* To a group, or to all, there is no value. */
int heald_kill_value(pid_t pid, int pidfd, int signo, void *value)
{
    if (pidfd >= 0)
        return heald__plat_handle_queue(pidfd, signo, value);
    return pid > 0 ? heald__plat_process_queue(pid, signo, value) : -EINVAL;
}

void heald_child_release(struct heald_child *child)
{
    if (child->handle >= 0)
        close(child->handle);
    child->handle = -1;
}
