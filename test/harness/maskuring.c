/*
 * test/harness/maskuring.c: a library to preload, with which the kernel refuses parts of io_uring.
 *
 * HEALD_MASK lists what is refused, by commas: "setup:CQSIZE", "register:PBUF_RING",
 * "enter:ABS_TIMER", "feature:NO_IOWAIT" and "opcode:RECV" as a kernel refuses what it does not
 * know: -EINVAL, and the probe says so. With "sandbox" registrations and opcodes are refused as to
 * a restricted task (Linux 7.0) instead: -EACCES, and the probe says nothing. "old-pipes": before
 * Linux 6.4 pipes know no RWF_NOWAIT, and an entry that reads or writes one with O_NONBLOCK ends
 * with -EAGAIN instead of waiting. "unrepaired": the kernel says that it is one that has a fault in
 * how it resizes rings.
 *
 * It stands before the functions of liburing and the system calls that src/ring uses. Opcodes of a
 * sandbox are refused by the kernel itself, which is given the restrictions of each ring.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>

enum {
    RINGS_MAX = 64,
    OPCODES_MAX = 63,       /* as many as are asked for restrictions */
    REGISTRATIONS_MAX = 48, /* likewise */
    UNKNOWN = 250           /* an opcode that no kernel knows */
};

enum what { SETUP, REGISTER, ENTER, FEATURE, OPCODE, WHATS };

static const struct {
    const char *name;
    enum what what;
    unsigned bit;
} things[] = {
#define SETUP_ROW(name, bit) {"setup:" #name, SETUP, bit},
#define REGISTER_ROW(name)   {"register:" #name, REGISTER, IORING_REGISTER_##name},
#define OPCODE_ROW(name)     {"opcode:" #name, OPCODE, IORING_OP_##name},
    /* Flags are named by their bits, which the headers of the system may not know. */
    SETUP_ROW(CQSIZE, 3) SETUP_ROW(R_DISABLED, 6) SETUP_ROW(SUBMIT_ALL, 7)
        SETUP_ROW(TASKRUN_FLAG, 9) SETUP_ROW(SINGLE_ISSUER, 12) SETUP_ROW(DEFER_TASKRUN, 13)
            SETUP_ROW(NO_SQARRAY, 16) REGISTER_ROW(PROBE) REGISTER_ROW(ENABLE_RINGS) REGISTER_ROW(
                EVENTFD) REGISTER_ROW(IOWQ_MAX_WORKERS) REGISTER_ROW(PBUF_RING)
                REGISTER_ROW(RING_FDS) OPCODE_ROW(NOP) OPCODE_ROW(READV) OPCODE_ROW(WRITEV)
                    OPCODE_ROW(FSYNC) OPCODE_ROW(POLL_ADD) OPCODE_ROW(SENDMSG) OPCODE_ROW(RECVMSG)
                        OPCODE_ROW(TIMEOUT) OPCODE_ROW(ACCEPT) OPCODE_ROW(ASYNC_CANCEL)
                            OPCODE_ROW(CONNECT) OPCODE_ROW(OPENAT) OPCODE_ROW(CLOSE)
                                OPCODE_ROW(STATX) OPCODE_ROW(READ) OPCODE_ROW(WRITE)
                                    OPCODE_ROW(SEND) OPCODE_ROW(RECV) OPCODE_ROW(OPENAT2)
                                        OPCODE_ROW(SHUTDOWN){"opcode:FUTEX_WAITV", OPCODE, 53},
    OPCODE_ROW(UNLINKAT) OPCODE_ROW(RENAMEAT) OPCODE_ROW(MKDIRAT) OPCODE_ROW(SYMLINKAT)
        OPCODE_ROW(LINKAT) OPCODE_ROW(FALLOCATE){"opcode:FTRUNCATE", OPCODE, 55},
    {"enter:ABS_TIMER", ENTER, 5},
    {"register:RESIZE_RINGS", REGISTER, 33},
    {"feature:NO_IOWAIT", FEATURE, 17},
    {"feature:RECVSEND_BUNDLE", FEATURE, 14},
    {"opcode:READ_MULTISHOT", OPCODE, 49},
};

static struct {
    uint64_t refused[WHATS];
    bool sandbox, old_pipes, unrepaired;
    struct io_uring *rings[RINGS_MAX];
    pthread_mutex_t lock; /* of the rings */
} mask = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_refused(enum what what, unsigned bit)
{
    return bit < 64 && mask.refused[what] >> bit & 1;
}

