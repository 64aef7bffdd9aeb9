/*
 * heald/map.h: a part of a file as memory. Plain calls: 0, a count, or -errno. They need no loop.
 *
 * Memory that a file backs has two ways to fail that other memory has not: the file is cut short,
 * by anybody, or its disk cannot be read. Then the next touch of that memory is SIGBUS, which ends
 * the process. heald_map_read() and heald_map_write() copy to and from the memory and return an
 * error instead; heald_map_prefault() finds out beforehand. None of them needs a signal handler.
 *
 * A map is changed by open and close alone; the other calls may be made on it from any number of
 * threads between the two. A child of fork(2) has a map of its own at the same address.
 *
 * Everywhere `offset` counts from the first byte of the map. A range that is not all within the map
 * is -EINVAL, and so is any on a map that is not open.
 */
#ifndef HEALD_MAP_H
#define HEALD_MAP_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_sys;

/* How the file is mapped: one of these. */
#define HEALD_MAP_READ    0u /* shared, to read from */
#define HEALD_MAP_WRITE   1u /* shared: what is written is in the file, for all to see */
#define HEALD_MAP_PRIVATE 2u /* copy on write: what is written is seen here only */

/* The caller's; all zeroes: not open. */
struct heald_map {
    void *data;  /* the byte at `offset` of the file; NULL: not open */
    size_t size; /* from there on */
    /* private */
    const struct heald_sys *sys;
    size_t before; /* mapped in front of data, as a mapping begins with a page */
    unsigned flags;
};

/*
 * Maps `size` bytes of a file from `offset` on, which need not be aligned; size 0: to the end of
 * the file. The descriptor must be open for reading, with HEALD_MAP_WRITE for both; it may be
 * closed afterwards. May block as stat(2) does. On failure the map is left as not open.
 *
 * -EINVAL: no such flags, or offset < 0. -ENXIO: the file ends before the range does, or is empty.
 * -EOVERFLOW: the range is more than a file, or than this process, can have. -EACCES: the
 * descriptor is not open for that; -EPERM: a seal forbids it. -ENODEV: neither a file nor a device,
 * or one that cannot be mapped; size 0: not a regular file. -EBADF, -ENOMEM, -EIO.
 */
HEALD_API int heald_map_open(struct heald_map *map, int fd, int64_t offset, size_t size,
                             unsigned flags);

/*
 * Unmaps; nothing may use the memory any more. What was written to a shared map stays in the file,
 * though not yet on the disk. Of a map that is not open: 0, and nothing is done.
 */
HEALD_API int heald_map_close(struct heald_map *map);

/*
 * Puts a range of a shared map onto the disk, as fdatasync(2) does; size 0: to the end of the map.
 * BLOCKS until it is there. -EINVAL: a private map; -EIO, -ENOSPC: the disk; the error is reported
 * once.
 */
HEALD_API int heald_map_sync(struct heald_map *map, size_t offset, size_t size);

/*
 * Has a range in memory, so that the next touch need not wait for the disk; size 0: to the end of
 * the map. How long it stays there is the system's affair: mlock(2). BLOCKS until it is read.
 * access HEALD_MAP_READ: nothing changes. HEALD_MAP_WRITE: ready to be written to, so a shared map
 * has its blocks on the disk set aside, and a private one its copies made.
 *
 * -EINVAL: no such access. -EACCES: HEALD_MAP_WRITE on a map for reading. -EFAULT: the file no
 * longer reaches there, or cannot be read, or its disk is full. -ENOSYS: HEALD_MAP_WRITE, and the
 * system cannot (Linux can from 5.14 on). -ENOMEM. Part of the range may have been read all the
 * same.
 */
HEALD_API int heald_map_prefault(struct heald_map *map, size_t offset, size_t size,
                                 unsigned access);

/*
 * The same two as ops, done on a thread of the loop's pool (with the engine sync where they are
 * submitted), so that the loop does not wait for the disk. Results and errors as above; the map
 * must stay open until they have completed. A cancel ends one that has not begun. The preps return
 * 0, -EBUSY if the op is pending, -EINVAL for a NULL or no such access.
 */
HEALD_API int heald_prep_map_sync(struct heald_op *op, struct heald_map *map, size_t offset,
                                  size_t size);
HEALD_API int heald_prep_map_prefault(struct heald_op *op, struct heald_map *map, size_t offset,
                                      size_t size, unsigned access);

/*
 * How many bytes of a range are in memory just now; size 0: to the end of the map. A hint, which
 * may be wrong as soon as it is returned. Linux says "all" of a file that the caller neither owns
 * nor may write. -ENOSYS, -EAGAIN.
 */
HEALD_API int64_t heald_map_resident(struct heald_map *map, size_t offset, size_t size);

/*
 * heald_map_read: copies `len` bytes of the map to `buf`. heald_map_write: the other way, on a
 * map that may be written to (-EACCES). How many were copied: fewer than `len` when the memory
 * ends there, -EFAULT when not one is left, or `buf` itself is bad. Page by page: behind the end of
 * a file, up to the end of its last page, there are zeroes, and what is written is lost. May block
 * for the disk. Copies as memcpy() does: not atomic against others who write.
 *
 * Where the system has no call of its own for this, it takes a pipe for as long as it lasts:
 * -EMFILE, -ENFILE.
 */
HEALD_API int64_t heald_map_read(struct heald_map *map, size_t offset, void *buf, size_t len);
HEALD_API int64_t heald_map_write(struct heald_map *map, size_t offset, const void *buf,
                                  size_t len);

#ifdef __cplusplus
}
#endif
#endif
