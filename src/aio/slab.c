/*
 * aio/slab.c: memory for requests and all else that outlives a call, without malloc(3).
 *
 * Argument. The free records are a stack: the word holds the index of the first and a tag that
 * every change counts up, so a compare-and-swap that succeeds has seen the stack unchanged (the tag
 * wraps around after 2^32 changes within one pop). A record that was popped by another thread may
 * be read here in vain: slabs are never unmapped, and `next` is atomic. Slabs are made in order; a
 * thread that makes one that exists already frees its own.
 */
#include "aio/request.h"

#include <string.h>
#include <sys/mman.h>

/* All kinds in one: a record is free for any of them. */
union aio_record {
    struct aio_head head;
    struct aio_request request;
    struct aio_group group;
    struct aio_file file;
    struct aio_ask ask;
    struct aio_call call;
};

/* NULL in a child alone: a signal handler has forked in the middle of a call, which goes on with
 * what it has read of the parent's. */
static union aio_record *record_at(struct aio_state *p, uint32_t index)
{
    /* Acquire: pairs with the exchange in grow(). */
    union aio_record *slab = __atomic_load_n(&p->slabs[(index - 1) / AIO_SLAB], __ATOMIC_ACQUIRE);
    return slab ? &slab[(index - 1) % AIO_SLAB] : NULL;
}

void *aio_slab_at(struct aio_state *p, uint32_t index)
{
    return index && (index - 1) / AIO_SLAB < AIO_SLABS ? record_at(p, index) : NULL;
}

static uint64_t after(uint64_t seen, uint32_t index)
{
    return ((seen >> 32) + 1) << 32 | index;
}

static void push(struct aio_state *p, struct aio_head *h)
{
    uint64_t seen = __atomic_load_n(&p->free, __ATOMIC_RELAXED);

    /* Release: pairs with the acquire in pop(), so that a late read of it here comes before. */
    do
        __atomic_store_n(&h->next, (uint32_t)seen, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&p->free, &seen, after(seen, h->index), true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void aio_slab_free(struct aio_state *p, void *record)
{
    struct aio_head *h = record;

    if (record_at(p, h->index) == record) /* else it is the parent's, as above */
        push(p, h);
}

static union aio_record *pop(struct aio_state *p)
{
    uint64_t seen = __atomic_load_n(&p->free, __ATOMIC_ACQUIRE);

    while ((uint32_t)seen) {
        union aio_record *r = record_at(p, (uint32_t)seen);
        if (!r)
            return NULL;
        uint32_t next = __atomic_load_n(&r->head.next, __ATOMIC_RELAXED);
        /* Acquire: pairs with aio_slab_free(). */
        if (__atomic_compare_exchange_n(&p->free, &seen, after(seen, next), true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_ACQUIRE))
            return r;
    }
    return NULL;
}

/* One slab more: false when there may be none, or no memory is left. */
static bool grow(struct aio_state *p)
{
    size_t size = AIO_SLAB * sizeof(union aio_record);
    union aio_record *slab =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned n = 0;
    void *none = NULL;

    if (slab == MAP_FAILED)
        return false;
    while (n < AIO_SLABS && __atomic_load_n(&p->slabs[n], __ATOMIC_RELAXED))
        n++;
    /* Release: pairs with record_at(). */
    if (n == AIO_SLABS || !__atomic_compare_exchange_n(&p->slabs[n], &none, slab, false,
                                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        munmap(slab, size);
        return n < AIO_SLABS;
    }
    for (unsigned i = AIO_SLAB; i > 0; i--) {
        slab[i - 1].head.index = n * AIO_SLAB + i;
        push(p, &slab[i - 1].head);
    }
    return true;
}

void *aio_slab_alloc(struct aio_state *p)
{
    union aio_record *r;

    while (!(r = pop(p)))
        if (!grow(p))
            return NULL;
    memset((char *)r + sizeof r->head, 0, sizeof *r - sizeof r->head);
    return r;
}
