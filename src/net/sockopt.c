/* net/sockopt.c: the options of sockets that programs set every day. Plain calls; thread-safe. */
#include <heald/net.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int heald_socket_set_nodelay(int fd, int on)
{
    return set(fd, IPPROTO_TCP, TCP_NODELAY, on != 0);
}

int heald_socket_set_keepalive(int fd, int idle_s, int interval_s, int count)
{
    const struct {
        int name, value;
    } times[] = {{TCP_KEEPIDLE, idle_s}, {TCP_KEEPINTVL, interval_s}, {TCP_KEEPCNT, count}};

    if (idle_s < 0 || interval_s < 0 || count < 0)
        return -EINVAL;
    if (!idle_s)
        return set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int err = times[i].value ? set(fd, IPPROTO_TCP, times[i].name, times[i].value) : 0;
        if (err)
            return err;
    }
    return set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int heald_socket_set_buffers(int fd, int receive, int send)
{
    int err;

    if (receive < 0 || send < 0)
        return -EINVAL;
    if (receive && (err = set(fd, SOL_SOCKET, SO_RCVBUF, receive)))
        return err;
    return send ? set(fd, SOL_SOCKET, SO_SNDBUF, send) : 0;
}

static int membership4(int fd, const struct heald_addr *group, unsigned index, int is_join)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&group->u.storage;
    struct group_req req = {.gr_interface = index};

    memcpy(&req.gr_group, in, sizeof *in);
    return setsockopt(fd, IPPROTO_IP, is_join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &req,
                      sizeof req) < 0
               ? -errno
               : 0;
}

static int membership6(int fd, const struct heald_addr *group, unsigned index, int is_join)
{
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)&group->u.storage;
    struct ipv6_mreq req = {.ipv6mr_multiaddr = in->sin6_addr,
                            .ipv6mr_interface = index ? index : in->sin6_scope_id};

    return setsockopt(fd, IPPROTO_IPV6, is_join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &req,
                      sizeof req) < 0
               ? -errno
               : 0;
}

static int membership(int fd, const struct heald_addr *group, const char *interface, int is_join)
{
    unsigned index = interface ? if_nametoindex(interface) : 0;

    if (interface && !index)
        return -ENODEV;
    if (group->len && group->u.sa.sa_family == AF_INET)
        return membership4(fd, group, index, is_join);
    if (group->len && group->u.sa.sa_family == AF_INET6)
        return membership6(fd, group, index, is_join);
    return -EAFNOSUPPORT;
}

int heald_multicast_join(int fd, const struct heald_addr *group, const char *interface)
{
    return membership(fd, group, interface, 1);
}

int heald_multicast_leave(int fd, const struct heald_addr *group, const char *interface)
{
    return membership(fd, group, interface, 0);
}

static int send4(int fd, unsigned index, int hops, int loop)
{
    const struct ip_mreqn interface = {.imr_ifindex = (int)index};
    int err = index && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) < 0
                  ? -errno
                  : 0;

    if (!err && hops >= 0)
        err = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, hops);
    return err || loop < 0 ? err : set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop != 0);
}

static int send6(int fd, unsigned index, int hops, int loop)
{
    int err = index ? set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index) : 0;

    if (!err && hops >= 0)
        err = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
    return err || loop < 0 ? err : set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop != 0);
}

int heald_multicast_send(int fd, const char *interface, int hops, int loop)
{
    unsigned index = interface ? if_nametoindex(interface) : 0;
    struct heald_addr addr;
    int err = heald_local_addr(fd, &addr);

    if (err)
        return err;
    if (hops > UINT8_MAX)
        return -EINVAL;
    if (interface && !index)
        return -ENODEV;
    switch (addr.u.sa.sa_family) {
    case AF_INET: return send4(fd, index, hops, loop);
    case AF_INET6: return send6(fd, index, hops, loop);
    default: return -EAFNOSUPPORT;
    }
}
