/*
 * test/aio/limits.c: AIO where the process may have little: processes, memory, signals, a root
 * directory; and what must not grow. Each in a child of a process that has not used AIO.
 */
#include "aio/types.h"

#include <sys/eventfd.h>

enum {
    NOBODY = 65534,
    WRITES = 40,
    MIB = 1 << 20,
    PIPES = 60,
    TEXT = 4,
    LOCKED_KB = 160 << 10, /* glibc: 69 MB */
    REQUESTS = 200000,
    WARM_UP = 20000,
    GROWTH_KB = 2 << 10,
    ITEMS = 5000,
    BATCH = 16
};

static void some_requests(void)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[8];
    struct aiocb pending;

    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    must_be(read_now(fd, buf + 4, 4, 2), 4);
    must_be(memcmp(buf + 4, "2345", 4), 0);
    must_be(write_now(fds[1], "ping", 4, 0), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
    close(fd);
}

static void become_nobody(void)
{
    become_user(NOBODY);
}

static void allow_no_processes(void)
{
    struct rlimit limit = {1, 1};

    must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
}

/* One that is refused says so at once; one that is taken is done. */
static void large_writes_and_a_sync(int fd, bool may_refuse)
{
    static struct aiocb blocks[WRITES], sync;
    char *data = calloc(1, MIB);
    bool taken[WRITES];

    for (int i = 0; i < WRITES; i++) {
        blocks[i] = block(fd, data, MIB, (off_t)i * MIB);
        taken[i] = aio_write(&blocks[i]) == 0;
        must(taken[i] || (may_refuse && errno == EAGAIN));
    }
    for (int i = 0; i < WRITES; i++)
        if (taken[i])
            must_be(result_of(&blocks[i]), MIB);
    sync = block(fd, NULL, 0, 0);
    if (aio_fsync(O_SYNC, &sync) == 0)
        must_be(result_of(&sync), 0);
    else
        must(may_refuse && errno == EAGAIN);
    free(data);
}

static void has_no_processes_from_the_start(void *arg)
{
    int fd = file_make();

    (void)arg;
    become_nobody();
    allow_no_processes();
    large_writes_and_a_sync(fd, true);
}

static void has_no_more_processes(void *arg)
{
    int fd = file_make();

    (void)arg;
    become_nobody();
    must_be(write_now(fd, "x", 1, 0), 1);
    allow_no_processes();
    large_writes_and_a_sync(fd, false);
}

/* What no worker of the kernel's does, and one thread of the library's. */
static void streams_without_more_processes(void *arg)
{
    int fd = file_make(), event = eventfd(3, EFD_CLOEXEC), fds[2];
    uint64_t value;
    char line[TEXT];

    (void)arg;
    must(event >= 0);
    terminal_make(fds);
    become_nobody();
    must_be(write_now(fd, "x", 1, 0), 1);
    allow_no_processes();
    must_be(read_now(event, &value, sizeof value, 0), sizeof value);
    must_be(value, 3);
    must_be(write_now(fds[0], "text", TEXT, 0), TEXT);
    must_be(read(fds[1], line, TEXT), TEXT);
    must_be(memcmp(line, "text", TEXT), 0);
    must_be(write_now(fd, "x", 1, 0), 1);
}

HEALD_CASE(streams_without_more_processes_than_those)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(streams_without_more_processes, NULL);
}

HEALD_CASE(no_processes_before_the_first_request)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(has_no_processes_from_the_start, NULL);
}

HEALD_CASE(no_processes_after_the_first_request)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(has_no_more_processes, NULL);
}

/* A cgroup with a limit of processes, of version 1 or 2; false, with errno: none can be made. */
static bool cgroup_make(char path[static 64])
{
    static const char *const directories[] = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup"};
    char limit[80];

    for (int i = 0; i < 2; i++) {
        snprintf(path, 64, "%s/heald-aio-%d", directories[i], (int)getpid());
        if (mkdir(path, 0700))
            continue;
        snprintf(limit, sizeof limit, "%s/pids.max", path);
        if (access(limit, W_OK) == 0)
            return true;
        rmdir(path);
    }
    return false;
}

/* Its processes are gone a moment after their end is reported. */
static void cgroup_remove(const char *path)
{
    int64_t end = now() + patience();

    while (rmdir(path)) {
        must(errno == EBUSY && now() < end);
        nap(5);
    }
}

