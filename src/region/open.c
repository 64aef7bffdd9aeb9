/*
 * region/open.c: making, opening and naming regions. Any thread.
 *
 * A region is made as a file without a name, filled, and then given its name by link(2), which
 * refuses when there is one: so it exists completely or not at all, two that make the same one
 * agree on one of them, and a process that is killed half-way leaves nothing.
 *
 * A process that has a region open holds a shared flock(2) on it, which the kernel releases when
 * the last process that has it mapped is gone. A process that gets it exclusively is the only user:
 * it removes the participants that the file lists (the machine stopped, or it is a copy of one in
 * use: whatever boot and name spaces it names), or unlinks the name of one that is no longer
 * wanted. So a process that has opened a file checks, once it holds its lock, whether that still
 * has a name, and begins again if not.
 *
 * The last one to close a temporary region unlinks the name. Two may close it at once, and each
 * find that the other still has it open: so each closes it, and then opens the name once more and
 * requests that file exclusively. Of those that do so at once, one gets it.
 */
#include "region/region.h"

#include "platform/shm.h"
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAP_LEAST = 16 * 1024,
    SIZE_DEFAULT = 64 * 1024,
    HEAP_MOST_DEFAULT = 64 * 1024 * 1024,
    PARTICIPANTS_DEFAULT = 64,
    NAMES_DEFAULT = 64,
    MODE_DEFAULT = 0600,
    RACES_MAX = 100
};

enum {
    REGION_FLAGS = HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE | HEALD_REGION_ANY_OWNER |
                   HEALD_REGION_READ_ONLY | HEALD_REGION_TEMPORARY | HEALD_REGION_SNAPSHOT
};

static const char file_prefix[] = "file:";

/* The file of a region's name: 0, -EINVAL, -ENAMETOOLONG. */
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
    int n = snprintf(path, PATH_MAX, "%s%s", is_file ? "" : heald__shm_directory, name);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int set_defaults(struct heald_region_options *o)
{
    o->size = o->size ? o->size : SIZE_DEFAULT;
    o->participants = o->participants ? o->participants : PARTICIPANTS_DEFAULT;
    o->mode = o->mode ? o->mode : MODE_DEFAULT;
    if (o->heap && o->heap < HEAP_LEAST)
        o->heap = HEAP_LEAST;
    if (o->heap && !o->names)
        o->names = NAMES_DEFAULT;
    if (o->heap && !o->heap_max)
        o->heap_max = o->heap > HEAP_MOST_DEFAULT ? o->heap : HEAP_MOST_DEFAULT;
    if (o->participants > REGION_SLOTS_MAX || o->names > REGION_NAMES_MAX ||
        o->size > SIZE_MAX / 8 || o->heap_max > SIZE_MAX / 8 || o->heap > o->heap_max ||
        (!o->heap && (o->heap_max || o->names)) || o->trace & ~1 || o->mode & ~(mode_t)0777)
        return -EINVAL;
    return 0;
}

static int check_flags(int flags)
{
    bool alone = flags & HEALD_REGION_EXCLUSIVE && !(flags & HEALD_REGION_CREATE);
    bool reads =
        flags & HEALD_REGION_READ_ONLY && flags & (HEALD_REGION_CREATE | HEALD_REGION_TEMPORARY);
    bool copies = flags & HEALD_REGION_SNAPSHOT && !(flags & HEALD_REGION_READ_ONLY);

    return flags & ~REGION_FLAGS || alone || reads || copies ? -EINVAL : 0;
}

/* Everything in a region that nobody else can see yet. */
static int fill(char *base, struct region_head *head, const struct heald_region_options *o)
{
    struct region_slot *slots = (struct region_slot *)(void *)(base + head->slots_at);
    int err = 0;

    for (unsigned i = 0; i < head->slots && !err; i++)
        err = heald__plat_life_init(&slots[i].life);
    if (!err && o->init)
        err = o->init(base + head->data_at, (size_t)(head->heap_at - head->data_at), o->ctx);
    if (err)
        return err;
    head->creator_pid = getpid();
    head->creator_start_time = heald__plat_start_time(getpid());
    head->creator_pid_space = heald__plat_pid_space();
    head->boot = heald__plat_boot();
    heald__region_seal(head);
    memcpy(base, head, sizeof *head);
    return 0;
}

/* It is whole, but for its name. */
static int set_up(struct heald_region *region, const struct heald_region_options *o)
{
    return o->setup ? o->setup(region, o->ctx) : 0;
}

