/*
 * heald/net.h: sockets, pipes and FIFOs by textual address.
 *
 * The functions need no loop, but for heald_prep_fifo_open(). They are thread-safe, and not
 * async-signal-safe. They return 0, a descriptor or a count, or -errno; besides the errors below
 * they return those of the system call. Every descriptor that they make is close-on-exec and
 * non-blocking, and belongs to the caller. None waits for a peer.
 */
#ifndef HEALD_NET_H
#define HEALD_NET_H

#include <heald/op.h>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address in binary form. */
struct heald_addr {
    socklen_t len; /* 0: a FIFO, with its path in un.sun_path */
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } u;
};

/*
 * Parses a textual address. Host names are not looked up. Does not block. *ret_addr is untouched on
 * failure.
 *
 *   127.0.0.1:80          IPv4; the host * is every IPv4 address
 *   [::1]:80              IPv6
 *   [fe80::1%eth0]:80     IPv6 with an interface
 *   unix:/path            a Unix socket
 *   unix:@name            an abstract Unix socket (Linux)
 *   fifo:/path            a FIFO
 *
 *   0               *ret_addr is the address; with port 0 the system chooses a port
 *   -EINVAL         the text has none of these forms (localhost:80, :80)
 *   -ENODEV         there is no such interface
 *   -ENAMETOOLONG   the path does not fit in a sockaddr_un
 */
HEALD_API int heald_addr_parse(const char *text, struct heald_addr *ret_addr);

/* Returns why heald_addr_parse() refuses a text with -EINVAL, as part of a sentence, such as "no
 * port"; NULL: it does not. The string is static. */
HEALD_API const char *heald_addr_why(const char *text);

/*
 * Writes an address in the same form to `buf` of `size` bytes. Returns the length of the whole
 * text, as snprintf(3), or -EAFNOSUPPORT if the family is none of the above.
 */
HEALD_API int heald_addr_format(const struct heald_addr *addr, char *buf, size_t size);

/* Bytes that are enough for any textual address and its terminating 0. */
#define HEALD_ADDR_TEXT 128

/*
 * Makes a socket of type SOCK_STREAM or SOCK_SEQPACKET that listens at `text`. A backlog of 0 is
 * the maximum of the system. A TCP socket gets SO_REUSEADDR.
 *
 * Beside the forms of heald_addr_parse() it takes :80, every address of IPv6 and IPv4, and
 * localhost:80, the loopback address of IPv4, or of IPv6 on a machine without IPv4. Other names are
 * -EINVAL: to look them up would block. heald_prep_lookup() does that (heald/name.h).
 *
 * unix:/path: a socket file whose socket is closed is replaced, under flock(2) on its directory. Of
 * several callers, in any processes, one succeeds. While another process holds the lock the call
 * waits for up to a second or so. fifo:/path: the FIFO is made with mode 0600 if it does not exist,
 * and opened for reading and writing, so that reads do not end when the last writer closes it.
 *
 *   >= 0           the descriptor
 *   -EINVAL, -ENAMETOOLONG, -ENODEV
 *                  see heald_addr_parse()
 *   -EINVAL        the type is none of SOCK_STREAM, SOCK_SEQPACKET and SOCK_DGRAM, or has a flag
 *                  beside it
 *   -EOPNOTSUPP    the type is SOCK_DGRAM: use heald_bind()
 *   -EADDRINUSE    a socket is bound there, of whatever type, listening or not. Right after a
 *                  restart: see below
 *   -EADDRINUSE    (unix:/path) the file is not a socket
 *   -EADDRINUSE    (unix:/path) the directory cannot be opened or locked, or the lock stayed held
 *   -EEXIST        (fifo:/path) the file is not a FIFO
 *
 * A process that accepted in an io_uring and ended without closing its listener may keep the port
 * for some milliseconds more, as heald_close() says. A program that is restarted closes its
 * listener and runs one more turn before it ends; or listens again after 10 ms, a few times; or
 * sets reuse_port each time; or gets its sockets from systemd (heald_listener_open()), which keeps
 * them.
 */
HEALD_API int heald_listen(const char *text, int type, int backlog);

/* Options of heald_listen_with(). A member that is 0 has its default. */
struct heald_listen_options {
    int backlog;    /* default: the maximum of the system */
    int reuse_port; /* 1: several sockets listen at one port, and share the connections */
    int v6_only;    /* 1: a socket of IPv6 does not take IPv4 as well */
    int defer_s;    /* TCP: a connection is accepted when it has data, or after so many seconds */
    int fast_open;  /* TCP: data in the first segment; how many of these may wait */
    mode_t mode;    /* of a socket file, 0777 at most; default: as the umask says */
    int set_owner;  /* 1: the socket file gets this user and group; (uid_t)-1: unchanged */
    uid_t uid;
    gid_t gid;
};

/*
 * As heald_listen(), with options. Options of TCP and of IP have no effect on a Unix socket, and
 * the reverse. The mode and the owner are set before the socket listens. `options` may be NULL:
 * then each member has its default.
 *
 *   -EINVAL       as heald_listen(); or defer_s or fast_open is negative, or mode above 0777
 *   -ENOPROTOOPT  the system has no such option
 *   -EPERM        the process may not change the owner
 */
