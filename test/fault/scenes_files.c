/* test/fault/scenes_files.c: scenes with directories, attributes, and locks of files. */
#include "fault/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char path[64], target[16], temp[16];
    uint64_t entries[64];
    int dir, fd, copy_fd, sock[2];
    struct heald_copy copy;
    struct heald_statfs statfs;
    struct heald_time times[2];
};

static const char *const names[] = {"old", "file", "renamed", "second", "link", "new-link"};
static const char *const directories[] = {"old-dir", "new-dir"};

static void tree_make(struct scene *s)
{
    struct tree *t = s->own = calloc(1, sizeof *t);
    const char *tmp = getenv("TMPDIR");

    snprintf(t->path, sizeof t->path, "%s/heald-fault-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(t->path))
        abort();
    t->dir = scene_keep(s, open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 2; i++)
        close(openat(t->dir, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(openat(t->dir, "to-rename", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    t->fd = scene_keep(s, openat(t->dir, "file", O_RDWR | O_CLOEXEC));
    t->copy_fd = scene_keep(s, openat(t->dir, "old", O_RDWR | O_CLOEXEC));
    t->copy.len = 10;
    if (ftruncate(t->fd, 10))
        abort();
    scene_pair(s, SOCK_STREAM, t->sock);
    if (symlinkat("file", t->dir, "link") || mkdirat(t->dir, "old-dir", 0700))
        abort();
}

static void paths_change(struct scene *s, struct tree *t)
{
    struct entry *e;

    heald_prep_unlink(&(e = scene_op(s, NULL))->op, t->dir, "old");
    scene_go(e);
    heald_prep_rmdir(&(e = scene_op(s, NULL))->op, t->dir, "old-dir");
    scene_go(e);
    heald_prep_mkdir(&(e = scene_op(s, NULL))->op, t->dir, "new-dir", 0700);
    scene_go(e);
    heald_prep_symlink(&(e = scene_op(s, NULL))->op, "target", t->dir, "new-link");
    scene_go(e);
    heald_prep_link(&(e = scene_op(s, NULL))->op, t->dir, "file", t->dir, "second", 0);
    scene_go(e);
    heald_prep_rename(&(e = scene_op(s, NULL))->op, t->dir, "to-rename", t->dir, "renamed", 0);
    scene_go(e);
    heald_prep_readlink(&(e = scene_op(s, NULL))->op, t->dir, "link", t->target, sizeof t->target);
    scene_go(e);
}

static void opened(struct entry *e)
{
    if (e->op.result >= 0)
        scene_keep(e->scene, (int)e->op.result);
}

static void paths(struct scene *s)
{
    struct entry *e;

    tree_make(s);
    struct tree *t = s->own;
    paths_change(s, t);
    heald_prep_chmod(&(e = scene_op(s, NULL))->op, t->dir, "file", 0640, 0);
    scene_go(e);
    heald_prep_chown(&(e = scene_op(s, NULL))->op, t->fd, "", (uid_t)-1, getgid(), 0);
    scene_go(e);
    heald_prep_utimens(&(e = scene_op(s, NULL))->op, t->dir, "file", t->times, 0);
    scene_go(e);
    heald_prep_statfs(&(e = scene_op(s, NULL))->op, t->dir, "", &t->statfs);
    scene_go(e);
    heald_prep_copy_range(&(e = scene_op(s, NULL))->op, t->fd, t->copy_fd, &t->copy);
    scene_go(e);
    heald_prep_sendfile(&(e = scene_op(s, NULL))->op, t->sock[1], t->fd, 0, 10);
    scene_go(e);
    heald_prep_readdir(&(e = scene_op(s, NULL))->op, t->dir, t->entries, sizeof t->entries, 0);
    scene_go(e);
    heald_prep_tempfile(&(e = scene_op(s, opened))->op, t->dir, "temp-XXXXXX", 0, t->temp);
    scene_go(e);
    heald_prep_tempfile_unnamed(&(e = scene_op(s, opened))->op, t->dir, ".", 0);
    scene_go(e);
    heald_prep_ftruncate(&(e = scene_op(s, NULL))->op, t->fd, 100);
    scene_go(e);
    heald_prep_fallocate(&(e = scene_op(s, NULL))->op, t->fd, 0, 0, 4096);
    scene_go(e);
}

static void tree_remove(struct scene *s)
{
    struct tree *t = s->own;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(t->dir, names[i], 0);
    unlinkat(t->dir, "to-rename", 0);
    if (*t->temp)
        unlinkat(t->dir, t->temp, 0);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        unlinkat(t->dir, directories[i], AT_REMOVEDIR);
    rmdir(t->path);
    free(t);
}

const struct scene_kind scene_paths = {"paths", paths, tree_remove};

/* The first has its lock, and the second waits for it. */
static void lock_obtained(struct entry *e)
{
    struct scene *s = e->scene;
    int fd = e->op.u.range.fd;
    bool whole = e->op.u.range.size == 0;

    if (e->op.result < 0)
        return;
    e = scene_op(s, NULL);
    if (whole)
        heald_prep_flock(&e->op, fd, HEALD_FILE_UNLOCKED);
    else
        heald_prep_file_unlock(&e->op, fd, 0, 10);
    scene_go(e);
}

static void locks(struct scene *s)
{
    struct entry *e;
    int fd[2];
    /* The portable platform, which has no other clock either, locks whole files alone. */
    bool ranges = heald_clock_now(HEALD_CLOCK_BOOT) >= 0;

    tree_make(s);
    struct tree *t = s->own;
    for (int i = 0; i < 2; i++)
        fd[i] = scene_keep(s, openat(t->dir, "file", O_RDWR | O_CLOEXEC));
    for (int i = 0; i < 2; i++) {
        heald_prep_flock(&(e = scene_op(s, lock_obtained))->op, fd[i], HEALD_FILE_EXCLUSIVE);
        scene_go(e);
        if (!ranges)
            continue;
        heald_prep_file_lock(&(e = scene_op(s, lock_obtained))->op, fd[i], HEALD_FILE_EXCLUSIVE, 0,
                             10);
        scene_go(e);
    }
    /* Beyond all others; it is given up. */
    heald_prep_file_lock(&(e = scene_op(s, NULL))->op, fd[0], HEALD_FILE_SHARED, 20, 1);
    e->op.deadline_ns = 1;
    e->cancelled = true;
    scene_go(e);
}

const struct scene_kind scene_locks = {"locks", locks, tree_remove};
