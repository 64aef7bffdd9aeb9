/*
 * test/aio/programs.c: what programs do around their AIO: they change users, filter their calls,
 * close all descriptors, end. Each in a child of a process that has not used AIO.
 */
#include "aio/suite.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

enum { NOBODY = 65534, FILES = 24, WRITES = 32, PIPES = 10, LAST = 1023, STATUS = 3 };

static void some_requests(void)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[16];
    struct aiocb pending;

    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    for (int i = 0; i < 20; i++) {
        must_be(read_now(fd, buf + 8, 4, 2), 4);
        must_be(memcmp(buf + 8, "2345", 4), 0);
        must_be(write_now(fd, "2345", 4, 2), 4);
    }
    must_be(write_now(fds[1], "ping", 4, 0), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
    close(fd);
}

/* Is there a line with the text among the mappings or descriptors of this process? */
static bool holds(const char *text)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");

    must(maps);
    while (!found && fgets(line, sizeof line, maps))
        found = strstr(line, text) != NULL;
    fclose(maps);
    for (int fd = 0; fd < LAST && !found; fd++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, line, sizeof line - 1);
        line[n > 0 ? n : 0] = '\0';
        found = strstr(line, text) != NULL;
    }
    return found;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    must(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void runs_on(void *arg)
{
    Dl_info info;

    (void)arg;
    must(dladdr(dlsym(RTLD_DEFAULT, "aio_read"), &info));
    must_be(strstr(info.dli_fname, "heald-aio") != NULL, !on_libc());
    some_requests();
    must_be(holds("[io_uring]"), on_uring());
}

/* Otherwise all the other cases are about something else. */
HEALD_CASE(runs_on_what_was_asked_for)
{
    in_child(runs_on, NULL);
}

HEALD_CASE(nothing_before_the_first_use)
{
    struct aiocb cb;

    memset(&cb, 0, sizeof cb);
    must_be(aio_error(&cb), 0);
    must_be(aio_cancel(0, NULL), AIO_ALLDONE);
    must_be(entries("/proc/self/task"), 1 + 2);
    must(!holds("[io_uring]"));
}

/* The number must not be that of something the implementation opens for itself. */
static void asks_of_a_closed_one(void *arg)
{
    int fds[3];
    char buf[8] = "1234567";
    struct aiocb blocks[6];

    (void)arg;
    pipe_make(fds);
    fds[2] = dup(fds[0]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    for (int i = 0; i < 6; i++)
        if (i < 3)
            start_read(&blocks[i], fds[i], buf, sizeof buf, 0);
        else
            start_write(&blocks[i], fds[i - 3], buf, sizeof buf, 0);
    for (int i = 0; i < 6; i++)
        must_be(result_of(&blocks[i]), -EBADF);
}

HEALD_CASE(the_first_request_is_to_a_closed_descriptor)
{
    in_child(asks_of_a_closed_one, NULL);
}

static void drops_rights(void *arg)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[8];
    struct aiocb pending;

    (void)arg;
    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    nap(10);
    must_be(setgid(NOBODY), 0);
    must_be(setuid(NOBODY), 0);
    must_be(read_now(fd, buf + 4, 4, 0), 4);
    must_be(write(fds[1], "late", 4), 4);
    must_be(result_of(&pending), 4);
    some_requests();
}

HEALD_CASE(another_user_in_the_middle)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(drops_rights, NULL);
}

/* The calls from the first to io_uring_register(2), of all threads. */
static void forbid_from(unsigned first, int err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_io_uring_register, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};

    must_be(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    must_be(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program), 0);
}

static void forbid_uring(int err)
{
    forbid_from(SYS_io_uring_setup, err);
    must_be(syscall(SYS_io_uring_setup, 0, NULL), -1);
    must_be(errno, err);
}

static void asks(void *arg)
{
    (void)arg;
    some_requests();
}

static void filters(void *arg)
{
    forbid_uring(*(int *)arg);
    some_requests();
    must(!holds("[io_uring]"));
    in_child(asks, NULL);
}

