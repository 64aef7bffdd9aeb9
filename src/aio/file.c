/*
 * aio/file.c: the files that requests are for, and whose turn it is. The I/O thread alone.
 *
 * A file that seeks takes its requests side by side. What cannot seek, and a write where O_APPEND
 * is set, is ordered: one at a time in each direction, in the order of the calls, by open file and
 * not by number, since descriptors that were dup'ed share it. A sync waits until it is the oldest
 * of its file: then all that was queued before it has ended, and nothing later was waited for.
 *
 * A file is known by device and inode, and by being the same open file as the number of a request
 * that is for it, or as our own number for it. Of one that is closed and lies in a place of the
 * ring the inode must be enough. All eventfds, timerfds and the like share one inode: of many with
 * requests, each is compared with some, and dup'ed ones beyond those are ordered by number.
 */
#include "aio/method.h"
#include "op/op.h"
#include "platform/descriptor.h"

#include <errno.h>

enum {
    COPY_MAX = 256 << 10, /* of the page cache, by the thread that has more to do */
    COMPARED_MAX = 32     /* files of one inode */
};

/* A number that means the file, or -1. The newest request is the likeliest to have one. */
static int known_as(const struct aio_file *f)
{
    if (f->pin >= 0)
        return f->pin;
    for (struct heald_link *o = f->unfinished.prev; o != &f->unfinished; o = o->prev) {
        struct aio_request *r = heald_container_of(o, struct aio_request, order);
        if (r->number >= 0)
            return r->number;
    }
    return -1;
}

/* A file on a disk whose number is not known any more: another open file is taken for the same:
 * what is ordered there ends soon. */
static bool is_file(struct aio_file *f, int number)
{
    int known = known_as(f);

    if (known < 0) {
        f->mixed |= f->finite;
        return f->socket || f->finite;
    }
    return known == number || heald__plat_same_file(known, number);
}

static struct aio_file *file_new(struct aio_io_thread *s, const struct heald_descriptor *d)
{
    struct aio_file *f = aio_slab_alloc(s->process);

    if (!f)
        return NULL;
    f->dev = d->dev;
    f->ino = d->ino;
    f->seeks = d->seeks;
    f->finite = d->finite;
    f->regular = d->regular;
    f->serial = d->serial;
    f->rings = d->rings;
    f->socket = d->socket;
    f->pipe = d->pipe;
    f->pin = f->slot = -1;
    list_init(&f->unfinished);
    list_init(&f->queue[0]);
    list_init(&f->queue[1]);
    list_push(aio_index_files(s, d->dev, d->ino), &f->head.link);
    return f;
}

/* The file of a request that has this number. */
static struct aio_file *file_with(struct aio_io_thread *s, int number)
{
    struct heald_link *head = aio_index_numbers(s, number);

    for (struct heald_link *node = head->next; node != head; node = node->next) {
        struct aio_request *r = heald_container_of(node, struct aio_request, by_number);
        if (r->number == number)
            return r->file;
    }
    return NULL;
}

static struct aio_file *file_like(struct aio_io_thread *s, const struct heald_descriptor *d,
                                  int number)
{
    struct heald_link *head = aio_index_files(s, d->dev, d->ino);
    int compared = 0;

    for (struct heald_link *node = head->prev; node != head && compared < COMPARED_MAX;
         node = node->prev) {
        struct aio_file *f = (struct aio_file *)(void *)aio_head_of(node);
        if (f->dev != d->dev || f->ino != d->ino)
            continue;
        if (is_file(f, number))
            return f;
        compared++;
    }
    return NULL;
}

/* A file that can seek is the same as long as it has requests: a close of its number would have
 * been intercepted. 0 or -errno. */
static int find_file(struct aio_io_thread *s, int number, struct aio_file **ret_file)
{
    struct aio_file *f = file_with(s, number);
    struct heald_descriptor d;
    int err = 0;

    if (!f || !f->seeks) {
        if ((err = heald__plat_descriptor_file(number, &s->mounts, &d)))
            return err;
        if (!f || f->dev != d.dev || f->ino != d.ino)
            f = file_like(s, &d, number);
        if (!f)
            f = file_new(s, &d);
    }
    *ret_file = f;
    return f ? 0 : -EAGAIN;
}

void aio_file_free(struct aio_state *p, struct aio_file *f)
{
    if (f->pin >= 0) {
        aio_ours_remove(f->pin);
        heald__plat_libc_close(f->pin);
    }
    aio_slab_free(p, f);
}

