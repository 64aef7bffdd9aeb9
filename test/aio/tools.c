/* test/aio/tools.c: what the cases have in common; see suite.h. */
#include "aio/suite.h"

#include <grp.h>

enum { PATIENCE_SECONDS = 5 };

void must_fail(const char *file, int line, const char *what)
{
    dprintf(2, "%s:%d: %s fails (errno %d)\n", file, line, what, errno);
    abort();
}

void must_equal(const char *file, int line, const char *what, long long have, long long want)
{
    if (have == want)
        return;
    dprintf(2, "%s:%d: %s is %lld, not %lld\n", file, line, what, have, want);
    abort();
}

int64_t now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * (int64_t)SECOND + at.tv_nsec;
}

int64_t patience(void)
{
    return (int64_t)PATIENCE_SECONDS * SECOND * harness_slow();
}

void nap(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * (long)MS};

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

struct aiocb block(int fd, const void *buf, size_t size, off_t offset)
{
    struct aiocb cb;

    memset(&cb, 0, sizeof cb);
    cb.aio_fildes = fd;
    cb.aio_buf = (void *)(uintptr_t)buf;
    cb.aio_nbytes = size;
    cb.aio_offset = offset;
    cb.aio_sigevent.sigev_notify = SIGEV_NONE;
    return cb;
}

int wait_for(const struct aiocb *cb)
{
    int64_t end = now() + patience();
    struct timespec slice = {0, 200 * (long)MS};
    int err;

    while ((err = aio_error(cb)) == EINPROGRESS) {
        must(now() < end);
        aio_suspend(&cb, 1, &slice);
    }
    return err;
}

ssize_t result_of(struct aiocb *cb)
{
    int err = wait_for(cb);
    ssize_t n = aio_return(cb);

    if (err) {
        must_be(n, -1);
        return -err;
    }
    must(n >= 0);
    return n;
}

void start_read(struct aiocb *cb, int fd, void *buf, size_t size, off_t offset)
{
    *cb = block(fd, buf, size, offset);
    must_be(aio_read(cb), 0);
}

void start_write(struct aiocb *cb, int fd, const void *buf, size_t size, off_t offset)
{
    *cb = block(fd, buf, size, offset);
    must_be(aio_write(cb), 0);
}

ssize_t read_now(int fd, void *buf, size_t size, off_t offset)
{
    struct aiocb cb;

    start_read(&cb, fd, buf, size, offset);
    return result_of(&cb);
}

ssize_t write_now(int fd, const void *buf, size_t size, off_t offset)
{
    struct aiocb cb;

    start_write(&cb, fd, buf, size, offset);
    return result_of(&cb);
}

void must_hang(const struct aiocb *cb)
{
    for (int i = 0; i < 50; i++) {
        must_be(aio_error(cb), EINPROGRESS);
        nap(1);
    }
}

static unsigned char pattern_at(size_t at, unsigned salt)
{
    return (unsigned char)((at * 2654435761u + salt * 40503u) >> 7);
}

void pattern_fill(void *buf, size_t size, size_t at, unsigned salt)
{
    unsigned char *bytes = buf;

    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_at(at + i, salt);
}

bool pattern_is(const void *buf, size_t size, size_t at, unsigned salt)
{
    const unsigned char *bytes = buf;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != pattern_at(at + i, salt))
            return false;
    return true;
}

static const char *dir(void)
{
    const char *path = getenv("TMPDIR");

    return path && strlen(path) < 32 ? path : "/tmp";
}

char *name_make(char path[static 64])
{
    snprintf(path, 64, "%s/heald-aio-XXXXXX", dir());
    int fd = mkstemp(path);
    must(fd >= 0);
    close(fd);
    unlink(path);
    return path;
}

int file_make(void)
{
    char path[64];

    snprintf(path, sizeof path, "%s/heald-aio-XXXXXX", dir());
    int fd = mkostemp(path, O_CLOEXEC);
    must(fd >= 0);
    unlink(path);
    return fd;
}

