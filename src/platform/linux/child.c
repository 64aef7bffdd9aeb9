/*
 * platform/linux/child.c: the end of a child as a readable descriptor: a pidfd, or a thread's pipe
 * before Linux 5.3 and where a sandbox, or valgrind, does not know pidfd_open(2).
 */
#include "platform/sys.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int heald__plat_child_open(pid_t pid)
{
    /* Close-on-exec by definition. */
    int fd = heald__plat_own((int)syscall(SYS_pidfd_open, pid, 0));
    if (fd == -ENOSYS || fd == -EPERM)
        return heald__plat_child_watch(pid);
    if (fd < 0)
        return fd == -ESRCH ? -ECHILD : fd;

    /* A pidfd opens for any process; only our own children can be reaped. */
    siginfo_t si;
    if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int heald__plat_die_with_parent(int signo)
{
    return prctl(PR_SET_PDEATHSIG, (unsigned long)signo, 0, 0, 0) < 0 ? -errno : 0;
}

int heald__plat_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    return -posix_spawn_file_actions_addchdir_np(actions, path);
}

int heald__plat_handle_open(pid_t pid)
{
    int fd = heald__plat_own((int)syscall(SYS_pidfd_open, pid, 0));
    return fd < 0 ? -1 : fd;
}

int heald__plat_handle_kill(int handle, int signo)
{
    return syscall(SYS_pidfd_send_signal, handle, signo, NULL, 0) < 0 ? -errno : 0;
}

int heald__plat_handle_queue(int handle, int signo, void *value)
{
    siginfo_t si = {.si_signo = signo, .si_code = SI_QUEUE};

    si.si_pid = getpid();
    si.si_uid = getuid();
    si.si_value.sival_ptr = value;
    return syscall(SYS_pidfd_send_signal, handle, signo, &si, 0) < 0 ? -errno : 0;
}

int heald__plat_process_queue(pid_t pid, int signo, void *value)
{
    return sigqueue(pid, signo, (union sigval){.sival_ptr = value}) < 0 ? -errno : 0;
}

int heald__plat_handle_kill_group(int handle, int signo)
{
    enum { PROCESS_GROUP = 1 << 2 }; /* the headers of the system may be older */

    return syscall(SYS_pidfd_send_signal, handle, signo, NULL, PROCESS_GROUP) < 0 ? -errno : 0;
}

int heald__pty_name(int master, char *buf, size_t size)
{
    return -ptsname_r(master, buf, size);
}
