/*
 * platform/linux/child.c: the end of a child as a readable descriptor: a pidfd, or a thread's pipe
 * before Linux 5.3 and where a sandbox, or valgrind, does not know pidfd_open(2).
 */
#include "platform/sys.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int heald_plat_child_open(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by definition */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return heald_plat_child_watch(pid);
    if (fd < 0)
        return errno == ESRCH ? -ECHILD : -errno;

    /* A pidfd opens for any process; only our own children can be reaped. */
    siginfo_t si;
    if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int heald_plat_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    return -posix_spawn_file_actions_addchdir_np(actions, path);
}
