/* test/aio/errors.c: requests that cannot be done, and those of odd sizes. */
#include "aio/suite.h"

#define CHUNK_MAX 0x7ffff000LL /* what the kernel moves at most in one call */

static atomic_int seen;

static void count_thread(union sigval value)
{
    (void)value;
    atomic_fetch_add(&seen, 1);
}

/* The call succeeds, the request fails, and a waiter is woken. */
static void fails_later(int fd, bool is_write, off_t offset, int want)
{
    char buf[4] = "abc";
    struct aiocb cb = block(fd, buf, sizeof buf, offset);

    atomic_store(&seen, 0);
    notify_by_thread(&cb, count_thread, NULL);
    must_be(is_write ? aio_write(&cb) : aio_read(&cb), 0);
    must_be(result_of(&cb), -want);
    until(&seen, 1);
}

HEALD_CASE(no_such_descriptor)
{
    for (int i = 0; i < 2; i++) {
        fails_later(-1, i, 0, EBADF);
        fails_later(1 << 20, i, 0, EBADF);
        fails_later(-2147483647, i, 0, EBADF);
    }
}

HEALD_CASE(closed_descriptor)
{
    int fd = file_with("abc"), copy = dup(fd);

    close(copy);
    fails_later(copy, false, 0, EBADF);
    fails_later(copy, true, 0, EBADF);
    close(fd);
}

HEALD_CASE(wrong_mode)
{
    int fds[2], reader = open("/dev/null", O_RDONLY), writer = open("/dev/null", O_WRONLY);

    pipe_make(fds);
    fails_later(reader, true, 0, EBADF);
    fails_later(writer, false, 0, EBADF);
    fails_later(fds[0], true, 0, EBADF);
    fails_later(fds[1], false, 0, EBADF);
    pair_close(fds);
    close(reader);
    close(writer);
}

HEALD_CASE(path_descriptor_and_dir)
{
    int path = open("/tmp", O_PATH), dir = open("/tmp", O_RDONLY | O_DIRECTORY);

    fails_later(path, false, 0, EBADF);
    fails_later(dir, false, 0, EISDIR);
    close(path);
    close(dir);
}

HEALD_CASE(negative_offset)
{
    int fd = file_with("0123456789");

    must_be(lseek(fd, 3, SEEK_SET), 3);
    for (int i = 0; i < 2; i++) {
        fails_later(fd, i, -1, EINVAL);
        fails_later(fd, i, -4096, EINVAL);
        fails_later(fd, i, INT64_MIN, EINVAL);
    }
    must_be(lseek(fd, 0, SEEK_CUR), 3);
    close(fd);
}

HEALD_CASE(priority_out_of_range)
{
    int fd = file_with("0123456789"), bad[] = {-1, 21, INT32_MAX, INT32_MIN};
    char buf[4];

    for (int i = 0; i < 8; i++) {
        struct aiocb cb = block(fd, buf, 4, 0);
        cb.aio_reqprio = bad[i / 2];
        must_be(i % 2 ? aio_read(&cb) : aio_write(&cb), -1);
        must_be(errno, EINVAL);
        must_be(aio_error(&cb), EINVAL);
    }
    for (int i = 0; i <= 20; i++) {
        struct aiocb cb = block(fd, buf, 4, 0);
        cb.aio_reqprio = i;
        must_be(aio_read(&cb), 0);
        must_be(result_of(&cb), 4);
    }
    close(fd);
}

static int error_of(struct aiocb *cb, int called)
{
    if (called)
        return errno;
    return (int)-result_of(cb);
}

HEALD_CASE(size_above_ssize_max)
{
    int fd = file_with("0123456789");
    char buf[16];

    for (int i = 0; i < 2; i++) {
        struct aiocb cb = block(fd, buf, (size_t)-1, 0);
        int err = error_of(&cb, i ? aio_write(&cb) : aio_read(&cb));
        must(err == EINVAL || err == EFAULT);
    }
    must_be(lseek(fd, 0, SEEK_END), 10);
    close(fd);
}

