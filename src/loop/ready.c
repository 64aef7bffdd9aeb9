/*
 * loop/ready.c: the one place that turns readiness into completion. The loop's thread.
 *
 * Two ways to be armed. For changes (FDS_EDGE: TCP, on epoll and kqueue): the descriptor is armed
 * once, what an event said is remembered in FDS_READABLE, and forgotten when a read came up short,
 * for then the descriptor is empty and any more data will be an event. After a hang-up or urgent
 * data a short read proves nothing (FDS_STICKY), and only -EAGAIN does. For levels (all else):
 * armed with what is waited for, and disarmed only when an event comes for which no op waits: a
 * program that reads again at once needs no call for it.
 *
 * No report repeats without end. An error or a hang-up is reported whatever was asked for, and
 * stays (an error queue that no op reads): a descriptor on which an op waits for something else is
 * armed for changes from then on, or, where that cannot be, paused. So is one that is reported
 * writable and takes nothing (a full Unix datagram peer).
 *
 * No wake is lost: an op is queued before its descriptor is armed, and arming reports what is so
 * already.
 *
 * Writes are tried at once. A write that found no room sets FDS_FULL, and from then on they wait
 * for POLLOUT.
 */
#include "loop/ready.h"

#include "loop/outcome.h"

#include <errno.h>

/* Urgent data alone is nothing to receive: to try would clear its mark. */
enum { EVENTS_IN = POLLIN | READY_ANYHOW, EVENTS_OUT = POLLOUT | READY_ANYHOW };

/* Does the first op of a queue wait for readiness: not for its callback, a ring, a thread, a pause?
 */
static bool waits(const struct heald_fd *e, int dir)
{
    const struct heald_op *op = e->queue[dir];
    return op && op->stage == STAGE_LOOP && !fds_is_paused(e, dir);
}

/* What an entry waits for. */
static unsigned wanted(const struct heald_fd *e)
{
    unsigned events = heald__polls_want(e);

    if (waits(e, DIR_IN))
        events |= POLLIN;
    if (waits(e, DIR_OUT) && e->flags & FDS_FULL)
        events |= POLLOUT;
    return events;
}

/* The same where a ring attempts the ops: of those in the queues only what it could not poll
 * for. */
static unsigned wanted_of_ring(const struct heald_fd *e)
{
    unsigned events = heald__polls_want(e);

    if (e->flags & FDS_NESTED_IN && waits(e, DIR_IN))
        events |= POLLIN;
    if (e->flags & FDS_NESTED_OUT && waits(e, DIR_OUT))
        events |= POLLOUT;
    return events;
}

static int arm_entry(struct heald_loop *loop, struct heald_fd *e, int fd, unsigned events)
{
    struct heald_backend *b = &loop->backend;
    unsigned edge = e->flags & FDS_EDGE ? HEALD_EDGE : 0;
    int err = b->ops->by_offset && e->type == FD_FILE
                  ? -EPERM
                  : b->ops->arm(b, fd, e->key, e->armed, events ? events | edge : 0);
    /* A back end that opens a descriptor of its own makes the table grow. */
    e = &loop->fds.v[fd];

    if (!err && loop->mirror >= 0 && !b->ops->submit && (e->armed != events || edge))
        err = loop->sys->mirror_set(loop->mirror, fd, e->armed, events ? events | edge : 0);
    /* What epoll refuses poll(2) calls always ready. */
    if (err == -EPERM) {
        b->ops->arm(b, fd, e->key, events, 0);
        e->flags |= FDS_ALWAYS;
        events = 0;
        err = 0;
    }
    if (!err)
        e->armed = (uint16_t)events;
    return err;
}

/* Has the back end report at least what is waited for now. */
int heald__ready_arm(struct heald_loop *loop, struct heald_fd *e, int fd)
{
    unsigned events = e->flags & FDS_WHOLE ? wanted_of_ring(e) : wanted(e);

    if (!(events & ~(unsigned)e->armed) || e->flags & FDS_ALWAYS)
        return 0;
    if (e->flags & FDS_EDGE && events & POLLIN)
        events |= POLLPRI | heald__poll_rdhup;
    return arm_entry(loop, e, fd, events | e->armed);
}

