/* op/op.c: what the owner may ask of an op, the tables of its moves, and what the table of kinds
 * says to everybody. Pure; the loop's thread, but where op.h says. */
#include "op/op.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

const uint8_t heald__op_moves[OP_STATES] = {
    [OP_IDLE] = 1u << OP_QUEUED,
    [OP_QUEUED] = 1u << OP_ARMED | 1u << OP_CANCELLING | 1u << OP_DONE | 1u << OP_IDLE,
    [OP_ARMED] = 1u << OP_CANCELLING | 1u << OP_DONE,
    [OP_CANCELLING] = 1u << OP_DONE,
    [OP_DONE] = 1u << OP_IDLE,
};

const uint8_t heald__op_stage_moves[STAGES] = {
    [STAGE_LOOP] = 1u << STAGE_POOL | 1u << STAGE_THREAD | 1u << STAGE_BACKLOG | 1u << STAGE_RING,
    [STAGE_POOL] = 1u << STAGE_LOOP,
    [STAGE_THREAD] = 1u << STAGE_LOOP,
    [STAGE_BACKLOG] = 1u << STAGE_RING | 1u << STAGE_LOOP,
    [STAGE_RING] = 1u << STAGE_RECALL | 1u << STAGE_RECALLED | 1u << STAGE_LOOP,
    [STAGE_RECALL] = 1u << STAGE_RECALLED | 1u << STAGE_RING | 1u << STAGE_LOOP,
    [STAGE_RECALLED] = 1u << STAGE_LOOP,
};

#define TRAITS_ROW(kind, name, events, start, cancel, attempt, call, entry, traits) \
    [OP_##kind] = (traits),

const uint32_t heald__op_traits[OP_KINDS] = {HEALD_KINDS(TRAITS_ROW)};

/* The events. A kind that waits for no descriptor has none. */
static unsigned events_none(const struct heald_op *op)
{
    (void)op;
    return 0;
}

static unsigned events_in(const struct heald_op *op)
{
    (void)op;
    return POLLIN;
}

static unsigned events_out(const struct heald_op *op)
{
    (void)op;
    return POLLOUT;
}

static unsigned events_asked(const struct heald_op *op)
{
    return op->u.poll.events;
}

/* The error queue is reported anyhow. */
static unsigned events_urgent_recv(const struct heald_op *op)
{
    return op->u.rw.off & MSG_OOB ? POLLPRI : 0;
}

static unsigned events_urgent_recvmsg(const struct heald_op *op)
{
    return op->u.msg.flags & MSG_OOB ? POLLPRI : 0;
}

#define EVENTS_ROW(kind, name, events, ...) [OP_##kind] = events_##events,

unsigned (*const heald__op_events[OP_KINDS])(const struct heald_op *op) = {HEALD_KINDS(EVENTS_ROW)};

static const char *const state_names[OP_STATES] = {
    [OP_IDLE] = "idle",   [OP_QUEUED] = "queued",
    [OP_ARMED] = "armed", [OP_CANCELLING] = "cancelling",
    [OP_DONE] = "done",
};

#define NAME_ROW(kind, name, ...) [OP_##kind] = name,

static const char *const kind_names[OP_KINDS] = {HEALD_KINDS(NAME_ROW)};

/* An op that has completed is the owner's again: once the owner can see that, it may free the op.
 */
static bool has_completed(const struct heald_op *op)
{
    return op_load_state(op) == OP_IDLE;
}

int heald_op_error(const struct heald_op *op)
{
    if (!has_completed(op))
        return -EINPROGRESS;
    return op->result < 0 ? (int)op->result : 0;
}

int64_t heald_op_result(const struct heald_op *op)
{
    return has_completed(op) ? op->result : 0;
}

static int set_notify(struct heald_op *op, int how)
{
    if (op_load_state(op) != OP_IDLE)
        return -EBUSY;
    op->notify = (uint8_t)how;
    return 0;
}

int heald_op_notify_callback(struct heald_op *op)
{
    return set_notify(op, OP_NOTIFY_CALLBACK);
}

int heald_op_notify_signal(struct heald_op *op, int signo)
{
    sigset_t set;

    /* sigaddset() knows which numbers are signals; sigismember() needs none of its own. */
    sigemptyset(&set);
    if (signo < 1 || signo >= OP_NOTIFY_DEFERRED || sigaddset(&set, signo) != 0)
        return -EINVAL;
    return set_notify(op, signo);
}

int heald_op_notify_deferred(struct heald_op *op)
{
    return set_notify(op, OP_NOTIFY_DEFERRED);
}

int heald_op_notify_thread(struct heald_op *op)
{
    return set_notify(op, OP_NOTIFY_THREAD);
}

const char *heald_op_kind(const struct heald_op *op)
{
    return op->kind < OP_KINDS ? kind_names[op->kind] : "corrupt";
}

const char *heald_op_state(const struct heald_op *op)
{
    enum op_state state = op_load_state(op);
    return state < OP_STATES ? state_names[state] : "corrupt";
}
