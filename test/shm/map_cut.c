/* test/shm/map_cut.c: what becomes of a map whose file is cut short, or when the system's calls
 * fail. */
#include "file/map.h"
#include "harness/harness.h"
#include "shm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_cut(struct heald_map *map, size_t left)
{
    char *buf = calloc(1, map->size);
    size_t there = (left + page() - 1) / page() * page();

    ck_assert(buf != NULL);
    ck_assert_int_eq(heald_map_read(map, 0, buf, map->size), left ? (int64_t)there : -EFAULT);
    for (size_t i = 0; i < there; i++)
        ck_assert_int_eq(buf[i], i < left ? byte_at(i) : 0);
    ck_assert_int_eq(heald_map_read(map, there, buf, 1), -EFAULT);
    ck_assert_int_eq(heald_map_read(map, map->size - 1, buf, 1), -EFAULT);
    if (map->flags != HEALD_MAP_READ) {
        ck_assert_int_eq(heald_map_write(map, there, "x", 1), -EFAULT);
        ck_assert_int_eq(heald_map_write(map, map->size - 3, "xyz", 3), -EFAULT);
        ck_assert_int_eq(heald_map_write(map, 0, buf, map->size), left ? (int64_t)there : -EFAULT);
        int err = heald_map_prefault(map, 0, 0, HEALD_MAP_WRITE);
        ck_assert(err == -EFAULT || err == -ENOSYS);
    }
    ck_assert_int_eq(heald_map_prefault(map, 0, 0, HEALD_MAP_READ), -EFAULT);
    ck_assert_int_ge(heald_map_resident(map, 0, 0), 0);
    free(buf);
}

HEALD_CASE(a_file_cut_short)
{
    const size_t lefts[] = {0, 1, page(), page() + 100, 3 * page() - 1};

    for (unsigned flags = HEALD_MAP_READ; flags <= HEALD_MAP_PRIVATE; flags++)
        for (size_t i = 0; i < sizeof lefts / sizeof lefts[0]; i++) {
            struct heald_map map;
            int fd = open_whole(&map, 4, flags);
            if (flags != HEALD_MAP_READ) /* a private copy goes with its page */
                ck_assert_int_eq(heald_map_write(&map, map.size - 1, "x", 1), 1);
            ck_assert_int_eq(ftruncate(fd, (off_t)lefts[i]), 0);
            check_cut(&map, lefts[i]);
            /* A write must not have made it long again; what was cut comes back as zeroes. */
            ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)lefts[i]);
            ck_assert_int_eq(ftruncate(fd, (off_t)(4 * page())), 0);
            ck_assert_int_eq(heald_map_read(&map, map.size - 1, &(char){1}, 1), 1);
            close_whole(&map, fd);
        }
}

/* What all this is for. */
HEALD_CASE(a_plain_touch_would_have_been_a_signal)
{
    struct heald_map map;
    int status, fd = open_whole(&map, 2, HEALD_MAP_READ);

    ck_assert_int_eq(ftruncate(fd, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL);
        _exit(*(volatile char *)map.data & 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) > 1);
    ck_assert_int_eq(heald_map_read(&map, 0, &(char){1}, 1), -EFAULT);
    close_whole(&map, fd);
}

enum { ROUNDS = 2000, PAGES = 8 };

static void cut_for_ever(int fd)
{
    for (size_t i = 0;; i++)
        if (ftruncate(fd, (off_t)(i % (PAGES + 1) * page())) < 0)
            _exit(1);
}

/* Another process cuts and lengthens the file all the time. */
HEALD_CASE(a_file_cut_at_any_time)
{
    struct heald_map map;
    int fd = open_whole(&map, PAGES, HEALD_MAP_WRITE);
    char *buf = malloc(map.size);
    pid_t child = fork();

    if (child == 0)
        cut_for_ever(fd);
    ck_assert(child > 0 && buf);
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t n = heald_map_read(&map, i % map.size, buf, map.size - i % map.size);
        ck_assert(n > 0 || n == -EFAULT);
        n = heald_map_write(&map, i % page(), buf, map.size / 2);
        ck_assert(n > 0 || n == -EFAULT);
        int err = heald_map_prefault(&map, 0, 0, HEALD_MAP_READ);
        ck_assert(err == 0 || err == -EFAULT);
    }
    ck_assert(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    free(buf);
    close_whole(&map, fd);
}

/* The platform's parts, and what becomes of a call that fails. */

