/*
 * heald/net.h: sockets, pipes and FIFOs by textual address. Plain calls that return at once: 0, a
 * descriptor, or -errno. They need no loop and are thread-safe. Every descriptor that they make is
 * close-on-exec and non-blocking.
 */
#ifndef HEALD_NET_H
#define HEALD_NET_H

#include <heald/base.h>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address that the functions below read from text. */
struct heald_addr {
    socklen_t len; /* 0: a FIFO, whose path stands in un.sun_path */
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } u;
};

/*
 * Reads an address: "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "*:80" (every IPv4 address),
 * "unix:/path", "unix:@abstract", "fifo:/path". Names are not looked up. Port 0: the system
 * chooses. -EINVAL: not one of these; -ENAMETOOLONG: the path does not fit. *ret_addr is untouched
 * on failure.
 */
HEALD_API int heald_addr_parse(const char *text, struct heald_addr *ret_addr);

/* Writes an address the same way. The length of the whole text, as snprintf; -EAFNOSUPPORT for
 * others' families. */
HEALD_API int heald_addr_format(const struct heald_addr *addr, char *buf, size_t size);

/* Room for the text of any address, with its end. */
#define HEALD_ADDR_TEXT 128

/*
 * A socket that listens at `text`. type: SOCK_STREAM, SOCK_SEQPACKET; -EOPNOTSUPP: SOCK_DGRAM, see
 * heald_bind(). backlog 0: the system's largest. TCP: SO_REUSEADDR. unix:/path: a socket file
 * whose socket is closed is replaced; -EADDRINUSE: a socket has it, of whatever type, listening or
 * not, or it is no socket, or it cannot be replaced since its directory cannot be read and locked
 * with flock(2). Of several callers at once, in whatever processes, one succeeds. fifo:/path: made
 * if it is not there (mode 0600), opened so that reading never ends while writers come and go.
 */
HEALD_API int heald_listen(const char *text, int type, int backlog);

/*
 * A socket that is bound to `text` and does not listen: of SOCK_DGRAM, to receive and send with; of
 * the other types, to connect from. A socket file is replaced as by heald_listen(). -EINVAL: also
 * for fifo:/path, which has no address.
 */
HEALD_API int heald_bind(const char *text, int type);

/*
 * A socket to connect to `addr` with heald_prep_connect(); for a FIFO the opened writing end
 * (-ENXIO: nobody reads).
 */
HEALD_API int heald_socket(const struct heald_addr *addr, int type);

/* The address that a socket is bound to, or that it is connected to. */
HEALD_API int heald_local_addr(int fd, struct heald_addr *ret_addr);
HEALD_API int heald_peer_addr(int fd, struct heald_addr *ret_addr);

/* Two connected Unix sockets of a type; a pipe (ret_fds[0] to read from); a FIFO (-EEXIST: there is
 * something else). */
HEALD_API int heald_socketpair(int type, int ret_fds[2]);
HEALD_API int heald_pipe(int ret_fds[2]);
HEALD_API int heald_fifo(const char *path, mode_t mode);

/* Who is at the other end of a connected Unix socket, as it was when it connected. -ENOSYS: the
 * system does not tell. */
struct heald_cred {
    pid_t pid; /* 0 where the system does not tell */
    uid_t uid;
    gid_t gid;
};
HEALD_API int heald_peer_cred(int fd, struct heald_cred *ret_cred);

/* The maximum of descriptors in one message, and the room for them in heald_fd_msg. */
#define HEALD_MSG_FDS 16

/* A message with descriptors (SCM_RIGHTS), ready for heald_prep_sendmsg() and heald_prep_recvmsg().
 */
struct heald_fd_msg {
    struct msghdr msg;
    struct iovec iov;
    union {
        size_t align; /* as struct cmsghdr begins */
        char room[CMSG_SPACE(HEALD_MSG_FDS * sizeof(int)) + CMSG_SPACE(64)];
    } control;
};

/*
 * heald_fd_msg_send: a message of `len` bytes that carries `count` descriptors (0 to HEALD_MSG_FDS,
 * -EINVAL); the kernel takes them when it is sent, and the caller still closes its own. len must
 * not be 0 on a stream. heald_fd_msg_recv: room to receive one. heald_fd_msg_fds: after the
 * receive, moves the descriptors that came to ret_fds (of `max`) and returns how many; they are the
 * caller's. What does not fit is closed, and so is everything if the kernel had to cut the message:
 * -EMSGSIZE.
 */
HEALD_API int heald_fd_msg_send(struct heald_fd_msg *m, const void *buf, size_t len, const int *fds,
                                unsigned count);
HEALD_API void heald_fd_msg_recv(struct heald_fd_msg *m, void *buf, size_t len);
HEALD_API int heald_fd_msg_fds(struct heald_fd_msg *m, int *ret_fds, unsigned max);

#ifdef __cplusplus
}
#endif
#endif
