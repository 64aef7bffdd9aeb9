/*
 * test/sim/model.c: the oracle. It gets every submission, every event of the world and every
 * callback, and reports what must not happen. See sim.h.
 */
#include "sim/sim.h"

#include <errno.h>
#include <string.h>

struct model model;

static struct slot *slot_of(const struct heald_op *op)
{
    return heald_container_of(op, struct slot, op);
}

static bool waits_on_fd(const struct slot *s)
{
    return op_is_queued_on_fd(&s->op) && s->fd >= 0;
}

/* It has completed, or its end was asked for, or will have been by now. */
static bool may_be_passed(const struct slot *s)
{
    return s->op.state == OP_DONE || s->op.state == OP_IDLE || s->cancelled || s->closed ||
           s->deadline <= world.now;
}

/* Does it receive into the buffers of the group? */
static bool is_group(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_GROUP;
}

static bool is_same_queue(const struct slot *s, int fd, int dir)
{
    return s->live && waits_on_fd(s) && s->fd == fd && s->generation == world.fd[fd].generation &&
           (op_is_inward(&s->op) ? DIR_IN : DIR_OUT) == dir;
}

/* The first that waits in a direction of a descriptor and has got nothing yet. */
static struct slot *head_of(int fd, int dir)
{
    struct slot *head = NULL;

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &model.slot[i];
        if (is_same_queue(s, fd, dir) && !s->given && !may_be_passed(s) &&
            (!head || s->order < head->order))
            head = s;
    }
    return head;
}

static struct slot *slot_of_buf(int fd, int dir, const void *buf)
{
    const unsigned char *p = buf;

    for (unsigned i = 0; buf && i < SLOTS; i++)
        if (p >= model.slot[i].buf && p < model.slot[i].buf + ROOM)
            return &model.slot[i];
    /* A multishot, a shutdown, the end of a connect: nobody else may be before it. */
    struct slot *best = NULL;
    if (model.taker)
        return slot_of(model.taker);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &model.slot[i];
        bool fits = is_group(&s->op) || s->op.kind == OP_ACCEPT_MULTI ||
                    s->op.kind == OP_SHUTDOWN || s->op.kind == OP_CONNECT;
        fits = fits && s->op.state != OP_DONE && s->op.state != OP_IDLE;
        fits = fits && !(s->op.flags & (OP_DUE | OP_DETACHED));
        if (is_same_queue(s, fd, dir) && fits && !s->given && (!best || s->order < best->order))
            best = s;
    }
    return best;
}

void model_took(int fd, int dir, const void *buf, int64_t result)
{
    struct slot *s = slot_of_buf(fd, dir, buf), *head = head_of(fd, dir);

    VERIFY(s && s->live, "descriptor %d gives %lld to nobody", fd, (long long)result);
    VERIFY(!s->given, "slot %d is given %lld and had %lld", (int)(s - model.slot),
           (long long)result, (long long)s->result);
    VERIFY(s->fd == fd && s->generation == world.fd[fd].generation, "slot %d is given another's",
           (int)(s - model.slot));
    VERIFY(!head || head == s || head->order >= s->order,
           "descriptor %d: slot %d, %s, before slot %d, %s", fd, (int)(s - model.slot),
           heald_op_kind(&s->op), (int)(head - model.slot), heald_op_kind(&head->op));
    if (result == -ECONNABORTED)
        return;
    s->given = true;
    s->result = result;
}

/* Is it an op on a file where that descriptor stands? */
static bool moves_position(const struct slot *s)
{
    return s->live && s->file && s->fd >= 0 && heald__op_traits[s->op.kind] & OP_RW &&
           s->op.u.rw.off < 0;
}

void model_gave(int64_t result)
{
    const struct heald_op *op = model.taker ? model.taker : model.entrant;

    VERIFY(op, "a file gives %lld to nobody", (long long)result);
    struct slot *s = slot_of(op);
    VERIFY(s->live && s->file && !s->given, "slot %d, %s, makes a call", (int)(s - model.slot),
           heald_op_kind(op));
    for (unsigned i = 0; moves_position(s) && i < SLOTS; i++) {
        const struct slot *o = &model.slot[i];
        VERIFY(!moves_position(o) || o->fd != s->fd || o->generation != s->generation || o->given ||
                   o->order >= s->order || may_be_passed(o),
               "file %d: slot %d before slot %u", s->fd, (int)(s - model.slot), i);
    }
    s->given = true;
    s->result = result;
}

struct slot *model_idle(void)
{
    unsigned first = rng_below(&world.rng, SLOTS);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &model.slot[(first + i) % SLOTS];
        if (!s->live)
            return s;
    }
    return NULL;
}

struct slot *model_any(void)
{
    unsigned first = rng_below(&world.rng, SLOTS);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &model.slot[(first + i) % SLOTS];
        if (s->live)
            return s;
    }
    return NULL;
}

void model_submitted(struct slot *s, bool silent)
{
    s->live = true;
    s->silent = silent;
    s->turn = model.turn;
    s->order = ++model.order;
    model.live++;
}

