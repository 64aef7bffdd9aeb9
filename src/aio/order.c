/*
 * aio/order.c: the files that requests are for, and whose turn it is. The I/O thread alone.
 *
 * A file that seeks takes its requests side by side. What cannot seek, and a write where O_APPEND
 * is set, is ordered: one at a time in each direction, in the order of the calls, by open file and
 * not by number, since descriptors that were dup'ed share it. A sync waits until it is the oldest
 * of its file: then all that was queued before it has ended, and nothing later was waited for.
 *
 * A file is known by device and inode, and by being the same open file as the number of a request
 * that is for it. close(2) and its kin tell us before that number changes its meaning (settle):
 * what would need it later goes on by a number of our own. Eagerly such a pin is taken only where
 * something has to wait for long, and never of a regular file: to close it would drop the record
 * locks of the process (fcntl(2)); where the program itself closes, they are dropped anyway. Where
 * no number is free for a pin, close(2) ends with ECANCELED what has not begun.
 */
#include "aio/road.h"
#include "op/op.h"
#include "platform/descriptor.h"

#include <errno.h>

enum { COPY_MAX = 256 << 10 /* of the page cache, by the thread that has more to do */ };

static struct heald_link *bucket(struct aio_service *s, const struct heald_descriptor *d)
{
    return &s->files[(d->ino ^ d->dev * 31) % AIO_FILES];
}

static struct heald_link *number_bucket(struct aio_service *s, int number)
{
    return &s->numbers[(unsigned)number % AIO_FILES];
}

static int known_as(const struct aio_file *f)
{
    return f->pin >= 0 ? f->pin : f->number;
}

static bool is_file(const struct aio_file *f, const struct heald_descriptor *d, int number)
{
    if (f->dev != d->dev || f->ino != d->ino)
        return false;
    return f->number == number || heald_plat_same_file(known_as(f), number);
}

static struct aio_file *file_new(struct aio_service *s, const struct heald_descriptor *d,
                                 int number)
{
    struct aio_file *f = aio_record_new(s->process);

    if (!f)
        return NULL;
    f->dev = d->dev;
    f->ino = d->ino;
    f->seeks = d->seeks;
    f->regular = d->regular;
    f->number = number;
    f->pin = -1;
    list_init(&f->unfinished);
    list_init(&f->queue[0]);
    list_init(&f->queue[1]);
    list_push(bucket(s, d), &f->head.link);
    list_push(number_bucket(s, number), &f->by_number);
    return f;
}

/* A file that seeks is what it was as long as it has requests: if its number had been closed we
 * would have been told. */
static struct aio_file *file_with(struct aio_service *s, int number)
{
    struct heald_link *head = number_bucket(s, number);

    for (struct heald_link *node = head->next; node != head; node = node->next) {
        struct aio_file *f = heald_container_of(node, struct aio_file, by_number);
        if (f->number == number && f->seeks)
            return f;
    }
    return NULL;
}

/* 0 or -errno. */
static int find_file(struct aio_service *s, int number, struct aio_file **ret_file)
{
    struct heald_descriptor d;
    struct heald_link *head;
    int err;

    if ((*ret_file = file_with(s, number)))
        return 0;
    if ((err = heald_plat_descriptor_file(number, &d)))
        return err;
    head = bucket(s, &d);
    for (struct heald_link *node = head->next; node != head; node = node->next) {
        *ret_file = heald_container_of(node, struct aio_file, head.link);
        if (is_file(*ret_file, &d, number))
            return 0;
    }
    *ret_file = file_new(s, &d, number);
    return *ret_file ? 0 : -EAGAIN;
}

static void file_drop(struct aio_service *s, struct aio_file *f)
{
    list_remove(&f->head.link);
    list_remove(&f->by_number);
    if (f->pin >= 0) {
        aio_ours_remove(s->process, f->pin);
        heald_plat_libc_close(f->pin);
    }
    aio_record_free(s->process, f);
}

static int fd_of(const struct aio_request *r)
{
    return r->op.kind == OP_FSYNC ? r->op.u.poll.fd : r->op.u.rw.fd;
}

static void set_fd(struct aio_request *r, int fd)
{
    if (r->op.kind == OP_FSYNC)
        r->op.u.poll.fd = fd;
    else
        r->op.u.rw.fd = fd;
}

void aio_pin(struct aio_service *s, struct aio_request *r)
{
    struct aio_file *f = r->file;

    if (f->pin < 0 && (f->pin = heald_plat_pin(fd_of(r))) >= 0)
        aio_ours_add(s->process, f->pin);
    if (f->pin >= 0)
        set_fd(r, f->pin);
    else
        f->pin = -1; /* no number is free: it goes on by the program's */
}

bool aio_has_file(const struct aio_request *r)
{
    return r->number >= 0 || fd_of(r) == r->file->pin;
}

static int direction(const struct aio_request *r)
{
    return r->op.kind == OP_WRITE;
}

