/*
 * platform/linux/descriptor.c: see descriptor.h.
 *
 * F_DUPFD_QUERY is of Linux 6.10; kcmp(2) tells the same where it is compiled in and not forbidden.
 */
#include "platform/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DUPFD_QUERY = 1024 + 3, PIN_FROM = 512 };

int heald_plat_descriptor_flags(int fd, struct heald_descriptor *ret)
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

int heald_plat_descriptor_file(int fd, struct heald_descriptor *ret)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    ret->dev = st.st_dev;
    ret->ino = st.st_ino;
    ret->size = st.st_size;
    ret->regular = S_ISREG(st.st_mode);
    ret->seeks = ret->regular || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode) ||
                 (S_ISCHR(st.st_mode) && lseek(fd, 0, SEEK_CUR) >= 0);
    return 0;
}

bool heald_plat_same_file(int a, int b)
{
    int same = fcntl(a, DUPFD_QUERY, b);

    if (same >= 0)
        return same;
    return errno != EBADF && syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

int heald_plat_pin(int fd)
{
    int pin = fcntl(fd, F_DUPFD_CLOEXEC, PIN_FROM);

    if (pin < 0 && errno == EINVAL) /* the limit is lower */
        pin = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return pin < 0 ? -errno : pin;
}

int64_t heald_plat_read_cached(int fd, void *buf, size_t len, int64_t offset)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    /* The offset in halves; a long of 64 bits holds all of it, and the kernel drops the other. */
    long low = (long)offset, high = (long)(offset >> 32);
    long n = syscall(SYS_preadv2, fd, &iov, 1L, low, high, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

/* By the names that nobody interposes. */
int __close(int fd);
int __dup2(int from, int to);
int _IO_fclose(FILE *file);

int heald_plat_libc_close(int fd)
{
    return __close(fd);
}

int heald_plat_libc_fclose(FILE *file)
{
    return _IO_fclose(file);
}

int heald_plat_libc_dup2(int from, int to)
{
    return __dup2(from, to);
}

int heald_plat_dup3(int from, int to, int flags)
{
    return (int)syscall(SYS_dup3, from, to, flags);
}

int heald_plat_close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