void model_closed(int fd)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (model.slot[i].live && model.slot[i].fd == fd &&
            model.slot[i].generation == world.fd[fd].generation)
            model.slot[i].closed = true;
}

void model_post(void)
{
    struct slot *s = model_idle();

    if (!s)
        return;
    s->fd = -1;
    s->deadline = HEALD_FOREVER;
    s->given = s->cancelled = s->closed = s->file = false;
    VERIFY(heald_loop_post(model.loop, &s->op, model_callback) == 0, "a post is refused");
    model_submitted(s, false);
    s->posted = true;
    model.posts++;
}

void model_cancel(struct slot *s)
{
    bool over = s->given || s->cancelled || s->closed || s->deadline <= world.now || s->silent ||
                s->op.state == OP_DONE || s->op.flags & OP_DUE;
    int err = heald_cancel(&s->op);

    if (s->posted)
        VERIFY(err == -EINVAL, "cancelling a post: %d", err);
    else if (s->op.state == OP_IDLE)
        VERIFY(s->silent, "slot %d is idle and live", (int)(s - model.slot));
    else
        VERIFY(err == 0 || (err == -EALREADY && over), "cancelling slot %d, %s: %d",
               (int)(s - model.slot), heald_op_kind(&s->op), err);
    if (!err)
        s->cancelled = true;
}

/* An end that the world had no part in. */
static void check_own_end(const struct slot *s, int64_t r)
{
    int i = (int)(s - model.slot);

    if (r == -ECANCELED)
        VERIFY(s->cancelled || s->closed, "slot %d, %s: nobody cancelled it", i,
               heald_op_kind(&s->op));
    else if (r == -ETIMEDOUT)
        VERIFY(s->deadline <= world.now && s->op.kind != OP_TIMER, "slot %d, %s, timed out early",
               i, heald_op_kind(&s->op));
    else if (s->file)
        VERIFY(r == -EBADF, "slot %d, %s: %lld came from nowhere", i, heald_op_kind(&s->op),
               (long long)r);
    else if (s->op.kind == OP_TIMER)
        VERIFY(r == 0 && s->deadline <= world.now && !s->op.u.timer.period,
               "slot %d, timer: %lld at %lld for %lld", i, (long long)r, (long long)world.now,
               (long long)s->deadline);
    else if (is_group(&s->op) && r == -ENOBUFS)
        VERIFY(model.held_count == BUFFERS || s->turn != model.turn || r, "slot %d: no buffer", i);
    else if (s->op.kind == OP_POLL)
        VERIFY(r > 0, "slot %d, poll: %lld", i, (long long)r);
    else if (waits_on_fd(s) && s->op.kind != OP_SHUTDOWN)
        VERIFY(r == -EBADF || r == -ENOTCONN || r == -ENOTSOCK,
               "slot %d, %s: %lld came from nowhere", i, heald_op_kind(&s->op), (long long)r);
}

static void check_more(struct slot *s, int64_t r)
{
    int i = (int)(s - model.slot);

    if (s->op.kind == OP_TIMER) {
        s->passed += r;
        VERIFY(r >= 1 && s->first + (s->passed - 1) * s->op.u.timer.period <= world.now,
               "slot %d: %lld periods by %lld", i, (long long)s->passed, (long long)world.now);
        return;
    }
    VERIFY(s->given && s->result == r, "slot %d, %s: %lld was not given", i, heald_op_kind(&s->op),
           (long long)r);
    s->given = false;
    if (is_group(&s->op)) {
        VERIFY((s->op.buffer == HEALD_NO_BUFFER) == (r == 0), "slot %d: buffer %u for %lld", i,
               s->op.buffer, (long long)r);
        for (unsigned b = s->op.buffer; b != HEALD_NO_BUFFER; b = heald_buf_next(model.group, b)) {
            VERIFY(model.held_count < BUFFERS, "more buffers than there are");
            model.held[model.held_count++] = b;
        }
    }
}

static void check_end(struct slot *s)
{
    int64_t r = s->op.result;
    bool portion =
        (is_group(&s->op) && s->result > 0) || (s->op.kind == OP_ACCEPT_MULTI && s->result >= 0);

    if (s->given && !portion)
        VERIFY(r == s->result, "slot %d, %s: given %lld, told %lld", (int)(s - model.slot),
               heald_op_kind(&s->op), (long long)s->result, (long long)r);
    else if (s->given)
        VERIFY(0, "slot %d, %s: ends with %lld, and %lld is lost", (int)(s - model.slot),
               heald_op_kind(&s->op), (long long)r, (long long)s->result);
    else
        check_own_end(s, r);
    if (s->posted) {
        uint64_t *last = &model.last_post[s->op.op_class];
        VERIFY(*last < s->order, "slot %d: a post overtakes another", (int)(s - model.slot));
        *last = s->order;
    }
    files_told(s);
    s->given = s->live = s->posted = false;
    model.live--;
    model.ends++;
}

