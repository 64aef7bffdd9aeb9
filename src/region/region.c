/*
 * region/region.c: a region that is mapped: its handle, its data, its size. Any thread; a handle is
 * closed once.
 *
 * All of the region that there may ever be is mapped from the start. What the file does not have
 * yet must not be touched (SIGBUS); it is there once the file was made longer, without mapping
 * anything anew, so growing moves nothing and no process has to be notified. `size` in the head
 * says how far it reaches; it only becomes larger, after the file did.
 *
 * A snapshot maps nothing: another process may truncate the file at any time. What lies in front of
 * the data, whose size has a maximum, is copied when it is opened, an object when it is inspected.
 */
#include "region/region.h"

#include "platform/shm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int heald__region_adopt(struct heald_region **ret_region, char *base,
                        const struct region_head *head, int fd)
{
    struct heald_region *region = malloc(sizeof *region);
    void *local;
    int err = region ? heald__plat_private(region_local_size(head->slots), &local) : -ENOMEM;

    if (err) {
        free(region);
        return err;
    }
    *region = (struct heald_region){
        .base = base,
        .names_at = head->names_at,
        .data_at = head->data_at,
        .heap_at = head->heap_at,
        .first_size = head->first_size,
        .max_size = head->max_size,
        .slots = (struct region_slot *)(void *)(base + head->slots_at),
        .names = (struct region_name *)(void *)(base + head->names_at),
        .local = local,
        .slot_count = head->slots,
        .name_count = head->names,
        .fd = fd,
        .mapped = head->max_size,
    };
    if (head->flags & REGION_TRACED)
        region->order = (struct region_order *)(void *)(base + head->order_at);
    region->local->is_first = true;
    *ret_region = region;
    return 0;
}

int heald__region_map(int fd, uint64_t size, bool read_only, char **ret_base)
{
    int prot = read_only ? PROT_READ : PROT_READ | PROT_WRITE;

    if (size > SIZE_MAX)
        return -ENOMEM;
    void *base = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return -errno;
    *ret_base = base;
    return 0;
}

/* By pread(2): a file that has become shorter is a short read, where a touch of its memory would be
 * SIGBUS. */
static int read_all(int fd, uint64_t at, void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)buf + done, size - done, (off_t)(at + done));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EBADMSG;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int heald__region_read(const struct heald_region *region, uint64_t at, void *buf, size_t size)
{
    return read_all(region->fd, at, buf, size);
}

int heald__region_copy(int fd, const struct region_head *head, char **ret_base)
{
    size_t size = (size_t)head->data_at;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return -errno;
    int err = read_all(fd, 0, base, size);
    if (err) {
        munmap(base, size);
        return err;
    }
    /* The head that was checked, and not what may stand there by now. */
    memcpy(base, head, sizeof *head);
    *ret_base = base;
    return 0;
}

bool heald__region_is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

bool heald__region_has_name(int fd, const char *path)
{
    struct stat mine, named;

    return fstat(fd, &mine) == 0 && lstat(path, &named) == 0 &&
           heald__region_is_same_file(&mine, &named);
}

/* Nobody else has it open, but for children of this process by fork(2), which have the same lock,
 * and count only while they are attached: the name goes, unless it is another's by now. */
static void unlink_if_alone(struct heald_region *region)
{
    bool is_unused = region->local->is_first && heald__plat_file_claim(region->fd) == 0;

    for (unsigned i = 0; is_unused && i < region->slot_count; i++) {
        uint64_t id = heald__region_id_of(region, &region->slots[i]);
        is_unused = !id || heald__region_is_gone(region, id);
    }
    if (is_unused && heald__region_has_name(region->fd, region->temporary))
        unlink(region->temporary);
    /* Claimed or not, the lock of such a child is as it was. */
    heald__plat_file_share(region->fd);
}

int heald_region_close(struct heald_region *region)
{
    struct stat file = {0};

    if (!region)
        return -EINVAL;
    if (heald__region_in_use(region))
        return -EBUSY;
    if (region->temporary) {
        fstat(region->fd, &file);
        unlink_if_alone(region);
    }
    munmap(region->base, region->mapped);
    heald__region_handles_free(region);
    heald__plat_private_free(region->local, region_local_size(region->slot_count));
    close(region->fd);
    if (region->temporary)
        heald__region_unlink_last(region->temporary, &file);
    free(region->temporary);
    free(region);
    return 0;
}

int heald__region_grow(struct heald_region *region, uint64_t size)
{
    if (size > region->max_size)
        return -ENOMEM;
    uint64_t now = region_size(region);

    if (size <= now)
        return 0;
    int err = heald__plat_reserve(region->fd, now, size);
    if (!err)
        /* Release: pairs with region_size(): what is within it is there. */
        __atomic_store_n(&region_head_of(region)->size, size, __ATOMIC_RELEASE);
    return err;
}

int heald_region_fd(const struct heald_region *region)
{
    return region->fd;
}

void *heald_region_data(const struct heald_region *region)
{
    return region->is_snapshot ? NULL : region->base + region->data_at;
}

size_t heald_region_size(const struct heald_region *region)
{
    return (size_t)(region->heap_at - region->data_at);
}

void *heald_at(const struct heald_region *region, uint64_t offset)
{
    return !region->is_snapshot && region_holds(region, offset, 1) ? region->base + offset : NULL;
}

uint64_t heald_offset(const struct heald_region *region, const void *address)
{
    uintptr_t at = (uintptr_t)address - (uintptr_t)region->base;
    return !region->is_snapshot && region_holds(region, at, 1) ? at : 0;
}

void heald__region_order_forget(struct heald_region *region, uint64_t at, uint64_t size)
{
    struct region_order *order = region->order;

    /* Relaxed: as sync/lockdep.c, which finds out what is out of date. */
    for (unsigned i = 0; order && i < REGION_ORDER_MAX; i++)
        if (region_order_place(__atomic_load_n(&order->locks[i], __ATOMIC_RELAXED)) - at < size)
            __atomic_store_n(&order->locks[i], 0, __ATOMIC_RELAXED);
}

void heald_region_on_inversion(struct heald_region *region,
                               void (*fn)(const struct heald_inversion *inversion, void *ctx),
                               void *ctx)
{
    region->on_inversion = fn;
    region->inversion_ctx = ctx;
}

void heald_region_stats(struct heald_region *region, struct heald_region_stats *ret_stats)
{
    *ret_stats = (struct heald_region_stats){
        .participants_max = region->slot_count,
        .deaths = __atomic_load_n(&region_head_of(region)->deaths, __ATOMIC_RELAXED),
        .size = region_size(region),
        .size_max = region->max_size,
    };
    for (unsigned i = 0; i < region->slot_count; i++)
        ret_stats->participants +=
            __atomic_load_n(&region->slots[i].generation, __ATOMIC_RELAXED) & 1;
}
