/* test/aio/names.c: all names are there, from one place, and those with 64 do the same.
 * Everywhere else the names without 64 mean those with it, as the build asks for large files. */
#undef _FILE_OFFSET_BITS
#include "aio/suite.h"

#include <dlfcn.h>

HEALD_CASE(all_names_from_one_library)
{
    static const char *const names[] = {
        "aio_read",     "aio_write",   "aio_fsync",    "aio_error",     "aio_return",
        "aio_suspend",  "aio_cancel",  "lio_listio",   "aio_read64",    "aio_write64",
        "aio_fsync64",  "aio_error64", "aio_return64", "aio_suspend64", "aio_cancel64",
        "lio_listio64", "aio_init",
    };
    Dl_info first, info;

    must(dladdr(dlsym(RTLD_DEFAULT, names[0]), &first));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *address = dlsym(RTLD_DEFAULT, names[i]);
        must(address);
        must(dladdr(address, &info));
        must_be(strcmp(info.dli_fname, first.dli_fname), 0);
    }
}

HEALD_CASE(one_layout)
{
    must_be(sizeof(struct aiocb64), sizeof(struct aiocb));
}

static struct aiocb64 block64(int fd, void *buf, size_t size, off64_t offset)
{
    struct aiocb64 cb;

    memset(&cb, 0, sizeof cb);
    cb.aio_fildes = fd;
    cb.aio_buf = buf;
    cb.aio_nbytes = size;
    cb.aio_offset = offset;
    cb.aio_sigevent.sigev_notify = SIGEV_NONE;
    return cb;
}

HEALD_CASE(names_with_64_do_the_same)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[16];
    struct aiocb64 a = block64(fd, buf, 4, 2), b = block64(fd, buf + 4, 4, 4), *list[] = {&a, &b};
    const struct aiocb64 *one[] = {&a};

    must_be(aio_read64(&a), 0);
    must_be(aio_suspend64(one, 1, NULL), 0);
    must_be(aio_error64(&a), 0);
    must_be(aio_return64(&a), 4);
    must_be(memcmp(buf, "2345", 4), 0);
    must_be(aio_write64(&a), 0);
    must_be(aio_suspend64(one, 1, NULL), 0);
    must_be(aio_return64(&a), 4);
    must_be(aio_fsync64(O_SYNC, &a), 0);
    must_be(aio_suspend64(one, 1, NULL), 0);
    must_be(aio_return64(&a), 0);
    a.aio_lio_opcode = b.aio_lio_opcode = LIO_READ;
    must_be(lio_listio64(LIO_WAIT, list, 2, NULL), 0);
    must_be(memcmp(buf, "23454567", 8), 0);
    must_be(aio_cancel64(fd, NULL), AIO_ALLDONE);
    pipe_make(fds);
    a = block64(fds[0], buf, 4, 0);
    must_be(aio_read64(&a), 0);
    must_be(aio_suspend64(one, 1, &(struct timespec){0}), -1);
    must_be(errno, EAGAIN);
    must_be(write(fds[1], "ping", 4), 4);
    must_be(aio_suspend64(one, 1, NULL), 0);
    must_be(aio_return64(&a), 4);
    pair_close(fds);
    close(fd);
}

HEALD_CASE(names_without_64_do_the_same)
{
    int fd = file_with("0123456789");
    char buf[16];
    struct aiocb a = block(fd, buf, 4, 2), b = block(fd, buf + 4, 4, 4), *list[] = {&a, &b};
    const struct aiocb *one[] = {&a};

    must_be(aio_read(&a), 0);
    must_be(aio_suspend(one, 1, NULL), 0);
    must_be(aio_error(&a), 0);
    must_be(aio_return(&a), 4);
    must_be(memcmp(buf, "2345", 4), 0);
    must_be(aio_write(&a), 0);
    must_be(aio_suspend(one, 1, NULL), 0);
    must_be(aio_return(&a), 4);
    must_be(aio_fsync(O_DSYNC, &a), 0);
    must_be(aio_suspend(one, 1, NULL), 0);
    must_be(aio_return(&a), 0);
    a.aio_lio_opcode = b.aio_lio_opcode = LIO_READ;
    must_be(lio_listio(LIO_WAIT, list, 2, NULL), 0);
    must_be(memcmp(buf, "23454567", 8), 0);
    must_be(aio_cancel(fd, NULL), AIO_ALLDONE);
    close(fd);
}

HEALD_CASE(the_names_mix)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[16];
    struct aiocb64 a = block64(fd, buf, 4, 6);
    const struct aiocb *one[] = {(struct aiocb *)&a};

    must_be(aio_read64(&a), 0);
    must_be(aio_suspend(one, 1, NULL), 0);
    must_be(aio_error(one[0]), 0);
    must_be(aio_return((struct aiocb *)&a), 4);
    must_be(memcmp(buf, "6789", 4), 0);
    pipe_make(fds);
    a = block64(fds[0], buf, 4, 0);
    must_be(aio_read((struct aiocb *)&a), 0);
    must_be(aio_error64(&a), EINPROGRESS);
    must_be(aio_suspend64((const struct aiocb64 *const *)one, 1, &(struct timespec){0}), -1);
    must_be(write(fds[1], "ping", 4), 4);
    must_be(aio_suspend64((const struct aiocb64 *const *)one, 1, NULL), 0);
    must_be(aio_return64(&a), 4);
    pair_close(fds);
    close(fd);
}

/* Hints that nobody needs to follow; and late ones. */
HEALD_CASE(aio_init_takes_anything)
{
    struct aioinit init[] = {
        {.aio_threads = 0},
        {.aio_threads = -5, .aio_num = -7, .aio_idle_time = -1},
        {.aio_threads = 1, .aio_num = 1, .aio_idle_time = 1},
        {.aio_threads = 1000, .aio_num = 1 << 20, .aio_idle_time = 3600},
    };
    int fd = file_with("0123456789");
    char buf[16];

    for (size_t i = 0; i < sizeof init / sizeof init[0]; i++) {
        aio_init(&init[i]);
        must_be(read_now(fd, buf, 16, 0), 10);
    }
    close(fd);
}

void add_names(TCase *group)
{
    add(group, all_names_from_one_library);
    add(group, one_layout);
    add(group, names_with_64_do_the_same);
    add(group, names_without_64_do_the_same);
    add(group, the_names_mix);
    add(group, aio_init_takes_anything);
}
