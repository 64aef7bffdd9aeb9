/*
 * aio/method.c: which methods there are, which one a request goes, and what if one ends. The I/O
 * thread alone.
 *
 * There are always threads. Where there is a ring it is the method of what the kernel does there
 * without blocking the submitter or reaper (struct heald_descriptor, `rings`), as long as read(2)
 * and write(2) would do the same: a socket with time-outs is read by a thread, and so is a request
 * that the ring could not perform, for lack of a worker, say. Then the thread's answer counts,
 * which is the system call's own.
 */
#include "aio/method.h"
#include "aio/config.h"
#include "base/choose.h"
#include "op/op.h"
#include "platform/descriptor.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define GRACE_NS HEALD_SEC

#define WAITER_ROW(name) &aio_method_##name,
#define NAME_ROW(name)   #name,

static const struct aio_method *const methods[] = {AIO_METHODS(WAITER_ROW)};
static const char *const names[] = {AIO_METHODS(NAME_ROW) NULL};
static const struct heald_choice choice = {.variable = "HEALD_AIO", .names = names};

/* A method that cannot be opened is skipped, whatever the reason; for one that is named some
 * reasons are errors. */
static int open_method(void *ctx, unsigned i)
{
    struct aio_io_thread *s = ctx;
    int err = 0;

    s->method = methods[i];
    if (s->method->open)
        err = s->method->open(s);
    if (!err || (heald__choice_requested(&choice, NULL) &&
                 (err == -EMFILE || err == -ENFILE || err == -ENOMEM)))
        return err;
    return -ENOSYS;
}

/* The one that is named, or the first that can be had. The program knows nothing of us and cannot
 * be refused, so what is wrong with the name is said, and threads do it. */
static void choose_method(struct aio_io_thread *s)
{
    struct heald_why why;

    if (heald__choose(&choice, NULL, open_method, s, &why) == 0)
        return;
    if (heald__choice_requested(&choice, NULL))
        dprintf(STDERR_FILENO, "libheald-aio: %s\n", why.text);
    s->method = &aio_method_threads;
}

int aio_methods_open(struct aio_io_thread *s)
{
    if (aio_index_open(s) < 0)
        return -EAGAIN;
    choose_method(s);
    return 0;
}

void aio_methods_close(struct aio_io_thread *s)
{
    if (s->method->close)
        s->method->close(s);
    aio_index_close(s);
}

const struct aio_method *aio_method_for(const struct aio_io_thread *s, const struct aio_request *r)
{
    const struct aio_file *f = r->file;

    if (r->fixed)
        return s->method;
    if (r->elsewhere || !f->rings || (f->pipe && !s->pipes))
        return &aio_method_threads;
    if (f->socket && r->waits && r->op.kind != OP_FSYNC &&
        heald__plat_socket_is_timed(aio_fd_of(r), r->op.kind == OP_WRITE))
        return &aio_method_threads;
    return s->method;
}

/* Without the ring. What waits for a stream has taken nothing from it; what is known by a place of
 * the ring alone cannot be known otherwise, and what was to be appended may have been. */
static bool can_be_done(const struct aio_request *r, bool begun)
{
    return aio_has_number(r) && !(begun && r->op.kind == OP_WRITE && r->appends);
}

static void leave_waiter(struct aio_io_thread *s, struct aio_request *r, void *ctx)
{
    bool *waits = ctx;

    if (r->state != AIO_STARTED || r->method != s->method)
        return;
    if (r->cancel && !r->ending)
        aio_cancel_answer(s, r, false);
    bool begun = !r->method->withdraw(s, r);
    aio_quiesce_wait(s, r);
    if (aio_has_number(r))
        r->fixed = false;
    r->state = can_be_done(r, begun) ? AIO_TAKEN : AIO_LOST;
    *waits |= begun && r->file->finite;
}

static void take_waiter(struct aio_io_thread *s, struct aio_request *r, void *ctx)
{
    (void)ctx;
    if (r->state == AIO_LOST) {
        aio_complete(s, r, -EIO);
    } else if (r->state == AIO_TAKEN) {
        r->cancel = NULL; /* its call is answered */
        r->ending = false;
        aio_start(s, r);
    }
}

/* Of requests that had ended while their cancel was in flight; its answer does not come any more.
 */
static void answer_pending(struct aio_io_thread *s)
{
    struct heald_link *node;

    while ((node = list_pop(&s->asking)))
        aio_ask_answer(heald_container_of(node, struct aio_ask, head.link));
}

/* The kernel refuses io_uring from now on (a sandbox that was closed late): threads perform all
 * requests, including those that had begun and whose completion will not come. The disk is given
 * time to complete these. */
void aio_method_ended(struct aio_io_thread *s)
{
    bool waits = false;

    aio_each(s, -1, leave_waiter, &waits);
    s->method->close(s);
    s->method = &aio_method_threads;
    if (waits)
        s->sys->poll(NULL, 0, GRACE_NS);
    aio_each(s, -1, take_waiter, NULL);
    answer_pending(s);
}
