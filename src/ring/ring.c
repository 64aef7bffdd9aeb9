/*
 * ring/ring.c: see ring.h. The thread that owns the ring.
 *
 * The kernel's quirks: an enter can be refused with -EAGAIN or -EBUSY while it has no memory or too
 * many completions wait to be fetched, so an entry may have to wait; when the completion ring is
 * full the kernel keeps the rest and hands it over with the next enter; -ETIME from a wait is no
 * error. liburing 2.3 declares io_uring_enable_rings() and does not export it, so that call is made
 * by hand. A ring's own descriptor can be polled, but with deferred task work epoll was seen to
 * miss a wake (6.18, one in fifty), so others wait for an eventfd.
 */
#include "ring/ring.h"

#include "op/op.h"
#include "platform/futex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COMPLETIONS = 4 /* times the entries */, WORKERS_MAX = 64 };

/* Linux 6.7; the headers of the system may be older. */
enum { FUTEX_WAITV_ENTRY = 53 };

#define TEST_NS (100 * HEALD_MS)

int heald_ring_open(struct heald_ring *r, const struct heald_sys *sys,
                    const struct heald_allocator *alloc, unsigned entries)
{
    const char *no = getenv("HEALD_NO_URING");
    struct io_uring_params p = {.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                                         IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                                         IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
                                .cq_entries = entries * COMPLETIONS};
    if (no && *no && strcmp(no, "0") != 0)
        return -ENOSYS;
    int err = sys->gate(HEALD_GATE_RING_OPEN);
    if (!err)
        err = io_uring_queue_init_params(entries, &r->ring, &p);
    /* Forbidden by a sysctl or a container, or older than the flags: no ring here. */
    if (err == -EPERM || err == -EACCES || err == -EINVAL)
        return -ENOSYS;
    if (err)
        return err;
    if (!(r->scratch = alloc_new(alloc, p.sq_entries * sizeof *r->scratch))) {
        io_uring_queue_exit(&r->ring);
        return -ENOMEM;
    }
    r->sys = sys;
    r->entries = p.sq_entries;
    r->enabled = false;
    r->bell = -1;
    return 0;
}

void heald_ring_close(struct heald_ring *r, const struct heald_allocator *alloc)
{
    io_uring_queue_exit(&r->ring);
    if (r->bell >= 0)
        r->sys->close(r->bell);
    alloc_free(alloc, r->scratch, r->entries * sizeof *r->scratch);
}

int heald_ring_bell(struct heald_ring *r, bool drain)
{
    int bell[2], err;

    if (r->bell >= 0)
        return r->bell;
    if ((err = r->sys->bell_open(bell)))
        return err;
    err = io_uring_register_eventfd(&r->ring, bell[0]);
    if (err < 0) {
        r->sys->close(bell[0]);
        return err;
    }
    r->drain = drain;
    return r->bell = bell[0];
}

