/* test/conformance/net.c: sockets, pipes and FIFOs by textual address; no loop is needed. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void check_flags(int fd)
{
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

HEALD_CASE(everything_is_close_on_exec_and_non_blocking)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct heald_addr addr;
    int fds[2];

    for (int t = 0; t < 3; t++) {
        ck_assert_int_eq(heald_socketpair(types[t], fds), 0);
        check_flags(fds[0]);
        check_flags(fds[1]);
        close(fds[0]);
        close(fds[1]);
    }
    ck_assert_int_eq(heald_pipe(fds), 0);
    check_flags(fds[0]);
    check_flags(fds[1]);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    close(fds[0]);
    close(fds[1]);
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    check_flags(listener);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    int fd = heald_socket(&addr, SOCK_STREAM);
    check_flags(fd);
    close(fd);
    close(listener);
}

static int open_at(const char *text, int type)
{
    return type == SOCK_DGRAM ? heald_bind(text, type) : heald_listen(text, type, 0);
}

HEALD_CASE(listening_by_text)
{
    static const char *const texts[] = {"127.0.0.1:0", "*:0", "[::1]:0"};
    struct heald_addr addr, peer;
    char text[HEALD_ADDR_TEXT];

    for (int i = 0; i < 3; i++)
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
            int fd = open_at(texts[i], type);
            if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
                continue;
            ck_assert_int_ge(fd, 0);
            ck_assert_int_eq(heald_local_addr(fd, &addr), 0);
            ck_assert_int_gt(heald_addr_format(&addr, text, sizeof text), 0);
            ck_assert_ptr_null(strstr(text, ":0\n"));
            ck_assert_int_eq(heald_peer_addr(fd, &peer), -ENOTCONN);
            close(fd);
        }
    ck_assert_int_eq(heald_listen("nonsense", SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen("example.org:80", SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen("localhost:http", SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen("localhost", SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen(":65536", SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen(":0", SOCK_STREAM | SOCK_CLOEXEC, 0), -EINVAL);
    ck_assert_int_eq(heald_listen(NULL, SOCK_STREAM, 0), -EINVAL);
    ck_assert_int_eq(heald_listen("203.0.113.1:1", SOCK_STREAM, 0), -EADDRNOTAVAIL);
    ck_assert_int_eq(heald_local_addr(-1, &addr), -EBADF);
}

/* :0 is every address of both families; localhost:0 the loopback address. */
HEALD_CASE(listening_by_name)
{
    struct heald_addr addr, to;
    char text[HEALD_ADDR_TEXT], port[HEALD_ADDR_TEXT];
    static const char *const peers[] = {"127.0.0.1", "[::1]"};

    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int fd = open_at(":0", type), both = 0;
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(heald_local_addr(fd, &addr), 0);
        heald_addr_format(&addr, text, sizeof text);
        for (int i = 0; i < 2; i++) {
            snprintf(port, sizeof port, "%s%s", peers[i], strrchr(text, ':'));
            ck_assert_int_eq(heald_addr_parse(port, &to), 0);
            int peer = socket(to.u.sa.sa_family, type | SOCK_CLOEXEC, 0);
            both += peer >= 0 && connect(peer, &to.u.sa, to.len) == 0;
            close(peer);
        }
        ck_assert_int_eq(both, addr.u.sa.sa_family == AF_INET ? 1 : 2);
        close(fd);
        fd = open_at("localhost:0", type);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(heald_local_addr(fd, &addr), 0);
        heald_addr_format(&addr, text, sizeof text);
        ck_assert(strncmp(text, "127.0.0.1:", 10) == 0 || strncmp(text, "[::1]:", 6) == 0);
        close(fd);
    }
}

/* A bound socket does not listen, and connects from its address; one of datagrams cannot listen. */
HEALD_CASE(bound_sockets)
{
    struct heald_addr from, to, peer;
    char path[64], text[96];
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0), dir = dir_make(path);

    ck_assert_int_eq(heald_local_addr(listener, &to), 0);
    int fd = heald_bind("127.0.0.1:0", SOCK_STREAM);
    check_flags(fd);
    ck_assert_int_eq(heald_local_addr(fd, &from), 0);
    ck_assert(connect(fd, &to.u.sa, to.len) == 0 || errno == EINPROGRESS);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    int accepted = accept(listener, NULL, NULL);
    ck_assert_int_eq(heald_peer_addr(accepted, &peer), 0);
    ck_assert_int_eq(memcmp(&peer.u.sa, &from.u.sa, from.len), 0);
    close(accepted);
    close(fd);
    close(listener);
    snprintf(text, sizeof text, "unix:%s/socket", path);
    ck_assert_int_eq(heald_listen(text, SOCK_DGRAM, 0), -EOPNOTSUPP);
    ck_assert_int_eq(faccessat(dir, "socket", F_OK, 0), -1);
    ck_assert_int_eq(heald_listen("127.0.0.1:0", SOCK_DGRAM, 0), -EOPNOTSUPP);
    ck_assert_int_eq(heald_listen(text, SOCK_DGRAM | O_NONBLOCK, 0), -EINVAL);
    ck_assert_int_eq(heald_listen(text, SOCK_STREAM | O_NONBLOCK, 0), -EINVAL);
    ck_assert_int_eq(heald_listen(text, SOCK_RAW, 0), -EINVAL);
    ck_assert_int_eq(heald_bind(text, SOCK_DGRAM | O_NONBLOCK), -EINVAL);
    snprintf(text, sizeof text, "fifo:%s/fifo", path);
    ck_assert_int_eq(heald_bind(text, SOCK_STREAM), -EINVAL);
    ck_assert_int_eq(heald_bind("nonsense", SOCK_DGRAM), -EINVAL);
    dir_remove(dir, path);
}

