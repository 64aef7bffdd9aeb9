/* test/conformance/directories.c: temporary files, and the entries of directories. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ENTRIES = 300, BUFFER = 512 };

HEALD_CASE(temporary_files_with_a_name)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct stat st, named;
    char path[64], made[2][32] = {"untouched"};
    int dir = dir_make(path), fd[2];

    ck_assert_int_eq(
        probe_prepared(loop, &p, heald_prep_tempfile(&p.op, dir, "none/XXXXXX", 0, made[0])),
        -ENOENT);
    ck_assert_str_eq(made[0], "untouched");
    for (int i = 0; i < 2; i++) {
        fd[i] = (int)probe_prepared(loop, &p,
                                    heald_prep_tempfile(&p.op, dir, "temp-XXXXXX", 0, made[i]));
        ck_assert_int_ge(fd[i], 0);
        ck_assert_int_ne(fcntl(fd[i], F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(strncmp(made[i], "temp-", 5), 0);
        ck_assert_uint_eq(strlen(made[i]), 11);
        ck_assert_int_eq(fstat(fd[i], &st), 0);
        ck_assert_int_eq(fstatat(dir, made[i], &named, 0), 0);
        ck_assert_uint_eq(st.st_ino, named.st_ino);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_int_eq(op_write(loop, fd[i], "abc", 3, 0), 3);
    }
    ck_assert_str_ne(made[0], made[1]);
    /* The same op once more: another file. */
    memcpy(made[0], made[1], sizeof made[0]);
    int more = (int)probe_do(loop, &p);
    ck_assert_int_ge(more, 0);
    ck_assert_str_ne(made[0], made[1]);
    heald_close(loop, more);
    for (int i = 0; i < 2; i++)
        heald_close(loop, fd[i]);
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, "XXXXX", 0, made[0]));
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, "XXXXXX.c", 0, made[0]));
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, "", 0, made[0]));
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, NULL, 0, made[0]));
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, "XXXXXX", 0, NULL));
    probe_refused(loop, &p, heald_prep_tempfile(&p.op, dir, "XXXXXX", O_CREAT, made[0]));
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(temporary_files_without_a_name)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct stat st;
    char path[64], buf[4];
    int dir = dir_make(path);

    int fd = (int)probe_prepared(loop, &p, heald_prep_tempfile_unnamed(&p.op, dir, ".", 0));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 0);
    ck_assert_int_eq(op_write(loop, fd, "abc", 3, 0), 3);
    ck_assert_int_eq(op_read(loop, fd, buf, 4, 0), 3);
    int64_t named = probe_prepared(loop, &p, heald_prep_link(&p.op, fd, "", dir, "named", 0));
    ck_assert(named == 0 || named == -ENOSYS || named == -ENOENT);
    ck_assert_int_eq(fstatat(dir, "named", &st, 0), named ? -1 : 0);
    heald_close(loop, fd);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_tempfile_unnamed(&p.op, dir, "none", 0)),
                     -ENOENT);
    close(openat(dir, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_tempfile_unnamed(&p.op, dir, "file", 0)),
                     -ENOTDIR);
    probe_refused(loop, &p, heald_prep_tempfile_unnamed(&p.op, dir, ".", O_EXCL));
    probe_refused(loop, &p, heald_prep_tempfile_unnamed(&p.op, dir, NULL, 0));
    dir_remove(dir, path);
    loop_end(loop);
}

static void make_entries(int dir)
{
    char name[64];

    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "%d-%.*s", i, i % 50,
                 "a-name-of-any-length-but-never-the-same");
        int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
}

/* Reads on from entry->position, notes what comes, and returns how many there were. */
static int read_some(struct heald_loop *loop, int dir, struct heald_dirent *entry, char *seen)
{
    struct probe p = {0};
    char buf[BUFFER];
    size_t at = 0;
    int count = 0, got;

    int64_t n =
        probe_prepared(loop, &p, heald_prep_readdir(&p.op, dir, buf, sizeof buf, entry->position));
    ck_assert_int_ge(n, 0);
    ck_assert_int_le(n, BUFFER);
    while ((got = heald_dirent_next(buf, (size_t)n, &at, entry)) > 0) {
        int number = atoi(entry->name);
        must(number >= 0 && number < ENTRIES);
        must(entry->type == HEALD_FILE_REGULAR || entry->type == HEALD_FILE_UNKNOWN);
        must(entry->ino != 0);
        seen[number]++;
        count++;
    }
    ck_assert_int_eq(got, 0);
    return n ? count : -1;
}

