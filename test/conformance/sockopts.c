/* test/conformance/sockopts.c: options of sockets, and groups of multicast. */
#include "conformance/conformance.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

HEALD_CASE(options_of_tcp)
{
    int fds[2];

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_socket_set_nodelay(fds[0], 7), 0);
    ck_assert_int_ne(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(heald_socket_set_nodelay(fds[0], 0), 0);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(heald_socket_set_keepalive(fds[0], 30, 5, 4), 0);
    ck_assert_int_ne(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 30);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPINTVL), 5);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPCNT), 4);
    ck_assert_int_eq(heald_socket_set_keepalive(fds[0], 40, 0, 0), 0);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPINTVL), 5);
    ck_assert_int_eq(heald_socket_set_keepalive(fds[0], 0, 0, 0), 0);
    ck_assert_int_eq(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(heald_socket_set_keepalive(fds[0], -1, 0, 0), -EINVAL);
    ck_assert_int_eq(heald_socket_set_keepalive(fds[0], 1 << 30, 0, 0), -EINVAL);
    close(fds[0]);
    close(fds[1]);
}

HEALD_CASE(sizes_of_buffers)
{
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    int before = option(fds[0], SOL_SOCKET, SO_SNDBUF);
    ck_assert_int_eq(heald_socket_set_buffers(fds[0], 16384, 0), 0);
    ck_assert_int_ge(option(fds[0], SOL_SOCKET, SO_RCVBUF), 16384);
    ck_assert_int_eq(option(fds[0], SOL_SOCKET, SO_SNDBUF), before);
    ck_assert_int_eq(heald_socket_set_buffers(fds[0], 0, 32768), 0);
    ck_assert_int_ge(option(fds[0], SOL_SOCKET, SO_SNDBUF), 32768);
    ck_assert_int_eq(heald_socket_set_buffers(fds[0], 0, -1), -EINVAL);
    ck_assert_int_lt(heald_socket_set_nodelay(fds[0], 1), 0);
    close(fds[0]);
    close(fds[1]);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(heald_socket_set_nodelay(fds[0], 1), -ENOTSOCK);
    ck_assert_int_eq(heald_socket_set_buffers(-1, 1, 0), -EBADF);
    close(fds[0]);
    close(fds[1]);
}

/* A member joins once, and leaves once. */
static void join_and_leave(const char *at, const char *group)
{
    struct heald_addr addr, to;
    int fd = heald_bind(at, SOCK_DGRAM);

    if (fd < 0)
        harness_skip("no socket at %s: %s", at, heald_strerror(fd));
    ck_assert_int_eq(heald_addr_parse(group, &addr), 0);
    int err = heald_multicast_join(fd, &addr, "lo");
    if (err == -ENODEV || err == -EOPNOTSUPP || err == -ENOPROTOOPT)
        harness_skip("no multicast on the interface lo: %s", heald_strerror(err));
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(heald_multicast_join(fd, &addr, "lo"), -EADDRINUSE);
    ck_assert_int_eq(heald_multicast_leave(fd, &addr, "lo"), 0);
    ck_assert_int_eq(heald_multicast_leave(fd, &addr, "lo"), -EADDRNOTAVAIL);
    ck_assert_int_eq(heald_multicast_join(fd, &addr, "no-such-if"), -ENODEV);
    ck_assert_int_eq(heald_local_addr(fd, &to), 0);
    ck_assert_int_lt(heald_multicast_join(fd, &to, "lo"), 0);
    close(fd);
}

HEALD_CASE(groups_of_ipv4)
{
    join_and_leave("*:0", "239.255.70.71:0");
}

HEALD_CASE(groups_of_ipv6)
{
    join_and_leave("[::]:0", "[ff01::7071]:0");
}

/* Two processes would do the same: each member gets what is sent by that interface. */
HEALD_CASE(members_at_one_port)
{
    const struct heald_listen_options shared = {.reuse_port = 1};
    struct heald_addr group, port;
    char got[4] = "";
    int fds[2], sender = heald_bind("127.0.0.1:0", SOCK_DGRAM);

    ck_assert_int_ge(fds[0] = heald_bind_with("*:0", SOCK_DGRAM, &shared), 0);
    ck_assert_int_eq(heald_local_addr(fds[0], &port), 0);
    char text[HEALD_ADDR_TEXT];
    heald_addr_format(&port, text, sizeof text);
    ck_assert_int_eq(heald_bind(text, SOCK_DGRAM), -EADDRINUSE);
    ck_assert_int_ge(fds[1] = heald_bind_with(text, SOCK_DGRAM, &shared), 0);
    ck_assert_int_eq(heald_addr_parse("239.255.70.72:0", &group), 0);
    memcpy(&((struct sockaddr_in *)(void *)&group.u)->sin_port,
           &((struct sockaddr_in *)(void *)&port.u)->sin_port, sizeof(in_port_t));
    for (int i = 0; i < 2; i++) {
        int err = heald_multicast_join(fds[i], &group, "lo");
        if (err == -ENODEV || err == -EOPNOTSUPP || err == -ENOPROTOOPT)
            harness_skip("no multicast on the interface lo: %s", heald_strerror(err));
        ck_assert_int_eq(err, 0);
    }
    ck_assert_int_eq(heald_multicast_send(sender, "lo", 1, 1), 0);
    ck_assert_int_eq(sendto(sender, "all", 3, 0, &group.u.sa, group.len), 3);
    for (int i = 0; i < 2; i++) {
        struct pollfd p = {.fd = fds[i], .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 5000), 1);
        ck_assert_int_eq(recv(fds[i], got, sizeof got, 0), 3);
        close(fds[i]);
    }
    ck_assert_int_eq(heald_multicast_send(sender, "no-such-if", -1, -1), -ENODEV);
    ck_assert_int_eq(heald_multicast_send(sender, NULL, 256, -1), -EINVAL);
    ck_assert_int_eq(heald_multicast_send(sender, NULL, -1, 0), 0);
    ck_assert_int_eq(option(sender, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    ck_assert_int_eq(option(sender, IPPROTO_IP, IP_MULTICAST_TTL), 1);
    close(sender);
    ck_assert_int_eq(heald_multicast_send(sender, NULL, -1, -1), -EBADF);
}

HEALD_CASE(an_address_without_groups)
{
    struct heald_addr addr;
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_addr_parse("unix:@group", &addr), 0);
    ck_assert_int_eq(heald_multicast_join(fds[0], &addr, NULL), -EAFNOSUPPORT);
    close(fds[0]);
    close(fds[1]);
}

void add_sockopts(TCase *group)
{
    add_once(group, options_of_tcp);
    add_once(group, sizes_of_buffers);
    add_once(group, groups_of_ipv4);
    add_once(group, groups_of_ipv6);
    add_once(group, members_at_one_port);
    add_once(group, an_address_without_groups);
}
