/*
 * test/aio/suite.h: what the cases of POSIX AIO share. They use <aio.h> and the system, nothing of
 * heald's, so that the same cases run on glibc and on both methods of libheald-aio.
 */
#ifndef HEALD_TEST_AIO_SUITE_H
#define HEALD_TEST_AIO_SUITE_H

#include "harness/harness.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FEATURES(X) \
    X(life)         \
    X(errors)       \
    X(files)        \
    X(order)        \
    X(sync)         \
    X(streams)      \
    X(descriptors)  \
    X(nonblocking)  \
    X(timeouts)     \
    X(locks)        \
    X(servers)      \
    X(scarce)       \
    X(replace)      \
    X(close)        \
    X(numbers)      \
    X(fork)         \
    X(suspend)      \
    X(handlers)     \
    X(steps)        \
    X(jumps)        \
    X(cancel) X(list) X(notify) X(programs) X(limits) X(injection) X(threads) X(names) X(growth)

#define FEATURE_DECLARE(feature) void add_##feature(TCase *group);
FEATURES(FEATURE_DECLARE)

/* Adds a case on the chosen implementation; on glibc as a skip where table.c has a row for it. */
void add(TCase *group, const TTest *test);

/* What is asked of us: exactly one of the three is true. */
bool on_libc(void);
bool on_uring(void);
bool on_threads(void);

/* Where glibc departs: the row of a case in the table, or -1; and what glibc does there. */
int difference(const char *feature, const char *name);
const char *difference_text(int row);

/* Fit for threads, handlers of signals and child processes: they print and abort. */
#define must(condition) ((condition) ? (void)0 : must_fail(__FILE__, __LINE__, #condition))
#define must_be(value, want) \
    must_equal(__FILE__, __LINE__, #value, (long long)(value), (long long)(want))
void must_fail(const char *file, int line, const char *what) __attribute__((noreturn));
void must_equal(const char *file, int line, const char *what, long long have, long long want);

enum { MS = 1000000, SECOND = 1000 * MS, NEVER = -4711 };
int64_t now(void);
int64_t patience(void); /* how long anything may take, in ns */
void nap(int ms);       /* whole, whatever signals arrive */

/* A block without notification; the rest is zero. */
struct aiocb block(int fd, const void *buf, size_t size, off_t offset);

/* Waits, five seconds at most: the error; the count or the negative error; the latter of a call. */
int wait_for(const struct aiocb *cb);
ssize_t result_of(struct aiocb *cb);
ssize_t read_now(int fd, void *buf, size_t size, off_t offset);
ssize_t write_now(int fd, const void *buf, size_t size, off_t offset);

/* Starts one, which must not be refused. */
void start_read(struct aiocb *cb, int fd, void *buf, size_t size, off_t offset);
void start_write(struct aiocb *cb, int fd, const void *buf, size_t size, off_t offset);

/* Of a request whose number was closed, and that did not go on. */
bool was_given_up(ssize_t result);

/* Does not end within 50 ms. */
void must_hang(const struct aiocb *cb);

/* Bytes that depend on their place and on a salt, and the check of them. */
void pattern_fill(void *buf, size_t size, size_t at, unsigned salt);
bool pattern_is(const void *buf, size_t size, size_t at, unsigned salt);

int file_make(void);                   /* an empty one, with no name, for reading and writing */
int file_with(const char *text);       /* the same with a content */
char *name_make(char path[static 64]); /* a name for a file that is not there */
void pipe_make(int fds[2]);
void pair_make(int type, int fds[2]);
void pair_close(int fds[2]);
size_t fill(int fd);             /* until it would block: how many bytes */
void drain(int fd, size_t size); /* reads that many */
void set_nonblocking(int fd, bool on);

/* Pages of their own: rights are removed or the memory unmapped. */
void *page_make(void);
void page_drop(void *page);
size_t page_size(void);

/* A child process that runs fn and exits 0; how it ended, killed after `seconds`. */
pid_t child_start(void (*fn)(void *), void *arg);
int child_end(pid_t pid, int seconds);
void in_child(void (*fn)(void *), void *arg);

pthread_t thread_start(void *(*fn)(void *), void *arg);
void thread_end(pthread_t thread);

/* A handler, without flags but those given. */
void handle(int signo, void (*fn)(int, siginfo_t *, void *), int flags);
void block_signal(int signo);
void notify_by_signal(struct aiocb *cb, int signo, int value);
void notify_by_thread(struct aiocb *cb, void (*fn)(union sigval), void *value);
int signals_within(int signo, int ms); /* takes those that are pending or come */

/* Until the count is reached, five seconds at most. */
void until(atomic_int *count, int want);

/* SIGALRM every so many microseconds; 0 ends it. */
void bombard(long us);

bool is_root(void);
void become_user(unsigned id); /* and group; all threads, for good */

/* A number of /proc/self/status, "VmRSS:" for one; memory is in kB. */
long status_of(const char *key);

#endif
