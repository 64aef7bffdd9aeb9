/*
 * platform/linux/descriptor.c: see descriptor.h.
 *
 * F_DUPFD_QUERY is of Linux 6.10; kcmp(2) says the same where it is compiled in and not forbidden.
 *
 * What io_uring cannot try without blocking (no FMODE_NOWAIT) and can poll, it polls, and then
 * does by a blocking call on the thread that submits or reaps: a terminal, a FIFO that was opened
 * by name, all that a file system of the kernel's own or a process behind FUSE answers. So only
 * what is known to be otherwise is left to it.
 */
#include "platform/descriptor.h"

#include "platform/linux/libc.h"
#include "platform/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DUPFD_QUERY = 1024 + 3, PIN_MAX = 1000, PIN_ROOM = 32 };
enum {
    MEMORY_MAJOR = 1, /* /dev/null, /dev/zero, ... */
    PTY_MASTER_MAJOR = 5,
    PTY_FIRST_MAJOR = 136,
    PTY_LAST_MAJOR = 143
};
enum { OPENED = 0100000 }; /* the kernel's O_LARGEFILE */
enum { IO_WORKER = 0x10 }; /* PF_IO_WORKER */
enum {
    FUSE_MAGIC = 0x65735546,
    CONFIGFS_FS_MAGIC = 0x62656570,
    MQUEUE_FS_MAGIC = 0x19800202,
    CEPH_MAGIC = 0x00c36400,
    GFS2_MAGIC = 0x01161970,
    GPFS_MAGIC = 0x47504653,
    LUSTRE_MAGIC = 0x0bd00bd0,
    OCFS2_MAGIC = 0x7461636f,
    ORANGEFS_MAGIC = 0x20030528,
    VBOXSF_MAGIC = 0x786f4256
};
static const unsigned long cifs_magic = 0xff534d42, smb2_magic = 0xfe534d42;

/* Linux 6.8; the system's headers may be older. */
enum { STATMOUNT_NUMBER = 457, STATMOUNT_TYPE = 1, MOUNT_ID = 0x4000 };

struct mount_request {
    uint32_t size, unused;
    uint64_t id, what;
};

struct mount_answer {
    uint32_t size, unused;
    uint64_t mask;
    uint32_t major, minor;
    uint64_t type;
    uint64_t rest[60];
};

int heald__plat_descriptor_flags(int fd, struct heald_descriptor *ret)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    if (flags & O_PATH)
        return -EBADF;
    ret->reads = (flags & O_ACCMODE) != O_WRONLY;
    ret->writes = (flags & O_ACCMODE) != O_RDONLY;
    ret->appends = flags & O_APPEND;
    ret->waits = !(flags & O_NONBLOCK);
    ret->direct = flags & O_DIRECT;
    return 0;
}

/* File systems whose files are answered by code that may sleep as long as it likes, or by another
 * machine. */
static bool is_answered(unsigned long type)
{
    if (type == cifs_magic || type == smb2_magic)
        return true;
    switch (type) {
    case NFS_SUPER_MAGIC:
    case V9FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
    case CODA_SUPER_MAGIC:
    case CEPH_MAGIC:
    case GFS2_MAGIC:
    case GPFS_MAGIC:
    case LUSTRE_MAGIC:
    case OCFS2_MAGIC:
    case ORANGEFS_MAGIC:
    case VBOXSF_MAGIC:
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case SECURITYFS_MAGIC:
    case SELINUX_MAGIC:
    case SMACK_MAGIC:
    case BPF_FS_MAGIC:
    case EFIVARFS_MAGIC:
    case CONFIGFS_FS_MAGIC:
    case MQUEUE_FS_MAGIC:
    case FUSE_MAGIC: return true;
    default: return false;
    }
}

