/*
 * test/aio/servers.c: files that a process answers for (FUSE), which may stop to do so; and sockets
 * that wait to be closed. Nothing of that holds up requests of another descriptor, or close(2).
 */
#include "aio/types.h"

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/prctl.h>

enum { FILE_SIZE = 100, LIMIT = 20, MESSAGE = 1 << 18, REPLY = 256 };

/* One file, which is the root of its file system. Its process dies with the test's: what waits for
 * an answer that does not come cannot be killed. */
struct server {
    int fd;
    char path[64];
    pid_t process;
    atomic_bool *silent; /* does it answer no more? */
};

static void reply(const struct server *server, const struct fuse_in_header *to, const void *data,
                  size_t size)
{
    char message[REPLY];
    struct fuse_out_header head = {.len = (uint32_t)(sizeof head + size), .unique = to->unique};

    must(head.len <= sizeof message);
    memcpy(message, &head, sizeof head);
    if (size)
        memcpy(message + sizeof head, data, size);
    if (write(server->fd, message, head.len) < 0)
        must(errno == ENOENT || errno == ENODEV); /* nobody waits for it any more */
}

/* Attributes that hold for no time at all. */
static struct fuse_attr_out attributes(void)
{
    return (struct fuse_attr_out){
        .attr = {.ino = FUSE_ROOT_ID, .mode = S_IFREG | 0600, .nlink = 1, .size = FILE_SIZE}};
}

static void answer(const struct server *server, const struct fuse_in_header *head)
{
    struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 1 << 16};
    struct fuse_open_out open = {.open_flags = FOPEN_DIRECT_IO};
    struct fuse_statfs_out fs = {.st = {.bsize = 4096}};
    struct fuse_attr_out attr = attributes();
    char data[FILE_SIZE] = "served";

    switch (head->opcode) {
    case FUSE_INIT: reply(server, head, &init, sizeof init); break;
    case FUSE_OPEN: reply(server, head, &open, sizeof open); break;
    case FUSE_STATFS: reply(server, head, &fs, sizeof fs); break;
    case FUSE_GETATTR: reply(server, head, &attr, sizeof attr); break;
    case FUSE_READ: reply(server, head, data, sizeof data); break;
    case FUSE_FORGET:
    case FUSE_INTERRUPT: break;
    default: reply(server, head, NULL, 0);
    }
}

static void serve(void *arg)
{
    struct server *server = arg;
    char *message = malloc(MESSAGE);

    must(message);
    must_be(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    while (read(server->fd, message, MESSAGE) > 0)
        if (!atomic_load(server->silent))
            answer(server, (struct fuse_in_header *)(void *)message);
    free(message);
}

/* False: this process may not mount. */
static bool server_start(struct server *server)
{
    char options[64];

    snprintf(server->path, sizeof server->path, "/tmp/heald-aio-XXXXXX");
    int mountpoint = mkstemp(server->path);
    must(mountpoint >= 0);
    close(mountpoint);
    server->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof options, "fd=%d,rootmode=100000,user_id=0,group_id=0", server->fd);
    if (server->fd < 0 || mount("heald", server->path, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
        unlink(server->path);
        return false;
    }
    server->silent =
        mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(server->silent != MAP_FAILED);
    server->process = child_start(serve, server);
    close(server->fd);
    return true;
}

/* Whatever waits for it ends with an error. */
static void server_end(struct server *server)
{
    must_be(umount2(server->path, MNT_DETACH), 0);
    unlink(server->path);
    must_be(kill(server->process, SIGKILL), 0);
    child_end(server->process, LIMIT);
    munmap(server->silent, page_size());
}

/* Has a namespace of mounts of its own, which ends with the process. */
static bool may_mount(struct server *server)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(LIMIT * (unsigned)harness_slow());
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           server_start(server);
}

static struct server the_server; /* of a process: one case */

HEALD_CASE(read_from_a_server)
{
    char buf[FILE_SIZE];

    if (!may_mount(&the_server)) {
        harness_skip("this process may not mount FUSE");
        return;
    }
    int fd = open(the_server.path, O_RDWR | O_CLOEXEC);
    must(fd >= 0);
    must_be(read_now(fd, buf, FILE_SIZE, 0), FILE_SIZE);
    must_be(strcmp(buf, "served"), 0);
    close(fd);
    server_end(&the_server);
}

/* It does not answer what kind of file it is, either. */
HEALD_CASE(server_that_is_silent)
{
    char buf[FILE_SIZE];
    struct aiocb cb[4];

    if (!may_mount(&the_server)) {
        harness_skip("this process may not mount FUSE");
        return;
    }
    int fd = open(the_server.path, O_RDWR | O_CLOEXEC);
    must(fd >= 0);
    atomic_store(the_server.silent, true);
    for (int i = 0; i < 4; i++)
        start_read(&cb[i], fd, buf, FILE_SIZE, 0);
    must_hang(&cb[0]);
    others_go_on();
    server_end(&the_server);
    for (int i = 0; i < 4; i++)
        must(result_of(&cb[i]) < 0);
    close(fd);
}

/* The last reference to a socket that lingers goes with the read that ends. */
static void close_a_lingering(bool later)
{
    struct linger linger = {1, LIMIT};
    char byte;
    struct aiocb cb;
    int fds[2];

    alarm(LIMIT * (unsigned)harness_slow());
    tcp_make(fds);
    if (!later)
        must_be(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    type_tcp.fill(fds[0]);
    start_read(&cb, fds[0], &byte, 1, 0);
    must_hang(&cb);
    if (later)
        must_be(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    /* The C library's requests of this number may wait for those of the socket. */
    int taken = close_and_take(fds[0]);
    must_be(write(fds[1], "x", 1), 1);
    nap(50); /* the read has its byte, or was given up */
    others_go_on();
    close(fds[1]);
    result_of(&cb);
    close(taken);
}

HEALD_CASE(socket_that_lingers)
{
    close_a_lingering(false);
}

HEALD_CASE(socket_that_lingers_from_then_on)
{
    close_a_lingering(true);
}

void add_servers(TCase *group)
{
    add(group, read_from_a_server);
    add(group, server_that_is_silent);
    add(group, socket_that_lingers);
    add(group, socket_that_lingers_from_then_on);
}
