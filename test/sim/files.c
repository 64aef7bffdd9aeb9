/*
 * test/sim/files.c: files of the world: a few names in one directory, what they are names of, and
 * the calls on them. See sim.h.
 *
 * Any of them may be interrupted. What a call returns is given to the op that made it: the one that
 * is being submitted, or whose attempt the kernel makes.
 */
#include "sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f"};

static unsigned below(unsigned n)
{
    return rng_below(&world.rng, n);
}

static bool interrupted(void)
{
    return rng_one_in(&world.rng, 30);
}

/* The place of a name: what it is the name of, 0: nothing. */
static uint8_t *at(const char *name)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(name, names[i]) == 0)
            return &world.name[i];
    ck_abort_msg("a call gets the name \"%s\"", name);
    return NULL;
}

static struct wnode *node(uint8_t n)
{
    return &world.node[n];
}

/* A new one, with one user; 0: no room. */
static uint8_t create(enum wnode_kind kind)
{
    for (uint8_t n = 1; n < NODES; n++)
        if (!world.node[n].users) {
            world.node[n] = (struct wnode){.kind = kind, .users = 1};
            return n;
        }
    return 0;
}

static int64_t gave(int64_t result)
{
    model_gave(result);
    return result;
}

static int make(const char *name, enum wnode_kind kind)
{
    uint8_t *n = at(name);

    if (interrupted())
        return -EINTR;
    if (*n)
        return (int)gave(-EEXIST);
    return (int)gave((*n = create(kind)) ? 0 : -ENOSPC);
}

static int open_node(uint8_t n)
{
    int fd = world_open(FD_FILE);

    if (fd >= 0) {
        world.fd[fd].node = n;
        node(n)->users++;
    }
    return fd;
}

static int open_name(uint8_t *n, int flags)
{
    if (*n && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (*n && node(*n)->kind == NODE_LINK)
        return -ELOOP;
    if (*n && node(*n)->kind == NODE_DIRECTORY && flags & O_ACCMODE)
        return -EISDIR;
    if (!*n && !(flags & O_CREAT))
        return -ENOENT;
    if (!*n && !(*n = create(NODE_FILE)))
        return -ENOSPC;
    if (flags & O_TRUNC)
        node(*n)->size = 0;
    return open_node(*n);
}

int files_open(int dirfd, const char *name, int flags, mode_t mode)
{
    (void)dirfd;
    (void)mode;
    return interrupted() ? -EINTR : (int)gave(open_name(at(name), flags));
}

int files_tempfile_unnamed(int dirfd, const char *directory, int flags)
{
    (void)dirfd;
    (void)directory;
    (void)flags;
    uint8_t n = create(NODE_FILE);
    int fd = n ? open_node(n) : -ENOSPC;

    if (n)
        node(n)->users--;
    return (int)gave(fd);
}

void files_closed(const struct wfd *w)
{
    if (w->node)
        node(w->node)->users--;
}

int files_stat(int dirfd, const char *name, int flags, struct heald_stat *ret_stat)
{
    uint8_t *n = at(name);

    (void)dirfd;
    (void)flags;
    if (interrupted())
        return -EINTR;
    *ret_stat = (struct heald_stat){0};
    return (int)gave(*n ? 0 : -ENOENT);
}

int files_fsync(int fd, bool data_only)
{
    (void)data_only;
    if (interrupted())
        return -EINTR;
    return (int)gave(world_fd(fd) ? below(8) ? 0 : -EIO : -EBADF);
}

int files_unlink(int dirfd, const char *name, int flags)
{
    uint8_t *n = at(name);
    bool is_directory = *n && node(*n)->kind == NODE_DIRECTORY;

    (void)dirfd;
    if (interrupted())
        return -EINTR;
    if (!*n)
        return (int)gave(-ENOENT);
    if (is_directory != ((flags & AT_REMOVEDIR) != 0))
        return (int)gave(is_directory ? -EISDIR : -ENOTDIR);
    node(*n)->users--;
    *n = 0;
    return (int)gave(0);
}

int files_mkdir(int dirfd, const char *name, mode_t mode)
{
    (void)dirfd;
    (void)mode;
    return make(name, NODE_DIRECTORY);
}

int files_symlink(const char *target, int dirfd, const char *name)
{
    (void)target;
    (void)dirfd;
    return make(name, NODE_LINK);
}

int files_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    uint8_t *n = at(from), *m = at(to);

    (void)from_dirfd;
    (void)to_dirfd;
    (void)flags;
    if (interrupted())
        return -EINTR;
    if (!*n || *m)
        return (int)gave(*n ? -EEXIST : -ENOENT);
    if (node(*n)->kind == NODE_DIRECTORY)
        return (int)gave(-EPERM);
    node(*m = *n)->users++;
    return (int)gave(0);
}

int files_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    uint8_t *n = at(from), *m = at(to);

    (void)from_dirfd;
    (void)to_dirfd;
    (void)flags;
    if (interrupted())
        return -EINTR;
    if (!*n)
        return (int)gave(-ENOENT);
    if (*n == *m)
        return (int)gave(0);
    if (*m)
        node(*m)->users--;
    *m = *n;
    *n = 0;
    return (int)gave(0);
}

int64_t files_readlink(int dirfd, const char *name, char *buf, size_t len)
{
    uint8_t *n = at(name);

    (void)dirfd;
    if (interrupted())
        return -EINTR;
    if (!*n || node(*n)->kind != NODE_LINK)
        return gave(*n ? -EINVAL : -ENOENT);
    memset(buf, 'l', len);
    return gave((int64_t)len);
}

int files_chmod(int dirfd, const char *name, mode_t mode, int flags)
{
    (void)mode;
    return files_utimens(dirfd, name, NULL, flags);
}

