/*
 * ring/resize.c: see resize.h. The thread that owns the ring.
 *
 * IORING_REGISTER_RESIZE_RINGS replaces both rings: the kernel copies what is in them, and the new
 * ones are mapped in place of the old. Nothing is lost or done twice, because:
 *
 * - Only the owner looks at the rings, and it is in here. With deferred task work the kernel takes
 *   entries and adds completions only when the owner enters; what completes meanwhile is work that
 *   waits for the next enter.
 * - The submission ring is empty: what was filled in is handed over first. So no entry lies in the
 *   old one, and none has the scratch memory of a place that another entry gets.
 * - The kernel copies the completions that nobody has taken, and keeps those that had no room. The
 *   head of the completion ring, which is ours, is set again once the new one is mapped.
 * - Heads and tails count modulo 2^32 and go on as they were; only the masks are new. So the number
 *   of an entry (heald__ring_last()) stays what it was.
 *
 * No memory is allocated: the scratch memory has its full size from the start, of which little is
 * touched. A ring whose descriptor is closed (heald__ring_hide()) could not be mapped: it does not
 * grow.
 *
 * Where the kernel has resized and the new rings cannot be mapped, the old ones say that the
 * submission ring is full until they can be; completions that were copied can still be read.
 *
 * The kernel's quirks:
 * - Before 6.18.19, 6.19.9 and 7.0 it may use the old rings after it has freed them, if something
 *   completes meanwhile (CVE-2026-23275). Nothing but the version shows that; a distribution that
 *   has repaired an older one is taken for broken.
 * - Since then each resize waits for an RCU grace period: 0.2 to 13 ms were seen. So a ring grows
 *   in few steps.
 * - It forgets to say where the array of the submission ring is, so there must be none
 *   (IORING_SETUP_NO_SQARRAY, Linux 6.6), and it says no features (seen on 6.18).
 * - Its copy loops end at once where a tail has wrapped and the head has not.
 * - It refuses MAP_FIXED, so that no address space can be reserved before.
 */
#include "ring/resize.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    FIRST = 256,     /* entries */
    STEP = 8,        /* times as many */
    COMPLETIONS = 4, /* times the entries */
    COMPLETIONS_MAX = 65536
};

enum { REGISTER_RESIZE_RINGS = 33 /* the system's headers may be older */ };

unsigned heald__ring_completions(unsigned entries)
{
    return entries < COMPLETIONS_MAX / COMPLETIONS ? entries * COMPLETIONS : COMPLETIONS_MAX;
}

/* See the quirks. */
static bool is_repaired(void)
{
    struct utsname u;
    unsigned major, minor, patch = 0;

    if (uname(&u) < 0 || sscanf(u.release, "%u.%u.%u", &major, &minor, &patch) < 2)
        return false;
    if (major != 6)
        return major > 6;
    return minor > 19 || (minor == 19 && patch >= 9) || (minor == 18 && patch >= 19);
}

unsigned heald__ring_first(unsigned entries)
{
    return entries > FIRST && is_repaired() ? FIRST : entries;
}

static int call(const struct io_uring *ring, void *arg)
{
    long n = syscall(SYS_io_uring_register, ring->ring_fd, REGISTER_RESIZE_RINGS, arg, 1);
    return n < 0 ? -errno : 0;
}

/* A kernel that knows the call reads its argument, which does not exist. */
bool heald__ring_resizes(const struct io_uring *ring)
{
    return !ring->sq.array && call(ring, (void *)UINTPTR_MAX) == -EFAULT;
}

/* The kernel has left the old rings. heald__ring_entry() finds no room, all entries were taken, and
 * the next enter comes to heald__ring_map_again(). One in progress submits nothing, and completions
 * are in the new rings. */
static void strand(struct heald_ring *r)
{
    *r->ring.sq.khead = r->ring.sq.sqe_tail + 2;
    r->enabled = false;
    r->stranded = true;
}

/* The new rings take the place of the old ones. */
static void replace(struct heald_ring *r, const struct io_uring *fresh)
{
    struct io_uring old = r->ring;

    r->ring.sq = fresh->sq;
    r->ring.cq = fresh->cq;
    r->ring.sq.array = NULL;
    r->ring.sq.sqe_head = r->ring.sq.sqe_tail = old.sq.sqe_tail;
    /* Release: pairs with the kernel's acquire; these completions have been read. */
    __atomic_store_n(r->ring.cq.khead, *old.cq.khead, __ATOMIC_RELEASE);
    munmap(old.sq.sqes, r->entries * sizeof *old.sq.sqes);
    munmap(old.sq.ring_ptr, old.sq.ring_sz);
}

/* Has the kernel give the ring another size, and maps it. On failure the size is the same, and the
 * ring may be stranded. */
static int resize(struct heald_ring *r, unsigned entries, unsigned *ret_entries)
{
    struct io_uring fresh;
    struct io_uring_params p = {.flags = IORING_SETUP_CQSIZE,
                                .sq_entries = entries,
                                .cq_entries = heald__ring_completions(entries)};
    int err = r->sys->gate(HEALD_GATE_RING_RESIZE);

    if (!err)
        err = call(&r->ring, &p);
    if (err)
        return err;
    p.flags |= r->ring.flags;
    p.features |= IORING_FEAT_SINGLE_MMAP;
    err = r->sys->gate(HEALD_GATE_RING_MAP);
    if (!err)
        err = io_uring_queue_mmap(r->ring.ring_fd, &p, &fresh);
    if (err) {
        strand(r);
        return err;
    }
    replace(r, &fresh);
    *ret_entries = p.sq_entries;
    return 0;
}

int heald__ring_map_again(struct heald_ring *r)
{
    unsigned entries;
    int err = resize(r, r->entries, &entries);

    if (err)
        return err;
    r->stranded = false;
    r->enabled = true;
    return 0;
}

/* See the quirks. Relaxed: only the owner's enter moves them. */
static bool has_wrapped(const struct heald_ring *r)
{
    return __atomic_load_n(r->ring.cq.ktail, __ATOMIC_RELAXED) < *r->ring.cq.khead;
}

void heald__ring_grow(struct heald_ring *r)
{
    unsigned size = r->entries < r->limit / STEP ? r->entries * STEP : r->limit, entries;

    if (r->entries >= r->limit || heald__ring_flush(r) || heald__ring_pending(r) || has_wrapped(r))
        return;
    /* Refused, it stays as it is: to ask again and again would cost more than it gains. */
    if (!resize(r, size, &entries))
        r->entries = entries;
    else
        r->limit = r->entries;
}