int file_with(const char *text)
{
    int fd = file_make();

    must_be(write(fd, text, strlen(text)), strlen(text));
    must_be(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

void pipe_make(int fds[2])
{
    must_be(pipe2(fds, O_CLOEXEC), 0);
}

void pair_make(int type, int fds[2])
{
    must_be(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

void pair_close(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    must_be(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

size_t fill(int fd)
{
    char chunk[4096] = {0};
    size_t total = 0;

    set_nonblocking(fd, true);
    for (ssize_t n; (n = write(fd, chunk, sizeof chunk)) > 0;)
        total += (size_t)n;
    for (ssize_t n; (n = write(fd, chunk, 1)) > 0;)
        total += (size_t)n;
    set_nonblocking(fd, false);
    return total;
}

void drain(int fd, size_t size)
{
    char chunk[4096];

    while (size) {
        ssize_t n = read(fd, chunk, size < sizeof chunk ? size : sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        must(n > 0);
        size -= (size_t)n;
    }
}

size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *page_make(void)
{
    void *page =
        mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(page != MAP_FAILED);
    return page;
}

void page_drop(void *page)
{
    must_be(munmap(page, page_size()), 0);
}

pid_t child_start(void (*fn)(void *), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    return pid;
}

int child_end(pid_t pid, int seconds)
{
    int64_t end = now() + seconds * (int64_t)SECOND * harness_slow();
    int status;
    pid_t done;

    while ((done = waitpid(pid, &status, WNOHANG)) == 0 && now() < end)
        nap(1);
    if (done == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return NEVER;
    }
    must_be(done, pid);
    return status;
}

void in_child(void (*fn)(void *), void *arg)
{
    must_be(child_end(child_start(fn, arg), 15), 0);
}

pthread_t thread_start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    must_be(pthread_create(&thread, NULL, fn, arg), 0);
    return thread;
}

void thread_end(pthread_t thread)
{
    must_be(pthread_join(thread, NULL), 0);
}

void handle(int signo, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | flags};

    action.sa_sigaction = fn;
    must_be(sigaction(signo, &action, NULL), 0);
}

void block_signal(int signo)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signo);
    must_be(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

void notify_by_signal(struct aiocb *cb, int signo, int value)
{
    memset(&cb->aio_sigevent, 0, sizeof cb->aio_sigevent);
    cb->aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    cb->aio_sigevent.sigev_signo = signo;
    cb->aio_sigevent.sigev_value.sival_int = value;
}

void notify_by_thread(struct aiocb *cb, void (*fn)(union sigval), void *value)
{
    memset(&cb->aio_sigevent, 0, sizeof cb->aio_sigevent);
    cb->aio_sigevent.sigev_notify = SIGEV_THREAD;
    cb->aio_sigevent.sigev_notify_function = fn;
    cb->aio_sigevent.sigev_value.sival_ptr = value;
}

int signals_within(int signo, int ms)
{
    int64_t end = now() + ms * (int64_t)MS;
    struct timespec slice = {0, 5 * (long)MS};
    int count = 0;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signo);
    do
        if (sigtimedwait(&set, NULL, &slice) == signo)
            count++;
    while (now() < end);
    return count;
}

void until(atomic_int *count, int want)
{
    int64_t end = now() + patience();

    while (atomic_load(count) < want) {
        must(now() < end);
        sched_yield();
    }
    must_be(atomic_load(count), want);
}

void bombard(long us)
{
    struct itimerval timer = {{0, us}, {0, us}};

    must_be(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

long status_of(const char *key)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "re");

    must(file);
    while (value < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    fclose(file);
    return value;
}

bool was_given_up(ssize_t result)
{
    return result == -ECANCELED || result == -EBADF;
}

void become_user(unsigned id)
{
    must_be(setgroups(0, NULL), 0);
    must_be(setgid(id), 0);
    must_be(setuid(id), 0);
}

bool is_root(void)
{
    return geteuid() == 0;
}
