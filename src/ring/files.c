/*
 * ring/files.c: see files.h. The table is made when the first file comes. It may have no more
 * places than the process may have descriptors; and a hidden ring takes no registration before
 * Linux 6.3, where there are no places then. liburing 2.3 knows neither, so the calls are made by
 * hand.
 */
#include "ring/files.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The system's headers may be older: Linux 6.3. */
static const unsigned by_index = 1u << 31;

enum { FEWEST = 16 };

static int call(struct heald_ring *r, unsigned what, const void *arg, unsigned count)
{
    long n = syscall(SYS_io_uring_register, r->ring.enter_ring_fd, what | by_index, arg, count);
    return n < 0 ? -errno : (int)n;
}

static int make_table(struct heald_ring *r, int count)
{
    struct io_uring_rsrc_register table = {.nr = (unsigned)count,
                                           .flags = IORING_RSRC_REGISTER_SPARSE};

    return call(r, IORING_REGISTER_FILES2, &table, sizeof table);
}

static void open_table(struct heald_ring *r, struct heald_ring_files *files)
{
    int count = HEALD_RING_FILES, err;

    while ((err = make_table(r, count)) == -EMFILE && count > FEWEST)
        count /= 2;
    files->count = err < 0 ? -1 : count;
}

static int free_place(const struct heald_ring_files *files)
{
    for (int i = 0; i * 64 < files->count; i++)
        if (~files->taken[i])
            return i * 64 + __builtin_ctzll(~files->taken[i]);
    return files->count;
}

static int set_place(struct heald_ring *r, int place, int fd)
{
    struct io_uring_rsrc_update update = {.offset = (unsigned)place,
                                          .data = (uint64_t)(uintptr_t)&fd};
    int n = call(r, IORING_REGISTER_FILES_UPDATE, &update, 1);

    return n == 1 ? 0 : n < 0 ? n : -EIO;
}

int heald__ring_file_add(struct heald_ring *r, struct heald_ring_files *files, int fd)
{
    if (!files->count)
        open_table(r, files);
    int place = free_place(files);
    if (files->count < 0 || place >= files->count)
        return -ENFILE;
    int err = set_place(r, place, fd);
    if (err)
        return err;
    files->taken[place / 64] |= (uint64_t)1 << place % 64;
    return place;
}

void heald__ring_file_remove(struct heald_ring *r, struct heald_ring_files *files, int place)
{
    set_place(r, place, -1);
    files->taken[place / 64] &= ~((uint64_t)1 << place % 64);
}
