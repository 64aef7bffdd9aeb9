/*
 * test/conformance/conformance.h: one set of cases over every back end times every engine.
 *
 * A feature is a file that adds its cases to a group. The index of a case (`_i`) is the number of a
 * combination; main.c prints which is which. Only combinations that are there get cases; the others
 * are skipped once each, with the reason, by the feature "combinations".
 */
#ifndef HEALD_TEST_CONFORMANCE_H
#define HEALD_TEST_CONFORMANCE_H

#include "harness/harness.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The features, a file each. */
/* clang-format off */
#define FEATURES(X) \
    X(combinations) X(accept) X(accept_persistent) X(alloc) X(background) X(buffered) X(buffers) \
    X(cancel) X(children) X(close) X(connect) X(datagrams) X(deadlines) X(deferred) X(describe) \
    X(edges) \
    X(environment) X(errors) X(fifos) X(files) X(filters) X(flags) X(flags_kept) \
    X(futex) X(guest) X(hooks) X(idle) \
    X(limits) X(listeners) X(listening) X(locks) X(loop) X(messages) X(moved) X(mq) X(multishot) \
    X(net) X(notify) X(order) X(peers) X(pipes) X(policy) X(read_multishot) X(runs) \
    X(poll) X(post) X(queues) X(readiness) X(reuse) \
    X(reuse_files) X(reuse_listen) X(waiters) X(signals) X(sockopts) X(spawn) \
    X(spawn_streams) X(spin) X(spin_poll) X(splices) X(standard) X(stop) X(stream_edges) \
    X(stream_pipes) X(streams) X(suspend) X(sysv) X(timers) X(transfers) X(watches) \
    X(connect_name) X(names) X(resolved) X(work) X(copies) X(directories) X(file_locks) X(paths) \
    X(work_short)
/* clang-format on */

#define FEATURE_DECLARE(name) void add_##name(TCase *group);
FEATURES(FEATURE_DECLARE)

/* Adds a case for every combination that is there; for every back end once, on the engine `sync`
 * (what has nothing to do with files, and takes long); once, with no combination. */
void add_everywhere(TCase *group, const TTest *test);
void add_on_backends(TCase *group, const TTest *test);
void add_once(TCase *group, const TTest *test);

/* Everywhere, and then on every back end with the waiter `thread`: combinations whose number is
 * above the others'. */
void add_on_waiters(TCase *group, const TTest *test);
bool waits_by_thread(int combination);

int combinations(void);
const char *backend_of(int combination);

/* Ends the case as skipped on the back end kqueue: what libkqueue, or every kqueue, does not do. */
void skip_on_kqueue(int combination, const char *why);

/* The same where heald was built for the portable platform, which lacks some things. */
void skip_on_portable(const char *why);

/*
 * Does the kernel have the call, and let us have it? Old kernels, sandboxes and valgrind do not;
 * then heald does what the portable platform does, for which the answer is no, too.
 */
bool has_pidfd_open(void);
bool has_pidfd_group(void); /* signals to the group that a process has led */
bool has_openat2(void);
const char *engine_of(int combination);

/* A loop on a combination; the second form with further options. It must be there. */
struct heald_loop *loop_on(int combination);
struct heald_loop *loop_with(int combination, struct heald_loop_options options);

/* Closes a loop in which nothing may live any more. */
void loop_end(struct heald_loop *loop);

/* An op that records its results. */
struct probe {
    struct heald_op op;
    int calls;      /* callbacks */
    int finals;     /* those without HEALD_MORE; a second one fails the case */
    int64_t result; /* of the last callback */
    unsigned stamp; /* counts the final callbacks of all probes */
};

/* The callback of a probe. */
void probe_completed(struct heald_op *op);

/* probe_start: submits the probe as it was prepared. probe_end: turns the loop until it has
 * completed, five seconds at most, and returns the result. probe_do: both. */
void probe_start(struct heald_loop *loop, struct probe *p);
int64_t probe_end(struct probe *p);
int64_t probe_do(struct heald_loop *loop, struct probe *p);

/* probe_prepared: does a probe of which the prep returned that, which must be 0. probe_refused: it
 * must be -EINVAL, and so is the submission. */
int64_t probe_prepared(struct heald_loop *loop, struct probe *p, int prepared);
void probe_refused(struct heald_loop *loop, struct probe *p, int prepared);

/* Cancels a probe that waits, and sees it end with -ECANCELED. */
void probe_cancel(struct probe *p);

/* Turns the loop for that long, whatever happens in it. */
void turn_for(struct heald_loop *loop, int64_t ns);

/* Turns the loop until *count has reached `want`, five seconds at most. */
void turn_until(struct heald_loop *loop, const int *count, int want);

/* ck_assert() writes a note each time, also when it holds; this one does not, for long loops. */
#define must(condition)                           \
    do {                                          \
        if (!(condition))                         \
            ck_abort_msg("%s fails", #condition); \
    } while (0)

/* The monotonic time now. */
int64_t now(void);

/* Single operations, done to their end. */
int64_t op_recv(struct heald_loop *loop, int fd, void *buf, size_t len);
int64_t op_send(struct heald_loop *loop, int fd, const void *buf, size_t len);
int64_t op_read(struct heald_loop *loop, int fd, void *buf, size_t len, int64_t offset);
int64_t op_write(struct heald_loop *loop, int fd, const void *buf, size_t len, int64_t offset);

/* Two ends of a stream: what is written to fds[1] is read from fds[0]. Non-blocking. */
enum pair_kind { PAIR_TCP, PAIR_UNIX, PAIR_PIPE, PAIR_KINDS };
void pair_open(enum pair_kind kind, int fds[2]);
void pair_close(struct heald_loop *loop, int fds[2]);

/* A terminal in raw mode: [0] is its master, [1] the terminal itself. False: there is none here,
 * and what was opened of it is in `fds`. */
bool terminal_open(int fds[2]);

/* A socket that listens on a free port of 127.0.0.1, and its address. */
int tcp_listen(int backlog, struct heald_addr *ret_addr);

/* A socket that holds a port of that host without listening: connects to it are refused, and nobody
 * else gets the port. -1: there is no such host here. */
int tcp_refuse(const char *host, struct heald_addr *ret_addr);

/* A socket that is connected to the address; plain calls. */
int tcp_connect(const struct heald_addr *addr);

void set_blocking(int fd, bool blocking);

/* Writes to a non-blocking descriptor until it takes no more. Returns how many bytes it took. */
size_t fill_up(int fd);

/* Bytes that depend on their place, and the check of them. */
void pattern_fill(void *buf, size_t len, size_t offset);
void pattern_check(const void *buf, size_t len, size_t offset);

/* Sends so many of them to a socket that has room for all. */
void pattern_send(int fd, size_t offset, size_t len);

/* A directory of its own for the case, removed with everything in it by directory_remove(). */
int dir_make(char path[static 64]);
void dir_remove(int fd, const char *path);

#endif
