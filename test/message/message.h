/* test/message/message.h: what the tests of queues share: a queue in a fixture's region, of each
 * form. */
#ifndef HEALD_TEST_MESSAGE_MESSAGE_H
#define HEALD_TEST_MESSAGE_MESSAGE_H

#include "shm/shm.h"

#include <sys/mman.h>

enum { ONE_EACH = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER };

/* The forms in which most must be the same. */
static const struct heald_queue_options forms[] = {
    {.capacity = 4, .message_max = 32},
    {.capacity = 4, .message_max = 32, .flags = ONE_EACH},
    {.capacity = 4, .message_max = 32, .flags = HEALD_QUEUE_AT_MOST_ONCE},
    {.capacity = 4, .message_max = 32, .priorities = 3},
    {.capacity = 4, .message_max = 32, .flags = ONE_EACH | HEALD_QUEUE_VARIABLE},
};

enum { FORMS = sizeof forms / sizeof forms[0] };

struct shared {
    int ready, go, result;
    uint64_t words[8];
    _Alignas(64) uint64_t memory[];
};

static inline struct fixture queue_fixture(void)
{
    return fixture_open_with(&(struct heald_region_options){.size = 1 << 20, .participants = 64});
}

static inline struct shared *shared_of(const struct fixture *f)
{
    return f->data;
}

static inline struct heald_queue *queue_of(const struct fixture *f)
{
    return (struct heald_queue *)shared_of(f)->memory;
}

/* A queue that is new, in the data of the region. */
static inline struct heald_queue *queue_make(struct fixture *f,
                                             const struct heald_queue_options *options)
{
    memset(f->data, 0, sizeof(struct shared));
    ck_assert_uint_le(heald_queue_size(options), (1 << 20) - sizeof(struct shared));
    ck_assert_int_eq(heald_queue_init(queue_of(f), options), 0);
    return queue_of(f);
}

/* Of a test and its children; zeroed. */
static inline void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

static inline int send_number(struct fixture *f, uint64_t number, int64_t deadline_ns)
{
    return heald_queue_send(queue_of(f), f->me, &number, sizeof number, 0, deadline_ns);
}

/* The number; or -errno. */
static inline int64_t receive_number(struct fixture *f, int64_t deadline_ns)
{
    uint64_t number = 0;
    ssize_t n = heald_queue_recv(queue_of(f), f->me, &number, sizeof number, NULL, deadline_ns);

    if (n < 0)
        return n;
    must(n == sizeof number);
    return (int64_t)number;
}

#endif
