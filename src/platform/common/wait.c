/* platform/common/wait.c: select(2) on bitmaps of any length, by POSIX alone. */
#include "platform/sys.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <time.h>

/*
 * The kernel reads as many bits as `count` says, whatever size fd_set has; only the C library's
 * macros are bound to FD_SETSIZE. macOS needs _DARWIN_UNLIMITED_SELECT for this, which the build
 * defines.
 */
int heald__plat_select(int count, void *rd, void *wr, void *ex, int64_t timeout_ns)
{
    struct timespec ts = sys_timespec(timeout_ns);
    int n = pselect(count, rd, wr, ex, timeout_ns < 0 ? NULL : &ts, NULL);
    return n < 0 ? -errno : n;
}

unsigned heald__plat_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return (unsigned)limit.rlim_cur;
}
