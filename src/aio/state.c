/*
 * aio/state.c: the one place with state of the process, as POSIX AIO has it: blocks belong to no
 * loop and no handle. A pointer that is set once, to memory that the kernel wipes in a child
 * (MADV_WIPEONFORK, Linux 4.14): that holds for fork(), _Fork() and clone(2) alike, whichever
 * thread holds what, and without a handler of ours.
 */
#include "aio/state.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>

static struct aio_state *process;

struct aio_state *aio_state_if_any(void)
{
    /* Acquire: pairs with the exchange below. */
    return __atomic_load_n(&process, __ATOMIC_ACQUIRE);
}

static struct aio_state *make(void)
{
    struct aio_state *seen = NULL, *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    /* Release: a thread that loads the pointer may use the memory. Another one may have been first.
     */
    if (madvise(p, sizeof *p, MADV_WIPEONFORK) == 0 &&
        __atomic_compare_exchange_n(&process, &seen, p, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return p;
    munmap(p, sizeof *p);
    return seen;
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    void *p = NULL;

    (void)ctx;
    if (size)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (p && ptr)
        memcpy(p, ptr, old_size < size ? old_size : size);
    if (ptr)
        munmap(ptr, old_size);
    return p;
}

const struct heald_allocator aio_allocator = {.resize = resize};

struct aio_state *aio_state(void)
{
    struct aio_state *p = aio_state_if_any();
    return p ? p : make();
}
