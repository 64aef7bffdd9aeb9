/*
 * aio/quiesce.c: a number is about to name another file (close(2) and related calls ask, see
 * close.c). The I/O thread alone. No request for the old file may use that number afterwards:
 *
 * - what the kernel has, or has as soon as the ring is flushed, goes on as it is;
 * - what the ring is to do later gets a place among the files of the ring, which is no descriptor;
 * - one that a thread has not begun, of a file whose operations may last indefinitely, gets a
 *   number of the library (a pin); where none is free it ends with ECANCELED;
 * - what a thread has begun is interrupted, and goes on by a pin, or ends with ECANCELED: close(2)
 *   waits for a moment;
 * - what is left, on a regular file, ends first, and close(2) waits for that. For to close a pin of
 *   such a file would drop the record locks of the process, also those that it took since
 *   (fcntl(2)).
 *
 * The last reference to a socket that lingers (SO_LINGER) is a pin in any case, which a thread
 * closes: the ring would drop it on the I/O thread.
 *
 * A pin may lie where the program wants to have a number by dup2(2): then it moves.
 */
#include "aio/method.h"
#include "op/op.h"
#include "platform/descriptor.h"

#include <errno.h>

static bool have_pin(struct aio_file *f, int number)
{
    int pin;

    if (f->pin >= 0)
        return true;
    if ((pin = heald__plat_pin(number)) < 0)
        return false;
    f->pin = pin;
    aio_ours_add(pin);
    return true;
}

bool aio_pin(struct aio_request *r)
{
    if (!have_pin(r->file, aio_fd_of(r)))
        return false;
    aio_op_set_fd(&r->op, r->file->pin);
    return true;
}

/* Does close(2) wait for what cannot be kept otherwise? Such a file is not pinned. */
static bool is_waited_for(const struct aio_file *f)
{
    return f->finite || f->regular;
}

/* Finds it another handle. By its place alone a pipe could not be distinguished from its other end.
 */
static bool keep(struct aio_io_thread *s, struct aio_request *r)
{
    const struct aio_file *f = r->file;
    const struct aio_method *method = aio_method_for(s, r);

    if (method->keep && (f->socket || (f->finite && !s->refused)) && method->keep(s, r))
        return true;
    return !is_waited_for(f) && aio_pin(r);
}

static void wait_for_end(struct aio_request *r, struct aio_ask *ask)
{
    r->quiesce = ask;
    ask->open++;
}

/* A thread does it: it uses another number from now on. */
static void redirect(struct aio_io_thread *s, struct aio_request *r, int number,
                     struct aio_ask *ask)
{
    /* Pairs with perform() in threads.c. */
    __atomic_store_n(&r->aim, number, __ATOMIC_SEQ_CST);
    wait_for_end(r, ask);
    list_push(&s->leaving, &r->by_number);
}

/* It waits for its turn, or was withdrawn (`begins`). */
static void leave_waiting(struct aio_io_thread *s, struct aio_request *r, struct aio_ask *ask,
                          bool begins)
{
    bool kept = keep(s, r);

    if (!kept && !is_waited_for(r->file)) {
        aio_complete(s, r, -ECANCELED);
        return;
    }
    if (!kept)
        wait_for_end(r, ask);
    if (begins)
        aio_start(s, r);
}

/* The ring has a disk's file, and could start no worker before: it may be done elsewhere yet. */
static bool is_doubtful(const struct aio_io_thread *s, const struct aio_request *r)
{
    return s->refused && r->file->finite && r->method != &aio_method_threads;
}

static void leave_begun(struct aio_io_thread *s, struct aio_request *r, struct aio_ask *ask)
{
    if (r->method->holds(r) && !is_doubtful(s, r)) {
        if (r->op.kind == OP_WRITE && r->ordered)
            keep(s, r); /* it may have to go on */
    } else if (is_waited_for(r->file)) {
        wait_for_end(r, ask);
    } else {
        redirect(s, r, aio_pin(r) ? r->file->pin : -1, ask);
    }
}

