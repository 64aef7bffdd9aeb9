/*
 * region/region.c: making, opening and closing regions. Any thread; a handle is closed once.
 *
 * A region is made as a file without a name, filled, and then given its name by link(2), which
 * refuses when there is one: so it is there whole or not at all, two who make the same one agree on
 * one of them, and who is killed halfway leaves nothing.
 */
#include "region/region.h"

#include "platform/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_DEFAULT = 64 * 1024, PARTICIPANTS_DEFAULT = 64, MODE_DEFAULT = 0600, RACES_MAX = 100 };

enum { REGION_FLAGS = HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE | HEALD_REGION_ANY_OWNER };

static const char file_prefix[] = "file:";

/* The file of a region's name. */
static int path_of(const char *name, char path[PATH_MAX])
{
    size_t prefix = sizeof file_prefix - 1;
    bool is_file = name && strncmp(name, file_prefix, prefix) == 0;

    if (!name || (!is_file && name[0] != '/'))
        return -EINVAL;
    if (is_file)
        name += prefix;
    if (!*name || (!is_file && (!name[1] || strchr(name + 1, '/') || name[1] == '.')))
        return -EINVAL;
    if (!is_file && strlen(name + 1) > NAME_MAX)
        return -ENAMETOOLONG;
    int n = snprintf(path, PATH_MAX, "%s%s", is_file ? "" : heald_shm_folder, name);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int settle_options(struct heald_region_options *o)
{
    o->size = o->size ? o->size : SIZE_DEFAULT;
    o->participants = o->participants ? o->participants : PARTICIPANTS_DEFAULT;
    o->mode = o->mode ? o->mode : MODE_DEFAULT;
    if (o->participants > REGION_SLOTS_MAX || o->size > SIZE_MAX / 4 || o->mode & ~(mode_t)0777)
        return -EINVAL;
    return 0;
}

/* A handle for a region that is mapped already; takes over fd. */
static int adopt(struct heald_region **ret_region, char *base, const struct region_head *head,
                 int fd)
{
    struct heald_region *region = malloc(sizeof *region);
    void *local;
    int err = region ? heald_plat_private(region_local_size(head->slots), &local) : -ENOMEM;

    if (err) {
        free(region);
        return err;
    }
    *region = (struct heald_region){
        .base = base,
        .size = head->size,
        .data_at = head->data_at,
        .slots = (struct region_slot *)(void *)(base + head->slots_at),
        .local = local,
        .pid_space = heald_plat_pid_space(),
        .slot_count = head->slots,
        .fd = fd,
    };
    *ret_region = region;
    return 0;
}

static int map(int fd, uint64_t size, char **ret_base)
{
    if (size > SIZE_MAX)
        return -ENOMEM;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return -errno;
    *ret_base = base;
    return 0;
}

/* Everything in a region that nobody else can see yet. */
static int fill(char *base, struct region_head *head, const struct heald_region_options *o)
{
    struct region_slot *slots = (struct region_slot *)(void *)(base + head->slots_at);
    int err = 0;

    for (unsigned i = 0; i < head->slots && !err; i++)
        err = heald_plat_life_init(&slots[i].life);
    if (!err && o->init)
        err = o->init(base + head->data_at, (size_t)(head->size - head->data_at), o->ctx);
    if (err)
        return err;
    head->creator_pid = getpid();
    head->creator_start_time = heald_plat_start_time(getpid());
    region_seal(head);
    memcpy(base, head, sizeof *head);
    return 0;
}

/* Makes a region of an empty file. Takes over fd when it succeeds. */
static int make(struct heald_region **ret_region, int fd, const struct heald_region_options *o)
{
    struct region_head head = {0};
    char *base = NULL;

    region_layout(&head, o->participants, o->size);
    int err = heald_plat_reserve(fd, head.size);
    if (!err)
        err = map(fd, head.size, &base);
    if (err)
        return err;
    err = fill(base, &head, o);
    if (!err)
        err = adopt(ret_region, base, &head, fd);
    if (err)
        munmap(base, head.size);
    return err;
}

static int create(struct heald_region **ret_region, const char *path,
                  const struct heald_region_options *o)
{
    struct heald_draft draft;
    int err = heald_plat_draft_open(&draft, path, o->mode);

    if (err)
        return err;
    err = make(ret_region, draft.fd, o);
    if (err)
        close(draft.fd);
    if (!err && (err = heald_plat_draft_name(&draft, path)))
        heald_region_close(*ret_region);
    heald_plat_draft_end(&draft);
    return err;
}

/* Takes over fd when it succeeds. any_owner: a stranger's is welcome. */
static int open_fd(struct heald_region **ret_region, int fd, bool any_owner)
{
    struct region_head head;
    struct stat st;
    char *base = NULL;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof head)
        return -ENOEXEC;
    if (!any_owner && st.st_uid != geteuid() && st.st_uid != 0)
        return -EPERM;
    ssize_t n = pread(fd, &head, sizeof head, 0);
    if (n < 0)
        return -errno;
    int err = n < (ssize_t)sizeof head ? -ENOEXEC : region_check(&head, (uint64_t)st.st_size);
    if (!err)
        err = map(fd, head.size, &base);
    if (err)
        return err;
    err = adopt(ret_region, base, &head, fd);
    if (err)
        munmap(base, head.size);
    return err;
}