static void refuse(const char *name)
{
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (strcmp(name, things[i].name) == 0) {
            mask.refused[things[i].what] |= UINT64_C(1) << things[i].bit;
            return;
        }
    if (strcmp(name, "sandbox") == 0) {
        mask.sandbox = true;
    } else if (strcmp(name, "old-pipes") == 0) {
        mask.old_pipes = true;
    } else if (strcmp(name, "unrepaired") == 0) {
        mask.unrepaired = true;
    } else {
        fprintf(stderr, "HEALD_MASK: there is no \"%s\"\n", name);
        abort();
    }
}

__attribute__((constructor)) static void read_mask(void)
{
    const char *text = getenv("HEALD_MASK");
    char list[256], *rest = NULL;

    snprintf(list, sizeof list, "%s", text ? text : "");
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        refuse(name);
}

/* The next library's function of that name, into a pointer to it. */
static void find(const char *name, void *ret_fn)
{
    void *fn = dlsym(RTLD_NEXT, name);

    if (!fn)
        abort();
    memcpy(ret_fn, &fn, sizeof fn);
}

static long real_syscall(long number, const long a[6])
{
    long (*fn)(long number, ...);

    find("syscall", &fn);
    return fn(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long fail(int err)
{
    errno = err;
    return -1;
}

static int refusal(void)
{
    return mask.sandbox ? EACCES : EINVAL;
}

static long real_register(int fd, unsigned opcode, void *arg, unsigned count)
{
    return real_syscall(SYS_io_uring_register,
                        (const long[6]){fd, (long)opcode, (long)(intptr_t)arg, (long)count});
}

/* Everything is allowed that the kernel knows, but what is refused. */
static bool restrict_ring(int fd, unsigned opcodes, unsigned registrations)
{
    struct io_uring_restriction list[OPCODES_MAX + REGISTRATIONS_MAX + 1];
    unsigned n = 0;

    memset(list, 0, sizeof list);
    for (unsigned i = 0; i < opcodes; i++)
        if (!is_refused(OPCODE, i)) {
            list[n].opcode = IORING_RESTRICTION_SQE_OP;
            list[n++].sqe_op = (uint8_t)i;
        }
    for (unsigned i = 0; i < registrations; i++) {
        list[n].opcode = IORING_RESTRICTION_REGISTER_OP;
        list[n++].register_op = (uint8_t)i;
    }
    list[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[n++].sqe_flags = 0xff;
    return real_register(fd, IORING_REGISTER_RESTRICTIONS, list, n) == 0;
}

/* How many there are of each is found out. */
static void enter_sandbox(int fd)
{
    for (unsigned opcodes = OPCODES_MAX; opcodes > IORING_OP_SHUTDOWN; opcodes--)
        for (unsigned n = REGISTRATIONS_MAX; n > IORING_REGISTER_PBUF_RING; n--)
            if (restrict_ring(fd, opcodes, n))
                return;
    fprintf(stderr, "HEALD_MASK: no ring can be restricted: %s\n", strerror(errno));
    abort();
}

static void remember(struct io_uring *ring, struct io_uring *place)
{
    pthread_mutex_lock(&mask.lock);
    for (int i = 0; i < RINGS_MAX; i++)
        if (mask.rings[i] == place) {
            mask.rings[i] = ring;
            break;
        }
    pthread_mutex_unlock(&mask.lock);
}

static long setup(const long a[6])
{
    const struct io_uring_params *p = (const struct io_uring_params *)(intptr_t)a[1];

    if (p->flags & mask.refused[SETUP])
        return fail(EINVAL);
    long fd = real_syscall(SYS_io_uring_setup, a);
    if (fd >= 0 && mask.sandbox)
        enter_sandbox((int)fd);
    return fd;
}

/* A ring that is resized is mapped once more, and keeps its place. */
static bool is_known(int fd)
{
    bool known = false;

    pthread_mutex_lock(&mask.lock);
    for (int i = 0; i < RINGS_MAX; i++)
        known = known || (mask.rings[i] && mask.rings[i]->ring_fd == fd);
    pthread_mutex_unlock(&mask.lock);
    return known;
}

int io_uring_queue_mmap(int fd, struct io_uring_params *p, struct io_uring *ring)
{
    int (*fn)(int fd, struct io_uring_params *p, struct io_uring *ring);

    find("io_uring_queue_mmap", &fn);
    int err = fn(fd, p, ring);
    if (err)
        return err;
    ring->features &= ~(unsigned)mask.refused[FEATURE];
    if (!is_known(fd))
        remember(ring, NULL);
    return 0;
}

void io_uring_queue_exit(struct io_uring *ring)
{
    void (*fn)(struct io_uring * ring);

    find("io_uring_queue_exit", &fn);
    remember(NULL, ring);
    fn(ring);
}

/* The registrations that liburing makes. */
#define REGISTRATION(name, opcode, parameters, arguments)   \
    int name parameters                                     \
    {                                                       \
        int(*fn) parameters;                                \
                                                            \
        if (is_refused(REGISTER, IORING_REGISTER_##opcode)) \
            return -refusal();                              \
        find(#name, &fn);                                   \
        return fn arguments;                                \
    }

REGISTRATION(io_uring_register_eventfd, EVENTFD, (struct io_uring * ring, int fd), (ring, fd))
REGISTRATION(io_uring_register_iowq_max_workers, IOWQ_MAX_WORKERS,
             (struct io_uring * ring, unsigned *values), (ring, values))
REGISTRATION(io_uring_register_buf_ring, PBUF_RING,
             (struct io_uring * ring, struct io_uring_buf_reg *reg, unsigned flags),
             (ring, reg, flags))
REGISTRATION(io_uring_register_ring_fd, RING_FDS, (struct io_uring * ring), (ring))

static bool is_old_pipe(const struct io_uring_sqe *sqe)
{
    bool rw = sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READV ||
              sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITEV;
    struct stat st;

    return mask.old_pipes && rw && fstat(sqe->fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
           fcntl(sqe->fd, F_GETFL) & O_NONBLOCK;
}

/* The entries that the kernel is about to take. */
static void change_entries(const struct io_uring *ring)
{
    const struct io_uring_sq *sq = &ring->sq;
    unsigned tail = __atomic_load_n(sq->ktail, __ATOMIC_ACQUIRE), size = *sq->kring_mask;

    for (unsigned i = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE); i != tail; i++) {
        struct io_uring_sqe *sqe = &sq->sqes[sq->array ? sq->array[i & size] : i & size];
        if (!mask.sandbox && is_refused(OPCODE, sqe->opcode))
            sqe->opcode = UNKNOWN;
        else if (is_old_pipe(sqe))
            sqe->rw_flags |= RWF_NOWAIT;
    }
}

static long enter(const long a[6])
{
    if (a[3] & (long)mask.refused[ENTER])
        return fail(EINVAL);
    pthread_mutex_lock(&mask.lock);
    for (int i = 0; i < RINGS_MAX; i++)
        if (mask.rings[i] && mask.rings[i]->enter_ring_fd == (int)a[0])
            change_entries(mask.rings[i]);
    pthread_mutex_unlock(&mask.lock);
    return real_syscall(SYS_io_uring_enter, a);
}

static long register_masked(const long a[6])
{
    unsigned opcode = (unsigned)a[1];
    struct io_uring_probe *probe = (struct io_uring_probe *)(intptr_t)a[2];

    if (mask.sandbox && (int)a[0] == -1 && opcode == IORING_REGISTER_RESTRICTIONS)
        return fail(EPERM);
    if (is_refused(REGISTER, opcode))
        return fail(refusal());
    long result = real_syscall(SYS_io_uring_register, a);
    if (result == 0 && opcode == IORING_REGISTER_PROBE && !mask.sandbox)
        for (unsigned i = 0; i < probe->ops_len; i++)
            if (is_refused(OPCODE, probe->ops[i].op))
                probe->ops[i].flags = 0;
    return result;
}

long syscall(long number, ...)
{
    long a[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_io_uring_setup)
        return setup(a);
    if (number == SYS_io_uring_enter)
        return enter(a);
    return number == SYS_io_uring_register ? register_masked(a) : real_syscall(number, a);
}

int uname(struct utsname *name)
{
    long err = real_syscall(SYS_uname, (const long[6]){(long)(intptr_t)name});

    if (!err && mask.unrepaired)
        snprintf(name->release, sizeof name->release, "6.18.18-test");
    return (int)err;
}

static bool knows_nowait(int fd, int flags)
{
    struct stat st;

    return !mask.old_pipes || !(flags & RWF_NOWAIT) || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode);
}

/* Compiled as src/ is, for the names that are called there: with offsets of 64 bits. */
#define VECTORED(name, other)                                                               \
    ssize_t name(int fd, const struct iovec *iov, int count, off_t offset, int flags)       \
    {                                                                                       \
        ssize_t (*fn)(int fd, const struct iovec *iov, int count, off_t offset, int flags); \
                                                                                            \
        if (!knows_nowait(fd, flags))                                                       \
            return fail(EOPNOTSUPP);                                                        \
        find(#other, &fn);                                                                  \
        return fn(fd, iov, count, offset, flags);                                           \
    }

VECTORED(preadv2, preadv64v2)
VECTORED(pwritev2, pwritev64v2)
