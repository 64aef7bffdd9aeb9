/* test/conformance/files.c: regular files by name and by descriptor, on every engine. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/stat.h>

enum { BLOCK = 4096, BLOCKS = 200, BIG = 4 << 20 };

static int64_t op_open(struct heald_loop *loop, int dirfd, const char *path, int flags)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_open(&p.op, dirfd, path, flags, 0640), 0);
    return probe_do(loop, &p);
}

static int64_t op_beneath(struct heald_loop *loop, int dirfd, const char *path, int flags)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_open_beneath(&p.op, dirfd, path, flags, 0600), 0);
    return probe_do(loop, &p);
}

static int64_t op_stat(struct heald_loop *loop, int dirfd, const char *path, int flags,
                       struct heald_stat *ret_stat)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_stat(&p.op, dirfd, path, flags, ret_stat), 0);
    return probe_do(loop, &p);
}

HEALD_CASE(a_file_from_birth_to_end)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_stat st;
    struct probe p = {0};
    char path[64], buf[16];
    int dir = dir_make(path);

    ck_assert_int_eq(op_open(loop, dir, "file", O_RDWR), -ENOENT);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT | O_EXCL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(op_open(loop, dir, "file", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    ck_assert_int_eq(op_write(loop, fd, "0123456789", 10, 0), 10);
    heald_prep_fsync(&p.op, fd, 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    heald_prep_fsync(&p.op, fd, 1);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(op_read(loop, fd, buf, 4, 3), 4);
    ck_assert_mem_eq(buf, "3456", 4);
    ck_assert_int_eq(op_read(loop, fd, buf, 16, 8), 2);
    ck_assert_int_eq(op_read(loop, fd, buf, 16, 10), 0);
    ck_assert_int_eq(op_read(loop, fd, buf, 16, 1000), 0);
    ck_assert_int_eq(op_stat(loop, dir, "file", 0, &st), 0);
    ck_assert_uint_eq(st.size, 10);
    ck_assert_int_eq(S_ISREG(st.mode), 1);
    heald_prep_close(&p.op, fd);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    dir_remove(dir, path);
    loop_end(loop);
}

/* Threads would write and read them in any order. */
HEALD_CASE(at_the_file_position_in_order)
{
    enum { MANY = 100 };
    struct heald_loop *loop = loop_on(_i);
    struct probe p[MANY] = {0};
    char path[64], lines[MANY][5], back[MANY][4];
    int dir = dir_make(path), expected = 0;
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    for (int i = 0; i < MANY; i++) {
        snprintf(lines[i], sizeof lines[i], "%04d", i);
        heald_prep_write(&p[i].op, fd, lines[i], 4, HEALD_NO_OFFSET);
        probe_start(loop, &p[i]);
        /* One that runs, and some that wait. */
        if (i == 0 || i % 7 == 3)
            heald_cancel(&p[i ? i - 1 : 0].op);
    }
    for (int i = 0; i < MANY; i++)
        probe_end(&p[i]);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    struct probe q[MANY] = {0};
    for (int i = 0; i < MANY; i++) {
        heald_prep_read(&q[i].op, fd, back[i], 4, HEALD_NO_OFFSET);
        probe_start(loop, &q[i]);
    }
    for (int i = 0; i < MANY; i++)
        probe_end(&q[i]);
    for (int i = 0; i < MANY; i++)
        if (p[i].result == 4)
            ck_assert_mem_eq(back[expected++], lines[i], 4);
        else
            ck_assert_int_eq(p[i].result, -ECANCELED);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(q[i].result, i < expected ? 4 : 0);
    close(fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(without_an_offset_the_place_moves)
{
    struct heald_loop *loop = loop_on(_i);
    char path[64], buf[16];
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    ck_assert_int_eq(op_write(loop, fd, "abc", 3, HEALD_NO_OFFSET), 3);
    ck_assert_int_eq(op_write(loop, fd, "def", 3, HEALD_NO_OFFSET), 3);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 6);
    ck_assert_int_eq(op_write(loop, fd, "X", 1, 1), 1);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(op_read(loop, fd, buf, 4, HEALD_NO_OFFSET), 4);
    ck_assert_int_eq(op_read(loop, fd, buf + 4, 16 - 4, HEALD_NO_OFFSET), 2);
    ck_assert_int_eq(op_read(loop, fd, buf + 6, 4, HEALD_NO_OFFSET), 0);
    ck_assert_mem_eq(buf, "aXcdef", 6);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

/* "Operations in the same direction on one descriptor are done in the order of submission." */
HEALD_CASE(without_an_offset_the_order_holds)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[50] = {0};
    char path[64], text[50][4], all[201] = "", buf[201] = "";
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    for (int i = 0; i < 50; i++) {
        snprintf(text[i], sizeof text[i], "%03d", i);
        strcat(all, text[i]);
        heald_prep_write(&p[i].op, fd, text[i], 3, HEALD_NO_OFFSET);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(probe_end(&p[i]), 3);
    ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), 150);
    ck_assert_str_eq(buf, all);
    lseek(fd, 0, SEEK_SET);
    for (int i = 0; i < 50; i++) {
        heald_prep_read(&p[i].op, fd, text[49 - i], 3, HEALD_NO_OFFSET);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(probe_end(&p[i]), 3);
    for (int i = 0; i < 50; i++)
        ck_assert_mem_eq(text[49 - i], all + 3 * (size_t)i, 3);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(appending)
{
    struct heald_loop *loop = loop_on(_i);
    char path[64], buf[16];
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT | O_APPEND);

    ck_assert_int_eq(op_write(loop, fd, "abc", 3, HEALD_NO_OFFSET), 3);
    lseek(fd, 0, SEEK_SET);
    ck_assert_int_eq(op_write(loop, fd, "def", 3, HEALD_NO_OFFSET), 3);
    ck_assert_int_eq(op_read(loop, fd, buf, 16, 0), 6);
    ck_assert_mem_eq(buf, "abcdef", 6);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(vectors)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64], a[3], b[8];
    struct iovec out[] = {{.iov_base = (void *)"abc", .iov_len = 3},
                          {.iov_base = (void *)"defg", .iov_len = 4}};
    struct iovec in[] = {{.iov_base = a, .iov_len = 3}, {.iov_base = b, .iov_len = 8}};
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    heald_prep_writev(&p.op, fd, out, 2, 0);
    ck_assert_int_eq(probe_do(loop, &p), 7);
    heald_prep_writev(&p.op, fd, out, 2, HEALD_NO_OFFSET);
    ck_assert_int_eq(probe_do(loop, &p), 7);
    heald_prep_readv(&p.op, fd, in, 2, 2);
    ck_assert_int_eq(probe_do(loop, &p), 5);
    ck_assert_mem_eq(a, "cde", 3);
    ck_assert_mem_eq(b, "fg", 2);
    lseek(fd, 0, SEEK_SET);
    heald_prep_readv(&p.op, fd, in, 2, HEALD_NO_OFFSET);
    ck_assert_int_eq(probe_do(loop, &p), 7);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(hundreds_at_once)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 16});
    struct probe *p = calloc(BLOCKS, sizeof *p);
    char *data = malloc((size_t)BLOCKS * BLOCK), path[64];
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    pattern_fill(data, (size_t)BLOCKS * BLOCK, 0);
    for (int i = 0; i < BLOCKS; i++) {
        heald_prep_write(&p[i].op, fd, data + (size_t)i * BLOCK, BLOCK, (int64_t)i * BLOCK);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        ck_assert_int_eq(probe_end(&p[i]), BLOCK);
    memset(data, 0, (size_t)BLOCKS * BLOCK);
    for (int i = BLOCKS - 1; i >= 0; i--) {
        heald_prep_read(&p[i].op, fd, data + (size_t)i * BLOCK, BLOCK, (int64_t)i * BLOCK);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        ck_assert_int_eq(probe_end(&p[i]), BLOCK);
    pattern_check(data, (size_t)BLOCKS * BLOCK, 0);
    free(data);
    free(p);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(megabytes_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    char *data = malloc(BIG), path[64];
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    pattern_fill(data, BIG, 0);
    ck_assert_int_eq(op_write(loop, fd, data, BIG, 0), BIG);
    memset(data, 0, BIG);
    ck_assert_int_eq(op_read(loop, fd, data, BIG, 0), BIG);
    pattern_check(data, BIG, 0);
    free(data);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

/* Opening one end of a FIFO waits for the other: no op may wait behind one that waits for it. */
HEALD_CASE(two_that_need_each_other)
{
    char path[64], fifo[96];
    int dir = dir_make(path);

    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    ck_assert_int_eq(heald_fifo(fifo, 0600), 0);
    for (int i = 0; i < 3 && strcmp(engine_of(_i), "sync") != 0; i++) {
        struct heald_loop *loop = loop_on(_i);
        struct heald_stat st;
        struct probe p[2] = {0};
        /* The first thread of the pool, which is then idle. */
        ck_assert_int_eq(op_stat(loop, dir, "", 0, &st), 0);
        turn_for(loop, 5 * HEALD_MS);
        heald_prep_open(&p[0].op, AT_FDCWD, fifo, O_RDONLY, 0);
        heald_prep_open(&p[1].op, AT_FDCWD, fifo, O_WRONLY, 0);
        probe_start(loop, &p[0]);
        probe_start(loop, &p[1]);
        for (int k = 0; k < 2; k++) {
            int64_t fd = probe_end(&p[k]);
            ck_assert_int_ge(fd, 0);
            heald_close(loop, (int)fd);
        }
        loop_end(loop);
    }
    dir_remove(dir, path);
}

/* Two threads open a FIFO that nobody writes, and as many ops wait for a thread. */
HEALD_CASE(the_threads_for_files_are_counted)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.pool_threads = 2});
    bool on_threads = strcmp(engine_of(_i), "threads") == 0;
    struct heald_workers_stats stats = {.queued = 1};
    struct probe p[4] = {0};
    char path[64], fifo[96];
    int dir = dir_make(path);

    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    ck_assert_int_eq(heald_fifo(fifo, 0600), 0);
    heald_loop_file_stats(loop, &stats);
    ck_assert_uint_eq(stats.threads + stats.running + stats.queued, 0);
    ck_assert_int_eq(stats.oldest_ns + stats.longest_ns, 0);
    for (int i = 0; on_threads && i < 4; i++) {
        heald_prep_open(&p[i].op, AT_FDCWD, fifo, O_RDONLY, 0);
        probe_start(loop, &p[i]);
    }
    int64_t end = now() + 5 * harness_slow() * HEALD_SEC;
    while (on_threads && (stats.running < 2 || stats.oldest_ns < HEALD_MS)) {
        must(now() < end);
        heald_loop_file_stats(loop, &stats);
    }
    ck_assert_uint_eq(stats.queued, on_threads ? 2 : 0);
    ck_assert_uint_eq(stats.threads, on_threads ? 2 : 0);
    ck_assert_int_eq(stats.longest_ns > 0, on_threads);
    int writer = on_threads ? open(fifo, O_RDWR | O_CLOEXEC) : -1;
    for (int i = 0; on_threads && i < 4; i++)
        heald_close(loop, (int)probe_end(&p[i]));
    while (on_threads && stats.running) {
        must(now() < end);
        heald_loop_file_stats(loop, &stats);
    }
    ck_assert_int_eq(stats.oldest_ns + stats.longest_ns, 0);
    if (writer >= 0)
        close(writer);
    loop_end(loop);
    dir_remove(dir, path);
}

