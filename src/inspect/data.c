/* inspect/data.c: what a program keeps in a region, read from outside: as source.h reads the
 * objects of heald. Any thread. */
#include <heald/inspect.h>

#include "inspect/source.h"

#include <errno.h>
#include <string.h>

int heald_object_read(const struct heald_region *region, uint64_t offset, void *buf, size_t size)
{
    if (offset % sizeof(uint64_t) || size % sizeof(uint64_t) || !region_holds(region, offset, size))
        return -EINVAL;
    if (region->is_snapshot)
        return heald__region_read(region, offset, buf, size);
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = source_word(&(struct source){region, offset}, i);
        memcpy((char *)buf + i, &word, sizeof word);
    }
    return 0;
}
