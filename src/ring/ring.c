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
#include "ring/check.h"
#include "ring/fill.h"
#include "ring/resize.h"

#include "op/op.h"
#include "platform/futex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORKERS_MAX = 64 };

/* The system's headers may be older: Linux 6.6; 6.12; 6.15, and the feature that says so. */
enum { SETUP_NO_SQARRAY = 1 << 16 };
enum { ENTER_ABS_TIMER = 1 << 5, ENTER_NO_IOWAIT = 1 << 7, FEAT_NO_IOWAIT = 1 << 17 };

#define TEST_NS (100 * HEALD_MS)

/* Entry n of the ring is always described by place n of the kernel's array, if it has one. */
static void fill_array(struct io_uring_sq *sq, unsigned flags)
{
    if (flags & SETUP_NO_SQARRAY)
        sq->array = NULL;
    for (unsigned i = 0; sq->array && i < *sq->kring_entries; i++)
        sq->array[i] = i;
}

/* Above 2, as all descriptors of the library's own. */
static int move_up(struct io_uring *ring)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): io_uring_queue_init_params() sets it */
    int fd = heald__plat_own(ring->ring_fd);

    ring->ring_fd = ring->enter_ring_fd = fd;
    return fd < 0 ? fd : 0;
}

/* Refused: forbidden by a sysctl or a container, or older than what is asked for. No ring here. */
static int absence(int err)
{
    return err == -EPERM || err == -EACCES || err == -EINVAL ? -ENOSYS : err;
}

/* By hand: io_uring_queue_init_params() of liburing 2.3 fills an array that is not there. */
static int set_up_once(struct io_uring *ring, struct io_uring_params *p, unsigned entries)
{
    int fd = (int)syscall(SYS_io_uring_setup, entries, p);

    if (fd < 0)
        return -errno;
    int err = io_uring_queue_mmap(fd, p, ring);
    if (err) {
        syscall(SYS_close, fd);
        return err;
    }
    fill_array(&ring->sq, p->flags);
    ring->features = p->features;
    return 0;
}

/* Without the last three flags there are fewer completions at a time, submissions that end early,
 * and an array that says in which order: slower, but nothing depends on them. */
static int set_up(struct io_uring *ring, struct io_uring_params *ret_params, unsigned entries)
{
    static const unsigned left_out[] = {
        0, SETUP_NO_SQARRAY, SETUP_NO_SQARRAY | IORING_SETUP_SUBMIT_ALL,
        SETUP_NO_SQARRAY | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE};
    const unsigned all = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                         IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                         IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | SETUP_NO_SQARRAY;
    int err = -EINVAL;

    for (size_t i = 0; i < sizeof left_out / sizeof *left_out && err == -EINVAL; i++) {
        *ret_params = (struct io_uring_params){.flags = all & ~left_out[i],
                                               .cq_entries = heald__ring_completions(entries)};
        err = set_up_once(ring, ret_params, entries);
    }
    return err;
}

/* A small one, if it can grow, else the whole of it. */
static int set_up_small(struct heald_ring *r, struct io_uring_params *ret_params, unsigned entries)
{
    unsigned first = heald__ring_first(entries);
    int err = set_up(&r->ring, ret_params, first);

    if (err || first == entries)
        return err;
    if (heald__ring_resizes(&r->ring)) {
        /* A power of two, as the kernel makes it. */
        for (r->limit = first; r->limit < entries;)
            r->limit *= 2;
        return 0;
    }
    io_uring_queue_exit(&r->ring);
    return set_up(&r->ring, ret_params, entries);
}

static int open_unchecked(struct heald_ring *r, const struct heald_sys *sys,
                          const struct heald_allocator *alloc, unsigned entries, bool grows)
{
    const char *no = getenv("HEALD_NO_URING");
    struct io_uring_params p;

    if (no && *no && strcmp(no, "0") != 0)
        return -ENOSYS;
    int err = sys->gate(HEALD_GATE_RING_OPEN);
    r->limit = 0;
    if (!err)
        err = absence(grows ? set_up_small(r, &p, entries) : set_up(&r->ring, &p, entries));
    if (err)
        return err;
    r->scratch_count = r->limit > p.sq_entries ? r->limit : p.sq_entries;
    r->scratch = alloc_resize(alloc, NULL, 0, r->scratch_count * sizeof *r->scratch);
    err = r->scratch ? move_up(&r->ring) : -ENOMEM;
    if (err) {
        alloc_free(alloc, r->scratch, r->scratch_count * sizeof *r->scratch);
        io_uring_queue_exit(&r->ring);
        return err;
    }
    r->sys = sys;
    r->entries = p.sq_entries;
    r->enabled = r->stranded = r->refused = false;
    r->enter_flags[0] = 0;
    r->enter_flags[1] = r->ring.features & FEAT_NO_IOWAIT ? ENTER_NO_IOWAIT : 0;
    r->absolute = true;
    r->pipes = r->bundles = 0;
    r->bell = -1;
    return 0;
}

