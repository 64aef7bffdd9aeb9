/*
 * heald/map.h: a part of a file as memory.
 *
 * A later access to a map is SIGBUS, which ends the process, if the file was truncated or its disk
 * cannot be read. heald_map_read() and heald_map_write() copy from and to the map and return an
 * error instead. heald_map_prefault() detects it in advance. None of them needs a signal handler.
 *
 * The functions need no loop. Only open and close change a map; between the two, any threads may
 * call the others at the same time. None is async-signal-safe. A child of fork(2) has its own map
 * at the same address.
 *
 * `offset` counts from the first byte of the map. Every function that takes a range returns:
 *
 *   -EINVAL   the range is not all within the map, or the map is not open
 */
#ifndef HEALD_MAP_H
#define HEALD_MAP_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_sys;

/* How a file is mapped: one of these. */
#define HEALD_MAP_READ    0u /* shared, for reading */
#define HEALD_MAP_WRITE   1u /* shared, for reading and writing: a write changes the file */
#define HEALD_MAP_PRIVATE 2u /* copy on write: only this process sees what it writes */

/* A map. It belongs to the caller. All zeroes is a map that is not open. */
struct heald_map {
    void *data;  /* the byte at `offset` of the file; NULL: not open */
    size_t size; /* bytes from there on */
    /* private */
    const struct heald_sys *sys;
    size_t before; /* bytes mapped in front of data, because a mapping begins with a page */
    unsigned flags;
};

/*
 * Maps `size` bytes of a file from `offset` on. Neither needs to be aligned. A size of 0 maps up to
 * the end of the file. The descriptor is open for reading, and with HEALD_MAP_WRITE also for
 * writing; it may be closed afterwards. May block as stat(2) does. On failure the map is not open.
 *
 *   0            the map is open; the caller closes it
 *   -EINVAL      flags is invalid, or offset is negative
 *   -ENXIO       the file is empty, or ends before the range
 *   -EOVERFLOW   the range exceeds the limit of a file or of the address space
 *   -EACCES      the descriptor is not open for this
 *   -EPERM       a seal forbids it
 *   -ENODEV      it is neither a file nor a device, or cannot be mapped; or size is 0 and it is not
 *                a regular file
 *   -EBADF, -ENOMEM, -EIO
 *                an error of the system
 */
HEALD_API int heald_map_open(struct heald_map *map, int fd, int64_t offset, size_t size,
                             unsigned flags);

/*
 * Unmaps a map. The memory must not be accessed afterwards. Data written to a shared map stays in
 * the file, but need not be on the disk yet. Returns 0, also for a map that is not open, or the
 * error of munmap(2).
 */
HEALD_API int heald_map_close(struct heald_map *map);

/*
 * Writes a range of a shared map to the disk, as fdatasync(2). A size of 0 means up to the end of
 * the map. BLOCKS until it is done.
 *
 *   -EINVAL        the map is private
 *   -EIO, -ENOSPC  an error of the disk; it is reported once
 */
HEALD_API int heald_map_sync(struct heald_map *map, size_t offset, size_t size);

/*
 * Brings a range into memory, so that the next access need not wait for the disk. A size of 0 means
 * up to the end of the map. The system decides how long it stays there; see mlock(2). BLOCKS until
 * it is read. `access` HEALD_MAP_READ changes nothing. HEALD_MAP_WRITE also prepares it for
 * writing: the file system allocates the blocks of a shared map, the kernel copies the pages of a
 * private map.
 *
 *   -EINVAL   access is invalid
 *   -EACCES   access is HEALD_MAP_WRITE, and the map is HEALD_MAP_READ
 *   -EFAULT   the file no longer reaches there, cannot be read, or its disk is full
 *   -ENOSYS   access is HEALD_MAP_WRITE, and the system does not support it (Linux before 5.14)
 *   -ENOMEM   no memory
 *
 * After an error part of the range may be in memory.
 */
HEALD_API int heald_map_prefault(struct heald_map *map, size_t offset, size_t size,
                                 unsigned access);

/*
 * heald_map_sync() and heald_map_prefault() as ops. A thread of the loop's pool performs them; the
 * engine `sync` does so in heald_submit(). The map stays open until they have completed. Results
 * are those above. A cancel ends an op that has not begun. The preps do not block, and return 0,
 * -EBUSY if the op is pending, and -EINVAL if map is NULL or access is invalid.
 */
HEALD_API int heald_prep_map_sync(struct heald_op *op, struct heald_map *map, size_t offset,
                                  size_t size);
HEALD_API int heald_prep_map_prefault(struct heald_op *op, struct heald_map *map, size_t offset,
                                      size_t size, unsigned access);

/*
 * Returns the number of bytes of a range that are in memory. A size of 0 means up to the end of the
 * map. It is a hint that may be wrong at once. Linux reports all bytes of a file that the caller
 * neither owns nor may write.
 *
 *   -ENOSYS   the system does not support it
 *   -EAGAIN   the kernel is short of memory
 */
HEALD_API int64_t heald_map_resident(struct heald_map *map, size_t offset, size_t size);

/*
 * Copy `len` bytes from the map to `buf`, and from `buf` to the map. They return the number of
 * bytes that were copied, which is less than `len` if the memory ends in the range. They check page
 * by page: after the end of a file, up to the end of its last page, reads return zeroes and writes
 * are lost. May block for the disk. The copy is not atomic, as with memcpy(3).
 *
 *   -EFAULT            no byte was copied: the file ends before offset, or buf is invalid
 *   -EACCES            (write) the map is HEALD_MAP_READ
 *   -EMFILE, -ENFILE   the system has no call for this copy, and no descriptor for a pipe is free
 */
HEALD_API int64_t heald_map_read(struct heald_map *map, size_t offset, void *buf, size_t len);
HEALD_API int64_t heald_map_write(struct heald_map *map, size_t offset, const void *buf,
                                  size_t len);

#ifdef __cplusplus
}
#endif
#endif