HEALD_CASE(a_filter_that_knows_no_io_uring)
{
    int err = ENOSYS;

    in_child(filters, &err);
}

HEALD_CASE(a_filter_that_forbids_io_uring)
{
    int err = EPERM;

    in_child(filters, &err);
}

/* What the kernel had begun is lost; the rest is done, once. */
static void filters_late(void *arg)
{
    struct aiocb blocks[6];
    char bytes[6] = "";
    int fds[2], done = 0;

    (void)arg;
    pipe_make(fds);
    for (int i = 0; i < 6; i++) {
        if (i == 4)
            forbid_from(SYS_io_uring_enter, EPERM);
        start_read(&blocks[i], fds[0], &bytes[i], 1, 0);
        nap(i < 3 ? 0 : 20);
    }
    must_be(write(fds[1], "abcdef", 6), 6);
    for (int i = 0; i < 6; i++) {
        ssize_t n = result_of(&blocks[i]);
        must(n == 1 || (on_uring() && i == 0 && n == -EIO));
        if (n == 1)
            must_be(bytes[i], "abcdef"[done++]);
    }
    some_requests();
}

HEALD_CASE(a_filter_that_comes_late)
{
    in_child(filters_late, NULL);
}

/* It works, or says EAGAIN at once. */
static void works_or_refuses(int fd)
{
    char buf[8] = "";
    struct aiocb cb = block(fd, buf, 4, 0);

    if (aio_read(&cb) == 0) {
        must_be(result_of(&cb), 4);
        return;
    }
    must_be(errno, EAGAIN);
    must_be(aio_error(&cb), EAGAIN);
}

static void has_no_threads(void *arg)
{
    struct rlimit limit = {1, 1};
    int fd = file_with("0123456789");

    (void)arg;
    must_be(setresuid(NOBODY, NOBODY, NOBODY), 0);
    must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
    for (int i = 0; i < 10; i++)
        works_or_refuses(fd);
}

HEALD_CASE(no_threads_to_be_had)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(has_no_threads, NULL);
}

static void has_no_descriptors(void *arg)
{
    int fd = file_with("0123456789");
    struct rlimit limit;

    (void)arg;
    must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)fd + 1;
    must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (dup(fd) >= 0)
        ;
    for (int i = 0; i < 10; i++)
        works_or_refuses(fd);
    limit.rlim_cur = limit.rlim_max;
    must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
    some_requests();
}

HEALD_CASE(no_descriptors_to_be_had)
{
    in_child(has_no_descriptors, NULL);
}

/* The end of a process, whatever is in flight. */

static void pending_reads(void)
{
    static struct aiocb blocks[PIPES];
    static char bytes[PIPES];
    int fds[2];

    for (int i = 0; i < PIPES; i++) {
        pipe_make(fds);
        start_read(&blocks[i], fds[0], &bytes[i], 1, 0);
    }
}

static void pending_writes(void)
{
    static struct aiocb blocks[WRITES + 1];
    char *data = calloc(1, 1 << 20);
    int fd = file_make(), fds[2];

    pipe_make(fds);
    start_write(&blocks[WRITES], fds[1], data, 1 << 20, 0);
    for (int i = 0; i < WRITES; i++)
        start_write(&blocks[i], fd, data, 1 << 20, (off_t)i << 20);
}

static void exits(void *arg)
{
    (void)arg;
    pending_reads();
    pending_writes();
    exit(STATUS);
}

static void exits_at_once(void *arg)
{
    (void)arg;
    pending_reads();
    pending_writes();
    _exit(STATUS);
}

static void exits_later(void *arg)
{
    (void)arg;
    pending_reads();
    pending_writes();
    nap(30);
    exit(STATUS);
}

static void ends_soon(void (*fn)(void *), int status)
{
    int64_t before = now();
    int have = child_end(child_start(fn, NULL), 5);

    must(have != NEVER && WIFEXITED(have));
    must_be(WEXITSTATUS(have), status);
    must(now() - before < 2 * (int64_t)SECOND * harness_slow());
}

