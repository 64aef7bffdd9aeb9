/* platform/common/sysv.c: message queues of System V, without waiting. */
#include "platform/sys.h"

#include <heald/sysv.h>

#include <errno.h>
#include <sys/ipc.h>
#include <sys/msg.h>

int heald__plat_msgsnd_now(int queue, const void *message, size_t size)
{
    return msgsnd(queue, message, size, IPC_NOWAIT) < 0 ? -errno : 0;
}

int64_t heald__plat_msgrcv_now(int queue, void *message, size_t size, long type, int flags)
{
    int how = IPC_NOWAIT | (flags & HEALD_MSGRCV_CUT ? MSG_NOERROR : 0);

    if (flags & HEALD_MSGRCV_EXCEPT) {
#ifdef MSG_EXCEPT
        how |= MSG_EXCEPT;
#else
        return -EINVAL;
#endif
    }
    ssize_t n = msgrcv(queue, message, size, type, how);
    if (n >= 0)
        return n;
    return errno == ENOMSG ? -EAGAIN : -errno;
}