HEALD_CASE(a_port_that_is_taken)
{
    struct heald_addr addr;
    char text[HEALD_ADDR_TEXT];
    int fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);

    heald_local_addr(fd, &addr);
    heald_addr_format(&addr, text, sizeof text);
    ck_assert_int_eq(heald_listen(text, SOCK_STREAM, 0), -EADDRINUSE);
    close(fd);
    fd = heald_listen(text, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

HEALD_CASE(socket_files)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    char path[64], text[96];
    int dir = dir_make(path);

    snprintf(text, sizeof text, "unix:%s/socket", path);
    for (int t = 0; t < 3; t++) {
        int fd = open_at(text, types[t]);
        check_flags(fd);
        ck_assert_int_eq(open_at(text, types[t]), -EADDRINUSE);
        close(fd);
        /* Left over by a process that is gone: replaced. */
        fd = open_at(text, types[t]);
        check_flags(fd);
        close(fd);
        ck_assert_int_eq(unlinkat(dir, "socket", 0), 0);
    }
    /* What is no socket is left alone. */
    close(openat(dir, "socket", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(heald_listen(text, SOCK_STREAM, 0), -EADDRINUSE);
    struct stat st;
    ck_assert_int_eq(fstatat(dir, "socket", &st, 0), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(heald_listen("unix:/nowhere/at/all", SOCK_STREAM, 0), -ENOENT);
    dir_remove(dir, path);
}

HEALD_CASE(named_pipes)
{
    char path[64], text[96], buf[8];
    struct heald_addr addr;
    struct stat st;
    int dir = dir_make(path);

    snprintf(text, sizeof text, "fifo:%s/pipe", path);
    ck_assert_int_eq(heald_addr_parse(text, &addr), 0);
    ck_assert_int_eq(heald_socket(&addr, 0), -ENOENT);
    ck_assert_int_eq(heald_fifo(addr.u.un.sun_path, 0600), 0);
    ck_assert_int_eq(heald_fifo(addr.u.un.sun_path, 0600), 0);
    ck_assert_int_eq(heald_socket(&addr, 0), -ENXIO);
    int reader = heald_listen(text, SOCK_STREAM, 0), writer = heald_socket(&addr, 0);
    check_flags(reader);
    check_flags(writer);
    ck_assert_int_eq(fstat(reader, &st), 0);
    ck_assert(S_ISFIFO(st.st_mode));
    ck_assert_int_eq(write(writer, "fifo", 4), 4);
    close(writer);
    ck_assert_int_eq(read(reader, buf, 8), 4);
    /* It does not end when the writer goes. */
    ck_assert_int_eq(read(reader, buf, 8), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(reader);
    snprintf(text, sizeof text, "%s/file", path);
    close(openat(dir, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(heald_fifo(text, 0600), -EEXIST);
    ck_assert_int_eq(heald_fifo("/nowhere/at/all", 0600), -ENOENT);
    dir_remove(dir, path);
}

HEALD_CASE(who_is_at_the_other_end)
{
    struct heald_cred cred = {.pid = -7};
    struct heald_addr addr;
    int fds[2], fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);

    pair_open(PAIR_UNIX, fds);
    int err = heald_peer_cred(fds[0], &cred);
    if (err == -ENOSYS) {
        ck_assert_int_eq(cred.pid, -7);
    } else {
        ck_assert_int_eq(err, 0);
        ck_assert(cred.pid == getpid() || cred.pid == 0);
        ck_assert_uint_eq(cred.uid, getuid());
        ck_assert_uint_eq(cred.gid, getgid());
    }
    ck_assert_int_lt(heald_peer_cred(-1, &cred), 0);
    ck_assert_int_eq(heald_peer_addr(fds[0], &addr), 0);
    close(fds[0]);
    close(fds[1]);
    close(fd);
}

/* Outputs are untouched on failure. */
HEALD_CASE(failures_leave_outputs_alone)
{
    struct heald_addr addr, copy;

    memset(&addr, 0x5a, sizeof addr);
    copy = addr;
    ck_assert_int_eq(heald_addr_parse("nonsense", &addr), -EINVAL);
    ck_assert_int_eq(heald_local_addr(-1, &addr), -EBADF);
    ck_assert_int_eq(heald_peer_addr(-1, &addr), -EBADF);
    ck_assert_mem_eq(&addr, &copy, sizeof addr);
    int fds[2] = {-5, -5};
    ck_assert_int_lt(heald_socketpair(12345, fds), 0);
    ck_assert_int_eq(fds[0], -5);
    ck_assert_int_eq(fds[1], -5);
}

void add_net(TCase *group)
{
    add_once(group, everything_is_close_on_exec_and_non_blocking);
    add_once(group, listening_by_text);
    add_once(group, listening_by_name);
    add_once(group, bound_sockets);
    add_once(group, a_port_that_is_taken);
    add_once(group, socket_files);
    add_once(group, named_pipes);
    add_once(group, who_is_at_the_other_end);
    add_once(group, failures_leave_outputs_alone);
}