/* To close a socket that lingers, or a serial line, may take a while. */
static void file_drop(struct aio_io_thread *s, struct aio_file *f)
{
    list_remove(&f->head.link);
    if (f->slot >= 0 && s->method->release)
        s->method->release(s, f);
    if (f->pin >= 0 && heald__plat_close_waits(f->pin))
        aio_pools_close_pin(s, f);
    else
        aio_file_free(s->process, f);
}

int aio_fd_of(const struct aio_request *r)
{
    return r->op.kind == OP_FSYNC ? r->op.u.poll.fd : r->op.u.rw.fd;
}

void aio_op_set_fd(struct heald_op *op, int fd)
{
    if (op->kind == OP_FSYNC)
        op->u.poll.fd = fd;
    else
        op->u.rw.fd = fd;
}

bool aio_has_number(const struct aio_request *r)
{
    /* A close of its number waits for it. */
    return r->number >= 0 || r->quiesce || aio_fd_of(r) == r->file->pin;
}

bool aio_has_file(const struct aio_request *r)
{
    return r->fixed || aio_has_number(r);
}

static int direction(const struct aio_request *r)
{
    return r->op.kind == OP_WRITE;
}

void aio_start(struct aio_io_thread *s, struct aio_request *r)
{
    r->state = AIO_STARTED;
    r->method = aio_method_for(s, r);
    if (r->ordered)
        r->file->first[direction(r)] = r;
    if (r->fixed && r->method == &aio_method_threads) { /* the ring that had it has ended */
        r->op.result = -EIO;
        aio_io_thread_push(s->process, &r->notifier.head, AIO_DONE);
        return;
    }
    r->method->start(s, r);
}

static bool is_sync(const struct aio_request *r)
{
    return r->op.kind == OP_FSYNC;
}

static bool is_oldest(const struct aio_request *r)
{
    return r->file->unfinished.next == &r->order;
}

static bool may_start(const struct aio_request *r)
{
    if (r->ordered)
        return !r->file->first[direction(r)];
    return !is_sync(r) || is_oldest(r) || !r->waits;
}

/* What a request is on its file. */
static void fit(struct aio_request *r)
{
    const struct aio_file *f = r->file;

    if (is_sync(r)) {
        r->waits = f->seeks;
        return;
    }
    r->waits |= f->seeks;
    r->ordered = !f->seeks || f->serial || (r->op.kind == OP_WRITE && r->appends);
    r->copies = f->finite && !r->direct && r->op.u.rw.len > COPY_MAX;
    if (!f->seeks)
        r->op.u.rw.off = -1;
}

void aio_admit(struct aio_io_thread *s, struct aio_request *r)
{
    int err = find_file(s, r->number, &r->file);

    if (err) {
        aio_complete(s, r, err);
        return;
    }
    fit(r);
    r->notifier.head.admitted = true;
    list_push(&r->file->unfinished, &r->order);
    list_push(aio_index_numbers(s, r->number), &r->by_number);
    if (may_start(r))
        aio_start(s, r);
    else if (r->ordered)
        list_push(&r->file->queue[direction(r)], &r->notifier.head.link);
}

/* O_NONBLOCK may have changed while it waited for its turn. */
static void look_again(struct aio_request *r)
{
    struct heald_descriptor d;

    if (!r->file->seeks && !r->fixed && heald__plat_descriptor_flags(aio_fd_of(r), &d) == 0)
        r->waits = d.waits;
}

static void start_next(struct aio_io_thread *s, struct aio_file *f, int dir)
{
    struct heald_link *next = list_pop(&f->queue[dir]);

    f->first[dir] = NULL;
    if (!next)
        return;
    struct aio_request *r = (struct aio_request *)(void *)aio_head_of(next);
    look_again(r);
    aio_start(s, r);
}

static void start_sync(struct aio_io_thread *s, struct aio_file *f)
{
    struct aio_request *oldest = heald_container_of(f->unfinished.next, struct aio_request, order);

    if (!list_empty(&f->unfinished) && is_sync(oldest) && oldest->state == AIO_WAITING)
        aio_start(s, oldest);
}

void aio_leave(struct aio_io_thread *s, struct aio_request *r)
{
    struct aio_file *f = r->file;

    if (!f)
        return;
    r->notifier.head.admitted = false;
    list_remove(&r->order);
    if (list_linked(&r->by_number))
        list_remove(&r->by_number);
    r->file = NULL;
    if (r->ordered && r->state == AIO_WAITING)
        list_remove(&r->notifier.head.link);
    if (r->ordered && f->first[direction(r)] == r)
        start_next(s, f, direction(r));
    if (list_empty(&f->unfinished))
        file_drop(s, f);
    else
        start_sync(s, f);
}
