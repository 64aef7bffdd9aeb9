/* test/shm/map.c: a part of a file as memory: what is mapped, what reaches the file, what is in
 * memory. */
#include "harness/harness.h"
#include "shm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char file_byte(int fd, size_t offset)
{
    char c = 0;
    ck_assert_int_eq(pread(fd, &c, 1, (off_t)offset), 1);
    return c;
}

/* What is mapped. */

static void check_part(int fd, size_t offset, size_t size, size_t want)
{
    struct heald_map map;
    char *buf = malloc(want);

    ck_assert(buf != NULL);
    ck_assert_int_eq(heald_map_open(&map, fd, (int64_t)offset, size, HEALD_MAP_READ), 0);
    ck_assert_uint_eq(map.size, want);
    ck_assert_int_eq(heald_map_read(&map, 0, buf, want), (int64_t)want);
    for (size_t i = 0; i < want; i++)
        if (buf[i] != byte_at(offset + i) || ((char *)map.data)[i] != buf[i])
            ck_abort_msg("byte %zu of the part at %zu is wrong", i, offset);
    ck_assert_int_eq(heald_map_close(&map), 0);
    free(buf);
}

HEALD_CASE(parts_at_any_offset)
{
    size_t size = 5 * page() + 17;
    int fd = make_file(size, O_RDONLY);
    const size_t offsets[] = {0, 1, page() - 1, page(), page() + 1, 3 * page() + 5, size - 1};

    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        check_part(fd, offsets[i], 1, 1);
        check_part(fd, offsets[i], size - offsets[i], size - offsets[i]);
        check_part(fd, offsets[i], 0, size - offsets[i]);
    }
    check_part(fd, page() - 1, 2, 2);
    ck_assert_int_eq(close(fd), 0);
}

HEALD_CASE(parts_that_are_not_there)
{
    struct heald_map map;
    size_t size = page() + 100;
    int fd = make_file(size, O_RDWR), empty = make_file(0, O_RDWR);
    const struct {
        int fd;
        int64_t offset;
        size_t size;
        unsigned flags;
        int err;
    } bad[] = {
        {fd, (int64_t)size, 0, 0, -ENXIO},
        {fd, (int64_t)size, 1, 0, -ENXIO},
        {fd, (int64_t)size + 1, 0, 0, -ENXIO},
        {fd, 0, size + 1, 0, -ENXIO},
        {fd, 1, size, 0, -ENXIO},
        {fd, INT64_MAX, 0, 0, -ENXIO},
        {fd, INT64_MAX, 1, 0, -EOVERFLOW},
        {fd, 0, SIZE_MAX, 0, SIZE_MAX > INT64_MAX ? -EOVERFLOW : -ENXIO},
        {fd, INT64_MAX, SIZE_MAX, 0, -EOVERFLOW},
        {fd, 1, SIZE_MAX, 0, SIZE_MAX > INT64_MAX ? -EOVERFLOW : -ENXIO},
        {fd, 2, SIZE_MAX / 2, 0, SIZE_MAX > INT64_MAX ? -EOVERFLOW : -ENXIO},
        {fd, 0, SIZE_MAX / 2, 0, -ENXIO},
        {fd, -1, 0, 0, -EINVAL},
        {fd, INT64_MIN, 1, 0, -EINVAL},
        {fd, 0, 0, 3, -EINVAL},
        {fd, 0, 0, ~0u, -EINVAL},
        {empty, 0, 0, 0, -ENXIO},
        {empty, 0, 1, HEALD_MAP_WRITE, -ENXIO},
        {-1, 0, 0, 0, -EBADF},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&map, 0x55, sizeof map);
        int err = heald_map_open(&map, bad[i].fd, bad[i].offset, bad[i].size, bad[i].flags);
        ck_assert_msg(err == bad[i].err, "%zu: %s", i, heald_strerror(err));
        ck_assert(!map.data && !map.size);
        ck_assert_int_eq(heald_map_close(&map), 0);
    }
    ck_assert(close(fd) == 0 && close(empty) == 0);
}