HEALD_CASE(ends_with_requests_under_way)
{
    for (int i = 0; i < 5; i++) {
        ends_soon(exits, STATUS);
        ends_soon(exits_at_once, STATUS);
        ends_soon(exits_later, STATUS);
    }
}

static void asks_at_the_end(void *arg)
{
    (void)arg;
    atexit(some_requests);
    some_requests();
    exit(STATUS);
}

HEALD_CASE(requests_at_the_end)
{
    ends_soon(asks_at_the_end, STATUS);
}

static void main_thread_goes(void *arg)
{
    (void)arg;
    some_requests();
    pthread_exit(NULL);
}

/* As glibc's threads go when they were idle for a second. */
HEALD_CASE(ends_with_its_last_thread)
{
    if (dlsym(RTLD_DEFAULT, "__asan_init"))
        harness_skip("the leak check looks for the test's memory on a stack that is gone");
    must_be(child_end(child_start(main_thread_goes, NULL), 6), 0);
}

/* All descriptors are closed, the implementation's with them, and their numbers given to files. */
static void close_all(int way)
{
    switch (way) {
    case 0:
        for (int fd = 3; fd <= LAST; fd++)
            close(fd);
        break;
    case 1: must_be(close_range(3, ~0U, 0), 0); break;
    default: closefrom(3); break;
    }
}

static void goes_on(void)
{
    int files[FILES], fds[2];
    char byte;

    for (int i = 0; i < FILES; i++)
        files[i] = file_make();
    pipe_make(fds);
    for (int i = 0; i < 50; i++)
        some_requests();
    for (int i = 0; i < FILES; i++) {
        must_be(lseek(files[i], 0, SEEK_CUR), 0);
        must_be(lseek(files[i], 0, SEEK_END), 0);
        must_be(write_now(files[i], "mine", 4, 0), 4);
        must_be(lseek(files[i], 0, SEEK_END), 4);
    }
    set_nonblocking(fds[0], true);
    must_be(read(fds[0], &byte, 1), -1);
    for (int i = 0; i < FILES; i++)
        close(files[i]);
    pair_close(fds);
}

static void closes_all(void *arg)
{
    for (int i = 0; i < 3; i++) {
        some_requests();
        close_all(*(int *)arg);
        goes_on();
    }
}

HEALD_CASE(closes_one_after_the_other)
{
    int way = 0;

    in_child(closes_all, &way);
}

HEALD_CASE(closes_the_range)
{
    int way = 1;

    in_child(closes_all, &way);
}

HEALD_CASE(closes_from_the_third)
{
    int way = 2;

    in_child(closes_all, &way);
}

/* With its helpers at rest, which on glibc end after a second. */
static void rests_and_closes(void *arg)
{
    some_requests();
    nap(1200);
    close_all(*(int *)arg);
    nap(100);
    goes_on();
}

HEALD_CASE(closes_after_a_rest)
{
    int way = 0;

    in_child(rests_and_closes, &way);
}

/* A daemon: uses AIO, forks, ends; the child closes all, and goes on. */
static void becomes_a_daemon(void *arg)
{
    some_requests();
    in_child(closes_all, arg);
    some_requests();
}

HEALD_CASE(daemons)
{
    for (int way = 0; way < 3; way++)
        in_child(becomes_a_daemon, &way);
}

void add_programs(TCase *group)
{
    add(group, runs_on_what_was_asked_for);
    add(group, nothing_before_the_first_use);
    add(group, the_first_request_is_to_a_closed_descriptor);
    add(group, another_user_in_the_middle);
    add(group, a_filter_that_knows_no_io_uring);
    add(group, a_filter_that_forbids_io_uring);
    add(group, a_filter_that_comes_late);
    add(group, no_threads_to_be_had);
    add(group, no_descriptors_to_be_had);
    add(group, ends_with_requests_under_way);
    add(group, requests_at_the_end);
    add(group, ends_with_its_last_thread);
    add(group, closes_one_after_the_other);
    add(group, closes_the_range);
    add(group, closes_from_the_third);
    add(group, closes_after_a_rest);
    add(group, daemons);
}
