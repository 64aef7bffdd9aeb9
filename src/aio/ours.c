/*
 * aio/ours.c: which numbers are the library's own: a bell, and pins of files that were closed while
 * requests for them waited (file.c).
 *
 * Unlike all else that is kept for a process a child of fork(2) finds this as it was, since it has
 * copies of the descriptors, and a pipe that is pinned has no end for its peer: so a handler of
 * fork(2) closes the child's copies. A child that is made without handlers (_Fork(3), clone(2))
 * keeps them until it executes a program or ends. There this memory is not read until the child's
 * own I/O thread begins, and that forgets what it finds.
 */
#include "aio/state.h"
#include "platform/descriptor.h"

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NUMBERS = 1 << 20 };

/* The owning process, and a bit for each number. Set once, and never freed. */
struct ours {
    pid_t pid; /* atomic */
    bool forks_are_reported;
    unsigned count;              /* atomic */
    uint64_t bits[NUMBERS / 64]; /* atomic */
};

static struct ours *ours;

static struct ours *ours_if_any(void)
{
    /* Acquire: pairs with aio_ours_begin(). */
    return __atomic_load_n(&ours, __ATOMIC_ACQUIRE);
}

static unsigned next_of(const struct ours *o, unsigned from)
{
    for (unsigned i = from; i < NUMBERS; i = (i / 64 + 1) * 64) {
        uint64_t bits = __atomic_load_n(&o->bits[i / 64], __ATOMIC_RELAXED) >> i % 64;
        if (bits)
            return i + (unsigned)__builtin_ctzll(bits);
    }
    return UINT_MAX;
}

static void forget(struct ours *o)
{
    if (__atomic_exchange_n(&o->count, 0, __ATOMIC_RELAXED))
        for (unsigned i = 0; (i = next_of(o, i)) != UINT_MAX; i++)
            __atomic_store_n(&o->bits[i / 64], 0, __ATOMIC_RELAXED);
}

/* In the child, before fork(2) returns there. */
static void close_copies(void)
{
    struct ours *o = ours_if_any();

    if (!o || !__atomic_load_n(&o->count, __ATOMIC_RELAXED) ||
        __atomic_load_n(&o->pid, __ATOMIC_RELAXED) != getppid())
        return;
    for (unsigned i = 0; (i = next_of(o, i)) != UINT_MAX; i++)
        heald__plat_libc_close((int)i);
    forget(o);
}

void aio_ours_begin(void)
{
    struct ours *o = ours_if_any();

    if (!o) {
        o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (o == MAP_FAILED)
            return;
        /* Release: pairs with ours_if_any(). There is one I/O thread at a time. */
        __atomic_store_n(&ours, o, __ATOMIC_RELEASE);
    }
    if (o->pid != getpid())
        forget(o);
    __atomic_store_n(&o->pid, getpid(), __ATOMIC_RELAXED);
    if (!o->forks_are_reported)
        o->forks_are_reported = pthread_atfork(NULL, NULL, close_copies) == 0;
}

void aio_ours_add(int fd)
{
    struct ours *o = ours_if_any();

    if (!o || fd >= NUMBERS)
        return;
    __atomic_fetch_add(&o->count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_or(&o->bits[fd / 64], (uint64_t)1 << fd % 64, __ATOMIC_RELAXED);
}

void aio_ours_remove(int fd)
{
    struct ours *o = ours_if_any();

    if (!o || fd >= NUMBERS)
        return;
    __atomic_fetch_and(&o->bits[fd / 64], ~((uint64_t)1 << fd % 64), __ATOMIC_RELAXED);
    __atomic_fetch_sub(&o->count, 1, __ATOMIC_RELAXED);
}

/* Has this process an I/O thread, or had one? */
static const struct ours *ours_of(const struct aio_state *p)
{
    return p && __atomic_load_n(&p->pid, __ATOMIC_RELAXED) ? ours_if_any() : NULL;
}

bool aio_ours_has(const struct aio_state *p, int fd)
{
    const struct ours *o = ours_of(p);

    return o && fd >= 0 && fd < NUMBERS &&
           __atomic_load_n(&o->bits[fd / 64], __ATOMIC_RELAXED) >> fd % 64 & 1;
}

unsigned aio_ours_next(const struct aio_state *p, unsigned from)
{
    const struct ours *o = ours_of(p);

    return o ? next_of(o, from) : UINT_MAX;
}
