/*
 * platform/linux/fence.c: membarrier(2) for all processes that have joined. The system call reaches
 * those that run; one that does not run passes a barrier when it is switched to.
 */
#include "platform/fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool heald__plat_fence_join(void)
{
    long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0);

    return known >= 0 && known & MEMBARRIER_CMD_GLOBAL_EXPEDITED &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0) == 0;
}

void heald__plat_fence_heavy(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