/* One page of memory again and again: as large as we want, and costs nothing. */
static char *large_memory(size_t size)
{
    char *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* /dev/null takes whatever it is offered without a look at it: what it took is what was asked. */
static void offer(size_t size, long long want)
{
    if (harness_has_tsan())
        harness_skip("ThreadSanitizer needs gigabytes for it");
    char *memory = large_memory(size);
    int fd = open("/dev/null", O_WRONLY);

    if (!memory)
        harness_skip("no address space for %zu bytes", size);
    must_be(write_now(fd, memory, size, 0), want);
    close(fd);
    munmap(memory, size);
}

HEALD_CASE(three_gib_are_clamped)
{
    offer((size_t)3 << 30, CHUNK_MAX);
}

HEALD_CASE(four_gib_are_not_nothing)
{
    offer((size_t)1 << 32, CHUNK_MAX);
}

HEALD_CASE(four_gib_and_one_are_not_one)
{
    offer(((size_t)1 << 32) + 1, CHUNK_MAX);
}

/* The request is for 4 GiB, the file has ten bytes. */
HEALD_CASE(four_gib_of_a_small_file)
{
    size_t size = (size_t)1 << 32;
    char *memory = large_memory(size);
    int fd = file_with("0123456789");

    if (!memory)
        harness_skip("no address space");
    must_be(mprotect(memory, page_size(), PROT_READ | PROT_WRITE), 0);
    must_be(read_now(fd, memory, size, 0), 10);
    must_be(memcmp(memory, "0123456789", 10), 0);
    must_be(read_now(fd, memory, size, 10), 0);
    munmap(memory, size);
    close(fd);
}

HEALD_CASE(nothing_asked_nothing_done)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[4];

    pipe_make(fds);
    must_be(read_now(fd, buf, 0, 0), 0);
    must_be(write_now(fd, buf, 0, 100), 0);
    must_be(read_now(fd, NULL, 0, 3), 0);
    must_be(lseek(fd, 0, SEEK_END), 10);
    must_be(write_now(fds[1], buf, 0, 0), 0);
    pair_close(fds);
    close(fd);
}

HEALD_CASE(end_of_the_file)
{
    int fd = file_with("0123456789");
    char buf[16];

    must_be(read_now(fd, buf, 16, 10), 0);
    must_be(read_now(fd, buf, 16, 1 << 20), 0);
    must_be(read_now(fd, buf, 16, INT64_MAX / 2), 0);
    must_be(read_now(fd, buf, 16, 6), 4);
    must_be(memcmp(buf, "6789", 4), 0);
    close(fd);
}

HEALD_CASE(bad_memory)
{
    int fd = file_with("0123456789"), fds[2];
    char *page = page_make();

    must_be(mprotect(page, page_size(), PROT_NONE), 0);
    pipe_make(fds);
    must_be(read_now(fd, page, 4, 0), -EFAULT);
    must_be(write_now(fd, page, 4, 0), -EFAULT);
    must_be(write_now(fds[1], page, 4, 0), -EFAULT);
    must_be(write(fds[1], "abcd", 4), 4);
    must_be(read_now(fds[0], page, 4, 0), -EFAULT);
    page_drop(page);
    pair_close(fds);
    close(fd);
}

static void past_the_limit(void *arg)
{
    int fd = file_make();
    char buf[64] = {0};
    struct rlimit limit = {4096, 4096};

    (void)arg;
    signal(SIGXFSZ, SIG_DFL);
    must_be(setrlimit(RLIMIT_FSIZE, &limit), 0);
    must_be(write_now(fd, buf, 64, 4096 - 16), 16);
    must_be(write_now(fd, buf, 64, 4096), -EFBIG);
    must_be(write_now(fd, buf, 64, 1 << 20), -EFBIG);
}

/* As with SIGPIPE: nobody made the call that the signal would be the answer to. */
HEALD_CASE(file_size_limit_does_not_kill)
{
    in_child(past_the_limit, NULL);
}

HEALD_CASE(no_space)
{
    int fd = open("/dev/full", O_RDWR);
    char buf[64] = {0};

    if (fd < 0)
        harness_skip("there is no /dev/full");
    must_be(write_now(fd, buf, 64, 0), -ENOSPC);
    must_be(read_now(fd, buf, 64, 0), 64);
    close(fd);
}

void add_errors(TCase *group)
{
    add(group, no_such_descriptor);
    add(group, closed_descriptor);
    add(group, wrong_mode);
    add(group, path_descriptor_and_dir);
    add(group, negative_offset);
    add(group, priority_out_of_range);
    add(group, size_above_ssize_max);
    add(group, three_gib_are_clamped);
    add(group, four_gib_are_not_nothing);
    add(group, four_gib_and_one_are_not_one);
    add(group, four_gib_of_a_small_file);
    add(group, nothing_asked_nothing_done);
    add(group, end_of_the_file);
    add(group, bad_memory);
    add(group, file_size_limit_does_not_kill);
    add(group, no_space);
}