/* Of the mount with this number: 0, or -errno. No file system is asked. */
static int type_of_mount(uint64_t id, unsigned long *ret)
{
    struct mount_request request = {.size = sizeof request, .id = id, .what = STATMOUNT_TYPE};
    struct mount_answer answer;

    if (syscall(STATMOUNT_NUMBER, &request, &answer, sizeof answer, 0) < 0)
        return -errno;
    *ret = (unsigned long)answer.type;
    return answer.mask & STATMOUNT_TYPE ? 0 : -ENOSYS;
}

/* Asks the file system, which may have to ask its server. What lies on a device of its own is no
 * file system of the kernel's. */
static bool is_answered_by_its_word(int fd, unsigned device)
{
    struct statfs fs;

    return !device && (fstatfs(fd, &fs) < 0 || is_answered((unsigned long)fs.f_type));
}

/* Of a mount that is not in this thread's name space only memory is known, by its seals. */
static bool is_answered_there(int fd, const struct statx *st)
{
    unsigned long type = 0;
    int err = type_of_mount(st->stx_mnt_id, &type);

    if (!err)
        return is_answered(type);
    if (err == -ENOENT)
        return fcntl(fd, F_GET_SEALS) < 0;
    return is_answered_by_its_word(fd, st->stx_dev_major);
}

static bool is_on_disk(int fd, const struct statx *st, struct heald_mounts *mounts)
{
    struct heald_mount *known = &mounts->known[st->stx_mnt_id % HEALD_MOUNTS];

    if (!(st->stx_mask & MOUNT_ID))
        return !is_answered_by_its_word(fd, st->stx_dev_major);
    if (known->id != st->stx_mnt_id)
        *known = (struct heald_mount){st->stx_mnt_id, is_answered_there(fd, st)};
    return !known->answered;
}

/* Of a pipe: was it opened by a name, as a FIFO or in /proc? Then the kernel does not try. Every
 * open(2) of a program for 64 bits sets this flag, and pipe(2) does not. */
static bool is_opened(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || flags & OPENED;
}

static void classify(int fd, const struct statx *st, struct heald_mounts *mounts,
                     struct heald_descriptor *ret)
{
    bool on_disk = ret->regular && is_on_disk(fd, st, mounts);

    ret->socket = S_ISSOCK(st->stx_mode);
    ret->serial = S_ISCHR(st->stx_mode) && st->stx_rdev_major != MEMORY_MAJOR;
    ret->pipe = S_ISFIFO(st->stx_mode);
    ret->finite = on_disk || S_ISBLK(st->stx_mode) || S_ISDIR(st->stx_mode);
    ret->rings = ret->finite || ret->socket || (ret->pipe && !is_opened(fd));
}

/* As fstat(2) says it, for a process that may not call statx(2). */
static int ask_fstat(int fd, struct statx *ret)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret = (struct statx){.stx_mode = (uint16_t)st.st_mode,
                          .stx_ino = st.st_ino,
                          .stx_dev_major = major(st.st_dev),
                          .stx_dev_minor = minor(st.st_dev),
                          .stx_rdev_major = major(st.st_rdev)};
    return 0;
}

/* What is known without asking the server of a file. */
static int ask_statx(int fd, struct statx *ret)
{
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | MOUNT_ID, ret) ==
        0)
        return 0;
    return errno == EBADF ? -EBADF : ask_fstat(fd, ret);
}

int heald__plat_descriptor_file(int fd, struct heald_mounts *mounts, struct heald_descriptor *ret)
{
    struct statx st;
    int err = ask_statx(fd, &st);

    if (err)
        return err;
    ret->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
    ret->ino = st.stx_ino;
    ret->regular = S_ISREG(st.stx_mode);
    ret->seeks = ret->regular || S_ISBLK(st.stx_mode) || S_ISDIR(st.stx_mode) ||
                 (S_ISCHR(st.stx_mode) && lseek(fd, 0, SEEK_CUR) >= 0);
    classify(fd, &st, mounts, ret);
    return 0;
}

