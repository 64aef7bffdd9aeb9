/*
 * ring/provided.c: the ring of buffers that a receive takes from in the kernel. The thread that
 * owns the io_uring.
 */
#include "ring/ring.h"

#include <errno.h>
#include <sys/mman.h>

static size_t size_of(unsigned count)
{
    return count * sizeof(struct io_uring_buf);
}

int heald__ring_provide(struct heald_ring *r, uint16_t id, unsigned count,
                        struct io_uring_buf_ring **ret_buffers)
{
    /* The kernel wants it at the start of a page. */
    void *memory =
        mmap(NULL, size_of(count), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)memory, .ring_entries = count, .bgid = id};

    if (memory == MAP_FAILED)
        return -ENOMEM;
    int err = io_uring_register_buf_ring(&r->ring, &reg, 0);
    if (err < 0) {
        munmap(memory, size_of(count));
        return err;
    }
    io_uring_buf_ring_init(memory);
    *ret_buffers = memory;
    return 0;
}

void heald__ring_unprovide(struct heald_ring *r, uint16_t id, unsigned count,
                           struct io_uring_buf_ring *buffers)
{
    io_uring_unregister_buf_ring(&r->ring, id);
    munmap(buffers, size_of(count));
}
