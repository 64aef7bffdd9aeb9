/* test/sim/world.c: descriptors that are a few numbers, and the system calls on them. See sim.h. */
#include "sim/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct world world;

static bool chance(unsigned n)
{
    return rng_one_in(&world.rng, n);
}

struct wfd *world_fd(int fd)
{
    return fd >= FD_FIRST && fd < FDS && world.fd[fd].open ? &world.fd[fd] : NULL;
}

int world_open(int type)
{
    for (int fd = FD_FIRST; fd < FDS; fd++) {
        struct wfd *w = &world.fd[fd];
        if (w->open)
            continue;
        *w = (struct wfd){.open = true,
                          .type = (uint8_t)type,
                          .generation = w->generation + 1,
                          .key = w->key,
                          .stale = w->stale,
                          .has_stale = w->has_stale};
        if (type != FD_OTHER && type != FD_FILE)
            w->room = rng_below(&world.rng, 40);
        return fd;
    }
    return -EMFILE;
}

unsigned world_ready(const struct wfd *w)
{
    unsigned events = 0;

    if (w->in || w->eof || w->err || w->backlog || w->dead || w->rung)
        events |= POLLIN;
    if (w->eof)
        events |= heald__poll_rdhup | (w->armed & HEALD_EDGE ? HEALD_END : 0);
    if ((w->room && !w->connecting) || w->err)
        events |= POLLOUT;
    if (w->err)
        events |= POLLERR | POLLHUP;
    return events;
}

/* Something changed for the better: that is an edge. */
static void changed(struct wfd *w)
{
    w->pending = w->armed != 0;
}

static void happen_to(struct wfd *w)
{
    if (w->child) {
        w->dead = true;
    } else if (w->connecting) {
        w->connecting = false;
        w->room += w->outcome ? 0 : 20;
        w->err = w->outcome ? w->outcome : w->err;
    } else if (w->listener) {
        w->backlog += rng_range(&world.rng, 1, 3);
    } else if (w->type != FD_OTHER && w->type != FD_FILE) {
        switch (rng_below(&world.rng, 16)) {
        case 0: w->eof = w->type != FD_DATAGRAM; break;
        case 1: w->err = chance(3) ? ECONNRESET : 0; break;
        case 2:
        case 3:
        case 4:
        case 5: w->room += rng_range(&world.rng, 1, 30); break;
        default:
            if (!w->eof)
                w->in += rng_range(&world.rng, 1, w->type == FD_DATAGRAM ? 3 : 60);
        }
    }
    changed(w);
}

void world_event(void)
{
    unsigned first = rng_below(&world.rng, FDS);

    if (chance(6)) {
        model_post();
        return;
    }
    for (unsigned i = 0; i < FDS; i++) {
        struct wfd *w = &world.fd[(first + i) % FDS];
        if (!w->open || w->type == FD_FILE || (w->type == FD_OTHER && !w->child))
            continue;
        happen_to(w);
        return;
    }
}

void world_feed(void)
{
    for (int fd = FD_FIRST; fd < FDS; fd++) {
        struct wfd *w = &world.fd[fd];
        if (!w->open || w->type == FD_FILE || (w->type == FD_OTHER && !w->child))
            continue;
        happen_to(w);
        w->connecting = false;
        w->room += 10000;
        if (w->type != FD_DATAGRAM && !w->listener && !w->child)
            w->eof = true;
        changed(w);
    }
}

void world_sleep(int64_t timeout)
{
    model_sleep(timeout);
    if (!world.calm && (timeout < 0 || chance(2))) {
        int64_t most = timeout < 0 || timeout > HEALD_MS ? HEALD_MS : timeout;
        world.now += rng_below(&world.rng, (unsigned)most + 1);
        for (unsigned n = rng_range(&world.rng, 1, 4); n; n--)
            world_event();
    } else if (timeout < 0) {
        world.stuck = true;
    } else {
        world.now += timeout + (chance(3) ? rng_below(&world.rng, 5000) : 0);
    }
}

/* The system calls. */

static int gate(enum heald_gate what)
{
    (void)what;
    return 0;
}

static int64_t now(enum heald_clock clock)
{
    (void)clock;
    return world.now;
}

