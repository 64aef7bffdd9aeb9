/*
 * heald/name.h: addresses by name, as operations.
 *
 * The C library looks names up, so the answers are those of the rest of the system (nsswitch.conf,
 * /etc/hosts, DNS, mDNS). It blocks, and cannot be stopped: a thread of the loop's workers
 * HEALD_WORKERS_NAMES (heald/work.h) calls it. When an op is cancelled or its deadline passes, the
 * op completes at once, and the thread goes on alone. Look-ups of the same name in a loop share one
 * call. Eight questions are asked at a time, or as many as heald_loop_options.workers has threads.
 * While all threads hang, other look-ups wait for a thread, or for their deadline;
 * heald_workers_stats() shows that.
 *
 * Where the C library would ask systemd-resolved first, by the line `hosts:` of nsswitch.conf, the
 * loop asks it itself, without a thread. The loop reads that file at its first look-up. What
 * resolved does not answer as expected is asked of the C library, and for 30 s so is all else. The
 * environment variable HEALD_RESOLVER overrides the file: `libc`, `resolved`, or `resolved:` and
 * the address of its socket (unix:/path); in set-user-ID programs it is ignored.
 *
 * By default each look-up asks again. A loop that was opened with `lookup_cache_ns` keeps answers
 * for so long, and the same look-up then completes in the next turn, without a thread; a change is
 * seen that much later. It keeps the answers to the last 256 questions, of 64 addresses at most
 * each, and never an error. The cache belongs to the loop.
 *
 * A numeric address, `localhost` (RFC 6761) and a path need no thread: the op completes in the next
 * turn.
 *
 * A prep does not block and is called by the thread that uses the op. It returns 0, -EBUSY if the
 * op is pending, and -EINVAL as below. heald_submit() may return -ENOMEM.
 */
#ifndef HEALD_NAME_H
#define HEALD_NAME_H

#include <heald/net.h>
#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Errors of names. They are results like -errno, above all errno values. heald_strerror() knows
 * them. The code of the C library, for gai_strerror(3), is in `eai`.
 */
enum heald_name_error {
    HEALD_ENONAME = 4801, /* there is no such name, or it has no address of the family */
    HEALD_ENAMESERVER,    /* no name server answered; it may do so later */
    HEALD_ENAMEFAIL,      /* the name servers or the system could not answer */
    HEALD_ESERVICE        /* there is no such service for the type of socket */
};

/* Bits of heald_lookup.flags. */
enum {
    HEALD_LOOKUP_PASSIVE = 1, /* for a listener: without a host, or with *, every address */
    HEALD_LOOKUP_NUMERIC = 2  /* only what needs no thread; other names are -HEALD_ENONAME */
};

/*
 * What is looked up, and the answer. The caller owns it, zeroes it and sets members other than 0
 * before the submit. It stays in place while the op is pending, and so does ret_addrs.
 */
struct heald_lookup {
    int family;                   /* AF_UNSPEC, AF_INET or AF_INET6 */
    int type;                     /* SOCK_STREAM (also if it is 0) or SOCK_DGRAM: of the service */
    unsigned flags;               /* HEALD_LOOKUP_... */
    unsigned max;                 /* room in ret_addrs; may be 0 */
    struct heald_addr *ret_addrs; /* filled in the order in which they are to be tried (RFC 6724) */
    int eai;                      /* an output: the code of getaddrinfo(3), or 0 */
    void *job;                    /* private */
};

/*
 * Looks up a host and a service. `host` is a name, a numeric address (an IPv6 address without
 * brackets), *, unix:/path, unix:@name or fifo:/path; NULL: this machine, without
 * HEALD_LOOKUP_PASSIVE by its loopback addresses. `service` is a name or a port; NULL: port 0. The
 * strings must stay until heald_submit() returns. The result is the number of addresses, 1 to 1024;
 * the first `max` of them are in ret_addrs.
 *
 *   -EINVAL              (prep) `lookup` is NULL, host and service are, or a member is invalid
 *   -HEALD_ENONAME, -HEALD_ENAMESERVER, -HEALD_ENAMEFAIL, -HEALD_ESERVICE
 *                        see enum heald_name_error
 *   -ENAMETOOLONG        the host, the service or the path is too long
 *   -EINVAL              the port is above 65535, or the host is no address and has a colon
 *   -ENODEV              there is no such interface
 *   -EAFNOSUPPORT        the numeric address is not of the family
 *   -ECANCELED, -ETIMEDOUT
 *                        it was cancelled, or its deadline passed
 *   -ENOBUFS             1024 names that this loop looks up wait for a thread
 *   -EAGAIN, -ENOMEM     not even one thread can be started; no memory
 *   -errno               an error of the system
 */
HEALD_API int heald_prep_lookup(struct heald_op *op, struct heald_lookup *lookup, const char *host,
                                const char *service);

/* How far a connection to a name has come. */
enum heald_phase {
    HEALD_PHASE_LOOKUP = 0, /* no address is known */
    HEALD_PHASE_CONNECT,    /* addresses are tried */
    HEALD_PHASE_CONNECTED
};

/*
 * A connection to a name. The caller owns it, zeroes it and sets members other than 0 before the
 * submit. It stays in place while the op is pending.
 */
struct heald_connect_name {
    int family;       /* AF_UNSPEC, AF_INET or AF_INET6 */
    int type;         /* SOCK_STREAM (also if it is 0), SOCK_SEQPACKET or SOCK_DGRAM */
    int64_t delay_ns; /* between attempts; 0: 250 ms; otherwise 10 ms or more */
    /* Outputs. */
    int phase;              /* enum heald_phase: how far it came */
    int eai;                /* of a look-up that failed: see struct heald_lookup */
    unsigned attempts;      /* connects that were begun */
    struct heald_addr addr; /* of the connection; after a failure, the address tried last */
    void *race;             /* private */
};

/*
 * Connects to a host and a service by Happy Eyeballs (RFC 8305): looks up IPv6 and IPv4 addresses
 * at once, tries them one after another, the families in turn, each when the one before has failed
 * or `delay_ns` has passed, and takes the first connection. At most 16 addresses of a family are
 * tried. `host` and `service` are as for heald_prep_lookup(); or `service` is NULL and `host` a
 * textual address, which may have a name: example.org:443, [::1]:80, :80. The deadline of the op
 * holds for all of it. When the op completes, nothing else of the attempts is left.
 *
 * The result is the descriptor of a connected socket: close-on-exec, non-blocking, the caller's.
 * After an error `phase` says in what phase it was.
 *
 *   -EINVAL             (prep) `name` is NULL, host and service are, or a member is invalid
 *   HEALD_PHASE_LOOKUP  the errors of heald_prep_lookup(); -EINVAL of a text without a port
 *   HEALD_PHASE_CONNECT the error of the attempt that failed last: of heald_prep_connect() or
 *                       heald_socket(); -EAFNOSUPPORT of fifo:/path
 *   -ECANCELED, -ETIMEDOUT
 *                       it was cancelled, or its deadline passed
 *
 * heald_submit() returns -ENOMEM if there is no memory. In heald_loop_stats() each look-up, attempt
 * and timer of it counts as an op.
 */
HEALD_API int heald_prep_connect_name(struct heald_op *op, struct heald_connect_name *name,
                                      const char *host, const char *service);

#ifdef __cplusplus
}
#endif
#endif
