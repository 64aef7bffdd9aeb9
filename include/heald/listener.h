/*
 * heald/listener.h: listens at several addresses and accepts, within limits.
 *
 * The caller owns a struct heald_listener and may embed it. It stays in place from
 * heald_listener_open() until the function given to heald_listener_close() runs. All functions are
 * called on the loop's thread, in a callback or outside; none waits for a peer. Callbacks run from
 * the loop's turn.
 */
#ifndef HEALD_LISTENER_H
#define HEALD_LISTENER_H

#include <heald/io.h>
#include <heald/loop.h>
#include <heald/net.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_listener;

/*
 * A connection was accepted: the descriptor `fd`, close-on-exec and non-blocking, which belongs to
 * the callee. Or fd is -errno: accepting has ended at one of the addresses, for example because the
 * descriptor was closed by other code; the others go on.
 */
typedef void heald_listener_fn(struct heald_listener *listener, int fd);

/* Options of heald_listener_open(). A member that is 0 or NULL has its default. */
struct heald_listener_options {
    struct heald_listen_options listen;
    int type;                 /* default: SOCK_STREAM */
    unsigned max_connections; /* default: no limit; see heald_listener_done() */
    int nodelay;              /* 1: heald_socket_set_nodelay() for each TCP connection */
    int keepalive_idle_s;     /* not 0: heald_socket_set_keepalive() for each TCP connection */
    int keepalive_interval_s, keepalive_count;
    struct heald_why *ret_why; /* an output: on failure the address and the reason */
};

enum { HEALD_LISTENER_MAX = 8 /* addresses and descriptors of one listener */ };

/* A listener. The caller sets `data` and reads `loop`. All other fields are private. */
struct heald_listener {
    void *data;
    struct heald_loop *loop;
    heald_listener_fn *fn; /* private, as all that follow */
    void (*closed)(struct heald_listener *listener);
    struct heald_listener_options options;
    struct heald_op accept[HEALD_LISTENER_MAX], timer;
    int fds[HEALD_LISTENER_MAX], held[HEALD_LISTENER_MAX];
    unsigned count, held_count, connections, flags;
};

/*
 * Listens at `count` addresses, and accepts. An address is a text as for heald_listen(), without
 * FIFOs; or "systemd" or "systemd:NAME": the sockets that systemd has passed to this process, all
 * or those of that name (sd_listen_fds(3)). If one of the addresses fails, none is listened at.
 * While descriptors or memory are lacking (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM) accepting pauses, 1
 * ms at first and up to 250 ms, and goes on by itself. `options` may be NULL: then each member has
 * its default. *listener need not be initialized, but for `data`, which is kept.
 *
 *   0         it listens
 *   -EINVAL   fn is NULL, count is 0, an address or an option is invalid
 *   -E2BIG    more than HEALD_LISTENER_MAX addresses and descriptors
 *   -ENOENT   (systemd) no socket was passed, or none of that name
 *   -errno    an error of heald_listen_with() or heald_submit(): -EADDRINUSE also for some
 *             milliseconds after a process that accepted in an io_uring; heald_listen() has the
 *             remedies
 */
HEALD_API int heald_listener_open(struct heald_listener *listener, struct heald_loop *loop,
                                  const char *const addresses[], unsigned count,
                                  const struct heald_listener_options *options,
                                  heald_listener_fn *fn);

/* Stop and go on accepting. Connections wait in the backlog meanwhile. What was accepted before the
 * pause may still arrive. */
HEALD_API void heald_listener_pause(struct heald_listener *listener);
HEALD_API void heald_listener_resume(struct heald_listener *listener);

/* One of the connections has ended: with max_connections each is reported once, and then another is
 * accepted. */
HEALD_API void heald_listener_done(struct heald_listener *listener);

/* Returns the number of connections that were accepted and have not been reported as ended. */
HEALD_API unsigned heald_listener_connections(const struct heald_listener *listener);

/* Gets the address of the socket `index`, with the port that the system chose. Returns 0; -ENOENT:
 * there is no such socket; an error of heald_local_addr(). */
HEALD_API int heald_listener_addr(const struct heald_listener *listener, unsigned index,
                                  struct heald_addr *ret_addr);

/*
 * Stops listening, and closes the sockets. The file of a Unix socket stays. fn runs once; after
 * that the memory is the caller's. fn may be NULL. Connections that were accepted are not touched.
 *
 *   0           fn will run
 *   -EALREADY   it is being closed
 *   -EINVAL     it is not open
 */
HEALD_API int heald_listener_close(struct heald_listener *listener,
                                   void (*fn)(struct heald_listener *listener));

#ifdef __cplusplus
}
#endif
#endif