/* In a ring of its own: that of the caller may belong to another thread. */
static int try_all(struct heald_ring *r, const struct heald_allocator *alloc)
{
    struct heald_ring own;
    int err = open_unchecked(&own, r->sys, alloc, HEALD_RING_TRIED, false);

    if (err)
        return err;
    own.options = r->options;
    err = heald__ring_try(&own);
    r->options = own.options;
    heald__ring_close(&own, alloc);
    return err;
}

int heald__ring_open(struct heald_ring *r, const struct heald_sys *sys,
                     const struct heald_allocator *alloc, unsigned entries, bool grows)
{
    int err = open_unchecked(r, sys, alloc, entries, grows);

    if (err)
        return err;
    err = heald__ring_check(r);
    if (!err && heald__ring_is_restricted())
        err = try_all(r, alloc);
    if (err)
        heald__ring_close(r, alloc);
    return err;
}

void heald__ring_close(struct heald_ring *r, const struct heald_allocator *alloc)
{
    io_uring_queue_exit(&r->ring);
    if (r->bell >= 0)
        r->sys->close(r->bell);
    alloc_free(alloc, r->scratch, r->scratch_count * sizeof *r->scratch);
}

int heald__ring_bell(struct heald_ring *r, bool drain)
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
    if (r->stranded)
        return heald__ring_map_again(r);
    if (syscall(SYS_io_uring_register, r->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    r->enabled = true;
    /* Without a limit the kernel starts as many as the user may have processes. Refused is no harm.
     */
    io_uring_register_iowq_max_workers(&r->ring, workers);
    return 0;
}

int heald__ring_hide(struct heald_ring *r)
{
    int fd = r->ring.ring_fd, err = enable(r);

    if (err || (err = io_uring_ring_dontfork(&r->ring)))
        return absence(err);
    if ((err = io_uring_register_ring_fd(&r->ring)) < 0)
        return absence(err);
    /* liburing 2.3 would use it for io_uring_register(2), and close it at the end. */
    r->ring.ring_fd = -1;
    for (int waits = 0; waits < 2; waits++)
        r->enter_flags[waits] |= IORING_ENTER_REGISTERED_RING;
    r->limit = 0;
    return fd;
}

bool heald__ring_behind(const struct heald_ring *r)
{
    /* Relaxed: the kernel sets these flags again until it is asked. */
    unsigned flags = __atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/*
 * The kernel says that there is work after it has put it in its list: so it may say so when an
 * enter has done that already, and it does not clear that (seen on 6.18). Cleared before each
 * enter, which reads the list itself; what comes later says so again.
 */
static bool clear_taskrun(struct heald_ring *r)
{
    unsigned flags = __atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED);

    if (!(flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
        return false;
    if (flags & IORING_SQ_CQ_OVERFLOW)
        heald__ring_grow(r);
    __atomic_fetch_and(r->ring.sq.kflags, ~(unsigned)IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
    return true;
}

/* Shows the kernel what was filled in: how many entries it has not taken yet. */
static unsigned publish(struct heald_ring *r)
{
    struct io_uring_sq *sq = &r->ring.sq;

    sq->sqe_head = sq->sqe_tail;
    /* Release: pairs with the kernel's acquire; the entries are filled in. */
    __atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
    return sq->sqe_tail - __atomic_load_n(sq->khead, __ATOMIC_RELAXED);
}

static int enter_once(struct heald_ring *r, unsigned wait_for, unsigned flags,
                      const struct __kernel_timespec *ts)
{
    struct io_uring_getevents_arg arg = {.ts = (uint64_t)(uintptr_t)ts};

    flags |= r->enter_flags[wait_for != 0];
    if (ts)
        flags |= IORING_ENTER_EXT_ARG;
    long n = syscall(SYS_io_uring_enter, r->ring.enter_ring_fd, publish(r), wait_for, flags,
                     ts ? &arg : NULL, ts ? sizeof arg : 0);
    return n < 0 ? -errno : 0;
}

static struct __kernel_timespec time_of(int64_t ns)
{
    return (struct __kernel_timespec){.tv_sec = ns / HEALD_SEC, .tv_nsec = ns % HEALD_SEC};
}

/* Waits until a deadline. A kernel that takes none is given a time-out from then on. */
static int enter_until(struct heald_ring *r, int64_t deadline_ns)
{
    struct __kernel_timespec ts = time_of(deadline_ns);

    if (r->absolute) {
        int err = enter_once(r, 1, IORING_ENTER_GETEVENTS | ENTER_ABS_TIMER, &ts);
        if (err != -EINVAL)
            return err;
        r->absolute = false;
    }
    int64_t left = deadline_ns - r->sys->now(HEALD_CLOCK_MONOTONIC);
    ts = time_of(left > 0 ? left : 0);
    return enter_once(r, 1, IORING_ENTER_GETEVENTS, &ts);
}

int heald__ring_enter(struct heald_ring *r, int64_t deadline_ns)
{
    int err = enable(r);

    if (err)
        return err;
    r->refused = false;
    /* Drained before the completions are looked at: one that comes later rings again. */
    if (r->bell >= 0 && r->drain)
        r->sys->bell_drain(r->bell);
    if (io_uring_cq_ready(&r->ring))
        deadline_ns = 0;
    if (deadline_ns <= 0 && !heald__ring_pending(r) && !heald__ring_behind(r))
        return 0;
    bool work = clear_taskrun(r);
    err = r->sys->gate(HEALD_GATE_RING_ENTER);
    if (err) {
        /* refused before the kernel was asked */
    } else if (deadline_ns == HEALD_FOREVER) {
        err = enter_once(r, 1, IORING_ENTER_GETEVENTS, NULL);
    } else if (deadline_ns > 0) {
        err = enter_until(r, deadline_ns);
    } else {
        err = enter_once(r, 0, IORING_ENTER_GETEVENTS, NULL);
    }
    if (work && err < 0 && err != -ETIME)
        __atomic_fetch_or(r->ring.sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
    /* What could not be taken now is taken next time: that completions wait is reason enough to
     * come back. */
    r->refused = err == -EBUSY || err == -EAGAIN;
    if (err == -ETIME || r->refused)
        return 0;
    return err < 0 ? err : 0;
}

int heald__ring_flush(struct heald_ring *r)
{
    if (!heald__ring_pending(r))
        return 0;
    int err = enable(r);
    if (!err)
        err = r->sys->gate(HEALD_GATE_RING_ENTER);
    return err ? err : enter_once(r, 0, 0, NULL);
}

bool heald__ring_withdraw(struct heald_ring *r, unsigned entry, const struct heald_op *op)
{
    struct io_uring_sq *sq = &r->ring.sq;
    struct io_uring_sqe *sqe = &sq->sqes[entry & *sq->kring_mask];

    /* What else lies there has another owner: `entry` may be out of date. */
    if (sq->sqe_tail - entry - 1 >= *sq->kring_entries || heald__ring_taken(r, entry) ||
        sqe->user_data != (uint64_t)(uintptr_t)op)
        return false;
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, HEALD_RING_NOBODY);
    return true;
}

struct io_uring_sqe *heald__ring_entry(struct heald_ring *r)
{
    struct io_uring_sqe *sqe = heald__ring_room(r);

    if (sqe || heald__ring_flush(r))
        return sqe;
    heald__ring_grow(r);
    return heald__ring_room(r);
}

/* The next completion within that time: its result, or an error that no completion has. */
static int next_result(struct heald_ring *r, int64_t timeout_ns)
{
    int64_t deadline = timeout_ns ? r->sys->now(HEALD_CLOCK_MONOTONIC) + timeout_ns : 0;
    int err = heald__ring_enter(r, deadline);
    struct io_uring_cqe *cqe = err ? NULL : heald__ring_peek(r);

    if (!cqe)
        return -ETIME;
    int result = cqe->res;
    heald__ring_seen(r);
    return result;
}

bool heald__ring_pipes_nowait(struct heald_ring *r)
{
    if (!r->pipes)
        r->pipes = r->sys->pipes_nowait() ? 1 : -1;
    return r->pipes > 0;
}

bool heald__ring_waits(struct heald_ring *r)
{
    uint32_t words[2] = {0};
    struct futex_waitv list[2] = {{.uaddr = (uintptr_t)&words[0], .flags = FUTEX_32},
                                  {.uaddr = (uintptr_t)&words[1], .flags = FUTEX_32}};
    struct heald_op op = {.kind = OP_WORDS, .u.rw = {.buf = list, .len = 2}};
    struct io_uring_sqe *sqe = heald__ring_entry(r);

    if (!sqe)
        return false;
    heald__ring_fill(r, sqe, &op);
    /* It waits, and learns which one was woken. */
    if (next_result(r, 0) != -ETIME)
        return false;
    heald__plat_word_count(&words[1]);
    return next_result(r, TEST_NS) == 1;
}