static void tell_cgroup(const char *path, const char *name, const char *text)
{
    char file[80];

    snprintf(file, sizeof file, "%s/%s", path, name);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    must(fd >= 0);
    must_be(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void *nothing(void *arg)
{
    return arg;
}

struct member {
    char cgroup[64];
    bool used;
};

/* No thread is to be had, neither by the process nor, for it, by the kernel. */
static void is_alone_in_a_cgroup(void *arg)
{
    const struct member *member = arg;
    int fd = file_make();
    pthread_t thread;

    tell_cgroup(member->cgroup, "cgroup.procs", "0");
    if (member->used)
        must_be(write_now(fd, "x", 1, 0), 1);
    tell_cgroup(member->cgroup, "pids.max", "1");
    must_be(pthread_create(&thread, NULL, nothing, NULL), EAGAIN);
    large_writes_and_a_sync(fd, !member->used);
    tell_cgroup(member->cgroup, "pids.max", "max");
    large_writes_and_a_sync(fd, false);
    some_requests();
}

static void in_a_cgroup(bool used)
{
    struct member member = {.used = used};

    if (!cgroup_make(member.cgroup))
        harness_skip("no cgroup that limits processes can be made: %s", strerror(errno));
    int status = child_end(child_start(is_alone_in_a_cgroup, &member), 15);
    cgroup_remove(member.cgroup);
    must_be(status, 0);
}

HEALD_CASE(a_full_cgroup_before_the_first_request)
{
    in_a_cgroup(false);
}

HEALD_CASE(a_full_cgroup_after_the_first_request)
{
    in_a_cgroup(true);
}

static void locks_its_memory(void *arg)
{
    static struct aiocb blocks[PIPES];
    static char bytes[PIPES];
    int fds[PIPES][2];

    (void)arg;
    must_be(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
    long before = status_of("VmLck:");
    for (int i = 0; i < PIPES; i++) {
        pipe_make(fds[i]);
        start_read(&blocks[i], fds[i][0], &bytes[i], 1, 0);
    }
    nap(300);
    long more = status_of("VmLck:") - before;
    if (more > LOCKED_KB)
        fprintf(stderr, "%ld kB more are locked\n", more);
    must(more <= LOCKED_KB);
    for (int i = 0; i < PIPES; i++) {
        must_be(write(fds[i][1], "x", 1), 1);
        must_be(result_of(&blocks[i]), 1);
    }
}

static void tries_to_lock(void *arg)
{
    (void)arg;
    _exit(mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? 0 : 1);
}

HEALD_CASE(pending_reads_lock_little_memory)
{
    if (harness_is_sanitized())
        harness_skip("the sanitizer's memory is too large to be locked");
    if (child_end(child_start(tries_to_lock, NULL), 5) != 0)
        harness_skip("this user may not lock memory");
    in_child(locks_its_memory, NULL);
}

/* The signal has nobody to take it and no place in the queue. */
static void main_thread_goes(void *arg)
{
    static struct aiocb cb;
    static char buf[10];
    struct rlimit none = {0, 0};
    sigset_t all;

    if (*(bool *)arg)
        must_be(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    sigfillset(&all);
    must_be(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    cb = block(file_with("0123456789"), buf, sizeof buf, 0);
    notify_by_signal(&cb, SIGRTMIN, 7);
    must_be(aio_read(&cb), 0);
    pthread_exit(NULL);
}

static void ends_without_its_signal(bool full)
{
    must_be(child_end(child_start(main_thread_goes, &full), 6), 0);
}

HEALD_CASE(ends_with_a_signal_that_is_blocked)
{
    if (harness_is_sanitized())
        harness_skip("the leak check looks for the test's memory on a stack that is gone");
    ends_without_its_signal(false);
}

HEALD_CASE(ends_with_a_signal_that_finds_no_room)
{
    if (harness_is_sanitized())
        harness_skip("the leak check looks for the test's memory on a stack that is gone");
    ends_without_its_signal(true);
}

/* Without /proc, /dev and /tmp. */
static void requests_without_files(int fd)
{
    struct aiocb blocks[2];
    char buf[16];
    int fds[2];

    for (int i = 0; i < 20; i++) {
        must_be(read_now(fd, buf, 4, 2), 4);
        must_be(memcmp(buf, "2345", 4), 0);
        must_be(write_now(fd, "2345", 4, 2), 4);
    }
    pipe_make(fds);
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], fds[0], buf + i, 1, 0);
    must_hang(&blocks[1]);
    must_be(aio_cancel(fds[0], &blocks[1]), AIO_CANCELED);
    must_be(result_of(&blocks[1]), -ECANCELED);
    must_be(close(fds[0]), 0);
    must_be(close(fds[1]), 0);
    ssize_t n = result_of(&blocks[0]);
    must(n == 0 || n == -ECANCELED || n == -EBADF);
}

static void asks_in_an_empty_root(void *arg)
{
    char path[64];
    int fd = file_with("0123456789"), outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (*(bool *)arg)
        some_requests();
    name_make(path);
    must_be(mkdir(path, 0700), 0);
    must_be(chroot(path), 0);
    must_be(chdir("/"), 0);
    requests_without_files(fd);
    must_be(fchdir(outside), 0);
    must_be(unlinkat(AT_FDCWD, path + 1, AT_REMOVEDIR), 0);
}

HEALD_CASE(an_empty_root)
{
    if (!is_root())
        harness_skip("only root can change the root directory");
    for (int used = 0; used < 2; used++)
        in_child(asks_in_an_empty_root, &(bool){used});
}

static void is_another_user(void *arg)
{
    if (*(bool *)arg)
        some_requests();
    become_nobody();
    some_requests();
    requests_without_files(file_with("0123456789"));
}

HEALD_CASE(another_user)
{
    if (!is_root())
        harness_skip("only root can become another user");
    for (int used = 0; used < 2; used++)
        in_child(is_another_user, &(bool){used});
}

static void *becomes_nobody_alone(void *arg)
{
    must_be(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
    some_requests();
    requests_without_files(*(int *)arg);
    return NULL;
}

/* The others keep their identity, whichever asks first. */
static void is_two_users(void *arg)
{
    int fd = file_with("0123456789"), fds[2];
    struct aiocb pending;
    char byte;

    pipe_make(fds);
    if (*(bool *)arg)
        start_read(&pending, fds[0], &byte, 1, 0);
    thread_end(thread_start(becomes_nobody_alone, &fd));
    must_be(geteuid(), 0);
    if (!*(bool *)arg)
        start_read(&pending, fds[0], &byte, 1, 0);
    must_be(write(fds[1], "x", 1), 1);
    must_be(result_of(&pending), 1);
    some_requests();
    requests_without_files(fd);
}

HEALD_CASE(one_thread_is_another_user)
{
    if (!is_root())
        harness_skip("only root can become another user");
    for (int used = 0; used < 2; used++)
        in_child(is_two_users, &(bool){used});
}

static void batches(int fd, int count)
{
    struct aiocb blocks[BATCH];
    char bytes[BATCH];

    for (int done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            if (i % 4)
                start_read(&blocks[i], fd, &bytes[i], 1, i);
            else
                start_write(&blocks[i], fd, "x", 1, i);
        for (int i = 0; i < BATCH; i++)
            must_be(result_of(&blocks[i]), 1);
    }
}

/* Its memory after many requests is that after a few. */
static void asks_often(void *arg)
{
    int fd = file_with("0123456789abcdef");

    (void)arg;
    batches(fd, WARM_UP);
    long before = status_of("VmRSS:"), size = status_of("VmSize:");
    batches(fd, REQUESTS);
    must(status_of("VmRSS:") <= before + GROWTH_KB);
    must(status_of("VmSize:") <= size + (64 << 10)); /* stacks of threads come and go */
}

HEALD_CASE(many_requests_take_no_memory)
{
    if (harness_is_sanitized())
        harness_skip("the sanitizer keeps freed memory");
    in_child(asks_often, NULL);
}

/* As much as there is and a little: requests are done, or refused; no call waits. */
static void has_little_memory(void *arg)
{
    enum { SECONDS = 10 };
    int fd = *(int *)arg;
    struct rlimit limit;
    char byte = 'x';

    alarm(SECONDS * (unsigned)harness_slow());
    must_be(getrlimit(RLIMIT_AS, &limit), 0);
    for (long more = 0; more < 4 << 20; more += 256 << 10) {
        limit.rlim_cur = (rlim_t)status_of("VmSize:") * 1024 + (rlim_t)more;
        must_be(setrlimit(RLIMIT_AS, &limit), 0);
        struct aiocb cb = block(fd, &byte, 1, 0);
        if (aio_write(&cb))
            must_be(errno, EAGAIN);
        else
            must(result_of(&cb) == 1 || aio_error(&cb) == EAGAIN);
    }
    limit.rlim_cur = limit.rlim_max;
    must_be(setrlimit(RLIMIT_AS, &limit), 0);
    must_be(write_now(fd, &byte, 1, 0), 1);
}

HEALD_CASE(little_memory)
{
    int fd = file_make();

    if (harness_is_sanitized())
        harness_skip("its memory has no such limit");
    in_child(has_little_memory, &fd);
    close(fd);
}

static void list_of_thousands(void *arg)
{
    static struct aiocb blocks[ITEMS], *list[ITEMS];
    static char bytes[ITEMS];
    int fd = file_make();

    for (int i = 0; i < ITEMS; i++) {
        bytes[i] = (char)('a' + i % 26);
        blocks[i] = block(fd, &bytes[i], 1, i);
        blocks[i].aio_lio_opcode = LIO_WRITE;
        list[i] = &blocks[i];
    }
    must_be(lio_listio(*(int *)arg, list, ITEMS, NULL), 0);
    for (int i = 0; i < ITEMS; i++)
        must_be(result_of(&blocks[i]), 1);
    must_be(lseek(fd, 0, SEEK_END), ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        char byte;
        must_be(pread(fd, &byte, 1, i), 1);
        must_be(byte, 'a' + i % 26);
    }
}

HEALD_CASE(lists_of_thousands)
{
    in_child(list_of_thousands, &(int){LIO_WAIT});
    in_child(list_of_thousands, &(int){LIO_NOWAIT});
}

void add_limits(TCase *group)
{
    add(group, no_processes_before_the_first_request);
    add(group, no_processes_after_the_first_request);
    add(group, streams_without_more_processes_than_those);
    add(group, a_full_cgroup_before_the_first_request);
    add(group, a_full_cgroup_after_the_first_request);
    add(group, pending_reads_lock_little_memory);
    add(group, ends_with_a_signal_that_is_blocked);
    add(group, ends_with_a_signal_that_finds_no_room);
    add(group, an_empty_root);
    add(group, another_user);
    add(group, one_thread_is_another_user);
    add(group, many_requests_take_no_memory);
    add(group, lists_of_thousands);
    add(group, little_memory);
}
