/*
 * loop/submit.c: from the caller to the part that does the work, and the way of a cancel: the
 * columns `start` and `cancel` of op/kinds.h. The loop's thread.
 *
 * A start returns 0, or -errno and nothing has happened.
 */
#include "loop/outcome.h"
#include "loop/ready.h"

#include <errno.h>
#include <fcntl.h>

/* An op that completes within its submission: an error is a result like any other. */
static int complete_at_once(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    heald__complete(loop, op, result);
    return 0;
}

/* Reads and writes of a file, by the engine. */
static int start_on_file(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    heald__engine_submit(loop, e, op);
    return 0;
}

/* An op that can only fail, or has nothing to do. */
static int refuse(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op, int64_t result)
{
    complete_at_once(loop, op, result);
    heald__fds_release(loop, e);
    return 0;
}

/* At an offset: for what can seek. A ring does not look, and would read on. */
static int start_at_offset(struct heald_loop *loop, struct heald_op *op)
{
    bool ask = heald__takes_seekable(loop);
    int err = 0, fd = op_fd(op);
    struct heald_fd *e = ask ? heald__fds_get(loop, fd, &err) : heald__fds_hold(loop, fd, &err);

    if (!e)
        return err == -ENOMEM ? err : complete_at_once(loop, op, err);
    bool seeks = !ask || e->type == FD_FILE || (e->type == FD_OTHER && loop->sys->seeks(fd));
    return seeks ? start_on_file(loop, e, op) : refuse(loop, e, op, -ESPIPE);
}

static int start_fd(struct heald_loop *loop, struct heald_op *op)
{
    bool rw = heald__op_traits[op->kind] & OP_RW;
    int err = 0;

    if (rw && op->u.rw.off >= 0)
        return start_at_offset(loop, op);
    struct heald_fd *e = fds_find(&loop->fds, op_fd(op));
    if (!e || !(e->flags & FDS_PLAIN))
        e = heald__fds_get(loop, op_fd(op), &err);
    if (err == -ENOMEM)
        return err;
    if (heald__op_traits[op->kind] & OP_GROUP)
        heald__group_use(op->u.group.group, 1);
    if (!e)
        return complete_at_once(loop, op, err);
    if (heald__op_traits[op->kind] & OP_SOCKET && !(e->flags & (FDS_PLAIN | FDS_LISTENS)))
        return refuse(loop, e, op, -ENOTSOCK);
    if (heald__op_traits[op->kind] & OP_ALL && !op_span(op).len)
        return refuse(loop, e, op, (int64_t)op->u.transfer.transfer->done);
    bool is_fit = op->kind == OP_RECVFROM_MULTI ? e->type == FD_DATAGRAM
                                                : op->kind != OP_READ_MULTI || e->type != FD_FILE;
    if (!is_fit)
        return refuse(loop, e, op, -EINVAL);
    if (heald__op_traits[op->kind] & OP_MQ && e->type != FD_OTHER)
        return refuse(loop, e, op, heald__perform(loop, e, op));
    if (e->type == FD_FILE)
        return start_on_file(loop, e, op);
    if (heald__op_traits[op->kind] & OP_GROUP && loop->backend.ops->submit &&
        !(e->flags & FDS_WHOLE))
        heald__idle_end(loop, e);
    heald__ready_submit(loop, e, op);
    return 0;
}

static int start_beside(struct heald_loop *loop, struct heald_op *op)
{
    int err = 0;
    struct heald_fd *e = heald__fds_get(loop, op_fd(op), &err);

    if (!e)
        return err == -ENOMEM ? err : complete_at_once(loop, op, err);
    int64_t result = op_polls(op) ? -EAGAIN : heald__perform(loop, e, op);
    if (heald__outcome(op, e->type, &result) == OUTCOME_FINAL)
        return refuse(loop, e, op, result);
    if (heald__polls_by_readiness(loop)) {
        err = heald__polls_submit(loop, e, op);
        e = &loop->fds.v[op_fd(op)];
        /* A ring can still do it where the nested queue cannot be had. */
        if (!err || !loop->backend.ops->submit)
            return err ? refuse(loop, e, op, err) : 0;
    }
    loop->polls++;
    fds_push(&e->polls, op);
    heald__ring_submit(loop, op);
    return 0;
}

