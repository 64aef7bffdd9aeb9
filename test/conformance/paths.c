/* test/conformance/paths.c: directories, links, attributes and space of files, on every engine. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/stat.h>

static void make_file(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static mode_t mode_of(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode : 0;
}

static off_t size_of(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, 0) == 0 ? st.st_size : -1;
}

HEALD_CASE(directories_are_made_and_removed)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64], inner[96];
    int dir = dir_make(path);

    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_mkdir(&p.op, dir, "in", 0750)), 0);
    ck_assert_uint_eq(mode_of(dir, "in") & 07777, 0750);
    /* The same op once more, as it was prepared. */
    ck_assert_int_eq(probe_do(loop, &p), -EEXIST);
    ck_assert_str_eq(heald_op_kind(&p.op), "mkdir");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_mkdir(&p.op, dir, "none/in", 0700)),
                     -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_unlink(&p.op, dir, "in")), -EISDIR);
    make_file(dir, "in/file", "x");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rmdir(&p.op, dir, "in")), -ENOTEMPTY);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rmdir(&p.op, dir, "in/file")), -ENOTDIR);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_unlink(&p.op, dir, "in/file")), 0);
    ck_assert_int_eq(probe_do(loop, &p), -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rmdir(&p.op, dir, "in")), 0);
    ck_assert_str_eq(heald_op_kind(&p.op), "rmdir");
    snprintf(inner, sizeof inner, "%s/absolute", path);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_mkdir(&p.op, -1, inner, 0700)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rmdir(&p.op, AT_FDCWD, inner)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_mkdir(&p.op, -1, "relative", 0700)),
                     -EBADF);
    probe_refused(loop, &p, heald_prep_mkdir(&p.op, dir, NULL, 0700));
    probe_refused(loop, &p, heald_prep_rmdir(&p.op, dir, NULL));
    probe_refused(loop, &p, heald_prep_unlink(&p.op, dir, NULL));
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(symbolic_links)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64], text[16] = "----------";
    int dir = dir_make(path);

    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_symlink(&p.op, "target", dir, "link")), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EEXIST);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readlink(&p.op, dir, "link", text, 16)),
                     6);
    ck_assert_str_eq(text, "target----");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readlink(&p.op, dir, "link", text + 6, 3)),
                     3);
    ck_assert_str_eq(text, "targettar-");
    make_file(dir, "file", "x");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readlink(&p.op, dir, "file", text, 16)),
                     -EINVAL);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readlink(&p.op, dir, "none", text, 16)),
                     -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_symlink(&p.op, "", dir, "empty")),
                     -ENOENT);
    probe_refused(loop, &p, heald_prep_symlink(&p.op, NULL, dir, "x"));
    probe_refused(loop, &p, heald_prep_symlink(&p.op, "x", dir, NULL));
    probe_refused(loop, &p, heald_prep_readlink(&p.op, dir, "link", NULL, 16));
    probe_refused(loop, &p, heald_prep_readlink(&p.op, dir, "link", text, 0));
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(hard_links)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "file", "12345");
    ck_assert_int_eq(symlinkat("file", dir, "link"), 0);
    ck_assert_int_eq(
        probe_prepared(loop, &p, heald_prep_link(&p.op, dir, "file", dir, "second", 0)), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EEXIST);
    ck_assert_int_eq(size_of(dir, "second"), 5);
    ck_assert_int_eq(
        probe_prepared(loop, &p,
                       heald_prep_link(&p.op, dir, "link", dir, "third", AT_SYMLINK_FOLLOW)),
        0);
    ck_assert_int_eq(S_ISREG(mode_of(dir, "third")), 1);
    /* The flags outlast a completion. */
    ck_assert_int_eq(unlinkat(dir, "third", 0), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(S_ISREG(mode_of(dir, "third")), 1);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_link(&p.op, dir, "none", dir, "x", 0)),
                     -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_link(&p.op, dir, "file", -1, "x", 0)),
                     -EBADF);
    probe_refused(loop, &p, heald_prep_link(&p.op, dir, "file", dir, "x", AT_SYMLINK_NOFOLLOW));
    probe_refused(loop, &p, heald_prep_link(&p.op, dir, NULL, dir, "x", 0));
    probe_refused(loop, &p, heald_prep_link(&p.op, dir, "file", dir, NULL, 0));
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(a_file_without_a_name_gets_one)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    skip_on_portable("a file is not named by its descriptor");
    make_file(dir, "file", "12345");
    int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_link(&p.op, fd, "", dir, "second", 0)), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EEXIST);
    ck_assert_int_eq(size_of(dir, "second"), 5);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_link(&p.op, -1, "", dir, "third", 0)),
                     -EBADF);
    close(fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(renames)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "a", "1");
    make_file(dir, "b", "22");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rename(&p.op, dir, "a", dir, "b", 0)), 0);
    ck_assert_int_eq(size_of(dir, "b"), 1);
    ck_assert_int_eq(probe_do(loop, &p), -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_rename(&p.op, dir, "b", -1, "c", 0)),
                     -EBADF);
    probe_refused(loop, &p, heald_prep_rename(&p.op, dir, "b", dir, "c", 3));
    probe_refused(loop, &p, heald_prep_rename(&p.op, dir, "b", dir, "c", 4));
    probe_refused(loop, &p, heald_prep_rename(&p.op, dir, "b", dir, "c", -1));
    probe_refused(loop, &p, heald_prep_rename(&p.op, dir, NULL, dir, "c", 0));
    probe_refused(loop, &p, heald_prep_rename(&p.op, dir, "b", dir, NULL, 0));
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(renames_with_flags)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "a", "1");
    make_file(dir, "b", "22");
    int64_t got = probe_prepared(
        loop, &p, heald_prep_rename(&p.op, dir, "a", dir, "b", HEALD_RENAME_NOREPLACE));
    if (got == -ENOSYS || got == -EINVAL)
        harness_skip("no renameat2(2) here");
    ck_assert_int_eq(got, -EEXIST);
    ck_assert_int_eq(probe_do(loop, &p), -EEXIST);
    ck_assert_int_eq(
        probe_prepared(loop, &p,
                       heald_prep_rename(&p.op, dir, "a", dir, "b", HEALD_RENAME_EXCHANGE)),
        0);
    ck_assert_int_eq(size_of(dir, "a"), 2);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(size_of(dir, "a"), 1);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(permissions_and_owners)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "file", "x");
    ck_assert_int_eq(symlinkat("file", dir, "link"), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_chmod(&p.op, dir, "link", 0444, 0)), 0);
    ck_assert_uint_eq(mode_of(dir, "file") & 07777, 0444);
    int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_chmod(&p.op, fd, "", 0640, 0)), 0);
    ck_assert_uint_eq(mode_of(dir, "file") & 07777, 0640);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_chmod(&p.op, dir, "none", 0640, 0)),
                     -ENOENT);
    ck_assert_int_lt(
        probe_prepared(loop, &p, heald_prep_chmod(&p.op, dir, "link", 0640, AT_SYMLINK_NOFOLLOW)),
        1);
    ck_assert_int_eq(
        probe_prepared(loop, &p, heald_prep_chown(&p.op, dir, "link", (uid_t)-1, (gid_t)-1, 0)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p,
                                    heald_prep_chown(&p.op, dir, "link", getuid(), getgid(),
                                                     AT_SYMLINK_NOFOLLOW)),
                     0);
    ck_assert_int_eq(
        probe_prepared(loop, &p, heald_prep_chown(&p.op, fd, "", getuid(), getgid(), 0)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_chown(&p.op, dir, "none", 0, 0, 0)),
                     -ENOENT);
    probe_refused(loop, &p, heald_prep_chmod(&p.op, dir, "file", 010000, 0));
    probe_refused(loop, &p, heald_prep_chmod(&p.op, dir, "file", 0600, AT_REMOVEDIR));
    probe_refused(loop, &p, heald_prep_chmod(&p.op, dir, NULL, 0600, 0));
    probe_refused(loop, &p, heald_prep_chown(&p.op, dir, "file", 0, 0, -1));
    close(fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(times)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_time t[2] = {{.sec = 1000000000, .nsec = 5}, {.sec = 2000000000, .nsec = 7}};
    struct probe p = {0};
    struct stat st;
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "file", "x");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_utimens(&p.op, dir, "file", t, 0)), 0);
    ck_assert_int_eq(fstatat(dir, "file", &st, 0), 0);
    ck_assert_int_eq(st.st_atim.tv_sec, 1000000000);
    ck_assert_int_eq(st.st_mtim.tv_sec, 2000000000);
    t[0].nsec = HEALD_TIME_OMIT;
    t[1].nsec = HEALD_TIME_NOW;
    int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_utimens(&p.op, fd, "", t, 0)), 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_atim.tv_sec, 1000000000);
    ck_assert_int_ne(st.st_mtim.tv_sec, 2000000000);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_utimens(&p.op, dir, "file", NULL, 0)), 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_ne(st.st_atim.tv_sec, 1000000000);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_utimens(&p.op, dir, "none", t, 0)),
                     -ENOENT);
    t[1].nsec = 1000000000;
    probe_refused(loop, &p, heald_prep_utimens(&p.op, dir, "file", t, 0));
    probe_refused(loop, &p, heald_prep_utimens(&p.op, dir, "file", NULL, 1));
    close(fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(space)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path), pipe_fds[2];
    int fd = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_ftruncate(&p.op, fd, 12345)), 0);
    ck_assert_int_eq(size_of(dir, "file"), 12345);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_ftruncate(&p.op, fd, 0)), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(size_of(dir, "file"), 0);
    ck_assert_int_lt(probe_prepared(loop, &p, heald_prep_ftruncate(&p.op, fd, INT64_MAX)), 1);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    int64_t got = probe_prepared(loop, &p, heald_prep_fallocate(&p.op, fd, 0, 0, 8192));
    ck_assert(got == 0 || got == -EOPNOTSUPP || got == -ENOSYS);
    ck_assert_int_eq(size_of(dir, "file"), got ? 0 : 8192);
    got = probe_prepared(
        loop, &p,
        heald_prep_fallocate(&p.op, fd, HEALD_FALLOC_PUNCH_HOLE | HEALD_FALLOC_KEEP_SIZE, 0, 4096));
    ck_assert(got == 0 || got == -EOPNOTSUPP || got == -ENOSYS);
    ck_assert_int_lt(
        probe_prepared(loop, &p, heald_prep_fallocate(&p.op, fd, 0, INT64_MAX, INT64_MAX)), 0);
    pair_open(PAIR_PIPE, pipe_fds);
    ck_assert_int_lt(probe_prepared(loop, &p, heald_prep_ftruncate(&p.op, pipe_fds[1], 1)), 0);
    ck_assert_int_lt(probe_prepared(loop, &p, heald_prep_fallocate(&p.op, pipe_fds[1], 0, 0, 1)),
                     0);
    pair_close(loop, pipe_fds);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_ftruncate(&p.op, -1, 1)), -EBADF);
    probe_refused(loop, &p, heald_prep_ftruncate(&p.op, fd, -1));
    probe_refused(loop, &p, heald_prep_fallocate(&p.op, fd, 0, -1, 1));
    probe_refused(loop, &p, heald_prep_fallocate(&p.op, fd, 0, 0, 0));
    probe_refused(loop, &p, heald_prep_fallocate(&p.op, fd, 0, 0, -1));
    probe_refused(loop, &p, heald_prep_fallocate(&p.op, fd, 4, 0, 1));
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(file_systems)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_statfs by_path = {0}, by_fd = {0};
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);

    make_file(dir, "file", "x");
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_statfs(&p.op, dir, "file", &by_path)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_statfs(&p.op, dir, "", &by_fd)), 0);
    ck_assert_uint_gt(by_path.block_size, 0);
    ck_assert_uint_ge(by_path.name_max, 14);
    ck_assert_uint_eq(by_path.fsid, by_fd.fsid);
    ck_assert_uint_eq(by_path.type, by_fd.type);
    ck_assert_uint_eq(by_path.blocks, by_fd.blocks);
    ck_assert_uint_le(by_path.blocks_avail, by_path.blocks_free);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_statfs(&p.op, dir, "none", &by_fd)),
                     -ENOENT);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_statfs(&p.op, AT_FDCWD, "/proc", &by_fd)),
                     0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_statfs(&p.op, -1, "", &by_fd)), -EBADF);
    probe_refused(loop, &p, heald_prep_statfs(&p.op, dir, "file", NULL));
    dir_remove(dir, path);
    loop_end(loop);
}

