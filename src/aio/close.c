/*
 * aio/close.c: close(2) and related calls, because a number that is closed may name another file at
 * once, while a request still waits for its turn under it. They are placed before the C library's:
 * if a request is outstanding on that number the I/O thread is asked to release it first
 * (quiesce.c), and then the C library's call is made. In a program without requests that is one
 * load.
 *
 * What can be seen to fail is not asked for: a call that fails leaves everything as it was.
 *
 * close(2) and dup2(2) are safe in signal handlers and stay so: asking takes no lock, and while the
 * I/O thread has a record of the call's no signal comes, so nothing can jump out of the call and
 * leave it behind. What a raw system call closes, or the C library in its own midst (pclose(3)), is
 * not seen; a request that still waits may then find another file.
 */
#include "aio/request.h"
#include "platform/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int close(int fd);
EXPORT int fclose(FILE *file);
/* <stdio.h> may have the one name mean the other. */
EXPORT FILE *reopen(const char *path, const char *mode, FILE *file) __asm__("freopen");
EXPORT FILE *reopen64(const char *path, const char *mode, FILE *file) __asm__("freopen64");
EXPORT int dup2(int from, int to);
EXPORT int dup3(int from, int to, int flags);
EXPORT int close_range(unsigned first, unsigned last, int flags);
EXPORT void closefrom(int first);

/* Hints: a request of this thread, or one that this thread can know of, is counted. */
static bool is_concerned(struct aio_state *p, int first, int last)
{
    if (!p || first < 0)
        return false;
    if (first == last)
        return __atomic_load_n(&p->unfinished[(unsigned)first % AIO_NUMBERS], __ATOMIC_RELAXED);
    return __atomic_load_n(&p->all_unfinished, __ATOMIC_RELAXED);
}

/* A child of vfork(2) closes numbers of its own, and all else that it sees is its parent's. */
static bool is_borrowed(struct aio_state *p)
{
    pid_t pid = __atomic_load_n(&p->pid, __ATOMIC_RELAXED);
    return pid && pid != getpid();
}

static void quiesce(int first, int last)
{
    struct aio_state *p = aio_state_if_any();

    if (p && first == last && first >= 0)
        aio_forget_cached(p, first);
    /* The I/O thread closes what is its own, of calls that other code shares. */
    if (!is_concerned(p, first, last) || is_borrowed(p) || aio_io_thread_is_me(p))
        return;
    int saved = errno;
    aio_ask(p, &(struct aio_ask){.first = first, .last = last}, AIO_QUIESCE);
    errno = saved;
}

/* Is it the library's own? A program that closes all it does not know must not close that. */
static bool is_ours(int fd)
{
    struct aio_state *p = aio_state_if_any();

    return aio_ours_has(p, fd) && !is_borrowed(p);
}

static int refuse(int err)
{
    errno = err;
    return -1;
}

int close(int fd)
{
    if (is_ours(fd))
        return refuse(EBADF);
    quiesce(fd, fd);
    return heald__plat_libc_close(fd);
}

int fclose(FILE *file)
{
    int fd = fileno(file); /* -1: it has none */

    quiesce(fd, fd);
    return heald__plat_libc_fclose(file);
}

/* Whatever comes of it the file is closed. */
FILE *reopen(const char *path, const char *mode, FILE *file)
{
    int fd = fileno(file);

    quiesce(fd, fd);
    return heald__plat_libc_freopen(path, mode, file);
}

FILE *reopen64(const char *path, const char *mode, FILE *file)
{
    return reopen(path, mode, file);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool is_number(int fd)
{
    struct rlimit limit;

    return fd >= 0 && (getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd < limit.rlim_cur);
}

/* True: it was a pin, which lies elsewhere now, so nobody's. */
static bool move_away(int to)
{
    struct aio_state *p = aio_state_if_any();
    struct aio_ask ask = {.first = to, .last = to, .moves = true};

    int saved = errno;
    aio_ask(p, &ask, AIO_QUIESCE);
    errno = saved;
    return !ask.busy;
}

/* What dup2(2) and dup3(2) have in common; `flags` < 0: dup2. Whether the call will fail is checked
 * only where a request would be affected. */
static int duplicate(int from, int to, int flags)
{
    bool ours = is_ours(to), asks = ours || is_concerned(aio_state_if_any(), to, to);
    bool moved = false;

    if (!asks || (is_open(from) && is_number(to))) {
        if (!ours)
            quiesce(to, to);
        else if (!(moved = move_away(to)))
            return refuse(EBUSY);
    }
    int fd = flags < 0 ? heald__plat_libc_dup2(from, to) : heald__plat_dup3(from, to, flags);
    if (fd < 0 && moved) {
        int saved = errno;
        heald__plat_libc_close(to);
        errno = saved;
    }
    return fd;
}

int dup2(int from, int to)
{
    return from == to ? heald__plat_libc_dup2(from, to) : duplicate(from, to, -1);
}

int dup3(int from, int to, int flags)
{
    /* Of flags that are not known here the kernel says, before it looks at the numbers. */
    bool unknown = flags & ~O_CLOEXEC && heald__plat_dup3(-1, 0, flags) < 0 && errno == EINVAL;

    if (from == to || unknown)
        return refuse(EINVAL);
    return duplicate(from, to, flags);
}

/* All but the library's own. */
static int close_around(unsigned first, unsigned last, int flags)
{
    struct aio_state *p = aio_state_if_any();
    unsigned own;

    for (; p && (own = aio_ours_next(p, first)) <= last && own != UINT_MAX; first = own + 1) {
        if (first < own && heald__plat_close_range(first, own - 1, flags) < 0)
            return -1;
        if (own == last)
            return 0;
    }
    return heald__plat_close_range(first, last, flags);
}

static int as_number(unsigned fd)
{
    return fd > INT_MAX ? INT_MAX : (int)fd;
}

int close_range(unsigned first, unsigned last, int flags)
{
    /* With a flag it closes nothing here and now, or not in this process's table. */
    if (!flags && first <= last)
        quiesce(as_number(first), as_number(last));
    return close_around(first, last, flags);
}

void closefrom(int first)
{
    unsigned from = first < 0 ? 0 : (unsigned)first;

    quiesce((int)from, INT_MAX);
    if (close_around(from, UINT_MAX, 0) == 0)
        return;
    for (unsigned fd = (unsigned)sysconf(_SC_OPEN_MAX); fd-- > from;)
        if (!is_ours((int)fd))
            heald__plat_libc_close((int)fd);
}