static int fd_type(int fd)
{
    struct wfd *w = world_fd(fd);

    return w ? w->type : -EBADF;
}

static bool lingers(int fd)
{
    (void)fd;
    return false;
}

static bool listens(int fd)
{
    return world_fd(fd) != NULL;
}

/* A message has as many bytes as its place says, none at times. Returns how many of up to `len`. */
static int64_t draw(struct wfd *w, size_t len)
{
    int64_t n;

    if (w->in && w->type == FD_DATAGRAM) {
        w->in--;
        n = rng_below(&world.rng, 12);
        return n < (int64_t)len ? n : (int64_t)len;
    }
    if (w->in) {
        n = w->in < len ? w->in : (int64_t)len;
        /* Only there may a short read leave something behind. */
        if (w->type == FD_SOCKET && chance(3))
            n = rng_range(&world.rng, 1, (unsigned)n);
        w->in -= (unsigned)n;
        return n;
    }
    if (w->err) {
        n = -w->err;
        w->err = 0;
        w->eof = w->type != FD_DATAGRAM;
        return n;
    }
    return w->eof ? 0 : -EAGAIN;
}

static int64_t receive(int fd, const struct iovec *iov, size_t count)
{
    struct wfd *w = world_fd(fd);
    size_t len = 0;

    if (!w)
        return -EBADF;
    if (w->connecting)
        return -ENOTCONN;
    if (chance(30))
        return -EINTR;
    for (size_t i = 0; i < count; i++)
        len += iov[i].iov_len;
    int64_t n = draw(w, len);
    if (n == -EAGAIN)
        return n;
    for (size_t i = 0, left = n > 0 ? (size_t)n : 0; left; i++) {
        size_t part = left < iov[i].iov_len ? left : iov[i].iov_len;
        memset(iov[i].iov_base, fd, part);
        left -= part;
    }
    model_took(fd, DIR_IN, iov->iov_base, n);
    return n;
}

static int64_t transmit(int fd, const void *buf, size_t len)
{
    struct wfd *w = world_fd(fd);
    int64_t n;

    if (!w)
        return -EBADF;
    if (w->connecting)
        return -EAGAIN;
    if (chance(30))
        return -EINTR;
    if (!w->room && !w->err)
        return -EAGAIN;
    n = w->err ? -EPIPE : w->room < len ? (int64_t)w->room : (int64_t)len;
    w->room -= n > 0 ? (unsigned)n : 0;
    model_took(fd, DIR_OUT, buf, n);
    return n;
}

static int64_t recv_now(int fd, void *buf, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};

    (void)flags;
    return receive(fd, &iov, 1);
}

static int64_t send_now(int fd, const void *buf, size_t len, int flags)
{
    (void)flags;
    return transmit(fd, buf, len);
}

static int64_t readv_now(int fd, const struct iovec *iov, int count)
{
    return receive(fd, iov, (size_t)count);
}

static int64_t writev_now(int fd, const struct iovec *iov, int count)
{
    (void)count;
    return transmit(fd, iov->iov_base, iov->iov_len);
}

static int64_t recvmsg_now(int fd, struct msghdr *msg, int flags)
{
    (void)flags;
    return receive(fd, msg->msg_iov, msg->msg_iovlen);
}

static int64_t sendmsg_now(int fd, const struct msghdr *msg, int flags)
{
    (void)flags;
    return transmit(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len);
}

static int accept_now(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct wfd *w = world_fd(fd);

    (void)len;
    if (!w)
        return -EBADF;
    if (!w->backlog)
        return -EAGAIN;
    w->backlog--;
    if (chance(10))
        return -ECONNABORTED;
    int got = world_open(chance(2) ? FD_STREAM : FD_SOCKET);
    if (got >= 0) {
        world.fd[got].type = w->type;
        world.fd[got].in = rng_below(&world.rng, 20);
    }
    model_took(fd, DIR_IN, addr, got);
    return got;
}