uint32_t heald__ready_key(struct heald_loop *loop, int fd)
{
    return loop->fds.v[fd].key;
}

void heald__ready_unarm(struct heald_loop *loop, struct heald_fd *e, int fd)
{
    arm_entry(loop, e, fd, 0);
}

/* A terminal can be opened once more: that open file is nobody else's, and non-blocking. */
static bool open_again(struct heald_loop *loop, struct heald_fd *e, const struct heald_op *op)
{
    bool reads_or_writes = heald__op_traits[op->kind] & OP_RW || op->kind == OP_READ_MULTI;

    if (e->again || !reads_or_writes)
        return false;
    int again = loop->sys->open_again(op_fd(op));
    e->again = again > 0 ? again : 0;
    return e->again;
}

/* No receive is the usual case there. */
static void note_listens(struct heald_fd *e)
{
    e->flags = (uint16_t)((e->flags & ~FDS_PLAIN) | FDS_LISTENS);
}

/* Has the first op of a queue attempted where it may block. True: it was taken, or can be tried
 * now. */
static bool do_elsewhere(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    struct pollfd now = {.fd = op_fd(op), .events = (short)op_events(op)};

    if (op->kind != OP_CONNECT && op->kind != OP_SENDFILE)
        e->flags |= FDS_ELSEWHERE;
    if (heald__takes_whole(loop, e, op)) {
        heald__ring_submit(loop, op);
        return true;
    }
    if (open_again(loop, e, op))
        return true;
    if (op_accepts(op) && !(e->flags & FDS_LISTENS)) {
        if (!loop->sys->listens(op_fd(op))) {
            heald__result(loop, op, -EINVAL, false);
            return true;
        }
        note_listens(e);
    }
    /* A connect is never ready before it begins. For the others a thread waits only if another
     * process was faster. */
    if (op->kind != OP_CONNECT && loop->sys->poll(&now, 1, 0) <= 0)
        return false;
    int err = heald__pause_reserve(loop, e);
    if (!err)
        err = heald__pool_duplicate(loop, op);
    if (err) {
        heald__result(loop, op, err, false);
        return true;
    }
    /* A thread that comes back with nothing may have looked before the next event. */
    heald__pool_do(loop, op);
    return true;
}

/* The first op of a queue found nothing. True: although it is ready, and was so the last time. */
static bool is_spurious(struct heald_loop *loop, struct heald_fd *e, int dir,
                        const struct heald_op *op)
{
    unsigned flag = dir == DIR_IN ? FDS_SPURIOUS_IN : FDS_SPURIOUS_OUT;
    struct pollfd now = {.fd = op_fd(op), .events = (short)op_events(op)};

    if (e->flags & flag)
        return loop->sys->poll(&now, 1, 0) > 0;
    e->flags |= (uint16_t)flag;
    return false;
}

/* Where changes can be reported they are from now on; else it is left alone for a while. */
static void back_off(struct heald_loop *loop, int fd, int dir)
{
    struct heald_fd *e = &loop->fds.v[fd];

    if (dir == DIR_IN && loop->backend.ops->turns_edge && !(e->flags & FDS_EDGE)) {
        unsigned events = wanted(e);
        e->flags |= FDS_EDGE | FDS_STICKY;
        int err = arm_entry(loop, e, fd, events | POLLIN);
        e = &loop->fds.v[fd];
        if (!err)
            return;
        e->flags &= (uint16_t) ~(FDS_EDGE | FDS_STICKY);
    }
    if (e->flags & FDS_EDGE && dir == DIR_IN)
        return;
    if (heald__pause(loop, e, dir) == 0)
        arm_entry(loop, e, fd, wanted(e));
}