void model_callback(struct heald_op *op)
{
    struct slot *s = slot_of(op);

    VERIFY(s->live && !s->silent, "slot %d, %s: told and not live", (int)(s - model.slot),
           heald_op_kind(op));
    if (op->flags & HEALD_MORE) {
        VERIFY(op_is_multishot(op), "%s has more", heald_op_kind(op));
        check_more(s, op->result);
    } else {
        VERIFY(heald_op_error(op) != -EINPROGRESS, "told and in progress");
        check_end(s);
    }
    model.in_callback(s);
}

/* Could the op go on, as the world is? Only of the first in its queue. */
static bool could_go_on(const struct slot *s)
{
    const struct wfd *w = &world.fd[s->fd];

    switch ((enum op_kind)s->op.kind) {
    case OP_RECV:
    case OP_READ: return w->in || w->eof || w->err;
    case OP_RECV_RUN:
    case OP_READ_MULTI:
    case OP_RECV_MULTI: return w->in || w->eof || w->err;
    case OP_ACCEPT:
    case OP_ACCEPT_MULTI: return w->backlog;
    case OP_SEND:
    case OP_WRITE: return w->room && !w->connecting;
    case OP_SHUTDOWN: return true;
    default: return false;
    }
}

void model_sleep(int64_t timeout)
{
    struct heald_loop_stats stats;

    heald_loop_stats(model.loop, &stats);
    VERIFY(!stats.due, "sleeps while callbacks are due");
    VERIFY(model.turn_deadline == HEALD_FOREVER ||
               (timeout >= 0 && world.now + timeout <= model.turn_deadline),
           "sleeps %lld, longer than its turn may last", (long long)timeout);
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct slot *s = &model.slot[i];
        if (!s->live || s->op.state == OP_CANCELLING || s->op.state == OP_DONE ||
            s->op.state == OP_IDLE)
            continue;
        int64_t end = s->op.deadline_ns;
        VERIFY(end == HEALD_FOREVER ||
                   (timeout >= 0 && timeout <= (end > world.now ? end - world.now : 0)),
               "slot %u, %s %s: sleeps %lld, past its deadline", i, heald_op_kind(&s->op),
               heald_op_state(&s->op), (long long)timeout);
        if (waits_on_fd(s) && s->generation == world.fd[s->fd].generation &&
            head_of(s->fd, op_is_inward(&s->op) ? DIR_IN : DIR_OUT) == s)
            VERIFY(!could_go_on(s), "slot %u, %s %s on %d: sleeps while it could go on", i,
                   heald_op_kind(&s->op), heald_op_state(&s->op), s->fd);
        if (s->op.kind == OP_POLL && s->generation == world.fd[s->fd].generation)
            VERIFY(!(world_ready(&world.fd[s->fd]) & s->op.u.poll.events),
                   "slot %u: sleeps while its poll holds", i);
    }
}

static void mark(const struct heald_op *op, void *user)
{
    bool *seen = user;
    const struct slot *s = slot_of(op);

    VERIFY(s >= model.slot && s < model.slot + SLOTS && s->live, "an op is listed and not live");
    VERIFY(!seen[s - model.slot], "slot %d, %s %s, is listed twice", (int)(s - model.slot),
           heald_op_kind(op), heald_op_state(op));
    seen[s - model.slot] = true;
}

void model_verify(void)
{
    bool seen[SLOTS] = {false};
    struct heald_loop_stats stats;

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &model.slot[i];
        if (s->live && s->silent && heald_op_error(&s->op) != -EINPROGRESS)
            check_end(s);
    }
    size_t n = heald_loop_list(model.loop, mark, seen);
    for (unsigned i = 0; i < SLOTS; i++)
        VERIFY(seen[i] || !model.slot[i].live, "slot %u, %s %s, is live and not listed", i,
               heald_op_kind(&model.slot[i].op), heald_op_state(&model.slot[i].op));
    heald_loop_stats(model.loop, &stats);
    /* Close ops of the loop's own are pending, and are not listed. */
    VERIFY(n == model.live && stats.pending >= model.live, "%zu listed, %u live, counted %llu", n,
           model.live, (unsigned long long)stats.pending);
    VERIFY(stats.completed >= model.ends, "%llu completed, %llu ended",
           (unsigned long long)stats.completed, (unsigned long long)model.ends);
}

void model_after_turn(int callbacks, unsigned limit)
{
    /* A turn lets no more deadlines pass than it may run callbacks. */
    if (callbacks < 0 || limit <= SLOTS)
        return;
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct slot *s = &model.slot[i];
        VERIFY(!s->live || s->turn == model.turn || s->op.deadline_ns > world.now ||
                   s->op.state == OP_CANCELLING || s->op.state == OP_IDLE || s->op.flags & OP_DUE ||
                   s->posted,
               "slot %u, %s %s: its time has come and gone", i, heald_op_kind(&s->op),
               heald_op_state(&s->op));
    }
}