static int enable(struct heald_ring *r)
{
    unsigned workers[2] = {0, WORKERS_MAX};

    if (r->enabled)
        return 0;
    if (syscall(SYS_io_uring_register, r->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    r->enabled = true;
    /* Without a limit the kernel starts as many as the user may have processes. Refused is no harm.
     */
    io_uring_register_iowq_max_workers(&r->ring, workers);
    return 0;
}

int heald_ring_hide(struct heald_ring *r)
{
    int fd = r->ring.ring_fd, err = enable(r);

    if (err || (err = io_uring_ring_dontfork(&r->ring)))
        return err;
    if ((err = io_uring_register_ring_fd(&r->ring)) < 0)
        return err;
    /* liburing 2.3 would use it for io_uring_register(2), and close it at the end. */
    r->ring.ring_fd = -1;
    return fd;
}

bool heald_ring_behind(const struct heald_ring *r)
{
    /* Relaxed: the kernel sets these flags again until it is asked. */
    unsigned flags = __atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/*
 * The kernel says that there is work after it has put it in its list: so it may say so when an
 * enter has done that already, and nobody takes it back (seen on 6.18). Taken back before each
 * enter, which looks at the list itself; what comes later says so again.
 */
static bool take_back_taskrun(struct heald_ring *r)
{
    if (!(__atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN))
        return false;
    __atomic_fetch_and(r->ring.sq.kflags, ~(unsigned)IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
    return true;
}

int heald_ring_enter(struct heald_ring *r, int64_t timeout_ns)
{
    int err = enable(r);

    if (err)
        return err;
    /* Drained before the completions are looked at: one that comes later rings again. */
    if (r->bell >= 0 && r->drain)
        r->sys->bell_drain(r->bell);
    if (io_uring_cq_ready(&r->ring))
        timeout_ns = 0;
    if (!timeout_ns && !heald_ring_pending(r) && !heald_ring_behind(r))
        return 0;
    bool work = take_back_taskrun(r);
    err = r->sys->gate(HEALD_GATE_RING_ENTER);
    if (err) {
        /* refused before the kernel was asked */
    } else if (timeout_ns > 0) {
        struct __kernel_timespec ts = {.tv_sec = timeout_ns / HEALD_SEC,
                                       .tv_nsec = timeout_ns % HEALD_SEC};
        struct io_uring_cqe *cqe;
        err = io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1, &ts, NULL);
    } else if (timeout_ns < 0) {
        err = io_uring_submit_and_wait(&r->ring, 1);
    } else {
        err = io_uring_submit_and_get_events(&r->ring);
    }
    if (work && err < 0 && err != -ETIME)
        __atomic_fetch_or(r->ring.sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
    /* What could not be taken now is taken next time: that completions wait is reason enough to
     * come back. */
    if (err == -ETIME || err == -EBUSY || err == -EAGAIN)
        return 0;
    return err < 0 ? err : 0;
}

int heald_ring_flush(struct heald_ring *r)
{
    if (!heald_ring_pending(r))
        return 0;
    int err = enable(r);
    if (!err)
        err = r->sys->gate(HEALD_GATE_RING_ENTER);
    if (!err)
        err = io_uring_submit(&r->ring);
    return err < 0 ? err : 0;
}

struct io_uring_sqe *heald_ring_entry(struct heald_ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

    if (sqe || heald_ring_flush(r))
        return sqe;
    return io_uring_get_sqe(&r->ring);
}

struct io_uring_cqe *heald_ring_peek(struct heald_ring *r)
{
    struct io_uring_cqe *cqe;
    unsigned head;

    io_uring_for_each_cqe(&r->ring, head, cqe) return cqe;
    return NULL;
}

void heald_ring_fill_cancel(struct io_uring_sqe *sqe, uint64_t user_data)
{
    io_uring_prep_cancel64(sqe, user_data, 0);
    io_uring_sqe_set_data64(sqe, 0);
}

static void fill_rw(struct io_uring_sqe *sqe, const struct heald_op *op)
{
    uint64_t off = (uint64_t)op->u.rw.off; /* -1: from where the descriptor stands */

    if (op->kind == OP_READ)
        io_uring_prep_read(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, off);
    else if (op->kind == OP_WRITE)
        io_uring_prep_write(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, off);
    else if (op->kind == OP_READV)
        io_uring_prep_readv(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, off);
    else
        io_uring_prep_writev(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, off);
}

static void fill_open_beneath(struct heald_ring *r, struct io_uring_sqe *sqe,
                              const struct heald_op *op)
{
    struct open_how *how = &heald_ring_scratch(r, sqe)->how;
    int flags = op->u.path.flags;

    /* openat2 is strict where openat is not: no mode without a file to make. */
    *how = (struct open_how){.flags = (uint64_t)(unsigned)flags,
                             .mode = flags & (O_CREAT | O_TMPFILE) ? op->u.path.u.mode & 07777 : 0,
                             .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    io_uring_prep_openat2(sqe, op->u.path.dirfd, op->u.path.path, how);
}

void heald_ring_fill_file(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_OPEN:
        io_uring_prep_openat(sqe, op->u.path.dirfd, op->u.path.path, op->u.path.flags,
                             op->u.path.u.mode);
        break;
    case OP_OPEN_BENEATH: fill_open_beneath(r, sqe, op); break;
    case OP_STAT:
        io_uring_prep_statx(sqe, op->u.path.dirfd, op->u.path.path,
                            op->u.path.flags | (*op->u.path.path ? 0 : AT_EMPTY_PATH),
                            STATX_BASIC_STATS | STATX_BTIME,
                            (struct statx *)(void *)op->u.path.u.ret);
        break;
    case OP_FSYNC:
        io_uring_prep_fsync(sqe, op->u.poll.fd, op->u.poll.events ? IORING_FSYNC_DATASYNC : 0);
        break;
    case OP_CLOSE: io_uring_prep_close(sqe, op->u.poll.fd); break;
    default: fill_rw(sqe, op);
    }
    io_uring_sqe_set_data(sqe, op);
}

void heald_ring_fill_wait(struct io_uring_sqe *sqe, struct heald_op *op)
{
    if (op->kind == OP_TICK) {
        io_uring_prep_timeout(sqe, op->u.rw.buf, 0, 0);
    } else {
        memset(sqe, 0, sizeof *sqe);
        sqe->opcode = FUTEX_WAITV_ENTRY;
        sqe->addr = (uint64_t)(uintptr_t)op->u.rw.buf;
        sqe->len = op->u.rw.len;
    }
    io_uring_sqe_set_data(sqe, op);
}

/* The next completion within that time: its result, or an error that no completion has. */
static int next_result(struct heald_ring *r, int64_t timeout_ns)
{
    int err = heald_ring_enter(r, timeout_ns);
    struct io_uring_cqe *cqe = err ? NULL : heald_ring_peek(r);

    if (!cqe)
        return -ETIME;
    int result = cqe->res;
    heald_ring_seen(r);
    return result;
}

bool heald_ring_waits(struct heald_ring *r)
{
    uint32_t words[2] = {0};
    struct futex_waitv list[2] = {{.uaddr = (uintptr_t)&words[0], .flags = FUTEX_32},
                                  {.uaddr = (uintptr_t)&words[1], .flags = FUTEX_32}};
    struct heald_op op = {.kind = OP_WORDS, .u.rw = {.buf = list, .len = 2}};
    struct io_uring_sqe *sqe = heald_ring_entry(r);

    if (!sqe)
        return false;
    heald_ring_fill_wait(sqe, &op);
    /* It waits, and is told which one was woken. */
    if (next_result(r, 0) != -ETIME)
        return false;
    heald_plat_word_count(&words[1]);
    return next_result(r, TEST_NS) == 1;
}