/* After a read: may there be more? */
static void note_read(struct heald_fd *e, const struct heald_op *op, int64_t n)
{
    bool run = op->kind == OP_RECV_RUN, is_group = op->kind == OP_RECV_MULTI || run;
    bool plain = op->kind == OP_RECV || op->kind == OP_READ;
    size_t room = is_group ? op->u.group.group->size * (run ? op->u.group.last : 1) : 0;
    bool empty = is_group && n > 0 && (size_t)n < room && !(e->flags & FDS_STICKY);

    if (empty || (plain && ready_is_empty(e, op, n)))
        e->flags &= (uint16_t)~FDS_READABLE;
}

/* Acts on the result of an attempt of the first op of a queue: true if it made progress. */
static bool act(struct heald_loop *loop, int fd, int dir, struct heald_op *op, int64_t result)
{
    struct heald_fd *e = &loop->fds.v[fd];
    enum outcome next = heald__outcome(op, e->type, &result);

    if (next == OUTCOME_AGAIN)
        return true;
    if (next == OUTCOME_WAIT) {
        ready_note_nothing(e, dir);
        if (is_spurious(loop, e, dir, op))
            back_off(loop, fd, dir);
        return false;
    }
    if (next == OUTCOME_PAUSE && heald__pause(loop, e, dir) == 0)
        return false;
    e->flags &= (uint16_t) ~(dir == DIR_IN ? FDS_SPURIOUS_IN : FDS_SPURIOUS_OUT);
    if (e->pause && result >= 0)
        heald__pause_success(e);
    if (dir == DIR_IN && e->flags & FDS_EDGE)
        note_read(e, op, result);
    if (next == OUTCOME_MORE) {
        heald__complete_more(loop, op, result);
        return true;
    }
    if (op_accepts(op) && outcome_is_lack(result))
        heald__pause(loop, e, dir);
    fds_remove(&e->queue[dir], op);
    heald__complete(loop, op, result);
    return true;
}

/* Tries the first op of a queue: true if it made progress. */
static bool try_first(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    struct heald_op *op = e->queue[dir];
    int fd = op_fd(op);
    int64_t result = heald__perform(loop, e, op);

    /* Accepting may have moved the table. */
    e = &loop->fds.v[fd];
    if (op_accepts(op) && (result >= 0 || result == -EAGAIN))
        note_listens(e);
    if (result != SYS_ELSEWHERE)
        return act(loop, fd, dir, op, result);
    if (do_elsewhere(loop, e, op))
        return true;
    ready_note_nothing(e, dir);
    return false;
}

static bool may_try(const struct heald_fd *e, int dir)
{
    const struct heald_op *op = e->queue[dir];

    if (!waits(e, dir) || op->flags & OP_DUE)
        return false;
    if (e->flags & FDS_ALWAYS)
        return true;
    if (dir == DIR_IN)
        return e->flags & FDS_READABLE;
    /* A shutdown needs no room: what was to be written before it has been, or was given up. */
    return !(e->flags & FDS_FULL) || op->kind == OP_SHUTDOWN;
}

static void run_queue(struct heald_loop *loop, int fd, int dir)
{
    while (may_try(&loop->fds.v[fd], dir) && try_first(loop, &loop->fds.v[fd], dir))
        ;
}

/* The first op of a queue cannot be awaited: it ends with the reason, and so does whatever waits
 * behind it. */
static void fail_queue(struct heald_loop *loop, struct heald_fd *e, int dir, int err)
{
    for (struct heald_op *op; (op = e->queue[dir]) && !(op->flags & OP_DUE);) {
        fds_remove(&e->queue[dir], op);
        heald__complete(loop, op, err);
    }
}