/* A file operation names a descriptor, but one with a path that needs no directory. */
static bool names_descriptor(const struct heald_op *op)
{
    if (heald__op_traits[op->kind] & OP_NAMES_FD)
        return true;
    return heald__op_traits[op->kind] & OP_NAMES_PATH && op->u.path.dirfd != AT_FDCWD &&
           op->u.path.path[0] != '/';
}

static int start_file_lock(struct heald_loop *loop, struct heald_op *op)
{
    int err = 0;
    struct heald_fd *e = heald__fds_hold(loop, op_fd(op), &err);

    if (!e)
        return err == -ENOMEM ? err : complete_at_once(loop, op, err);
    return heald__file_lock_submit(loop, e, op);
}

static int start_file(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = &loop->fds.detached;
    int err = 0;

    if (names_descriptor(op))
        e = heald__fds_hold(loop, op_fd(op), &err);
    if (!e)
        return err == -ENOMEM ? err : complete_at_once(loop, op, err);
    return start_on_file(loop, e, op);
}

static int start_close(struct heald_loop *loop, struct heald_op *op)
{
    return heald__close_submit(loop, op);
}

static int start_timer(struct heald_loop *loop, struct heald_op *op)
{
    return heald__timers_submit(loop, op);
}

static int start_signal(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_SIGNALS]->start(loop, op);
}

static int start_child(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_CHILDREN]->start(loop, op);
}

static int start_lock(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_LOCKS]->start(loop, op);
}

static int start_work(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_WORK]->start(loop, op);
}

static int start_lookup(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_NAMES]->start(loop, op);
}

static int start_race(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_RACES]->start(loop, op);
}

static int start_retry(struct heald_loop *loop, struct heald_op *op)
{
    return loop->upper[UPPER_RETRIES]->start(loop, op);
}

/* The library's own, which nobody submits. */
static int start_none(struct heald_loop *loop, struct heald_op *op)
{
    (void)loop;
    (void)op;
    return -EINVAL;
}

#define START_ROW(kind, name, events, start, ...) [OP_##kind] = start_##start,

static int (*const starts[OP_KINDS])(struct heald_loop *loop,
                                     struct heald_op *op) = {HEALD_KINDS(START_ROW)};

static int check_group(const struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_buf_group *g = op->u.group.group;
    size_t align = _Alignof(struct heald_datagram);
    bool fits = op->kind != OP_RECVFROM_MULTI ||
                (g->size > sizeof(struct heald_datagram) && g->size % align == 0 &&
                 (uintptr_t)g->memory % align == 0);

    return g->loop == loop && fits ? 0 : -EINVAL;
}

static int check(const struct heald_loop *loop, const struct heald_op *op, heald_fn *fn)
{
    if (!(heald__op_traits[op->kind] & OP_PUBLIC))
        return -EINVAL;
    if (op_is_multishot(op) && (!fn || op->notify != OP_NOTIFY_CALLBACK))
        return -EINVAL;
    if (op->notify >= OP_NOTIFY_DEFERRED && !fn)
        return -EINVAL;
    if (op_notifies_by_signal(op) && !heald__can_queue_signals)
        return -ENOSYS;
    return heald__op_traits[op->kind] & OP_GROUP ? check_group(loop, op) : 0;
}

int heald__submit_start(struct heald_loop *loop, struct heald_op *op)
{
    bool deferred = op->notify == OP_NOTIFY_DEFERRED;

    if (loop->since)
        heald__since_note(loop, op);
    loop->submitting = op;
    int err = starts[op->kind](loop, op);
    loop->submitting = NULL;
    if (err) {
        loop->stats.submitted--;
        heald__leave_background(loop, op);
        op_move(op, OP_IDLE);
        return err;
    }
    return deferred && op->state == OP_IDLE;
}

int heald__submit_deadline(struct heald_loop *loop, struct heald_op *op)
{
    if (op->state != OP_DONE && op->state != OP_IDLE && op->kind != OP_TIMER)
        heald__timers_add(loop, op);
    return 0;
}