HEALD_CASE(descriptors_that_cannot_be_mapped)
{
    struct heald_map map;
    int pipe[2], pair[2], dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(dir, 0);
    ck_assert_int_eq(heald_pipe(pipe), 0);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, pair), 0);
    const int fds[] = {pipe[0], pipe[1], pair[0], pair[1], dir};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(heald_map_open(&map, fds[i], 0, 0, HEALD_MAP_READ), -ENODEV);
        ck_assert_int_eq(heald_map_open(&map, fds[i], 0, 1, HEALD_MAP_PRIVATE), -ENODEV);
        ck_assert_int_eq(close(fds[i]), 0);
    }
}

HEALD_CASE(a_device_has_no_end)
{
    struct heald_map map;
    char c = 'x';
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        harness_skip("there is no /dev/zero here");
    ck_assert_int_eq(heald_map_open(&map, fd, 0, 0, HEALD_MAP_READ), -ENODEV);
    ck_assert_int_eq(heald_map_open(&map, fd, 0, 10, HEALD_MAP_PRIVATE), 0);
    ck_assert(heald_map_read(&map, 9, &c, 1) == 1 && c == 0);
    close_whole(&map, fd);
}

HEALD_CASE(a_descriptor_that_is_not_open_for_it)
{
    struct heald_map map;
    char c = 'x';
    int reader = make_file(10, O_RDONLY), writer = make_file(10, O_WRONLY);

    ck_assert_int_eq(heald_map_open(&map, reader, 0, 0, HEALD_MAP_WRITE), -EACCES);
    ck_assert_int_eq(heald_map_open(&map, writer, 0, 0, HEALD_MAP_READ), -EACCES);
    ck_assert_int_eq(heald_map_open(&map, writer, 0, 0, HEALD_MAP_WRITE), -EACCES);
    ck_assert_int_eq(heald_map_open(&map, reader, 0, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_map_write(&map, 0, &c, 1), -EACCES);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_WRITE), -EACCES);
    ck_assert_int_eq(heald_map_sync(&map, 0, 0), 0);
    close_whole(&map, reader);
    /* Copies are made of what may only be read. */
    int other = make_file(10, O_RDONLY);
    ck_assert_int_eq(heald_map_open(&map, other, 0, 0, HEALD_MAP_PRIVATE), 0);
    ck_assert_int_eq(heald_map_write(&map, 0, &c, 1), 1);
    close_whole(&map, other);
    ck_assert_int_eq(close(writer), 0);
}

HEALD_CASE(a_map_outlives_its_descriptor)
{
    struct heald_map map;
    char c = 0;
    int fd = open_whole(&map, 1, HEALD_MAP_WRITE);

    ck_assert_int_eq(close(fd), 0);
    ck_assert(heald_map_read(&map, 3, &c, 1) == 1 && c == byte_at(3));
    ck_assert_int_eq(heald_map_write(&map, 3, "!", 1), 1);
    ck_assert_int_eq(heald_map_sync(&map, 0, 0), 0);
    ck_assert_int_eq(heald_map_close(&map), 0);
}

HEALD_CASE(a_map_that_is_not_open)
{
    struct heald_map map = {0};
    char c = 'x';
    int fd = open_whole(&map, 1, HEALD_MAP_READ);

    close_whole(&map, fd);
    for (int i = 0; i < 2; i++) {
        ck_assert(!map.data && !map.size);
        ck_assert_int_eq(heald_map_close(&map), 0);
        ck_assert_int_eq(heald_map_read(&map, 0, &c, 0), -EINVAL);
        ck_assert_int_eq(heald_map_write(&map, 0, &c, 1), -EINVAL);
        ck_assert_int_eq(heald_map_sync(&map, 0, 0), -EINVAL);
        ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_READ), -EINVAL);
        ck_assert_int_eq(heald_map_resident(&map, 0, 0), -EINVAL);
        memset(&map, 0, sizeof map);
    }
}