/* Tries what can be tried, and makes sure that the rest will be reported. */
void heald__ready_kick(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    int fd = (int)(e - loop->fds.v);
    struct heald_op *first = e->queue[dir];

    if (!first)
        return;
    if (first->state == OP_QUEUED)
        op_move(first, OP_ARMED);
    if (!waits(e, dir))
        return;
    bool ring = loop->backend.ops->submit, whole = heald__takes_whole(loop, e, first);
    if (whole && (!ring || e->flags & FDS_WHOLE)) {
        if (!(first->flags & OP_DUE))
            heald__ring_submit(loop, first);
        return;
    }
    /* Among ops that the ring attempts this one waits in the nested queue. */
    if (e->flags & FDS_WHOLE)
        e->flags |= dir == DIR_IN ? FDS_NESTED_IN : FDS_NESTED_OUT;
    run_queue(loop, fd, dir);
    e = &loop->fds.v[fd];
    if (!waits(e, dir))
        return;
    int err = heald__ready_arm(loop, e, fd);
    e = &loop->fds.v[fd];
    if (err && ring && whole) {
        /* A descriptor or memory for the nested queue is lacking: the ring needs none. */
        loop->fds.all_whole = true;
        heald__idle_end(loop, e);
    } else if (err) {
        fail_queue(loop, e, dir, err);
    } else if (e->flags & FDS_ALWAYS) {
        run_queue(loop, fd, dir);
    }
}

void heald__ready_retry(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    struct heald_op *op = e->queue[dir];

    if (op && op->stage == STAGE_THREAD && op->state == OP_CANCELLING) {
        heald__engine_cancel(loop, op);
        return;
    }
    /* What would have waited in a ring has been there: it is tried here, at once. */
    if (op && e->flags & FDS_WHOLE && op->stage == STAGE_LOOP && !(op->flags & OP_DUE) &&
        fds_is_socket(e) && op->flags & OP_STARTED && op->kind != OP_CONNECT) {
        int64_t result = heald__perform(loop, e, op);
        if (result == SYS_ELSEWHERE)
            heald__ring_submit(loop, op);
        else
            heald__result(loop, op, result, false);
        return;
    }
    if (dir == DIR_IN)
        e->flags |= FDS_READABLE;
    else
        e->flags &= (uint16_t)~FDS_FULL;
    heald__ready_kick(loop, e, dir);
}

void heald__ready_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;
    bool first = !e->queue[dir];

    fds_push(&e->queue[dir], op);
    if (!first)
        return;
    /* What such a socket cannot do would never be reported. */
    if (dir == DIR_IN && op_accepts(op) != !!(e->flags & FDS_LISTENS))
        e->flags |= FDS_READABLE;
    if (!(e->flags & FDS_WHOLE) && ready_will_be_notified(e, dir) && op->kind != OP_SHUTDOWN)
        op_move(op, OP_ARMED);
    else
        heald__ready_kick(loop, e, dir);
}

void heald__ready_resume(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = fds_find(&loop->fds, op_fd(op));
    if (e)
        heald__ready_kick(loop, e, op_is_inward(op) ? DIR_IN : DIR_OUT);
}

static void note_event(struct heald_fd *e, unsigned events)
{
    if (events & EVENTS_OUT)
        e->flags &= (uint16_t)~FDS_FULL;
    if (!(e->flags & FDS_EDGE))
        return;
    if (events & (EVENTS_IN | heald__poll_rdhup))
        e->flags |= FDS_READABLE;
    if (events & (POLLPRI | READY_ANYHOW | heald__poll_rdhup | HEALD_END))
        e->flags |= FDS_STICKY;
}

static void event_of_level(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    const struct heald_op *in = e->queue[DIR_IN];

    /* One op an event: the next might wait in vain, and a level is reported again. */
    if (!waits(e, DIR_IN) || in->flags & OP_DUE || !(events & EVENTS_IN))
        return;
    /* … but a listener may have a burst of them, and is tried until there is none. */
    if (in->kind == OP_ACCEPT_MULTI)
        e->flags |= FDS_READABLE;
    try_first(loop, e, DIR_IN);
}

