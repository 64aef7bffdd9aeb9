/* test/shm/files.c: see files.h. */
#include "shm/files.h"

#include "harness/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

char byte_at(size_t offset)
{
    return (char)(1 + (offset + offset / page()) % 251);
}

int make_file(size_t size, int flags)
{
    char name[] = "/tmp/heald-map-XXXXXX";
    int fd = mkstemp(name);
    char *data = malloc(size + 1);

    ck_assert(fd >= 0 && data);
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(i);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    free(data);
    int other = open(name, flags | O_CLOEXEC);
    ck_assert(other >= 0 && unlink(name) == 0 && close(fd) == 0);
    return other;
}

int open_whole(struct heald_map *map, size_t pages, unsigned flags)
{
    int fd = make_file(pages * page(), O_RDWR);
    ck_assert_int_eq(heald_map_open(map, fd, 0, 0, flags), 0);
    return fd;
}

void close_whole(struct heald_map *map, int fd)
{
    ck_assert_int_eq(heald_map_close(map), 0);
    ck_assert_int_eq(close(fd), 0);
}