HEALD_CASE(entries_come_in_parts)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_dirent entry = {0}, middle = {0};
    char path[64], seen[ENTRIES] = {0}, again[ENTRIES] = {0};
    int dir = dir_make(path), reads = 0, n;

    make_entries(dir);
    while ((n = read_some(loop, dir, &entry, seen)) >= 0)
        if (++reads == 5) {
            middle = entry;
            memcpy(again, seen, sizeof again);
        }
    ck_assert_int_gt(reads, 10);
    for (int i = 0; i < ENTRIES; i++)
        ck_assert_int_eq(seen[i], 1);
    /* The end stays the end; from the middle the rest comes once more. */
    ck_assert_int_eq(read_some(loop, dir, &entry, seen), -1);
    while (read_some(loop, dir, &middle, again) >= 0)
        ;
    ck_assert_mem_eq(again, seen, sizeof seen);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(types_of_entries)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_dirent entry = {0};
    struct probe p = {0};
    char path[64], buf[4096];
    int dir = dir_make(path), got, count = 0;
    size_t at = 0;

    ck_assert_int_eq(mkdirat(dir, "4", 0700), 0);
    close(openat(dir, "8", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(symlinkat("x", dir, "10"), 0);
    ck_assert_int_eq(mkfifoat(dir, "1", 0600), 0);
    int64_t n = probe_prepared(loop, &p, heald_prep_readdir(&p.op, dir, buf, sizeof buf, 0));
    ck_assert_int_gt(n, 0);
    for (; (got = heald_dirent_next(buf, (size_t)n, &at, &entry)) > 0; count++)
        ck_assert(entry.type == HEALD_FILE_UNKNOWN || (int)entry.type == atoi(entry.name));
    ck_assert_int_eq(got, 0);
    ck_assert_int_eq(count, 4);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(what_has_no_entries)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_dirent entry = {0};
    struct probe p = {0};
    char path[64], buf[1024];
    int dir = dir_make(path), fds[2];
    size_t at = 0;

    int64_t n = probe_prepared(loop, &p, heald_prep_readdir(&p.op, dir, buf, sizeof buf, 0));
    ck_assert_int_ge(n, 0);
    ck_assert_int_eq(heald_dirent_next(buf, (size_t)n, &at, &entry), 0);
    int fd = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readdir(&p.op, fd, buf, sizeof buf, 0)),
                     -ENOTDIR);
    close(fd);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(
        probe_prepared(loop, &p, heald_prep_readdir(&p.op, fds[0], buf, sizeof buf, 0)), -ENOTDIR);
    pair_close(loop, fds);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_readdir(&p.op, -1, buf, sizeof buf, 0)),
                     -EBADF);
    probe_refused(loop, &p, heald_prep_readdir(&p.op, dir, NULL, sizeof buf, 0));
    probe_refused(loop, &p, heald_prep_readdir(&p.op, dir, buf, HEALD_READDIR_MIN - 1, 0));
    probe_refused(loop, &p, heald_prep_readdir(&p.op, dir, buf, sizeof buf, -1));
    dir_remove(dir, path);
    loop_end(loop);
}

/* The buffer is the program's, and may hold anything by now. */
HEALD_CASE(bytes_that_are_no_entries)
{
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        size_t len = (seed = seed * 1103515245 + 12345) >> 16 & 127, at = 0;
        char *buf = malloc(len + 1);
        struct heald_dirent entry = {0};
        for (size_t i = 0; i < len; i++)
            buf[i] = (char)((seed = seed * 1103515245 + 12345) >> 16 & (i % 16 < 4 ? 63 : 0));
        int got;
        while ((got = heald_dirent_next(buf, len, &at, &entry)) > 0)
            must(entry.name > buf && entry.name + strlen(entry.name) < buf + len && at <= len);
        must(got == 0 || got == -EINVAL);
        free(buf);
    }
}

void add_directories(TCase *group)
{
    add_everywhere(group, temporary_files_with_a_name);
    add_everywhere(group, temporary_files_without_a_name);
    add_everywhere(group, entries_come_in_parts);
    add_everywhere(group, types_of_entries);
    add_everywhere(group, what_has_no_entries);
    add_once(group, bytes_that_are_no_entries);
}
