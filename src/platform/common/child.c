/* platform/common/child.c: reaping, by POSIX and the wait4(2) that every system has. */
#include "platform/sys.h"

#include <errno.h>
#include <sys/wait.h>

int heald_plat_child_reap(pid_t pid, struct heald_child_status *ret_status)
{
    struct heald_child_status st = {.pid = pid};
    pid_t got = wait4(pid, &st.status, WNOHANG, &st.usage);

    if (got < 0)
        return -errno;
    if (got == 0)
        return -EAGAIN;
    if (ret_status)
        *ret_status = st;
    return 0;
}