HEALD_CASE(nothing_leads_out_of_a_dir)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64], above[96];
    int dir = dir_make(path), fd;

    ck_assert_int_eq(mkdirat(dir, "in", 0700), 0);
    ck_assert_int_eq(symlinkat("/etc", dir, "in/etc"), 0);
    ck_assert_int_eq(symlinkat("../secret", dir, "in/up"), 0);
    close(openat(dir, "secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(openat(dir, "in/plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    int in = openat(dir, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    static const char *const out[] = {"../secret", "/etc/passwd",  "etc/passwd",
                                      "up",        "../../secret", "./.././secret"};
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        int64_t got = op_beneath(loop, in, out[i], O_RDONLY);
        /* Without openat2() a link to a directory is no directory. */
        ck_assert_msg(got == -EXDEV || got == -ELOOP || (got == -ENOTDIR && !has_openat2()),
                      "%s: %d", out[i], (int)got);
    }
    snprintf(above, sizeof above, "%s/secret", path);
    ck_assert_int_lt(op_beneath(loop, in, above, O_RDONLY), 0);
    fd = (int)op_beneath(loop, in, "plain", O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    heald_close(loop, fd);
    fd = (int)op_beneath(loop, in, "new", O_WRONLY | O_CREAT);
    ck_assert_int_ge(fd, 0);
    heald_close(loop, fd);
    ck_assert_int_eq(op_beneath(loop, in, "none", O_RDONLY), -ENOENT);
    ck_assert_int_eq(heald_prep_open_beneath(&p.op, AT_FDCWD, "x", O_RDONLY, 0), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    close(in);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(facts_about_links_directories_and_descriptors)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_stat st;
    struct stat plain;
    char path[64];
    int dir = dir_make(path);

    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);
    ck_assert_int_eq(op_write(loop, fd, "12345", 5, 0), 5);
    ck_assert_int_eq(symlinkat("file", dir, "link"), 0);
    ck_assert_int_eq(op_stat(loop, dir, "link", 0, &st), 0);
    ck_assert_uint_eq(st.size, 5);
    ck_assert_int_eq(op_stat(loop, dir, "link", AT_SYMLINK_NOFOLLOW, &st), 0);
    ck_assert_int_eq(S_ISLNK(st.mode), 1);
    ck_assert_int_eq(op_stat(loop, AT_FDCWD, path, 0, &st), 0);
    ck_assert_int_eq(S_ISDIR(st.mode), 1);
    ck_assert_int_eq(op_stat(loop, fd, "", 0, &st), 0);
    ck_assert_int_eq(fstat(fd, &plain), 0);
    ck_assert_uint_eq(st.ino, plain.st_ino);
    ck_assert_uint_eq(st.nlink, plain.st_nlink);
    ck_assert_uint_eq(st.uid, plain.st_uid);
    ck_assert_int_eq(st.mtime.sec, plain.st_mtim.tv_sec);
    ck_assert_uint_eq(st.mtime.nsec, plain.st_mtim.tv_nsec);
    ck_assert_int_eq(op_stat(loop, dir, "none", 0, &st), -ENOENT);
    ck_assert_int_eq(op_stat(loop, dir, "file/below", 0, &st), -ENOTDIR);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(flags_of_stat)
{
    static const int bad[] = {AT_SYMLINK_NOFOLLOW | 1, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, -1,
                              1 << 30};
    struct heald_loop *loop = loop_on(_i);
    struct heald_stat st;
    struct probe p = {0};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(heald_prep_stat(&p.op, AT_FDCWD, "/", bad[i], &st), -EINVAL);
        ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    }
    ck_assert_int_eq(heald_prep_stat(&p.op, AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, &st), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    loop_end(loop);
}

HEALD_CASE(errors_are_those_of_the_system)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64], buf[16] = {0};
    int dir = dir_make(path), fds[2];

    int fd = (int)op_open(loop, dir, "file", O_RDONLY | O_CREAT);
    ck_assert_int_eq(op_write(loop, fd, "x", 1, 0), -EBADF);
    ck_assert_int_eq(op_write(loop, fd, "x", 1, HEALD_NO_OFFSET), -EBADF);
    ck_assert_int_eq(op_read(loop, dir, buf, 16, 0), -EISDIR);
    ck_assert_int_eq(op_read(loop, dir, buf, 16, HEALD_NO_OFFSET), -EISDIR);
    ck_assert_int_eq(op_recv(loop, fd, buf, 16), -ENOTSOCK);
    ck_assert_int_eq(op_send(loop, fd, buf, 16), -ENOTSOCK);
    pair_open(PAIR_PIPE, fds);
    if (strcmp(engine_of(_i), "uring") != 0)
        ck_assert_int_eq(op_read(loop, fds[0], buf, 16, 0), -ESPIPE);
    if (strcmp(engine_of(_i), "uring") != 0)
        ck_assert_int_eq(op_write(loop, fds[1], buf, 16, 0), -ESPIPE);
    heald_prep_fsync(&p.op, fds[0], 0);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    pair_close(loop, fds);
    ck_assert_int_eq(op_open(loop, dir, "file/below", O_RDONLY), -ENOTDIR);
    ck_assert_int_eq(op_open(loop, dir, "", O_RDONLY), -ENOENT);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(maps_without_waiting_for_the_disk)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_map map, reads;
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);
    int fd = (int)op_open(loop, dir, "file", O_RDWR | O_CREAT);

    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    ck_assert_int_eq(heald_map_open(&map, fd, 0, 0, HEALD_MAP_WRITE), 0);
    ck_assert_int_eq(heald_map_open(&reads, fd, 5000, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_prep_map_sync(&p.op, NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_map_prefault(&p.op, &map, 0, 0, HEALD_MAP_PRIVATE), -EINVAL);
    ck_assert_int_eq(heald_prep_map_prefault(&p.op, &map, 0, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    int64_t resident = heald_map_resident(&map, 0, 0);
    ck_assert(resident == 100000 || resident < 0);
    heald_prep_map_prefault(&p.op, &reads, 0, 0, HEALD_MAP_WRITE);
    ck_assert_int_eq(probe_do(loop, &p), -EACCES);
    memset(map.data, 'x', 100000);
    heald_prep_map_sync(&p.op, &map, 1, 99999);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    heald_prep_map_sync(&p.op, &map, 1, 100000);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    /* Some begin before they are cancelled, and some do not. */
    struct probe many[40] = {0};
    for (int i = 0; i < 40; i++) {
        heald_prep_map_sync(&many[i].op, &map, 0, 0);
        probe_start(loop, &many[i]);
    }
    for (int i = 0; i < 40; i++)
        heald_cancel(&many[i].op);
    for (int i = 0; i < 40; i++) {
        probe_end(&many[i]);
        ck_assert(many[i].op.result == 0 || many[i].op.result == -ECANCELED);
    }
    heald_map_close(&map);
    heald_map_close(&reads);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

void add_files(TCase *group)
{
    add_everywhere(group, maps_without_waiting_for_the_disk);
    add_everywhere(group, a_file_from_birth_to_end);
    add_everywhere(group, without_an_offset_the_place_moves);
    add_everywhere(group, at_the_file_position_in_order);
    add_everywhere(group, without_an_offset_the_order_holds);
    add_everywhere(group, appending);
    add_everywhere(group, vectors);
    add_everywhere(group, hundreds_at_once);
    add_everywhere(group, megabytes_at_once);
    add_everywhere(group, two_that_need_each_other);
    add_everywhere(group, the_threads_for_files_are_counted);
    add_everywhere(group, nothing_leads_out_of_a_dir);
    add_everywhere(group, facts_about_links_directories_and_descriptors);
    add_everywhere(group, flags_of_stat);
    add_everywhere(group, errors_are_those_of_the_system);
}