int heald__submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    int err;

    if (op_load_state(op) != OP_IDLE)
        return -EBUSY;
    if ((err = check(loop, op, fn)))
        return err;
    loop->classes |= (uint8_t)op_class_of(op);
    heald__submit_begin(loop, op, fn);
    heald__enter_background(loop, op);
    if ((err = heald__submit_start(loop, op)))
        return err;
    if (op->deadline_ns != HEALD_FOREVER)
        heald__submit_deadline(loop, op);
    return 0;
}

int heald_submit_all(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                     heald_fn *fn)
{
    for (unsigned i = 0; i < count; i++) {
        int err = ops[i] ? heald_submit(loop, ops[i], fn) : 0;
        if (err < 0)
            return i ? (int)i : err;
    }
    return (int)count;
}

/* Takes an op that waits in a list of ours out of it. */
static void withdraw(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = fds_of(&loop->fds, op);
    struct heald_op **list = fds_list(e, op);
    bool first = list != &e->polls && !(op->flags & OP_DETACHED) && *list == op;
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT, fd = op_fd(op);

    fds_remove(list, op);
    heald__complete(loop, op, -ECANCELED);
    if (e == &loop->fds.detached)
        return;
    /* The one behind it may have been held up by this one alone. */
    if (first)
        heald__ready_kick(loop, e, dir);
    heald__fds_release(loop, &loop->fds.v[fd]);
    if (loop->mirror >= 0)
        heald__guest_show(loop, fd);
}

/* The part that has it releases it first. */
static void cancel_held(struct heald_loop *loop, struct heald_op *op)
{
    if (op->stage == STAGE_LOOP) {
        withdraw(loop, op);
        return;
    }
    op_move(op, OP_CANCELLING);
    heald__engine_cancel(loop, op);
}

static void cancel_close(struct heald_loop *loop, struct heald_op *op)
{
    heald__close_cancel(loop, op);
}

static void cancel_timer(struct heald_loop *loop, struct heald_op *op)
{
    heald__timers_cancel(loop, op);
}

static void cancel_signal(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_SIGNALS]->cancel(loop, op);
}

static void cancel_lock(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_LOCKS]->cancel(loop, op);
}

static void cancel_work(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_WORK]->cancel(loop, op);
}

static void cancel_lookup(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_NAMES]->cancel(loop, op);
}

static void cancel_race(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_RACES]->cancel(loop, op);
}

static void cancel_retry(struct heald_loop *loop, struct heald_op *op)
{
    loop->upper[UPPER_RETRIES]->cancel(loop, op);
}

/* The library's own, which nobody cancels. */
static void cancel_none(struct heald_loop *loop, struct heald_op *op)
{
    (void)loop;
    (void)op;
    assert(!"a kind that is not cancelled");
}

#define CANCEL_ROW(kind, name, events, start, cancel, ...) [OP_##kind] = cancel_##cancel,

static void (*const cancels[OP_KINDS])(struct heald_loop *loop,
                                       struct heald_op *op) = {HEALD_KINDS(CANCEL_ROW)};

void heald__op_cancel(struct heald_loop *loop, struct heald_op *op)
{
    if (!(op->flags & OP_DUE)) {
        cancels[op->kind](loop, op);
        return;
    }
    op->flags |= OP_ENDING;
    if (op->stage == STAGE_RING) {
        op_move(op, OP_CANCELLING);
        heald__engine_cancel(loop, op);
    }
}

int heald_cancel(struct heald_op *op)
{
    enum op_state state = op_load_state(op);

    /* Of timers there may be very many. */
    if (op->kind == OP_TIMER && state == OP_ARMED && !(op->flags & (OP_DUE | OP_ENDING))) {
        heald__timers_cancel(op->loop, op);
        return 0;
    }
    if (state == OP_IDLE || !(heald__op_traits[op->kind] & OP_PUBLIC))
        return -EINVAL;
    if (state == OP_DONE || state == OP_CANCELLING || op->flags & OP_ENDING)
        return -EALREADY;
    heald__op_cancel(op->loop, op);
    return 0;
}