static int connect_now(int fd, const struct sockaddr *addr, socklen_t len)
{
    static const int outcomes[] = {0, 0, ECONNREFUSED};
    struct wfd *w = world_fd(fd);

    (void)len;
    if (!w)
        return -EBADF;
    if (chance(4)) {
        model_took(fd, DIR_OUT, addr, -ENETUNREACH);
        return -ENETUNREACH;
    }
    w->outcome = outcomes[rng_below(&world.rng, 3)];
    w->connecting = true;
    return -EINPROGRESS;
}

static int connect_end(int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)addr;
    (void)len;
    struct wfd *w = world_fd(fd);

    if (!w)
        return -EBADF;
    if (w->connecting)
        return -EAGAIN;
    model_took(fd, DIR_OUT, NULL, -w->outcome);
    return -w->outcome;
}

static int shut(int fd, int how)
{
    (void)how;
    model_took(fd, DIR_OUT, NULL, 0);
    return 0;
}

static int close_fd(int fd)
{
    struct wfd *w = world_fd(fd);

    if (!w)
        return -EBADF;
    VERIFY(!w->armed, "descriptor %d is closed while it is armed", fd);
    files_closed(w);
    *w = (struct wfd){.generation = w->generation + 1,
                      .key = w->key,
                      .stale = w->key,
                      .has_stale = w->armed != 0};
    return 0;
}

static int poll_now(struct pollfd *fds, unsigned count, int64_t timeout_ns)
{
    int ready = 0;

    (void)timeout_ns;
    for (unsigned i = 0; i < count; i++) {
        const struct wfd *w = world_fd(fds[i].fd);
        unsigned events = (unsigned short)fds[i].events | POLLERR | POLLHUP;
        fds[i].revents = (short)(w ? world_ready(w) & events : POLLNVAL);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int bell_open(int ret_fds[2])
{
    ret_fds[0] = ret_fds[1] = world_open(FD_OTHER);
    return ret_fds[0] < 0 ? ret_fds[0] : 0;
}

static int bell_ring(int fd)
{
    world.fd[fd].rung = true;
    changed(&world.fd[fd]);
    return 0;
}

static int bell_drain(int fd)
{
    world.fd[fd].rung = false;
    return 0;
}

static int child_open(pid_t pid)
{
    int fd = world_open(FD_OTHER);

    (void)pid;
    if (fd >= 0)
        world.fd[fd].child = true;
    return fd;
}

static int child_reap(pid_t pid, struct heald_child_status *ret_status)
{
    *ret_status = (struct heald_child_status){.pid = pid};
    return chance(8) ? -EAGAIN : 0;
}

const struct heald_sys world_sys = {
    .gate = gate,
    .now = now,
    .fd_type = fd_type,
    .lingers = lingers,
    .listens = listens,
    .seeks = lingers,
    .readv_now = readv_now,
    .writev_now = writev_now,
    .recv_now = recv_now,
    .send_now = send_now,
    .recvmsg_now = recvmsg_now,
    .sendmsg_now = sendmsg_now,
    .accept_now = accept_now,
    .connect_now = connect_now,
    .connect_end = connect_end,
    .shutdown = shut,
    .close = close_fd,
    .preadv = files_preadv,
    .pwritev = files_pwritev,
    .open = files_open,
    .open_beneath = files_open,
    .tempfile_unnamed = files_tempfile_unnamed,
    .stat = files_stat,
    .fsync = files_fsync,
    .unlink = files_unlink,
    .mkdir = files_mkdir,
    .symlink = files_symlink,
    .link = files_link,
    .rename = files_rename,
    .readlink = files_readlink,
    .chmod = files_chmod,
    .utimens = files_utimens,
    .ftruncate = files_ftruncate,
    .fallocate = files_fallocate,
    .poll = poll_now,
    .bell_open = bell_open,
    .bell_ring = bell_ring,
    .bell_drain = bell_drain,
    .child_open = child_open,
    .child_reap = child_reap,
};

static void *resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    void *p = size ? malloc(size) : NULL;
    if (ptr && p)
        memcpy(p, ptr, old_size < size ? old_size : size);
    free(ptr);
    world.bytes += size - old_size;
    return p;
}

const struct heald_allocator world_allocator = {.resize = resize};

void world_init(uint64_t seed)
{
    world = (struct world){.rng = rng_of(seed, 1), .now = HEALD_SEC};
}