HEALD_CASE(ranges_of_a_map)
{
    struct heald_map map;
    char c[4] = "";
    int fd = make_file(page(), O_RDWR);

    ck_assert_int_eq(heald_map_open(&map, fd, 7, 100, HEALD_MAP_WRITE), 0);
    const size_t bad[][2] = {{101, 0}, {101, 1},      {100, 1},      {98, 3},
                             {0, 101}, {1, SIZE_MAX}, {SIZE_MAX, 1}, {SIZE_MAX, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(heald_map_read(&map, bad[i][0], c, bad[i][1]), -EINVAL);
        ck_assert_int_eq(heald_map_write(&map, bad[i][0], c, bad[i][1]), -EINVAL);
        ck_assert_int_eq(heald_map_sync(&map, bad[i][0], bad[i][1]), -EINVAL);
        ck_assert_int_eq(heald_map_prefault(&map, bad[i][0], bad[i][1], 0), -EINVAL);
        ck_assert_int_eq(heald_map_resident(&map, bad[i][0], bad[i][1]), -EINVAL);
    }
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_PRIVATE), -EINVAL);
    ck_assert_int_eq(heald_map_read(&map, 100, c, 0), 0);
    ck_assert_int_eq(heald_map_sync(&map, 100, 0), 0);
    ck_assert_int_eq(heald_map_prefault(&map, 100, 0, 0), 0);
    ck_assert_int_eq(heald_map_resident(&map, 100, 0), 0);
    close_whole(&map, fd);
}

/* What reaches the file. */

HEALD_CASE(what_is_shared_is_in_the_file)
{
    struct heald_map map, other;
    char c = 0;
    int fd = make_file(3 * page(), O_RDWR);

    ck_assert_int_eq(heald_map_open(&map, fd, 100, 2 * page(), HEALD_MAP_WRITE), 0);
    ck_assert_int_eq(heald_map_open(&other, fd, 0, 0, HEALD_MAP_READ), 0);
    ((char *)map.data)[0] = 'a';
    ck_assert_int_eq(heald_map_write(&map, page(), "b", 1), 1);
    ck_assert(file_byte(fd, 100) == 'a' && file_byte(fd, 100 + page()) == 'b');
    ck_assert(heald_map_read(&other, 100, &c, 1) == 1 && c == 'a');
    ck_assert_int_eq(heald_map_sync(&map, page() - 1, 2), 0);
    ck_assert_int_eq(heald_map_sync(&map, 0, 0), 0);
    ck_assert_int_eq(pwrite(fd, "c", 1, 101), 1);
    ck_assert(heald_map_read(&map, 1, &c, 1) == 1 && c == 'c');
    ck_assert_int_eq(heald_map_close(&other), 0);
    close_whole(&map, fd);
}

HEALD_CASE(what_is_private_is_not)
{
    struct heald_map map;
    char c = 0;
    int fd = open_whole(&map, 3, HEALD_MAP_PRIVATE);

    ((char *)map.data)[5] = 'a';
    ck_assert_int_eq(heald_map_write(&map, page(), "b", 1), 1);
    ck_assert(heald_map_read(&map, 5, &c, 1) == 1 && c == 'a');
    ck_assert(heald_map_read(&map, page(), &c, 1) == 1 && c == 'b');
    int err = heald_map_prefault(&map, 2 * page(), 0, HEALD_MAP_WRITE);
    ck_assert(err == 0 || err == -ENOSYS);
    ck_assert_int_eq(heald_map_sync(&map, 0, 0), -EINVAL);
    for (size_t at = 0; at < 3 * page(); at++)
        ck_assert_int_eq(file_byte(fd, at), byte_at(at));
    close_whole(&map, fd);
}

