/*
 * platform/linux/shm.c: O_TMPFILE, memfd_create(2), and the identity of processes.
 *
 * A nameless file is named through /proc; where that is not mounted, and on file systems without
 * O_TMPFILE, a file with a name of its own is linked instead.
 */
#include "platform/shm.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The headers may be older than the kernel. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

const char *const heald__shm_directory = "/dev/shm";

int heald__plat_draft_open(struct heald_draft *draft, const char *path, mode_t mode)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0;

    draft->temp[0] = 0;
    if (snprintf(dir, sizeof dir, "%.*s%s", length, path,
                 !slash   ? "."
                 : length ? ""
                          : "/") >= (int)sizeof dir)
        return -ENAMETOOLONG;
    int fd = draft->fd = heald__plat_own(open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    if (fd >= 0 && access("/proc/self/fd", X_OK) == 0)
        return 0;
    if (fd >= 0)
        close(fd);
    else if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -ENOENT && fd != -EINVAL)
        return fd;
    return heald__plat_draft_temp(draft, path, mode);
}

int heald__plat_draft_name(struct heald_draft *draft, const char *path)
{
    char proc[64];

    if (draft->temp[0])
        return link(draft->temp, path) < 0 ? -errno : 0;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", draft->fd);
    return linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int heald__plat_memfd(const char *name)
{
    enum { NOEXEC_SEAL = 8 }; /* MFD_NOEXEC_SEAL, Linux 6.3; the headers may be older */
    int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING, fd = memfd_create(name, flags | NOEXEC_SEAL);

    return heald__plat_own(fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd);
}

/* Seals by their numbers here and in the system. */
static const struct seal {
    int ours, theirs;
} seals_known[] = {
    {HEALD_SEAL_SHRINK, F_SEAL_SHRINK},
    {HEALD_SEAL_GROW, F_SEAL_GROW},
    {HEALD_SEAL_SEAL, F_SEAL_SEAL},
    {HEALD_SEAL_FUTURE_WRITE, F_SEAL_FUTURE_WRITE},
};

enum { SEALS_KNOWN = sizeof seals_known / sizeof seals_known[0] };

int heald__plat_memfd_seal(int fd, int seals)
{
    int theirs = 0;

    for (int i = 0; i < SEALS_KNOWN; i++)
        theirs |= seals & seals_known[i].ours ? seals_known[i].theirs : 0;
    return fcntl(fd, F_ADD_SEALS, theirs) < 0 ? -errno : 0;
}

int heald__plat_memfd_seals(int fd)
{
    int theirs = fcntl(fd, F_GET_SEALS), ours = 0;
    struct statfs fs;

    if (theirs < 0 || fstatfs(fd, &fs) < 0)
        return -errno;
    if (fs.f_type != TMPFS_MAGIC)
        return -EINVAL;
    for (int i = 0; i < SEALS_KNOWN; i++)
        ours |= theirs & seals_known[i].theirs ? seals_known[i].ours : 0;
    return ours;
}

/* A file of /proc as text. */
static void read_text(const char *path, char *text, size_t size)
{
    int fd = heald__plat_own(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
}

/* The digits of a random number. */
uint64_t heald__plat_boot(void)
{
    uint64_t boot = 0;
    char text[64];

    read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
    for (const char *p = text; *p; p++)
        boot = boot * 31 + (unsigned char)*p;
    return boot;
}

/* The 22nd field of /proc/PID/stat; the second may hold blanks and brackets. */
uint64_t heald__plat_start_time(pid_t pid)
{
    char path[32], text[1024];
    unsigned long long start = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_text(path, text, sizeof text);
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        start = strtoull(p + 1, NULL, 10);
    return start;
}

uint64_t heald__plat_thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

static uint64_t name_space(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

uint64_t heald__plat_pid_space(void)
{
    return name_space("/proc/self/ns/pid");
}

uint64_t heald__plat_time_space(void)
{
    return name_space("/proc/self/ns/time");
}

bool heald__plat_thread_is_absent(pid_t pid, uint64_t thread)
{
    return syscall(SYS_tgkill, pid, (pid_t)thread, 0) < 0 && errno == ESRCH;
}
