/* test/shm/sealed.c: a region over a Unix socket, also from a process that sends something else. */
#include "shm/shm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { MANY = 1 << 20 };

static const char *why;
static const struct heald_region_limits usual = {.size_max = MANY, .ret_why = &why};

struct ends {
    int from, to;
};

static struct ends ends_open(int type)
{
    int fds[2];

    ck_assert_int_eq(heald_socketpair(type, fds), 0);
    return (struct ends){.from = fds[0], .to = fds[1]};
}

static void ends_close(struct ends e)
{
    close(e.from);
    close(e.to);
}

static struct heald_region *region_make(const struct heald_region_options *o)
{
    struct heald_region *r;
    int err = heald_region_create_memfd(&r, o);

    if (err == -ENOSYS)
        harness_skip("no memfd_create here");
    ck_assert_int_eq(err, 0);
    return r;
}

static void send_fds(int fd, const char *bytes, size_t len, const int *fds, unsigned count)
{
    struct heald_fd_msg m;

    ck_assert_int_eq(heald_fd_msg_send(&m, bytes, len, fds, count), 0);
    ck_assert_int_eq(sendmsg(fd, &m.msg, 0), (int)len);
}

/* What a receiver makes of this descriptor. The region is untouched, and no descriptor is left: the
 * harness looks. */
static void refused(int fd, const struct heald_region_limits *limits, int err)
{
    struct ends e = ends_open(SOCK_STREAM);
    struct heald_region *r = NULL;

    send_fds(e.from, "R", 1, &fd, 1);
    ck_assert_int_eq(heald_region_recv(e.to, limits, &r), err);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(heald_region_open_sealed(&r, fd, limits), err);
    ck_assert(why != NULL);
    ck_assert_ptr_null(r);
    ends_close(e);
}

HEALD_CASE(a_region_to_another_process)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

    for (int i = 0; i < 3; i++) {
        struct ends e = ends_open(types[i]);
        struct heald_region *r = region_make(NULL);
        pid_t child = fork();
        if (child == 0) {
            struct pollfd wait = {.fd = e.to, .events = POLLIN};
            struct heald_region *mine;
            struct heald_participant *me;
            must(poll(&wait, 1, -1) == 1 && heald_region_recv(e.to, &usual, &mine) == 0);
            must(why == NULL && heald_attach(mine, &me) == 0);
            strcpy(heald_region_data(mine), "seen");
            _exit(0);
        }
        ck_assert_int_eq(heald_region_send(e.from, r), 0);
        ck_assert_int_eq(child_end(child), 0);
        ck_assert_str_eq(heald_region_data(r), "seen");
        heald_region_close(r);
        ends_close(e);
    }
}

HEALD_CASE(other_descriptors)
{
    char path[] = "/tmp/heald-none-XXXXXX";
    struct heald_region *r = region_make(NULL);
    struct ends e = ends_open(SOCK_STREAM);
    int fds[2], file = mkstemp(path), null = open("/dev/null", O_RDWR | O_CLOEXEC);

    unlink(path);
    heald_region_close(r);
    ck_assert_int_eq(ftruncate(file, 4096), 0);
    ck_assert_int_eq(pipe(fds), 0);
    int kinds[] = {fds[0], fds[1], null, e.from};
    for (int i = 0; i < 4; i++) {
        refused(kinds[i], &usual, -EPROTOTYPE);
        why = NULL;
    }
    /* A file of tmpfs has seals, of which none is set but that there be none. */
    struct heald_region *none = NULL;
    int err = heald_region_open_sealed(&none, file, &usual);
    ck_assert(err == -EPROTOTYPE || err == -EPERM);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    close(file);
    close(null);
    ends_close(e);
}