int64_t heald__plat_regular_size(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? st.st_size : -ESPIPE;
}

static bool is_pseudo_terminal(unsigned device)
{
    return (device >= PTY_FIRST_MAJOR && device <= PTY_LAST_MAJOR) || device == PTY_MASTER_MAJOR;
}

bool heald__plat_close_waits(int fd)
{
    struct statx st;

    if (ask_statx(fd, &st))
        return false;
    if (S_ISSOCK(st.stx_mode))
        return heald__plat_lingers(fd);
    return S_ISCHR(st.stx_mode) && st.stx_rdev_major != MEMORY_MAJOR &&
           !is_pseudo_terminal(st.stx_rdev_major);
}

static bool has_time(int fd, int option)
{
    struct timeval time = {0};
    socklen_t len = sizeof time;

    return getsockopt(fd, SOL_SOCKET, option, &time, &len) == 0 && (time.tv_sec || time.tv_usec);
}

bool heald__plat_socket_is_timed(int fd, bool writes)
{
    int low = 1;
    socklen_t len = sizeof low;

    if (writes)
        return has_time(fd, SO_SNDTIMEO);
    return has_time(fd, SO_RCVTIMEO) ||
           (getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) == 0 && low > 1);
}

bool heald__plat_same_file(int a, int b)
{
    int same = fcntl(a, DUPFD_QUERY, b);

    if (same >= 0)
        return same;
    return errno != EBADF && syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

/* Not at the end of a table that would have to grow for it. */
static int high_number(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > PIN_MAX + PIN_ROOM)
        return PIN_MAX;
    return limit.rlim_cur > PIN_ROOM ? (int)limit.rlim_cur - PIN_ROOM : 0;
}

int heald__plat_pin(int fd)
{
    int pin = -1, from = high_number();

    for (; pin < 0 && from > STDERR_FILENO; from /= 2)
        pin = fcntl(fd, F_DUPFD_CLOEXEC, from);
    if (pin < 0)
        pin = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return pin < 0 ? -errno : pin;
}

/* A line of /proc/self/task/TID/stat. */
static ssize_t read_stat(const char *tid, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, size - 1);
    heald__plat_libc_close(fd);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    return n;
}

/* It has not ended, and is none of the kernel's own that work for a ring: the third and the ninth
 * word say so, of which the second may be anything in brackets. */
static bool is_alive(const char *tid)
{
    char text[512], state;
    unsigned flags;
    const char *rest = read_stat(tid, text, sizeof text) < 0 ? NULL : strrchr(text, ')');

    return rest && sscanf(rest, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) == 2 &&
           state != 'Z' && state != 'X' && !(flags & IO_WORKER);
}

static int count_alive(const char *entries, long size)
{
    int alive = 0;

    for (long at = 0; at < size;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
        if (entry->d_name[0] != '.')
            alive += is_alive(entry->d_name);
        at += entry->d_reclen;
    }
    return alive;
}

/* Not by opendir(3), which takes memory. */
int heald__plat_threads_alive(void)
{
    _Alignas(struct dirent64) char entries[4096];
    int alive = 0, fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long n;

    if (fd < 0)
        return -errno;
    while ((n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        alive += count_alive(entries, n);
    int err = n < 0 ? -errno : 0;
    heald__plat_libc_close(fd);
    return err ? err : alive;
}

int64_t heald__plat_write(int fd, const void *buf, size_t len)
{
    long n = syscall(SYS_write, fd, buf, len);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_read_cached(int fd, void *buf, size_t len, int64_t offset)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    /* The offset in halves; a long of 64 bits holds all of it, and the kernel drops the other. */
    long low = (long)offset, high = (long)(offset >> 32);
    long n = syscall(SYS_preadv2, fd, &iov, 1L, low, high, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

int heald__plat_dup3(int from, int to, int flags)
{
    return (int)syscall(SYS_dup3, from, to, flags);
}

int heald__plat_close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
