/*
 * aio/index.c: where the I/O thread finds a file and the requests of a number, however many there
 * are: two tables of lists. A list that is all zeros is empty, so of a table only what is used
 * takes memory.
 */
#include "aio/request.h"

struct aio_index {
    struct heald_link files[AIO_BUCKETS];   /* struct aio_file, by head.link */
    struct heald_link numbers[AIO_BUCKETS]; /* struct aio_request, by by_number */
};

int aio_index_open(struct aio_io_thread *s)
{
    /* Zeroed, and not by writing to it. */
    s->index = alloc_resize(&aio_allocator, NULL, 0, sizeof *s->index);
    return s->index ? 0 : -ENOMEM;
}

void aio_index_close(struct aio_io_thread *s)
{
    alloc_free(&aio_allocator, s->index, sizeof *s->index);
}

static struct heald_link *bucket(struct heald_link *table, uint64_t key)
{
    struct heald_link *head = &table[(key ^ key >> 16) % AIO_BUCKETS];

    if (!head->next)
        list_init(head);
    return head;
}

struct heald_link *aio_index_files(struct aio_io_thread *s, uint64_t dev, uint64_t ino)
{
    return bucket(s->index->files, ino ^ dev * 31);
}

struct heald_link *aio_index_numbers(struct aio_io_thread *s, int number)
{
    return bucket(s->index->numbers, (unsigned)number);
}

void aio_each_file(struct aio_io_thread *s,
                   void (*visit)(struct aio_io_thread *, struct aio_file *, void *), void *ctx)
{
    for (int i = 0; i < AIO_BUCKETS; i++) {
        struct heald_link *head = &s->index->files[i], *next;
        for (struct heald_link *node = head->next; node && node != head; node = next) {
            next = node->next;
            visit(s, (struct aio_file *)(void *)aio_head_of(node), ctx);
        }
    }
}

static void choose(struct heald_link *chosen, struct aio_request *r)
{
    list_push(chosen, &r->op.timer);
}

static void choose_all(struct aio_io_thread *s, struct aio_file *f, void *ctx)
{
    (void)s;
    for (struct heald_link *o = f->unfinished.next; o != &f->unfinished; o = o->next)
        choose(ctx, heald_container_of(o, struct aio_request, order));
}

static void choose_number(struct aio_io_thread *s, int number, struct heald_link *chosen)
{
    struct heald_link *head = aio_index_numbers(s, number);

    for (struct heald_link *node = head->next; node != head; node = node->next) {
        struct aio_request *r = heald_container_of(node, struct aio_request, by_number);
        if (r->number == number)
            choose(chosen, r);
    }
}

void aio_each(struct aio_io_thread *s, int number, aio_visit *visit, void *ctx)
{
    struct heald_link chosen, *node;

    list_init(&chosen);
    if (number < 0)
        aio_each_file(s, choose_all, &chosen);
    else
        choose_number(s, number, &chosen);
    while ((node = list_pop(&chosen)))
        visit(s, heald_container_of(node, struct aio_request, op.timer), ctx);
}
