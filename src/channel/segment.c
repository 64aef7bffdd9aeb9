/* channel/segment.c: see segment.h. Any thread. */
#include "channel/segment.h"

#include "platform/shm.h"
#include "platform/sys.h"

#include <heald/map.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* The last one also keeps the peer from taking pages out of its memory. */
enum { SEALS = HEALD_SEAL_SHRINK | HEALD_SEAL_GROW | HEALD_SEAL_SEAL | HEALD_SEAL_FUTURE_WRITE };

enum { BLOCK = 512 }; /* bytes, of st_blocks */

static size_t size_of(uint32_t room)
{
    return SEGMENT_HEAD + (size_t)room;
}

static int map_it(struct segment_map *map, int fd, uint32_t room, unsigned flags)
{
    void *memory;
    int err = heald__plat_map(fd, 0, size_of(room), flags, &memory);

    if (!err)
        *map = (struct segment_map){memory, (char *)memory + SEGMENT_HEAD, room};
    return err;
}

/* The mapping comes before the seal that forbids another one like it. */
int heald__segment_make(struct segment_map *map, uint32_t room)
{
    int fd = heald__plat_memfd("heald-channel");
    int err = fd < 0 ? fd : heald__plat_reserve(fd, 0, size_of(room));

    if (!err)
        err = map_it(map, fd, room, HEALD_MAP_WRITE);
    if (!err && (err = heald__plat_memfd_seal(fd, SEALS)))
        heald__segment_unmap(map);
    if (!err)
        return fd;
    if (fd >= 0)
        close(fd);
    return err == -EINVAL ? -ENOSYS : err;
}

/* A page that is not there would be made when it is read here, at the cost of this process: beyond
 * what it may have, that is SIGBUS or SIGKILL. */
int heald__segment_map(struct segment_map *map, int fd, uint32_t room, uint32_t part,
                       const char **ret_why)
{
    int seals = heald__plat_memfd_seals(fd);
    struct stat st;

    *ret_why = NULL;
    if (seals < 0)
        *ret_why = "what the peer passed is no memfd";
    else if ((seals & SEALS) != SEALS)
        *ret_why = "the memory that the peer passed is not sealed";
    else if (fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size != size_of(room))
        *ret_why = "the memory that the peer passed has not the size that it says";
    else if ((uint64_t)st.st_blocks * BLOCK < size_of(room))
        *ret_why = "the memory that the peer passed has holes";
    if (!*ret_why && map_it(map, fd, part, HEALD_MAP_READ))
        *ret_why = "no memory is free for what the peer passed";
    return *ret_why ? -EPROTO : 0;
}

void heald__segment_unmap(struct segment_map *map)
{
    if (map->segment)
        heald__plat_unmap(map->segment, size_of(map->size));
    map->segment = NULL;
}
