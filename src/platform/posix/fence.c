/* platform/posix/fence.c: none: the light one is as heavy. */
#include "platform/fence.h"

bool heald__plat_fence_join(void)
{
    return false;
}

void heald__plat_fence_heavy(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