/* Makes a region of an empty file. Takes over fd when it succeeds. */
static int make(struct heald_region **ret_region, int fd, const struct heald_region_options *o)
{
    struct region_head head = {0};
    char *base = NULL;

    heald__region_layout(&head, &(struct region_shape){.slots = o->participants,
                                                       .names = o->names,
                                                       .data = o->size,
                                                       .heap = o->heap,
                                                       .heap_max = o->heap_max,
                                                       .is_traced = o->trace});
    int err = heald__plat_reserve(fd, 0, head.size);
    if (!err)
        err = heald__region_map(fd, head.max_size, false, &base);
    if (err)
        return err;
    err = fill(base, &head, o);
    if (!err)
        err = heald__region_adopt(ret_region, base, &head, fd);
    if (err)
        munmap(base, head.max_size);
    else
        heald__plat_file_share(fd);
    return err;
}

static int create(struct heald_region **ret_region, const char *path,
                  const struct heald_region_options *o)
{
    struct heald_draft draft;
    int err = heald__plat_draft_open(&draft, path, o->mode);

    if (err)
        return err;
    err = make(ret_region, draft.fd, o);
    if (err) {
        close(draft.fd);
    } else {
        err = set_up(*ret_region, o);
        if (!err)
            err = heald__plat_draft_name(&draft, path);
        if (err)
            heald_region_close(*ret_region);
    }
    heald__plat_draft_end(&draft);
    return err;
}

/* 0: a region, and its head. */
static int read_head(int fd, bool any_owner, struct region_head *head, const char **ret_why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof *head) {
        *ret_why = S_ISREG(st.st_mode) ? "it is too small" : "it is not a file";
        return -ENOEXEC;
    }
    if (!any_owner && st.st_uid != geteuid() && st.st_uid != 0)
        return -EPERM;
    ssize_t n = pread(fd, head, sizeof *head, 0);
    if (n < 0)
        return -errno;
    if (n == (ssize_t)sizeof *head)
        return heald__region_check(head, (uint64_t)st.st_size, ret_why);
    *ret_why = "it is too small";
    return -ENOEXEC;
}

/* Maps it, and takes over fd when it succeeds. */
static int open_head(struct heald_region **ret_region, int fd, int flags,
                     const struct region_head *found)
{
    bool read_only = flags & HEALD_REGION_READ_ONLY, copies = flags & HEALD_REGION_SNAPSHOT;
    struct region_head head = *found;
    char *base = NULL;
    int err;

    size_t size = (size_t)(copies ? head.data_at : head.max_size);
    err = copies ? heald__region_copy(fd, &head, &base)
                 : heald__region_map(fd, head.max_size, read_only, &base);
    if (err)
        return err;
    err = heald__region_adopt(ret_region, base, &head, fd);
    if (err) {
        munmap(base, size);
        return err;
    }
    (*ret_region)->is_read_only = read_only;
    (*ret_region)->is_snapshot = copies;
    (*ret_region)->mapped = size;
    return 0;
}

/* The same, of which nothing is known. any_owner: also that of another user. */
static int open_fd(struct heald_region **ret_region, int fd, int flags, const char **ret_why)
{
    struct region_head head = {0};
    int err = read_head(fd, flags & HEALD_REGION_ANY_OWNER, &head, ret_why);

    return err ? err : open_head(ret_region, fd, flags, &head);
}

/* Has the file a name still? Else it was unlinked between open(2) and flock(2). */
static int check_named(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return st.st_nlink ? 0 : -ESTALE;
}

/* Was it last used before the machine was started? */
static bool is_of_another_boot(int fd)
{
    uint64_t boot, now = heald__plat_boot();

    return pread(fd, &boot, sizeof boot, offsetof(struct region_head, boot)) == sizeof boot &&
           now && boot != now;
}

/* Opens, with the file's lock. -ESTALE: it has lost its name meanwhile. */
static int open_locked(struct heald_region **ret_region, int fd, int flags, const char **ret_why)
{
    bool is_alone = heald__plat_file_claim(fd) == 0;

    if (!is_alone)
        heald__plat_file_share(fd);
    /* A process that only checked whether it is used may have had it. */
    if (!is_alone && is_of_another_boot(fd) && !(is_alone = heald__plat_file_claim(fd) == 0))
        heald__plat_file_share(fd);
    int err = check_named(fd);
    if (!err)
        err = open_fd(ret_region, fd, flags, ret_why);
    if (err || !is_alone)
        return err;
    heald__region_clear(*ret_region);
    heald__plat_file_share(fd);
    /* Between the two locks another may have had it exclusively. */
    if ((err = check_named(fd))) {
        (*ret_region)->fd = -1;
        heald_region_close(*ret_region);
    }
    return err;
}

static int open_path(struct heald_region **ret_region, const char *path, int flags,
                     const char **ret_why)
{
    bool read_only = flags & HEALD_REGION_READ_ONLY;
    int how = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = heald__plat_own(open(path, how));

    if (fd < 0)
        return fd;
    int err = read_only ? open_fd(ret_region, fd, flags, ret_why)
                        : open_locked(ret_region, fd, flags, ret_why);
    if (err)
        close(fd);
    return err;
}

