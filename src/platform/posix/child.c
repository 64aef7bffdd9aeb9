/* platform/posix/child.c: POSIX has no descriptor of a process: a thread waits. */
#include "platform/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int heald__plat_child_open(pid_t pid)
{
    return heald__plat_child_watch(pid);
}

int heald__plat_die_with_parent(int signo)
{
    (void)signo;
    return -ENOSYS;
}

int heald__plat_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    (void)actions;
    (void)path;
    return -ENOSYS;
}

int heald__plat_handle_open(pid_t pid)
{
    (void)pid;
    return -1;
}

int heald__plat_handle_kill(int handle, int signo)
{
    (void)handle;
    (void)signo;
    return -ENOSYS;
}

int heald__plat_handle_queue(int handle, int signo, void *value)
{
    (void)handle;
    (void)signo;
    (void)value;
    return -ENOSYS;
}

int heald__plat_handle_kill_group(int handle, int signo)
{
    (void)handle;
    (void)signo;
    return -ENOSYS;
}

/* Not thread-safe where the system has only this. */
int heald__pty_name(int master, char *buf, size_t size)
{
    const char *name = ptsname(master);

    if (!name || strlen(name) >= size)
        return name ? -ERANGE : -errno;
    memcpy(buf, name, strlen(name) + 1);
    return 0;
}
