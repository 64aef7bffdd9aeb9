/* platform/posix/shm.c: drafts are files with a name of their own; no memory without a name. */
#include "platform/shm.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

const char *const heald__shm_directory = "/tmp";

int heald__plat_draft_open(struct heald_draft *draft, const char *path, mode_t mode)
{
    return heald__plat_draft_temp(draft, path, mode);
}

int heald__plat_draft_name(struct heald_draft *draft, const char *path)
{
    return link(draft->temp, path) < 0 ? -errno : 0;
}

int heald__plat_memfd(const char *name)
{
    (void)name;
    return -ENOSYS;
}

int heald__plat_memfd_seal(int fd, int seals)
{
    (void)fd;
    (void)seals;
    return -ENOSYS;
}

int heald__plat_memfd_seals(int fd)
{
    (void)fd;
    return -ENOSYS;
}

uint64_t heald__plat_boot(void)
{
    return 0;
}

uint64_t heald__plat_start_time(pid_t pid)
{
    (void)pid;
    return 0;
}

uint64_t heald__plat_thread_id(void)
{
    pthread_t self = pthread_self();
    uint64_t id = 0;

    memcpy(&id, &self, sizeof self < sizeof id ? sizeof self : sizeof id);
    return id;
}

uint64_t heald__plat_pid_space(void)
{
    return 0;
}

uint64_t heald__plat_time_space(void)
{
    return 0;
}

bool heald__plat_thread_is_absent(pid_t pid, uint64_t thread)
{
    (void)pid;
    (void)thread;
    return false;
}
