/* platform/common/shm.c: the part of shm.h that POSIX has, and pages that fork wipes. */
#include "platform/shm.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TRIES = 100 };

/* Named after the process and a number: ".heald-PID-N" in the same directory. */
int heald__plat_draft_temp(struct heald_draft *draft, const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash + 1 - path) : 0;

    for (int i = 0; i < TRIES; i++) {
        if (snprintf(draft->temp, sizeof draft->temp, "%.*s.heald-%ld-%d", length, path,
                     (long)getpid(), i) >= (int)sizeof draft->temp)
            return -ENAMETOOLONG;
        int fd = open(draft->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno == EEXIST)
            continue;
        draft->fd = heald__plat_own(fd);
        if (fd >= 0 && draft->fd < 0)
            unlink(draft->temp);
        if (draft->fd < 0)
            draft->temp[0] = 0;
        return draft->fd < 0 ? draft->fd : 0;
    }
    draft->temp[0] = 0;
    return -EEXIST;
}

void heald__plat_draft_end(struct heald_draft *draft)
{
    if (draft->temp[0])
        unlink(draft->temp);
    draft->temp[0] = 0;
}

/* The C library reserves where the file system cannot by writing to each block: so only what is
 * nobody's yet is named. */
int heald__plat_reserve(int fd, uint64_t from, uint64_t size)
{
    int err;

    do
        err = posix_fallocate(fd, (off_t)from, (off_t)(size - from));
    while (err == EINTR);
    /* A file system that cannot set room aside can at least be asked for the size. */
    if (err == EINVAL || err == EOPNOTSUPP)
        err = ftruncate(fd, (off_t)size) < 0 ? errno : 0;
    return -err;
}

int heald__plat_file_claim(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int heald__plat_file_share(int fd)
{
    int err;

    do
        err = flock(fd, LOCK_SH) < 0 ? -errno : 0;
    while (err == -EINTR);
    return err;
}

void heald__plat_file_release(int fd)
{
    flock(fd, LOCK_UN);
}

static int wipe_on_fork(void *memory, size_t size)
{
#if defined MADV_WIPEONFORK
    return madvise(memory, size, MADV_WIPEONFORK);
#elif defined INHERIT_ZERO
    return minherit(memory, size, INHERIT_ZERO);
#else
    (void)memory;
    (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

int heald__plat_private(size_t size, void **ret_memory)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    if (wipe_on_fork(memory, size) < 0) {
        int err = -errno;
        munmap(memory, size);
        return err;
    }
    *ret_memory = memory;
    return 0;
}

void heald__plat_private_free(void *memory, size_t size)
{
    munmap(memory, size);
}

void heald__plat_private_clear(void *memory, size_t size)
{
#if defined __linux__
    madvise(memory, size, MADV_DONTNEED);
#else
    memset(memory, 0, size);
#endif
}

uint64_t heald__plat_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}