HEALD_CASE(a_buffer_that_is_bad)
{
    struct heald_map map;
    char *hole = mmap(NULL, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open_whole(&map, 2, HEALD_MAP_WRITE);

    ck_assert(hole != MAP_FAILED && mprotect(hole + page(), page(), PROT_NONE) == 0);
    ck_assert_int_eq(heald_map_read(&map, 0, hole + page(), 1), -EFAULT);
    ck_assert_int_eq(heald_map_write(&map, 0, hole + page(), 1), -EFAULT);
    ck_assert_int_eq(heald_map_read(&map, 0, hole, 2 * page()), (int64_t)page());
    ck_assert_int_eq(memcmp(hole, map.data, page()), 0);
    ck_assert_int_eq(munmap(hole, 2 * page()), 0);
    close_whole(&map, fd);
}

/* What is in memory. */

HEALD_CASE(what_was_prefaulted_is_resident)
{
    struct heald_map map;
    int fd = make_file(20 * page() + 5, O_RDWR);

    ck_assert_int_eq(heald_map_open(&map, fd, 9, 0, HEALD_MAP_WRITE), 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ck_assert_int_eq(heald_map_prefault(&map, 0, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_map_resident(&map, 0, 0), (int64_t)map.size);
    ck_assert_int_eq(heald_map_resident(&map, 1, page()), (int64_t)page());
    ck_assert_int_eq(heald_map_resident(&map, map.size - 1, 0), 1);
    int err = heald_map_prefault(&map, 3, 2 * page(), HEALD_MAP_WRITE);
    ck_assert(err == 0 || err == -ENOSYS);
    for (size_t at = 0; at < map.size; at++)
        ck_assert_int_eq(((char *)map.data)[at], byte_at(at + 9));
    close_whole(&map, fd);
}

/* Whether the cache drops a file is up to the system, but never is more in than there is. */
HEALD_CASE(a_cold_file)
{
    struct heald_map map;
    int fd = make_file(40 * page(), O_RDWR);

    ck_assert_int_eq(fsync(fd), 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ck_assert_int_eq(heald_map_open(&map, fd, page() - 1, 3 * page(), HEALD_MAP_READ), 0);
    int64_t n = heald_map_resident(&map, 0, 0);
    ck_assert(n >= 0 && n <= (int64_t)map.size);
    close_whole(&map, fd);
}

/* A sparse file that is longer than one question about residence. */
HEALD_CASE(a_large_file)
{
    struct heald_map map;
    size_t size = 3000 * page();
    int fd = make_file(0, O_RDWR);

    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    ck_assert_int_eq(heald_map_open(&map, fd, 0, 0, HEALD_MAP_READ), 0);
    ck_assert_int_eq(heald_map_prefault(&map, page(), 2500 * page() + 1, HEALD_MAP_READ), 0);
    int64_t n = heald_map_resident(&map, 0, 0);
    ck_assert(n >= (int64_t)(2501 * page()) && n <= (int64_t)size);
    close_whole(&map, fd);
}

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *group = harness_group(suite, "open");
    harness_add(group, parts_at_any_offset);
    harness_add(group, parts_that_are_not_there);
    harness_add(group, descriptors_that_cannot_be_mapped);
    harness_add(group, a_device_has_no_end);
    harness_add(group, a_descriptor_that_is_not_open_for_it);
    harness_add(group, a_map_outlives_its_descriptor);
    harness_add(group, a_map_that_is_not_open);
    harness_add(group, ranges_of_a_map);
    group = harness_group(suite, "data");
    harness_add(group, what_is_shared_is_in_the_file);
    harness_add(group, what_is_private_is_not);
    harness_add(group, a_buffer_that_is_bad);
    group = harness_group(suite, "memory");
    harness_add(group, what_was_prefaulted_is_resident);
    harness_add(group, a_cold_file);
    harness_add(group, a_large_file);
    return harness_run(suite);
}