HEALD_CASE(copies_by_a_pipe)
{
    struct heald_map map;
    int fd = open_whole(&map, 3, HEALD_MAP_WRITE);
    size_t size = map.size - 11;
    char *buf = malloc(size + 3), *data = map.data;

    ck_assert(buf != NULL);
    ck_assert_int_eq(heald__plat_copy_by_pipe(buf + 3, data + 11, size), (int64_t)size);
    ck_assert_int_eq(memcmp(buf + 3, data + 11, size), 0);
    memset(buf, 'p', size);
    ck_assert_int_eq(heald__plat_copy_by_pipe(data + 1, buf, size), (int64_t)size);
    ck_assert_int_eq(memcmp(buf, data + 1, size), 0);
    ck_assert_int_eq(heald__plat_copy_by_pipe(data, buf, 0), 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)page()), 0);
    ck_assert_int_eq(heald__plat_copy_by_pipe(buf, data + 1, size), (int64_t)page() - 1);
    ck_assert_int_eq(heald__plat_copy_by_pipe(data + page() - 2, buf, size / 3), 2);
    ck_assert_int_eq(heald__plat_copy_by_pipe(data + page(), buf, 1), -EFAULT);
    ck_assert_int_eq(heald__plat_copy_by_pipe(buf, data + page(), 1), -EFAULT);
    free(buf);
    close_whole(&map, fd);
}

static int stat_fails(int dirfd, const char *path, int flags, struct heald_stat *ret_stat)
{
    (void)dirfd, (void)path, (void)flags, (void)ret_stat;
    return -EIO;
}

static int map_fails(int fd, int64_t offset, size_t size, unsigned flags, void **ret_addr)
{
    (void)fd, (void)offset, (void)size, (void)flags, (void)ret_addr;
    return -ENOMEM;
}

static int call_fails(void *addr, size_t size)
{
    (void)addr, (void)size;
    return -EIO;
}

static int populate_fails(void *addr, size_t size, bool writing)
{
    (void)addr, (void)size, (void)writing;
    return -ENOSYS;
}

static int resident_fails(void *addr, size_t size, unsigned char *ret_pages)
{
    (void)addr, (void)size, (void)ret_pages;
    return -EAGAIN;
}

HEALD_CASE(calls_that_fail)
{
    struct heald_sys sys = heald__sys_native;
    struct heald_map map;
    int fd = make_file(5 * page(), O_RDWR);

    sys.stat = stat_fails;
    ck_assert_int_eq(heald__map_open_over(&map, &sys, fd, 0, 0, 0), -EIO);
    sys.stat = heald__sys_native.stat;
    sys.map = map_fails;
    ck_assert_int_eq(heald__map_open_over(&map, &sys, fd, 0, 0, 0), -ENOMEM);
    ck_assert(!map.data && heald_map_close(&map) == 0);
    sys.map = heald__sys_native.map;
    ck_assert_int_eq(heald__map_open_over(&map, &sys, fd, 5, 0, HEALD_MAP_WRITE), 0);
    sys.map_sync = sys.unmap = call_fails;
    ck_assert_int_eq(heald_map_sync(&map, 0, 0), -EIO);
    sys.map_resident = resident_fails;
    ck_assert_int_eq(heald_map_resident(&map, 0, 0), -EAGAIN);
    ck_assert(heald_map_close(&map) == -EIO && map.data); /* and it can be tried again */
    sys.unmap = heald__sys_native.unmap;
    close_whole(&map, fd);
}

/* Without madvise's help it is done page by page, as far as that can be done. */
HEALD_CASE(prefault_by_touch)
{
    struct heald_sys sys = heald__sys_native;
    struct heald_map map;
    int fd = make_file(5 * page(), O_RDWR);

    sys.map_populate = populate_fails;
    ck_assert_int_eq(heald__map_open_over(&map, &sys, fd, 5, 0, HEALD_MAP_WRITE), 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_WRITE), -ENOSYS);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_map_resident(&map, 0, 0), (int64_t)map.size);
    ck_assert_int_eq(ftruncate(fd, (off_t)(2 * page())), 0);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 2 * page() - 5, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_READ), -EFAULT);
    close_whole(&map, fd);
}

int main(void)
{
    Suite *suite = suite_create("map-cut");
    TCase *group = harness_group(suite, "cut");
    harness_add(group, a_file_cut_short);
    harness_add(group, a_plain_touch_would_have_been_a_signal);
    harness_add(group, a_file_cut_at_any_time);
    group = harness_group(suite, "system");
    harness_add(group, copies_by_a_pipe);
    harness_add(group, calls_that_fail);
    harness_add(group, prefault_by_touch);
    return harness_run(suite);
}