static void begin_leaving(struct aio_io_thread *s, struct aio_request *r, void *ctx)
{
    struct aio_ask *ask = ctx;
    bool begun = r->state == AIO_STARTED;

    if (r->number < ask->first || r->number > ask->last)
        return;
    if (r->file->socket && r->file->pin < 0 && heald__plat_lingers(r->number))
        have_pin(r->file, r->number);
    list_remove(&r->by_number);
    r->number = -1;
    r->left = ask->round;
    if (r->fixed || aio_fd_of(r) == r->file->pin)
        return;
    if (!begun || r->method->withdraw(s, r))
        leave_waiting(s, r, ask, begun);
    else
        leave_begun(s, r, ask);
}

/* Does a thread go over to the pin just now? Then it cannot be sent elsewhere as well. */
static bool has_moved(const struct aio_file *f)
{
    for (struct heald_link *o = f->unfinished.next; o != &f->unfinished; o = o->next) {
        const struct aio_request *r = heald_container_of(o, struct aio_request, order);
        if (r->quiesce && aio_fd_of(r) == f->pin)
            return true;
    }
    return false;
}

/* The ring has it already, or has it once it is flushed. */
static void change_pin(struct aio_io_thread *s, struct aio_request *r, int pin, struct aio_ask *ask)
{
    bool begun = r->state == AIO_STARTED, back = begun && r->method->withdraw(s, r);

    aio_op_set_fd(&r->op, pin);
    if (begun && !back && !r->method->holds(r)) {
        if (list_linked(&r->by_number))
            list_remove(&r->by_number);
        r->number = -1;
        redirect(s, r, pin, ask);
    }
    if (back)
        aio_start(s, r);
}

static void move_pin(struct aio_io_thread *s, struct aio_file *f, void *ctx)
{
    struct aio_ask *ask = ctx;
    struct heald_link *next;

    if (f->pin != ask->first || has_moved(f))
        return;
    int pin = heald__plat_pin(f->pin);
    if (pin < 0)
        return;
    ask->busy = false;
    for (struct heald_link *o = f->unfinished.next; o != &f->unfinished; o = next) {
        struct aio_request *r = heald_container_of(o, struct aio_request, order);
        next = o->next;
        if (!r->fixed && aio_fd_of(r) == f->pin)
            change_pin(s, r, pin, ask);
    }
    aio_ours_remove(f->pin);
    aio_ours_add(pin);
    f->pin = pin;
}

void aio_quiesce_wait(struct aio_io_thread *s, struct aio_request *r)
{
    for (struct heald_link *node = s->quiescing.next; node != &s->quiescing; node = node->next) {
        struct aio_ask *ask = heald_container_of(node, struct aio_ask, head.link);
        if (ask->round != r->left)
            continue;
        if (!is_waited_for(r->file))
            aio_pin(r);
        else if (!r->quiesce)
            wait_for_end(r, ask);
        return;
    }
}

void aio_quiesce(struct aio_io_thread *s, struct aio_ask *ask)
{
    ask->round = ++s->rounds;
    list_push(&s->quiescing, &ask->head.link);
    if (ask->moves) {
        ask->busy = aio_ours_has(s->process, ask->first); /* but for a pin that is found */
        aio_each_file(s, move_pin, ask);
    } else {
        aio_each(s, ask->first == ask->last ? ask->first : -1, begin_leaving, ask);
    }
}

static void check_threads(struct aio_io_thread *s)
{
    struct heald_link *next;

    for (struct heald_link *node = s->leaving.next; node != &s->leaving; node = next) {
        struct aio_request *r = heald_container_of(node, struct aio_request, by_number);
        next = node->next;
        if (!aio_pools_redirect(s, r))
            continue;
        list_remove(node);
        r->quiesce->open--;
        r->quiesce = NULL;
    }
}

void aio_quiesce_answer(struct aio_io_thread *s)
{
    struct heald_link *node, *next;

    check_threads(s);
    if (!s->method->flushed(s))
        return;
    for (node = s->quiescing.next; node != &s->quiescing; node = next) {
        struct aio_ask *ask = heald_container_of(node, struct aio_ask, head.link);
        next = node->next;
        if (ask->open)
            continue;
        list_remove(node);
        aio_ask_answer(ask);
    }
}