HEALD_API int heald_listen_with(const char *text, int type,
                                const struct heald_listen_options *options);

/*
 * Makes a socket that is bound to `text` and does not listen. A SOCK_DGRAM socket sends and
 * receives; a socket of another type connects from that address. Takes the same addresses, replaces
 * a socket file, and fails, as heald_listen() does. Also -EINVAL for fifo:/path.
 */
HEALD_API int heald_bind(const char *text, int type);

/* The same with options, of which backlog has no meaning; NULL: none. With reuse_port several
 * sockets, of several processes, are bound to one port: the datagrams of a multicast group go to
 * each of them, others to one. Fails as heald_bind() and heald_listen_with(). */
HEALD_API int heald_bind_with(const char *text, int type,
                              const struct heald_listen_options *options);

/*
 * Makes a socket for heald_prep_connect() to `addr`. For a FIFO it opens the writing end.
 *
 *   >= 0     the descriptor
 *   -ENXIO   (FIFO) no process has it open for reading
 */
HEALD_API int heald_socket(const struct heald_addr *addr, int type);

/*
 * Set options of a socket. None waits.
 * heald_socket_set_nodelay: TCP sends small segments at once (TCP_NODELAY).
 * heald_socket_set_keepalive: TCP asks a silent peer after idle_s seconds, then every interval_s
 * seconds, and fails the connection with ETIMEDOUT after `count` questions without an answer. An
 * idle_s of 0 turns that off; an interval_s or count of 0 leaves the value as it is.
 * heald_socket_set_buffers: the sizes of the buffers of the kernel in bytes; 0 leaves one as it is.
 * The system has limits and may round.
 *   0                      done
 *   -EINVAL                a number is negative or out of range
 *   -ENOPROTOOPT, -EOPNOTSUPP, -ENOTSOCK, -EBADF
 *                          it is no TCP socket, or no socket
 */
HEALD_API int heald_socket_set_nodelay(int fd, int on);
HEALD_API int heald_socket_set_keepalive(int fd, int idle_s, int interval_s, int count);
HEALD_API int heald_socket_set_buffers(int fd, int receive, int send);

/*
 * Join and leave a multicast group with a datagram socket. `interface` is a name such as "eth0", or
 * NULL: the system chooses, or the interface in the address of the group does. None waits.
 *   0               done
 *   -EADDRINUSE     (join) it is a member already
 *   -EADDRNOTAVAIL  (leave) it is no member
 *   -EAFNOSUPPORT   the address is neither IPv4 nor IPv6
 *   -EINVAL         it is no address of a group, or of another family than the socket
 *   -ENODEV         there is no such interface, or the system finds none
 */
HEALD_API int heald_multicast_join(int fd, const struct heald_addr *group, const char *interface);
HEALD_API int heald_multicast_leave(int fd, const struct heald_addr *group, const char *interface);

/*
 * Sets how a bound datagram socket sends to multicast groups: by which interface (NULL: unchanged;
 * the system's choice by default), over how many hops (below 0: unchanged; by default 1, the local
 * network), and whether members on this host get it, too (below 0: unchanged; by default they do).
 * Does not wait.
 *   0               done
 *   -EAFNOSUPPORT   the socket is neither of IPv4 nor of IPv6
 *   -EINVAL         more than 255 hops
 *   -ENODEV         there is no such interface
 *   -errno          an error of setsockopt(2)
 */
HEALD_API int heald_multicast_send(int fd, const char *interface, int hops, int loop);

/* Get the address that a socket is bound to, and that of its peer. *ret_addr is untouched on
 * failure. Return 0, or the error of getsockname(2) or getpeername(2). */
HEALD_API int heald_local_addr(int fd, struct heald_addr *ret_addr);
HEALD_API int heald_peer_addr(int fd, struct heald_addr *ret_addr);

/*
 * Make two connected Unix sockets of a type (SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM), a pipe
 * (ret_fds[0] is the reading end), and a FIFO (with `mode`, less the umask). heald_fifo() returns 0
 * if the FIFO exists already, and -EEXIST if the path is another kind of file.
 */
HEALD_API int heald_socketpair(int type, int ret_fds[2]);
HEALD_API int heald_pipe(int ret_fds[2]);
HEALD_API int heald_fifo(const char *path, mode_t mode);

/* How to open a FIFO: one of the first two, and KEEP. They are not the flags of open(2), whose
 * numbers mean something else: O_WRONLY is the number of HEALD_FIFO_READ. */
enum {
    HEALD_FIFO_READ = 1,
    HEALD_FIFO_WRITE = 2,
    HEALD_FIFO_KEEP = 4 /* the other end, too, in the same descriptor (O_RDWR) */
};

