/* test/channel/rogue.c: see sides.h. */
#include "channel/sides.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

const struct rogue_hello rogue_usual = {"heald-ch", 1, ROGUE_ROOM, 0, 0};

void rogue_open(struct rogue *r, const struct heald_channel_options *o)
{
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, r->fds), 0);
    channel_make(&r->honest, r->fds[0], o);
}

void rogue_hello(struct rogue *r, const struct rogue_hello *h, const int *fds, unsigned count)
{
    struct heald_fd_msg m;

    ck_assert_int_eq(heald_fd_msg_send(&m, h, sizeof *h, fds, count), 0);
    ck_assert_int_eq(sendmsg(r->fds[1], &m.msg, 0), (int)sizeof *h);
}

/* A descriptor of memory with a room of `size` bytes, which stays mapped. */
int rogue_memory(struct rogue *r, size_t size, int seals, unsigned flags)
{
    int fd = memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)(SEGMENT_HEAD + size)), 0);
    r->size = size;
    r->segment = mmap(NULL, SEGMENT_HEAD + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(r->segment, MAP_FAILED);
    r->room = (char *)r->segment + SEGMENT_HEAD;
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

void rogue_join(struct rogue *r, const struct heald_channel_options *o)
{
    rogue_open(r, o);
    int fd = rogue_memory(r, ROGUE_ROOM, ROGUE_SEALS, 0);
    rogue_hello(r, &rogue_usual, &fd, 1);
    close(fd);
    ck_assert_int_eq(heald_channel_arm(r->honest, HEALD_CHANNEL_IN), 0);
}

void rogue_close(struct rogue *r)
{
    if (r->segment)
        munmap(r->segment, SEGMENT_HEAD + r->size);
    heald_channel_close(r->honest);
    close(r->fds[0]);
    if (r->fds[1] >= 0)
        close(r->fds[1]);
}
