/*
 * ring/check.c: see check.h. Any thread that may enter the ring.
 *
 * A kernel is asked by IORING_REGISTER_PROBE which opcodes it knows. Registrations have no such
 * question: they are called with an argument that cannot be registered, and a kernel that knows
 * them says what is wrong with it. Not tried are the futex opcodes, which await/waiter_ring.c tries
 * itself, and the registrations that make a ring faster or smaller but no different.
 *
 * A sandbox may forbid opcodes that the kernel knows: such an entry ends with -EACCES before its
 * arguments are examined. That can be seen only in a ring that is enabled, so it is tried in one of
 * its own, and only where the task is restricted.
 */
#include "ring/check.h"

#include "ring/fill.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPCODES = 256 /* that a probe can report */ };

#define TRY_NS (100 * HEALD_MS) /* all end at once */

static int call(int fd, unsigned opcode, void *arg, unsigned count)
{
    return syscall(SYS_io_uring_register, fd, opcode, arg, count) < 0 ? -errno : 0;
}

union probe {
    struct io_uring_probe probe;
    char room[sizeof(struct io_uring_probe) + OPCODES * sizeof(struct io_uring_probe_op)];
};

static bool knows(const union probe *u, unsigned opcode)
{
    return u->probe.ops[opcode].flags & IO_URING_OP_SUPPORTED;
}

static bool knows_opcodes(struct heald_ring *r)
{
    union probe u;

    memset(&u, 0, sizeof u);
    if (call(r->ring.ring_fd, IORING_REGISTER_PROBE, &u, OPCODES))
        return false;
    r->options = 1u << OPTION_NONE;
    for (unsigned o = OPTION_NONE + 1; o < HEALD_RING_OPTIONS; o++)
        if (knows(&u, heald__ring_options[o]))
            r->options |= 1u << o;
    for (unsigned i = 0; i < heald__ring_opcode_count; i++)
        if (!knows(&u, heald__ring_opcodes[i]))
            return false;
    return true;
}

static bool knows_registrations(int fd)
{
    struct io_uring_buf_reg nowhere = {.ring_entries = 1};
    int nothing = -1;

    return call(fd, IORING_REGISTER_PBUF_RING, &nowhere, 1) == -EFAULT &&
           call(fd, IORING_REGISTER_EVENTFD, &nothing, 1) == -EBADF;
}

int heald__ring_check(struct heald_ring *r)
{
    return knows_opcodes(r) && knows_registrations(r->ring.ring_fd) ? 0 : -ENOSYS;
}

/* To restrict a task that is restricted is refused before the restrictions, here none, are looked
 * at. Older kernels know no registration without a ring. */
bool heald__ring_is_restricted(void)
{
    return call(-1, IORING_REGISTER_RESTRICTIONS, NULL, 0) == -EPERM;
}

/* The opcodes that are tried: those that must be there, and then the options. */
static unsigned tried_count(void)
{
    return heald__ring_opcode_count + HEALD_RING_OPTIONS - 1;
}

static unsigned option_of(unsigned i)
{
    return i < heald__ring_opcode_count ? OPTION_NONE : i - heald__ring_opcode_count + 1;
}

/* No descriptor, no address, no length: there is nothing that it could do. */
static void fill_harmless(struct io_uring_sqe *sqe, unsigned i)
{
    unsigned option = option_of(i);

    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = option ? heald__ring_options[option] : heald__ring_opcodes[i];
    sqe->fd = -1;
    sqe->user_data = i + 1;
    /* The flags that are used can be forbidden as well. */
    if (sqe->opcode == IORING_OP_READ)
        sqe->flags = IOSQE_ASYNC;
    if (sqe->opcode == IORING_OP_RECV)
        sqe->flags = IOSQE_BUFFER_SELECT;
    if (sqe->opcode == IORING_OP_SEND)
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
}

/* Is what was tried allowed, or only an option? */
static bool is_bearable(struct heald_ring *r, const struct io_uring_cqe *cqe)
{
    unsigned option = option_of((unsigned)cqe->user_data - 1);

    if (cqe->res != -EACCES && cqe->res != -EPERM)
        return true;
    r->options &= ~(1u << option);
    return option;
}

int heald__ring_try(struct heald_ring *r)
{
    unsigned answers = 0, count = tried_count();
    struct io_uring_cqe *cqe;

    for (unsigned i = 0; i < count; i++)
        fill_harmless(heald__ring_entry(r), i);
    /* One at least is taken by each enter. */
    for (unsigned i = 0; i < count && heald__ring_pending(r); i++)
        if (heald__ring_enter(r, 0))
            return -ENOSYS;
    while (answers < count && !heald__ring_enter(r, r->sys->now(HEALD_CLOCK_MONOTONIC) + TRY_NS) &&
           (cqe = heald__ring_peek(r))) {
        if (!is_bearable(r, cqe))
            return -ENOSYS;
        heald__ring_seen(r);
        answers++;
    }
    return answers == count ? 0 : -ENOSYS;
}
