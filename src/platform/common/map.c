/*
 * platform/common/map.c: mapped memory, by POSIX and mincore(2), which all have; and a copy that
 * the kernel makes, through a pipe.
 *
 * The pipe is made for one copy: a kept one would need a lock, and would be lent to a child by
 * fork(2). Each step is at most PIPE_BUF bytes and within one page on either side, so it comes over
 * whole or not at all, and the pipe, empty before, has room for it.
 */
#include "platform/sys.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PIPE_BUF
#define PIPE_BUF _POSIX_PIPE_BUF
#endif

size_t heald__plat_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int heald__plat_map(int fd, int64_t offset, size_t size, unsigned flags, void **ret_addr)
{
    int prot = flags == HEALD_MAP_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    int kind = flags == HEALD_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
    void *addr = mmap(NULL, size, prot, kind, fd, (off_t)offset);

    if (addr == MAP_FAILED)
        return -errno;
    *ret_addr = addr;
    return 0;
}

int heald__plat_unmap(void *addr, size_t size)
{
    return munmap(addr, size) < 0 ? -errno : 0;
}

int heald__plat_map_sync(void *addr, size_t size)
{
    return msync(addr, size, MS_SYNC) < 0 ? -errno : 0;
}

/* The system that counts in signed bytes means the same by the lowest bit. */
int heald__plat_map_resident(void *addr, size_t size, unsigned char *ret_pages)
{
    return mincore(addr, size, (void *)ret_pages) < 0 ? -errno : 0;
}

static size_t to_page_end(const void *at)
{
    size_t page = heald__plat_page_size();
    return page - ((uintptr_t)at & (page - 1));
}

static size_t step_of(const void *to, const void *from, size_t left)
{
    size_t a = to_page_end(to), b = to_page_end(from), step = a < b ? a : b;

    step = step < PIPE_BUF ? step : PIPE_BUF;
    return step < left ? step : left;
}

int64_t heald__plat_copy_by_pipe(void *to, const void *from, size_t len)
{
    size_t done = 0;
    int fds[2], err = heald__plat_own_pipe(fds);

    if (err)
        return err;
    while (done < len && !err) {
        char *at = (char *)to + done;
        const char *source = (const char *)from + done;
        ssize_t n = write(fds[1], source, step_of(at, source, len - done));
        if (n > 0)
            n = read(fds[0], at, (size_t)n);
        if (n > 0)
            done += (size_t)n;
        else
            err = n < 0 ? -errno : -EIO;
    }
    close(fds[0]);
    close(fds[1]);
    return done || !len ? (int64_t)done : err;
}
