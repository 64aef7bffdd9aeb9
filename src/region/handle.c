/*
 * region/handle.c: the handles of participants. The holder of a slot's lifeline makes the next one
 * of its seat; any thread may use one that is stale, at any time.
 *
 * A handle is never made where another one was: one that a program keeps after heald_detach() stays
 * invalid, however many attach to the slot since. That costs addresses, not memory: a seat makes
 * its handles one behind the other, and a page that is full of stale ones is returned to the
 * system, and then read as zeroes. `id` 0 is no participant, so that changes nothing for a thread
 * that reads one just then; all calls read `id` before anything else of a handle.
 *
 * A page is not returned while an op of its seat waits in a loop, which has the handle until the
 * loop has tried it; then it stays until the region is closed. A child of fork(2) finds all of this
 * zeroed and makes its own; the list of what is mapped is in ordinary memory, for both to free.
 */
#include "platform/shm.h"
#include "platform/sys.h"
#include "region/region.h"

#include <errno.h>
#include <stdlib.h>

enum { HANDLE_SIZE = 64, HANDLES_SIZE = 64 * 1024 };

_Static_assert(sizeof(struct heald_participant) <= HANDLE_SIZE, "each has a place of its own");

/* Memory for some. Behind `next` nothing changes. */
struct region_handles {
    struct region_handles *next;
    void *memory;
};

static int add_memory(struct heald_region *region, struct region_seat *seat)
{
    struct region_handles *more = malloc(sizeof *more);
    int err = more ? heald__plat_private(HANDLES_SIZE, &more->memory) : -ENOMEM;

    if (err) {
        free(more);
        return err;
    }
    seat->handles = more->memory;
    seat->used = 0;
    /* Relaxed: the thread that closes the region is the last. The seats have one list. */
    more->next = __atomic_load_n(&region->handles, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&region->handles, &more->next, more, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    return 0;
}

/* The seat has made the last handle of a page, and all of them are stale. */
static void release_page(struct region_seat *seat)
{
    size_t page = heald__plat_page_size();

    page = page < HANDLES_SIZE ? page : HANDLES_SIZE;
    /* Acquire: pairs with the end of an op. Nobody begins one with a stale handle. */
    if (seat->used % page == 0 && !__atomic_load_n(&seat->pending, __ATOMIC_ACQUIRE))
        heald__plat_private_clear(seat->handles + seat->used - page, page);
}

int heald__region_handle_new(struct heald_region *region, struct region_seat *seat,
                             struct heald_participant **ret_me)
{
    struct heald_participant *last = seat->me;

    /* Its thread may have ended without a detach. Release: as heald_detach(). */
    if (last)
        __atomic_store_n(&last->id, 0, __ATOMIC_RELEASE);
    if (seat->used)
        release_page(seat);
    if (!seat->handles || seat->used == HANDLES_SIZE) {
        int err = add_memory(region, seat);
        if (err)
            return err;
    }
    *ret_me = (struct heald_participant *)(void *)(seat->handles + seat->used);
    seat->used += HANDLE_SIZE;
    return 0;
}

void heald__region_handles_free(struct heald_region *region)
{
    struct region_handles *next, *all = __atomic_load_n(&region->handles, __ATOMIC_ACQUIRE);

    for (; all; all = next) {
        next = all->next;
        heald__plat_private_free(all->memory, HANDLES_SIZE);
        free(all);
    }
}