static void start(struct aio_service *s, struct aio_request *r)
{
    r->state = AIO_STARTED;
    if (r->ordered)
        r->file->first[direction(r)] = r;
    s->road->start(s, r);
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
    r->ordered = !f->seeks || (r->op.kind == OP_WRITE && r->appends);
    r->copies = f->seeks && !r->direct && r->op.u.rw.len > COPY_MAX;
    if (!f->seeks)
        r->op.u.rw.off = -1;
}

void aio_admit(struct aio_service *s, struct aio_request *r)
{
    int err = find_file(s, r->number, &r->file);

    if (err) {
        aio_finish(s, r, err);
        return;
    }
    fit(r);
    list_push(&r->file->unfinished, &r->order);
    if (r->file->pin >= 0 && r->ordered)
        set_fd(r, r->file->pin);
    if (may_start(r)) {
        start(s, r);
    } else if (r->ordered) {
        list_push(&r->file->queue[direction(r)], &r->told.head.link);
        if (aio_is_stream(r))
            aio_pin(s, r);
    }
}

static void start_next(struct aio_service *s, struct aio_file *f, int dir)
{
    struct heald_link *next = list_pop(&f->queue[dir]);

    f->first[dir] = NULL;
    if (next)
        start(s, (struct aio_request *)(void *)aio_head_of(next));
}

static void start_sync(struct aio_service *s, struct aio_file *f)
{
    struct aio_request *oldest = heald_container_of(f->unfinished.next, struct aio_request, order);

    if (!list_empty(&f->unfinished) && is_sync(oldest) && oldest->state == AIO_WAITING)
        start(s, oldest);
}

/* close(2) tells us of a number for as long as a request is unfinished that was made with it. */
static void renumber(struct aio_service *s, struct aio_file *f)
{
    f->number = -1;
    for (struct heald_link *o = f->unfinished.next; o != &f->unfinished && f->number < 0;
         o = o->next)
        f->number = heald_container_of(o, struct aio_request, order)->number;
    list_remove(&f->by_number);
    list_push(number_bucket(s, f->number), &f->by_number);
}

void aio_leave(struct aio_service *s, struct aio_request *r)
{
    struct aio_file *f = r->file;

    if (!f)
        return;
    list_remove(&r->order);
    r->file = NULL;
    if (r->ordered && r->state == AIO_WAITING)
        list_remove(&r->told.head.link);
    if (r->ordered && f->first[direction(r)] == r)
        start_next(s, f, direction(r));
    if (list_empty(&f->unfinished)) {
        file_drop(s, f);
        return;
    }
    if (f->number >= 0 && f->number == r->number)
        renumber(s, f);
    start_sync(s, f);
}

void aio_each(struct aio_service *s, int number, aio_visit *visit, void *ctx)
{
    struct heald_link chosen, *node;

    list_init(&chosen);
    for (int i = 0; i < AIO_FILES; i++)
        for (node = s->files[i].next; node != &s->files[i]; node = node->next) {
            struct aio_file *f = heald_container_of(node, struct aio_file, head.link);
            for (struct heald_link *o = f->unfinished.next; o != &f->unfinished; o = o->next) {
                struct aio_request *r = heald_container_of(o, struct aio_request, order);
                if (number < 0 || r->number == number)
                    list_push(&chosen, &r->op.timer);
            }
        }
    while ((node = list_pop(&chosen)))
        visit(s, heald_container_of(node, struct aio_request, op.timer), ctx);
}

static bool runs_by_number(const struct aio_service *s, const struct aio_request *r)
{
    return r->state == AIO_STARTED && !s->road->holds(r) && fd_of(r) != r->file->pin;
}

/* What a thread may be about to call must end first: it is a file that seeks, so it will. A stream
 * is here only if no pin was to be had; it may last for ever, and has most likely begun. */
static void wait_for_end(struct aio_request *r, struct aio_ask *ask)
{
    if (aio_is_stream(r))
        return;
    r->settle = ask;
    ask->open++;
}

/* Its number is about to mean something else. What has not begun goes on by a pin, or not at all.
 */
static void take_leave(struct aio_service *s, struct aio_request *r, void *ctx)
{
    struct aio_ask *ask = ctx;

    if (r->number < ask->first || r->number > ask->last)
        return;
    bool runs = runs_by_number(s, r), begun = r->state == AIO_STARTED;
    r->number = -1;
    if (runs && !s->road->take_back(s, r)) {
        wait_for_end(r, ask);
        return;
    }
    if (runs || !begun || r->ordered)
        aio_pin(s, r);
    if ((runs || !begun) && !aio_has_file(r))
        aio_finish(s, r, -ECANCELED);
    else if (runs)
        s->road->start(s, r);
}

static void renumber_all(struct aio_service *s, const struct aio_ask *ask)
{
    for (int i = 0; i < AIO_FILES; i++)
        for (struct heald_link *o = s->files[i].next; o != &s->files[i]; o = o->next) {
            struct aio_file *f = heald_container_of(o, struct aio_file, head.link);
            if (f->number >= ask->first && f->number <= ask->last)
                renumber(s, f);
        }
}

void aio_settle(struct aio_service *s, struct aio_ask *ask)
{
    aio_each(s, ask->first == ask->last ? ask->first : -1, take_leave, ask);
    renumber_all(s, ask);
    list_push(&s->settling, &ask->head.link);
}
