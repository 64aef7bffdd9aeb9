/* mapped-file FILE OLD NEW: replaces one character by another throughout a file, in the file's own
 * memory. A file that is truncated meanwhile is an error here, not a SIGBUS. */
#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

/* Replaces in a range that fits the buffer: how many, or -errno. */
static int64_t replace_some(struct heald_map *map, size_t offset, size_t len, char old, char new)
{
    static char buf[CHUNK];
    int64_t n = heald_map_read(map, offset, buf, len), count = 0;

    if (n >= 0 && (size_t)n < len)
        return -EFAULT; /* the rest is gone */
    for (int64_t i = 0; i < n; i++)
        if (buf[i] == old) {
            int64_t err = heald_map_write(map, offset + (size_t)i, &new, 1);
            if (err < 0)
                return err;
            count++;
        }
    return n < 0 ? n : count;
}

static int64_t replace(struct heald_map *map, char old, char new)
{
    int64_t count = 0;

    for (size_t offset = 0; offset < map->size; offset += CHUNK) {
        size_t left = map->size - offset;
        int64_t n = replace_some(map, offset, left < CHUNK ? left : CHUNK, old, new);
        if (n < 0)
            return n;
        count += n;
    }
    int err = heald_map_sync(map, 0, 0); /* blocks until it is on the disk */
    return err ? err : count;
}

int main(int argc, char **argv)
{
    struct heald_map map = {0};
    int fd = argc == 4 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0) {
        fprintf(stderr, "mapped-file: %s\n", argc == 4 ? "cannot open it" : "FILE OLD NEW");
        return 1;
    }
    int64_t n = heald_map_open(&map, fd, 0, 0, HEALD_MAP_WRITE);
    close(fd); /* the map does without */
    if (!n)
        n = heald_map_prefault(&map, 0, 0, HEALD_MAP_READ);
    if (!n)
        n = replace(&map, argv[2][0], argv[3][0]);
    if (n < 0)
        fprintf(stderr, "mapped-file: %s\n", heald_strerror((int)n));
    else
        printf("%lld of %zu bytes replaced\n", (long long)n, map.size);
    heald_map_close(&map);
    return n < 0;
}
