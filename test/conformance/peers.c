/* test/conformance/peers.c: who is at the other end of a Unix socket. */
#include "conformance/conformance.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

/* A child that has connected to a listener of ours, and waits. */
static pid_t child_connects(const char *text, int listener, int *ret_socket)
{
    pid_t child = fork();

    if (child == 0) {
        struct heald_addr addr;
        char c;
        if (heald_addr_parse(text, &addr))
            _exit(1);
        int fd = heald_socket(&addr, SOCK_STREAM);
        set_blocking(fd, true);
        if (connect(fd, &addr.u.sa, addr.len) || write(fd, "x", 1) != 1)
            _exit(1);
        while (read(fd, &c, 1) > 0)
            ;
        _exit(0);
    }
    set_blocking(listener, true);
    *ret_socket = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_socket, 0);
    return child;
}

static bool has_group(const struct heald_peer *peer, gid_t group)
{
    for (int i = 0; i < peer->group_count && i < HEALD_PEER_GROUPS; i++)
        if (peer->groups[i] == group)
            return true;
    return false;
}

static void check_groups(const struct heald_peer *peer)
{
    static gid_t mine[65536];
    int count = getgroups(65536, mine);

    ck_assert_int_eq(peer->group_count, count);
    for (int i = 0; i < count && i < HEALD_PEER_GROUPS; i++)
        ck_assert(has_group(peer, mine[i]));
}

HEALD_CASE(a_process_that_connected)
{
    struct heald_peer peer;
    char text[128], dir[64];
    int dir_fd = dir_make(dir), fd, status;

    snprintf(text, sizeof text, "unix:%s/socket", dir);
    int listener = heald_listen(text, SOCK_STREAM, 0);
    pid_t child = child_connects(text, listener, &fd);
    int err = heald_peer_identity(fd, &peer);
    if (!err) {
        ck_assert(peer.pid == child || peer.pid == 0);
        ck_assert_uint_eq(peer.uid, getuid());
        ck_assert_uint_eq(peer.gid, getgid());
    }
    struct heald_loop *loop = loop_on(_i);
    if (!err && peer.pidfd >= 0) {
        struct heald_child handle = {.pid = peer.pid, .handle = peer.pidfd};
        struct probe p = {0};
        check_groups(&peer);
        ck_assert_int_eq(fcntl(peer.pidfd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        heald_prep_poll(&p.op, peer.pidfd, POLLIN);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
        ck_assert_int_eq(heald_child_kill(&handle, SIGKILL), 0);
        ck_assert_int_eq(probe_end(&p) & POLLIN, POLLIN);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
        ck_assert_int_eq(heald_child_kill(&handle, SIGKILL), -ESRCH);
        heald_close(loop, peer.pidfd);
    } else {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    heald_close(loop, fd);
    close(listener);
    dir_remove(dir_fd, dir);
    loop_end(loop);
    if (err == -ENOSYS)
        harness_skip("the system does not report peers");
    ck_assert_int_eq(err, 0);
}

/* More than there is room for: all are counted. */
HEALD_CASE(many_groups)
{
    gid_t groups[100];
    struct heald_peer peer;
    int fds[2];

    for (int i = 0; i < 100; i++)
        groups[i] = (gid_t)(1000 + i);
    if (setgroups(100, groups))
        harness_skip("may not have other groups");
    pair_open(PAIR_UNIX, fds);
    int err = heald_peer_identity(fds[0], &peer);
    if (!err && peer.group_count >= 0) {
        ck_assert_int_eq(peer.group_count, 100);
        ck_assert(has_group(&peer, 1000));
    }
    if (!err && peer.pidfd >= 0)
        close(peer.pidfd);
    close(fds[0]);
    close(fds[1]);
    if (err == -ENOSYS)
        harness_skip("the system does not report peers");
    ck_assert_int_eq(err, 0);
}

HEALD_CASE(what_has_no_identity)
{
    struct heald_peer peer = {.pid = -7};
    struct heald_addr addr;
    int tcp = tcp_listen(1, &addr), fds[2], lone = socket(AF_UNIX, SOCK_STREAM, 0);

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_peer_identity(fds[0], &peer), -EOPNOTSUPP);
    close(fds[0]);
    close(fds[1]);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(heald_peer_identity(fds[0], &peer), -ENOTSOCK);
    ck_assert_int_eq(heald_peer_identity(lone, &peer), -ENOTCONN);
    ck_assert_int_eq(heald_peer_identity(-1, &peer), -EBADF);
    ck_assert_int_eq(peer.pid, -7);
    close(fds[0]);
    close(fds[1]);
    close(lone);
    close(tcp);
}

/* A receiver that asked for the process of each sender gets descriptors and loses none; what nobody
 * takes is closed, which the harness checks. */
HEALD_CASE(descriptors_beside_that_of_the_sender)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_fd_msg out, in;
    int fds[2], got[2], on = 1;
    char buf[8];

    skip_on_portable("it does not know these descriptors");
    pair_open(PAIR_UNIX, fds);
    if (setsockopt(fds[0], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on) < 0)
        harness_skip("no SO_PASSPIDFD here");
    for (unsigned count = 0; count <= 2; count++) {
        struct probe p = {0};
        ck_assert_int_eq(heald_fd_msg_send(&out, "x", 1, fds, count), 0);
        heald_prep_sendmsg(&p.op, fds[1], &out.msg, 0);
        ck_assert_int_eq(probe_do(loop, &p), 1);
        heald_fd_msg_recv(&in, buf, sizeof buf);
        heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
        ck_assert_int_eq(probe_do(loop, &p), 1);
        ck_assert_int_eq(heald_fd_msg_fds(&in, got, 2), (int)count);
        for (unsigned i = 0; i < count; i++)
            close(got[i]);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

void add_peers(TCase *group)
{
    add_everywhere(group, a_process_that_connected);
    add_once(group, many_groups);
    add_once(group, what_has_no_identity);
    add_everywhere(group, descriptors_beside_that_of_the_sender);
}
