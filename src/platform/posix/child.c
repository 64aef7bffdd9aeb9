/* platform/posix/child.c: POSIX has no descriptor of a process: a thread waits. */
#include "platform/sys.h"

#include <errno.h>

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
