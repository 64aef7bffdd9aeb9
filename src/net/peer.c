/*
 * net/peer.c: who is at the other end of a Unix socket, as it was when the two were connected.
 * Plain calls; thread-safe.
 *
 * A process id may be another process's by the time that it is read. A descriptor of the process
 * may not: so where the system has one, it is what a program should ask and signal.
 */
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>

int heald_peer_cred(int fd, struct heald_cred *ret_cred)
{
    struct heald_cred c;
    int err = heald__plat_peer_cred(fd, &c.pid, &c.uid, &c.gid);
    if (!err)
        *ret_cred = c;
    return err;
}

int heald_peer_identity(int fd, struct heald_peer *ret_peer)
{
    struct heald_peer p = {.pidfd = -1, .group_count = -1};
    struct heald_addr addr = {0};
    int err = heald_peer_addr(fd, &addr);

    if (!err && addr.u.sa.sa_family != AF_UNIX)
        err = -EOPNOTSUPP;
    if (!err)
        err = heald__plat_peer_cred(fd, &p.pid, &p.uid, &p.gid);
    /* A datagram socket has a peer, and nobody has connected. */
    if (!err && p.uid == (uid_t)-1)
        err = -EOPNOTSUPP;
    if (err)
        return err;
    p.group_count = heald__plat_peer_groups(fd, p.groups, HEALD_PEER_GROUPS);
    heald__plat_peer_label(fd, p.label, sizeof p.label);
    p.pidfd = heald__plat_peer_handle(fd);
    *ret_peer = p;
    return 0;
}
