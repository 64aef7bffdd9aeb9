/*
 * platform/linux/map.c: what Linux has of its own for mapped memory.
 *
 * process_vm_readv(2) on this very process is a memcpy() that the kernel makes, with -EFAULT where
 * either side is missing. The "remote" side is pinned page by page, the "local" one is written to
 * like the buffer of any read(2). It is always the readv, whichever side is the mapped file: so
 * pages of files are pinned for reading only, and are made dirty by an ordinary fault, as by the
 * program itself; to write to pinned pages is a source of trouble between the kernel's memory and
 * its file systems. valgrind and the sanitizers know, too, what a readv has filled.
 *
 * Quirks: a process may always reach itself, but some containers forbid the call to all (-EPERM,
 * -ENOSYS); then the copy uses a pipe. One call stops at 2 GiB less a page. Memory of a device that
 * has no pages to pin is -EFAULT.
 */
#include "platform/sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* The headers may be older than the kernel. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

enum { COPY_MOST = 1 << 30 };

int64_t heald__plat_copy(void *to, const void *from, size_t len)
{
    pid_t self = getpid();
    size_t done = 0;
    ssize_t n = 0;

    while (done < len) {
        size_t some = len - done < COPY_MOST ? len - done : COPY_MOST;
        struct iovec local = {(char *)to + done, some};
        struct iovec remote = {(char *)(uintptr_t)from + done, some};
        n = process_vm_readv(self, &local, 1, &remote, 1, 0);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done || n >= 0)
        return (int64_t)done;
    return errno == ENOSYS || errno == EPERM ? heald__plat_copy_by_pipe(to, from, len) : -errno;
}

int heald__plat_map_populate(void *addr, size_t size, bool writing)
{
    if (madvise(addr, size, writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0)
        return 0;
    /* Before 5.14 there is no such advice, and on the memory of some devices there is none. */
    if (errno == EINVAL)
        return -ENOSYS;
    /* A page with a fault in the hardware is as much out of reach as one that is not there. */
    return errno == EHWPOISON ? -EFAULT : -errno;
}