/*
 * Opens a FIFO without waiting for the other end: see heald_prep_fifo_open() for that. Blocks only
 * as the file system does when it looks a path up.
 *
 * READ: readers and writers come and go. A read returns 0, the end of file, while no writer has the
 * FIFO open, before the first one as well; on Linux heald_prep_poll() for POLLIN does not complete
 * before the first writer came. With KEEP a read waits for the next writer instead, and never
 * returns 0.
 *
 * WRITE: a write after the last reader has closed is -EPIPE, and as with any pipe the system may
 * send SIGPIPE, which the program should ignore (heald/io.h). With KEEP neither occurs, and no
 * reader is needed: what is written waits in the FIFO, up to its capacity, and is lost if this
 * descriptor is closed before a reader opens it.
 *
 *   >= 0            the descriptor
 *   -ENXIO          (WRITE without KEEP) no process has it open for reading
 *   -EINVAL         the file is not a FIFO; the flags are none of the above; path is NULL
 *   -ENOENT, -EACCES, -EMFILE and others
 *                   as open(2)
 */
HEALD_API int heald_fifo_open(const char *path, int flags);

/*
 * The same as an op, which for WRITE without KEEP waits until a process has the FIFO open for
 * reading. The result is the descriptor, or an error of heald_fifo_open() but -ENXIO; also
 * -ECANCELED and -ETIMEDOUT. Nothing announces a reader, so the open is tried again after 1, 2, 4
 * ... 32 ms: a reader is seen up to 32 ms late, and each try is two system calls. A cancel or a
 * deadline leaves no descriptor. `path` stays in place until the op completes. The prep does not
 * block.
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   path is NULL, or the flags are invalid
 */
HEALD_API int heald_prep_fifo_open(struct heald_op *op, const char *path, int flags);

/* The credentials of a process. */
struct heald_cred {
    pid_t pid; /* 0 if the system does not report it */
    uid_t uid;
    gid_t gid;
};

/* Gets the credentials that the peer of a connected Unix socket had when it connected. Returns 0;
 * -ENOSYS if the system does not report them. */
HEALD_API int heald_peer_cred(int fd, struct heald_cred *ret_cred);

enum { HEALD_PEER_GROUPS = 64, HEALD_PEER_LABEL = 256 };

/* Who is at the other end of a connection. */
struct heald_peer {
    pid_t pid; /* 0: the system does not report it, or it is in another PID name space */
    uid_t uid;
    gid_t gid;
    int pidfd;       /* a descriptor of the process; -1: none. It belongs to the caller */
    int group_count; /* of its supplementary groups; -1: not known */
    gid_t groups[HEALD_PEER_GROUPS]; /* the first of them */
    char label[HEALD_PEER_LABEL];    /* its security label (SELinux, AppArmor); empty: none */
};

/*
 * Gets the identity of the peer of a connected Unix socket: the process that connected, or that
 * listened, as it was then. Of two sockets of heald_socketpair() it is their maker. Does not block.
 * *ret_peer is untouched on failure.
 *
 * The number of a process may belong to another one meanwhile: pidfd never does. It signals the
 * process (heald_child_kill() with it as the handle), and heald_prep_poll() for POLLIN completes
 * when the process has ended. It is of Linux 6.5, and -1 if the process was reaped before this call
 * (until Linux 6.16). The groups and the label are of Linux alone.
 *
 *   0            done
 *   -EOPNOTSUPP  not a Unix socket; or one of datagrams, but for those of heald_socketpair()
 *   -ENOTCONN    the socket is not connected
 *   -ENOSYS      the system does not report it
 *   -EBADF, -ENOTSOCK
 *                no socket
 */
HEALD_API int heald_peer_identity(int fd, struct heald_peer *ret_peer);

/* The maximum number of descriptors in one message. */
#define HEALD_MSG_FDS 16

/* A message with descriptors (SCM_RIGHTS), for heald_prep_sendmsg() and heald_prep_recvmsg(). */
struct heald_fd_msg {
    struct msghdr msg;
    struct iovec iov;
    union {
        size_t align; /* as struct cmsghdr begins */
        char room[CMSG_SPACE(HEALD_MSG_FDS * sizeof(int)) + CMSG_SPACE(64)];
    } control;
};

/*
 * Fill `m`, which belongs to the caller. None of these blocks.
 *
 * heald_fd_msg_send: a message of `len` bytes that carries `count` descriptors. The kernel
 * duplicates them when the message is sent; the caller closes its own after that. On a stream `len`
 * is not 0. heald_fd_msg_recv: space to receive a message. heald_fd_msg_fds: after the receive,
 * moves the descriptors to ret_fds, of `max` entries; they belong to the caller, and are
 * close-on-exec. Descriptors that do not fit are closed, and so is one of the sender's process
 * (SO_PASSPIDFD).
 *
 *   0, or the number of descriptors (fds)
 *   -EINVAL     (send) count is above HEALD_MSG_FDS, or fds is NULL and count is not 0
 *   -EMSGSIZE   (fds) the kernel truncated the message; all descriptors are closed
 */
HEALD_API int heald_fd_msg_send(struct heald_fd_msg *m, const void *buf, size_t len, const int *fds,
                                unsigned count);
HEALD_API void heald_fd_msg_recv(struct heald_fd_msg *m, void *buf, size_t len);
HEALD_API int heald_fd_msg_fds(struct heald_fd_msg *m, int *ret_fds, unsigned max);

#ifdef __cplusplus
}
#endif
#endif