static int open_path(struct heald_region **ret_region, const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int err = open_fd(ret_region, fd, flags & HEALD_REGION_ANY_OWNER);
    if (err)
        close(fd);
    return err;
}

/* Open or create: whichever of the two fails because of another process is tried again. */
static int open_or_create(struct heald_region **ret_region, const char *path, int flags,
                          const struct heald_region_options *o)
{
    for (int race = 0; race < RACES_MAX; race++) {
        int err = flags & HEALD_REGION_EXCLUSIVE ? -ENOENT : open_path(ret_region, path, flags);
        if (err != -ENOENT || !(flags & HEALD_REGION_CREATE))
            return err;
        err = create(ret_region, path, o);
        if (err != -EEXIST || flags & HEALD_REGION_EXCLUSIVE)
            return err;
    }
    return -EAGAIN;
}

int heald_region_open(struct heald_region **ret_region, const char *name, int flags,
                      const struct heald_region_options *options)
{
    struct heald_region_options o = options ? *options : (struct heald_region_options){0};
    struct heald_region *region;
    char path[PATH_MAX];
    int err = path_of(name, path);

    if (!err && (flags & ~REGION_FLAGS ||
                 (flags & HEALD_REGION_EXCLUSIVE && !(flags & HEALD_REGION_CREATE))))
        err = -EINVAL;
    if (!err)
        err = settle_options(&o);
    if (!err)
        err = open_or_create(&region, path, flags, &o);
    if (!err)
        *ret_region = region;
    return err;
}

int heald_region_create_memfd(struct heald_region **ret_region,
                              const struct heald_region_options *options)
{
    struct heald_region_options o = options ? *options : (struct heald_region_options){0};
    struct heald_region *region;
    uint64_t memory = heald_plat_memory();
    int err = settle_options(&o);

    /* No file system bounds it, and the system would rather kill somebody than refuse it. */
    if (!err && memory && o.size > memory)
        err = -ENOSPC;
    int fd = err ? err : heald_plat_memfd("heald");

    if (fd < 0)
        return fd;
    err = make(&region, fd, &o);
    if (err) {
        close(fd);
        return err;
    }
    if ((err = heald_plat_memfd_seal(fd))) {
        heald_region_close(region);
        return err;
    }
    *ret_region = region;
    return 0;
}

int heald_region_open_fd(struct heald_region **ret_region, int fd)
{
    struct heald_region *region;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0)
        return -errno;
    int err = open_fd(&region, copy, true);
    if (err)
        close(copy);
    else
        *ret_region = region;
    return err;
}

int heald_region_close(struct heald_region *region)
{
    if (region_in_use(region))
        return -EBUSY;
    munmap(region->base, region->size);
    heald_plat_private_free(region->local, region_local_size(region->slot_count));
    close(region->fd);
    free(region);
    return 0;
}

/* So that a slip of the pen does not cost a file that is something else. */
static int is_region(const char *path)
{
    uint64_t magic = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    ssize_t n = pread(fd, &magic, sizeof magic, 0);
    close(fd);
    return n == (ssize_t)sizeof magic && magic == REGION_MAGIC ? 0 : -ENOEXEC;
}

int heald_region_unlink(const char *name)
{
    char path[PATH_MAX];
    int err = path_of(name, path);

    if (!err)
        err = is_region(path);
    if (!err && unlink(path) < 0)
        err = -errno;
    return err;
}

int heald_region_fd(const struct heald_region *region)
{
    return region->fd;
}

void *heald_region_data(const struct heald_region *region)
{
    return region->base + region->data_at;
}

size_t heald_region_size(const struct heald_region *region)
{
    return (size_t)(region->size - region->data_at);
}
