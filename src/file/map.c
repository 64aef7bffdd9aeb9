/*
 * file/map.c: a part of a file as memory.
 *
 * A range of the map is turned at once into a span: offsets from the page that the mapping begins
 * with. Only spans, rounded down to a page, reach the system. Invariant: data is NULL, and all else
 * 0, or [data - before, data + size) is mapped, data - before is the start of a page, and before is
 * less than a page. Nothing changes between open and close, so any thread may call.
 *
 * The guarded copies, and why they are what they are. A touch by the processor of a page that the
 * file no longer has, or that the disk does not give, is SIGBUS. A touch by the kernel, on behalf
 * of a system call, is -EFAULT from that call. So the kernel is to copy: copy() of the platform,
 * from memory to memory, which therefore sees what the program sees, shared or private. What it is
 * not, and why:
 *
 *   - A handler for SIGBUS belongs to the whole process, and perhaps to other code already.
 *   - pread() and pwrite() on a kept descriptor see the file, not the memory. Of a private map that
 *     has been written to they read the wrong bytes. A pwrite() behind the new end makes the file
 *     long again, where the loss should have been reported; asking for the size before it is a race
 *     with the process that truncates; O_APPEND sends it to the end, O_DIRECT wants it aligned, and
 *     a seal against future writes forbids it though the map may be written. Closing the kept
 *     descriptor would drop all record locks (fcntl) that this process has on the file.
 *
 * That is why no descriptor is kept at all.
 *
 * Quirks: cutting a file takes the private copies of its pages as well. Beyond the end of a file
 * the rest of its last page is memory, of zeroes, so a guard can only be as fine as a page. A file
 * of huge pages (hugetlbfs) is mapped by those alone: the system refuses an offset within one when
 * it maps, and a size that is not made of whole ones when it unmaps, with -EINVAL.
 */
#include "file/map.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Pages that one question about residence covers: 4 MiB of the usual ones. */
enum { PAGES_ASKED = 1024 };

/* A range of a map, in bytes from the page that its mapping begins with. */
struct span {
    size_t from, to;
};

static char *base_of(const struct heald_map *map)
{
    return (char *)map->data - map->before;
}

static size_t page_floor(size_t at)
{
    return at & ~(heald__plat_page_size() - 1);
}

/* How far the range may go, given the kind of file: 0 and *size, or -errno. */
static int adjust_size(const struct heald_stat *st, int64_t offset, size_t *size)
{
    if (!S_ISREG(st->mode)) {
        /* The length of a device is not known. The system refuses what it cannot map. */
        return *size && (S_ISCHR(st->mode) || S_ISBLK(st->mode)) ? 0 : -ENODEV;
    }
    if ((uint64_t)offset >= st->size)
        return -ENXIO;
    uint64_t left = st->size - (uint64_t)offset;
    if (*size > left)
        return -ENXIO;
    if (!*size && left > SIZE_MAX)
        return -EOVERFLOW;
    if (!*size)
        *size = (size_t)left;
    return 0;
}

int heald__map_open_over(struct heald_map *map, const struct heald_sys *sys, int fd, int64_t offset,
                         size_t size, unsigned flags)
{
    struct heald_stat st;
    void *base;

    *map = (struct heald_map){0};
    if (flags > HEALD_MAP_PRIVATE || offset < 0)
        return -EINVAL;
    if (size > (uint64_t)(INT64_MAX - offset))
        return -EOVERFLOW;
    int err = sys->stat(fd, "", 0, &st);
    if (!err)
        err = adjust_size(&st, offset, &size);
    if (err)
        return err;
    size_t before = (size_t)((uint64_t)offset & (heald__plat_page_size() - 1));
    if (size > SIZE_MAX - before)
        return -EOVERFLOW;
    err = sys->map(fd, offset - (int64_t)before, before + size, flags, &base);
    if (err)
        return err;
    *map = (struct heald_map){
        .data = (char *)base + before, .size = size, .sys = sys, .before = before, .flags = flags};
    return 0;
}