int files_utimens(int dirfd, const char *name, const struct heald_time *times, int flags)
{
    (void)dirfd;
    (void)times;
    (void)flags;
    return interrupted() ? -EINTR : (int)gave(*at(name) ? 0 : -ENOENT);
}

int files_ftruncate(int fd, int64_t size)
{
    struct wfd *w = world_fd(fd);

    if (interrupted())
        return -EINTR;
    if (!w)
        return (int)gave(-EBADF);
    node(w->node)->size = size;
    return (int)gave(0);
}

int files_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
    struct wfd *w = world_fd(fd);

    (void)mode;
    if (interrupted())
        return -EINTR;
    if (!w)
        return (int)gave(-EBADF);
    if (node(w->node)->size < offset + size)
        node(w->node)->size = offset + size;
    return (int)gave(0);
}

/* How far a transfer gets, where the file has so much of it; -1: from the position, which moves. */
static int64_t transferred(struct wfd *w, int64_t offset, size_t len, bool in)
{
    int64_t from = offset < 0 ? w->position : offset, size = node(w->node)->size;
    int64_t n = 1 + below((unsigned)len); /* less than was asked for, at times */

    if (in && from + n > size)
        n = from < size ? size - from : 0;
    if (!in && from + n > size)
        node(w->node)->size = from + n;
    if (offset < 0)
        w->position = from + n;
    return n;
}

int64_t files_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    struct wfd *w = world_fd(fd);

    (void)count;
    if (interrupted())
        return -EINTR;
    if (!w)
        return gave(-EBADF);
    int64_t n = transferred(w, offset, iov->iov_len, true);
    memset(iov->iov_base, 'f', (size_t)n);
    return gave(n);
}

int64_t files_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
    struct wfd *w = world_fd(fd);

    (void)count;
    if (interrupted())
        return -EINTR;
    return gave(w ? transferred(w, offset, iov->iov_len, false) : -EBADF);
}

/* The program. */

/* A file that it has open, or a new one, at times; -1: none can be had. */
int files_some(void)
{
    unsigned first = below(FDS), open = 0;

    for (unsigned i = 0; i < FDS; i++) {
        int fd = (int)((first + i) % FDS);
        const struct wfd *w = world_fd(fd);
        if (!w || w->type != FD_FILE || w->closing || !w->owned)
            continue;
        if (++open == 1 && below(4))
            return fd;
    }
    uint8_t n = open > 12 ? 0 : create(NODE_FILE);
    int fd = n ? open_node(n) : -1;
    if (n)
        node(n)->users--;
    if (fd >= 0)
        world.fd[fd].owned = true;
    return fd;
}

static const char *some_name(void)
{
    return names[below(NAMES)];
}

static int prep_on_fd(struct slot *s)
{
    int fd = s->fd = files_some();
    int64_t offset = below(2) ? (int64_t)below(100) : HEALD_NO_OFFSET;

    if (fd < 0)
        return -1;
    switch (below(6)) {
    case 0: return heald_prep_fsync(&s->op, fd, (int)below(2));
    case 1: return heald_prep_ftruncate(&s->op, fd, below(100));
    case 2: return heald_prep_fallocate(&s->op, fd, 0, below(100), 1 + below(100));
    case 3:
    case 4: return heald_prep_read(&s->op, fd, s->buf, 1 + below(ROOM), offset);
    default: return heald_prep_write(&s->op, fd, s->buf, 1 + below(ROOM), offset);
    }
}

static int prep_on_name(struct slot *s)
{
    static const int flags[] = {O_RDONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
                                O_WRONLY | O_TRUNC};
    static struct heald_stat ignored;
    const char *name = some_name();

    switch (below(12)) {
    case 0: return heald_prep_stat(&s->op, AT_FDCWD, name, 0, &ignored);
    case 1: return heald_prep_unlink(&s->op, AT_FDCWD, name);
    case 2: return heald_prep_rmdir(&s->op, AT_FDCWD, name);
    case 3: return heald_prep_mkdir(&s->op, AT_FDCWD, name, 0700);
    case 4: return heald_prep_symlink(&s->op, "target", AT_FDCWD, name);
    case 5: return heald_prep_link(&s->op, AT_FDCWD, some_name(), AT_FDCWD, name, 0);
    case 6: return heald_prep_rename(&s->op, AT_FDCWD, some_name(), AT_FDCWD, name, 0);
    case 7: return heald_prep_readlink(&s->op, AT_FDCWD, name, (char *)s->buf, ROOM);
    case 8: return heald_prep_chmod(&s->op, AT_FDCWD, name, 0600, 0);
    case 9: return heald_prep_utimens(&s->op, AT_FDCWD, name, NULL, 0);
    case 10: return heald_prep_tempfile_unnamed(&s->op, AT_FDCWD, ".", O_RDWR);
    default: return heald_prep_open(&s->op, AT_FDCWD, name, flags[below(4)], 0600);
    }
}

int files_prep(struct slot *s)
{
    s->file = true;
    return below(2) ? prep_on_fd(s) : prep_on_name(s);
}

/* What an open gave is the program's from now on. */
void files_told(const struct slot *s)
{
    bool opens = s->op.kind == OP_OPEN || s->op.kind == OP_TEMPFILE_UNNAMED;

    if (s->file && opens && s->op.result >= 0)
        world.fd[s->op.result].owned = true;
}

void files_verify_end(void)
{
    for (int fd = FD_FIRST; fd < FDS; fd++) {
        const struct wfd *w = world_fd(fd);
        VERIFY(!w || w->type != FD_FILE || w->owned, "descriptor %d was opened and nobody told",
               fd);
    }
}
