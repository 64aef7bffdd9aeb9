/*
 * platform/linux/libc.h: calls of the kernel that the C library may lack, made by number: statx,
 * preadv2 and pwritev2 (musl before 1.2.5), futex_waitv (every library; old headers lack its
 * number). They return -1 and set errno, as the library's do.
 */
#ifndef HEALD_SRC_PLATFORM_LINUX_LIBC_H
#define HEALD_SRC_PLATFORM_LINUX_LIBC_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef STATX_TYPE
#include <linux/stat.h>

static inline int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
    return (int)syscall(SYS_statx, dirfd, path, flags, mask, ret);
}
#endif

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8

/* The kernel takes the offset in two halves; on 64 bits it looks at the first alone. */
static inline ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    return syscall(SYS_preadv2, fd, iov, count, (long)at, (long)(at >> 32), flags);
}

static inline ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    return syscall(SYS_pwritev2, fd, iov, count, (long)at, (long)(at >> 32), flags);
}
#endif

#ifndef SYS_futex_waitv
#define SYS_futex_waitv heald__futex_waitv_number
enum {
#if defined(__alpha__) || defined(__mips__) || (defined(__x86_64__) && defined(__ILP32__))
    heald__futex_waitv_number = -1 /* numbered otherwise: ENOSYS */
#else
    heald__futex_waitv_number = 449
#endif
};
#endif

#endif
