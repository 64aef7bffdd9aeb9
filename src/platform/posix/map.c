/* platform/posix/map.c: mapped memory where the kernel has no call to copy it, or to have it read
 * beforehand. */
#include "platform/sys.h"

#include <errno.h>

int64_t heald__plat_copy(void *to, const void *from, size_t len)
{
    return heald__plat_copy_by_pipe(to, from, len);
}

int heald__plat_map_populate(void *addr, size_t size, bool writing)
{
    (void)addr;
    (void)size;
    (void)writing;
    return -ENOSYS;
}