/* The number is free when what names it has ended, and none of it lands in another directory. */
HEALD_CASE(the_directory_is_closed_meanwhile)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[20] = {0};
    char path[64], name[20][8];
    int dir = dir_make(path), made = 0;

    for (int round = 0; round < 2; round++) {
        int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 20; i++) {
            snprintf(name[i], sizeof name[i], "%d-%d", round, i);
            ck_assert_int_eq(heald_prep_mkdir(&p[i].op, fd, name[i], 0700), 0);
            probe_start(loop, &p[i]);
        }
        if (round)
            heald_forget(loop, fd);
        ck_assert_int_eq(round ? close(fd) : heald_close(loop, fd), 0);
        for (int i = 0; i < 20; i++) {
            int64_t got = probe_end(&p[i]);
            ck_assert(got == 0 || got == -ECANCELED);
            made += got == 0;
            ck_assert_int_eq(mode_of(dir, name[i]) != 0, got == 0);
        }
    }
    ck_assert_int_ge(made, 0);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(many_are_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[40] = {0};
    char path[64], name[40][8];
    int dir = dir_make(path);

    for (int i = 0; i < 40; i++) {
        snprintf(name[i], sizeof name[i], "%d", i);
        if (i % 2)
            heald_prep_symlink(&p[i].op, "x", dir, name[i]);
        else
            heald_prep_mkdir(&p[i].op, dir, name[i], 0700);
        p[i].op.deadline_ns = i % 3 ? HEALD_FOREVER : 1;
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 40; i += 5)
        heald_cancel(&p[i].op);
    for (int i = 0; i < 40; i++) {
        int64_t got = probe_end(&p[i]);
        ck_assert(got == 0 || got == -ECANCELED || got == -ETIMEDOUT);
        ck_assert_int_eq(mode_of(dir, name[i]) != 0, got == 0);
    }
    dir_remove(dir, path);
    loop_end(loop);
}

void add_paths(TCase *group)
{
    add_everywhere(group, directories_are_made_and_removed);
    add_everywhere(group, symbolic_links);
    add_everywhere(group, hard_links);
    add_everywhere(group, a_file_without_a_name_gets_one);
    add_everywhere(group, renames);
    add_everywhere(group, renames_with_flags);
    add_everywhere(group, permissions_and_owners);
    add_everywhere(group, times);
    add_everywhere(group, space);
    add_everywhere(group, file_systems);
    add_everywhere(group, the_directory_is_closed_meanwhile);
    add_everywhere(group, many_are_cancelled);
}