int heald_map_open(struct heald_map *map, int fd, int64_t offset, size_t size, unsigned flags)
{
    return heald__map_open_over(map, &heald__sys_native, fd, offset, size, flags);
}

int heald_map_close(struct heald_map *map)
{
    if (!map->data)
        return 0;
    int err = map->sys->unmap(base_of(map), map->before + map->size);
    if (!err)
        *map = (struct heald_map){0};
    return err;
}

/* The span of `size` bytes at `offset`, or -EINVAL. */
static int span_exact(const struct heald_map *map, size_t offset, size_t size, struct span *ret)
{
    if (!map->data || offset > map->size || size > map->size - offset)
        return -EINVAL;
    ret->from = map->before + offset;
    ret->to = ret->from + size;
    return 0;
}

/* The same, with size 0 for all that follows. */
static int span_of(const struct heald_map *map, size_t offset, size_t size, struct span *ret)
{
    if (!size && offset <= map->size)
        size = map->size - offset;
    return span_exact(map, offset, size, ret);
}

int heald_map_sync(struct heald_map *map, size_t offset, size_t size)
{
    struct span s;
    int err = span_of(map, offset, size, &s);

    if (err || map->flags == HEALD_MAP_PRIVATE)
        return -EINVAL;
    size_t first = page_floor(s.from);
    return s.from == s.to ? 0 : map->sys->map_sync(base_of(map) + first, s.to - first);
}

/* Reads a byte of each page, which has it in memory as well. */
static int touch(const struct heald_map *map, const struct span *s)
{
    const char *base = base_of(map);
    char byte;

    for (size_t at = page_floor(s->from); at < s->to; at += heald__plat_page_size()) {
        int64_t n = map->sys->copy(&byte, base + at, 1);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

int heald_map_prefault(struct heald_map *map, size_t offset, size_t size, unsigned access)
{
    struct span s;
    bool writing = access == HEALD_MAP_WRITE;

    if (access > HEALD_MAP_WRITE || span_of(map, offset, size, &s))
        return -EINVAL;
    if (writing && map->flags == HEALD_MAP_READ)
        return -EACCES;
    if (s.from == s.to)
        return 0;
    size_t first = page_floor(s.from);
    int err = map->sys->map_populate(base_of(map) + first, s.to - first, writing);
    /* To write a byte back would undo what another thread has written there meanwhile. */
    return err == -ENOSYS && !writing ? touch(map, &s) : err;
}

/* How many bytes of the span lie in the page at `at`. */
static size_t share(const struct span *s, size_t at)
{
    size_t end = at + heald__plat_page_size();
    size_t from = s->from > at ? s->from : at, to = s->to < end ? s->to : end;

    return to > from ? to - from : 0;
}

int64_t heald_map_resident(struct heald_map *map, size_t offset, size_t size)
{
    unsigned char seen[PAGES_ASKED];
    size_t page = heald__plat_page_size();
    int64_t total = 0;
    struct span s;

    if (span_of(map, offset, size, &s))
        return -EINVAL;
    for (size_t at = page_floor(s.from); at < s.to;) {
        size_t left = s.to - at, some = left < PAGES_ASKED * page ? left : PAGES_ASKED * page;
        int err = map->sys->map_resident(base_of(map) + at, some, seen);
        if (err)
            return err;
        for (size_t i = 0; i * page < some; i++)
            total += seen[i] & 1 ? (int64_t)share(&s, at + i * page) : 0;
        at += some;
    }
    return total;
}

int64_t heald_map_read(struct heald_map *map, size_t offset, void *buf, size_t len)
{
    struct span s;
    int err = span_exact(map, offset, len, &s);

    return err || !len ? err : map->sys->copy(buf, base_of(map) + s.from, len);
}

int64_t heald_map_write(struct heald_map *map, size_t offset, const void *buf, size_t len)
{
    struct span s;
    int err = span_exact(map, offset, len, &s);

    if (!err && map->flags == HEALD_MAP_READ)
        err = -EACCES;
    return err || !len ? err : map->sys->copy(base_of(map) + s.from, buf, len);
}
