/*
 * platform/posix/child.c: the end of a child as a readable descriptor, by a thread that waits for
 * it and then closes its end of a pipe. The child is left to be reaped. The thread ends with the
 * child, also when nobody waits any more.
 */
#include "platform/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&thread, NULL, wait_for_end, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!err)
        pthread_detach(thread);
    return -err;
}

int heald_plat_child_open(pid_t pid)
{
    int fds[2], err;
    siginfo_t si;
    struct watch *w;

    if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -errno;
    if ((err = heald_plat_pipe(fds)))
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

int heald_plat_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    (void)actions;
    (void)path;
    return -ENOSYS;
}