/* Open or create: whichever of the two fails because of another process is tried again. */
static int open_or_create(struct heald_region **ret_region, const char *path, int flags,
                          const struct heald_region_options *o)
{
    for (int race = 0; race < RACES_MAX; race++) {
        int err = flags & HEALD_REGION_EXCLUSIVE ? -ENOENT
                                                 : open_path(ret_region, path, flags, o->ret_why);
        if (err == -ESTALE)
            continue;
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
    const char *why = NULL;
    char path[PATH_MAX];
    int err = path_of(name, path);

    o.ret_why = &why;
    if (!err)
        err = check_flags(flags);
    if (!err)
        err = set_defaults(&o);
    if (!err)
        err = open_or_create(&region, path, flags, &o);
    if (options && options->ret_why)
        *options->ret_why = why;
    if (!err && flags & HEALD_REGION_TEMPORARY && !(region->temporary = strdup(path))) {
        heald_region_close(region);
        err = -ENOMEM;
    }
    if (!err)
        *ret_region = region;
    return err;
}

int heald_region_create_memfd(struct heald_region **ret_region,
                              const struct heald_region_options *options)
{
    struct heald_region_options o = options ? *options : (struct heald_region_options){0};
    struct heald_region *region;
    uint64_t memory = heald__plat_memory();
    int err = set_defaults(&o);

    /* No file system bounds it, and the system would rather kill a process than refuse it. */
    if (!err && memory && (o.size > memory || o.heap > memory))
        err = -ENOSPC;
    int fd = err ? err : heald__plat_memfd("heald");

    if (fd < 0)
        return fd;
    err = make(&region, fd, &o);
    if (err) {
        close(fd);
        return err;
    }
    int seals = HEALD_SEAL_SHRINK | HEALD_SEAL_SEAL | (o.heap_max > o.heap ? 0 : HEALD_SEAL_GROW);
    err = set_up(region, &o);
    if (err || (err = heald__plat_memfd_seal(fd, seals))) {
        heald_region_close(region);
        return err;
    }
    *ret_region = region;
    return 0;
}

static int check_limits(const struct region_head *head, uint64_t size_max, bool whole,
                        const char **ret_why)
{
    if (head->max_size > size_max) {
        *ret_why = "it may grow above size_max";
        return -EFBIG;
    }
    if (!whole || head->max_size == head->size)
        return 0;
    *ret_why = "its heap grows, and its file is sealed";
    return -EBADMSG;
}

int heald__region_open_copy(struct heald_region **ret_region, int fd, uint64_t size_max, bool whole,
                            const char **ret_why)
{
    struct region_head head = {0};
    int copy = heald__plat_own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    int err = copy < 0 ? copy : read_head(copy, true, &head, ret_why);

    if (!err)
        err = check_limits(&head, size_max, whole, ret_why);
    if (!err)
        err = open_head(ret_region, copy, HEALD_REGION_ANY_OWNER, &head);
    if (!err)
        heald__plat_file_share(copy);
    else if (copy >= 0)
        close(copy);
    return err;
}

int heald_region_open_fd(struct heald_region **ret_region, int fd)
{
    const char *why;

    return heald__region_open_copy(ret_region, fd, UINT64_MAX, false, &why);
}

/* So that a slip of the pen does not cost a file that is something else. A descriptor, or -errno.
 */
static int open_region(const char *path)
{
    uint64_t magic = 0;
    int fd = heald__plat_own(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));

    if (fd < 0)
        return fd;
    ssize_t n = pread(fd, &magic, sizeof magic, 0);
    if (n == (ssize_t)sizeof magic && magic == REGION_MAGIC)
        return fd;
    close(fd);
    return -ENOEXEC;
}

/* 0: no process has it open, nor will before the descriptor is closed: one that opens it now waits
 * for the lock, and then finds that it has no name. -EBUSY: or the name is another's by now. */
static int claim_unused(int fd, const char *path)
{
    return heald__plat_file_claim(fd) < 0 || !heald__region_has_name(fd, path) ? -EBUSY : 0;
}

static int unlink_region(const char *name, bool only_unused, bool dry_run)
{
    char path[PATH_MAX];
    int err = path_of(name, path), fd = err ? err : open_region(path);

    if (fd < 0)
        return fd;
    if (only_unused)
        err = claim_unused(fd, path);
    if (!err && !dry_run && unlink(path) < 0)
        err = -errno;
    close(fd);
    return err;
}

void heald__region_unlink_last(const char *path, const struct stat *file)
{
    struct stat found;
    int fd = open_region(path);

    if (fd < 0)
        return;
    bool is_it = fstat(fd, &found) == 0 && heald__region_is_same_file(&found, file);
    if (is_it && claim_unused(fd, path) == 0)
        unlink(path);
    close(fd);
}

int heald_region_unlink(const char *name)
{
    return unlink_region(name, false, false);
}

int heald_region_unlink_unused(const char *name, int dry_run)
{
    return unlink_region(name, true, dry_run);
}