#ifdef F_ADD_SEALS
/* A memfd with these seals, of that size. */
static int memfd_make(int seals, off_t size)
{
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

HEALD_CASE(memory_that_is_not_sealed)
{
    static const int lacking[] = {0, F_SEAL_SHRINK, F_SEAL_GROW | F_SEAL_SEAL,
                                  F_SEAL_SHRINK | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_GROW};
    static const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    static const off_t sizes[] = {0, 100, 4096, MANY};

    heald_region_close(region_make(NULL));
    for (int i = 0; i < 5; i++) {
        int fd = memfd_make(lacking[i], 4096);
        refused(fd, &usual, -EPERM);
        close(fd);
    }
    for (int i = 0; i < 4; i++) {
        int fd = memfd_make(all, sizes[i]);
        refused(fd, &usual, -ENOEXEC);
        close(fd);
    }
    int fd = memfd_make(all, MANY + 1);
    refused(fd, &usual, -EFBIG);
    close(fd);
}

/* The bytes of a region in memory whose owner can still cut it. */
HEALD_CASE(a_copy_that_can_shrink)
{
    struct heald_region *r = region_make(NULL);
    struct stat st;
    char *bytes;

    ck_assert_int_eq(fstat(heald_region_fd(r), &st), 0);
    int fd = memfd_make(0, st.st_size);
    bytes = malloc((size_t)st.st_size);
    ck_assert_int_eq(pread(heald_region_fd(r), bytes, (size_t)st.st_size, 0), st.st_size);
    ck_assert_int_eq(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    refused(fd, &usual, -EPERM);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    struct heald_region *copy;
    ck_assert_int_eq(heald_region_open_sealed(&copy, fd, &usual), 0);
    heald_region_close(copy);
    heald_region_close(r);
    close(fd);
    free(bytes);
}
#endif

HEALD_CASE(sizes_and_growth)
{
    static const struct heald_region_options grows = {.heap = 16 * 1024, .heap_max = 4 * MANY};
    static const struct heald_region_limits tight = {.size_max = 4096, .ret_why = &why},
                                            may = {.size_max = MANY,
                                                   .may_grow = 1,
                                                   .ret_why = &why},
                                            may_more = {.size_max = 8 * MANY, .may_grow = 1};
    static const struct heald_region_limits bad[] = {{.size_max = 0}, {1, 2, NULL}};
    struct heald_region *r = region_make(NULL), *got = NULL;

    refused(heald_region_fd(r), &tight, -EFBIG);
    ck_assert_int_eq(heald_region_open_sealed(&got, heald_region_fd(r), NULL), -EINVAL);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_region_open_sealed(&got, heald_region_fd(r), &bad[i]), -EINVAL);
    ck_assert_int_eq(heald_region_open_sealed(&got, heald_region_fd(r), &may), 0);
    heald_region_close(got);
    heald_region_close(r);
    r = region_make(&grows);
    refused(heald_region_fd(r), &usual, -EPERM);
    refused(heald_region_fd(r), &may, -EFBIG);
    ck_assert_int_eq(heald_region_open_sealed(&got, heald_region_fd(r), &may_more), 0);
    heald_region_close(got);
    heald_region_close(r);
}

static void nonsense(int type, const char *bytes, size_t len, const int *fds, unsigned count)
{
    struct ends e = ends_open(type);
    struct heald_region *r = NULL;

    send_fds(e.from, bytes, len, fds, count);
    ck_assert_int_eq(heald_region_recv(e.to, &usual, &r), -EPROTO);
    ck_assert_ptr_null(r);
    ends_close(e);
}

HEALD_CASE(messages_that_are_something_else)
{
    struct heald_region *r = region_make(NULL), *got = NULL;
    int fd = heald_region_fd(r), many[HEALD_MSG_FDS];

    for (int i = 0; i < HEALD_MSG_FDS; i++)
        many[i] = fd;
    for (int t = 0; t < 2; t++) {
        int type = t ? SOCK_SEQPACKET : SOCK_STREAM;
        nonsense(type, "R", 1, NULL, 0);
        nonsense(type, "x", 1, &fd, 1);
        nonsense(type, "R", 1, many, 2);
        nonsense(type, "R", 1, many, HEALD_MSG_FDS);
    }
    nonsense(SOCK_SEQPACKET, "RR", 2, &fd, 1);
    struct ends e = ends_open(SOCK_STREAM);
    ck_assert_int_eq(heald_region_recv(e.to, &usual, &got), -EAGAIN);
    ck_assert_int_eq(heald_region_send(e.from, r), 0);
    ck_assert_int_eq(heald_region_recv(e.to, NULL, &got), -EINVAL);
    ck_assert_int_eq(heald_region_recv(e.to, &usual, &got), 0);
    heald_region_close(got);
    close(e.from);
    ck_assert_int_eq(heald_region_recv(e.to, &usual, &got), -ECONNRESET);
    ck_assert_int_eq(heald_region_send(e.to, r), -EPIPE);
    close(e.to);
    ck_assert_int_eq(heald_region_send(-1, r), -EBADF);
    ck_assert_int_eq(heald_region_recv(-1, &usual, &got), -EBADF);
    heald_region_close(r);
}

int main(void)
{
    Suite *suite = suite_create("sealed");
    TCase *group = harness_group(suite, "sealed");

    harness_add(group, a_region_to_another_process);
    harness_add(group, other_descriptors);
#ifdef F_ADD_SEALS
    harness_add(group, memory_that_is_not_sealed);
    harness_add(group, a_copy_that_can_shrink);
#endif
    harness_add(group, sizes_and_growth);
    harness_add(group, messages_that_are_something_else);
    return harness_run(suite);
}
