/* platform/linux/thread.c: see sys.h. */
#include "platform/sys.h"

#include <sched.h>

bool heald__plat_parallel(void)
{
    cpu_set_t set;

    /* Fails where there are more than the set has room for. */
    return sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
}