/* Is there a part of these events for which no op waits, and that would be reported without end? */
static bool is_idle(const struct heald_fd *e, unsigned events)
{
    unsigned want = wanted(e);

    return events & ~want & (POLLIN | POLLPRI | POLLOUT | heald__poll_rdhup) ||
           (!want && events & READY_ANYHOW);
}

/* Is there an error or hang-up that stays, with nothing beside it for which an op waits? */
static bool is_sticky(struct heald_loop *loop, const struct heald_fd *e, int fd, unsigned events)
{
    if (!(events & READY_ANYHOW) || events & POLLNVAL || e->flags & FDS_EDGE)
        return false;
    struct pollfd now = {.fd = fd, .events = (short)wanted(e)};
    return now.events && loop->sys->poll(&now, 1, 0) > 0 && now.revents & READY_ANYHOW &&
           !(now.revents & now.events & ~READY_ANYHOW);
}

void heald__ready_nested(struct heald_loop *loop, int fd, uint32_t key, unsigned events)
{
    static const unsigned of_dir[2] = {EVENTS_IN, EVENTS_OUT},
                          flag[2] = {FDS_NESTED_IN, FDS_NESTED_OUT};
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (!e || e->key != key)
        return;
    if (!(e->flags & FDS_WHOLE)) {
        heald__ready_event(loop, fd, key, events);
        return;
    }
    unsigned before = wanted_of_ring(e);
    heald__polls_notify(loop, e, events);
    for (int dir = DIR_IN; dir <= DIR_OUT; dir++) {
        e = &loop->fds.v[fd];
        if (e->flags & flag[dir] && events & of_dir[dir]) {
            e->flags &= (uint16_t)~flag[dir];
            heald__ready_retry(loop, e, dir);
        }
    }
    e = &loop->fds.v[fd];
    unsigned now = wanted_of_ring(e);
    /* What stays, and is not what is waited for, is reported once more and then when it changes. */
    if (now && events & READY_ANYHOW && !(e->flags & FDS_EDGE)) {
        e->flags |= FDS_EDGE;
        arm_entry(loop, e, fd, now);
    } else if (now != before || events & ~before & ~(unsigned)READY_ANYHOW) {
        arm_entry(loop, e, fd, now);
    }
    if (loop->mirror >= 0)
        heald__guest_show(loop, fd);
}

int heald__ready_in_ring(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = fds_of(&loop->fds, op);
    struct pollfd now = {.fd = op_fd(op), .events = (short)op_events(op)};

    if (!loop->backend.ops->arm || op->flags & OP_DETACHED)
        return -ENOSYS;
    if (op_is_queued_on_fd(op))
        e->flags |= op_is_inward(op) ? FDS_NESTED_IN : FDS_NESTED_OUT;
    int err = heald__ready_arm(loop, e, now.fd);
    e = &loop->fds.v[now.fd];
    if (!err && e->flags & FDS_ALWAYS && loop->sys->poll(&now, 1, 0) > 0)
        heald__polls_notify(loop, e, (unsigned short)now.revents);
    return err;
}

void heald__ready_attempted(struct heald_loop *loop, int fd, struct heald_op *op, int64_t result)
{
    note_event(&loop->fds.v[fd], POLLIN);
    if (act(loop, fd, DIR_IN, op, result) && loop->fds.v[fd].flags & FDS_EDGE)
        run_queue(loop, fd, DIR_IN);
}

void heald__ready_event_other(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    int fd = (int)(e - loop->fds.v);
    bool edge = e->flags & FDS_EDGE, idle = !edge && is_idle(e, events);
    note_event(e, events);
    if (edge)
        run_queue(loop, fd, DIR_IN);
    else
        event_of_level(loop, e, events);
    run_queue(loop, fd, DIR_OUT);
    e = &loop->fds.v[fd];
    if (e->polls)
        heald__polls_notify(loop, e, events);
    if (idle)
        arm_entry(loop, e, fd, wanted(e));
    if (is_sticky(loop, e, fd, events))
        back_off(loop, fd, DIR_IN);
}
