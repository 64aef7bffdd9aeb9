/* op/op.c: what the owner may ask of an op, and the table of its moves. Pure; the loop's thread,
 * but where op.h says. */
#include "op/op.h"

#include <errno.h>
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

const uint16_t heald__op_traits[OP_KINDS] = {
    [OP_READ] = OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_INWARD | OP_RW,
    [OP_READV] = OP_PUBLIC | OP_ON_FD | OP_INWARD | OP_RW,
    [OP_RECV] = OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_PLAIN,
    [OP_RECVMSG] = OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD,
    [OP_RECV_MULTI] = OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_MULTI | OP_TIDIES,
    [OP_ACCEPT] = OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_ACCEPTS | OP_INWARD,
    [OP_ACCEPT_MULTI] = OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_ACCEPTS | OP_INWARD | OP_MULTI,
    [OP_WRITE] = OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_RW,
    [OP_WRITEV] = OP_PUBLIC | OP_ON_FD | OP_RW,
    [OP_SEND] = OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_SOCKET | OP_PLAIN,
    [OP_SENDMSG] = OP_PUBLIC | OP_ON_FD | OP_SOCKET,
    [OP_CONNECT] = OP_PUBLIC | OP_ON_FD | OP_SOCKET,
    [OP_SHUTDOWN] = OP_PUBLIC | OP_ON_FD | OP_SOCKET,
    [OP_POLL] = OP_PUBLIC | OP_BESIDE,
    [OP_RECV_ASIDE] = OP_PUBLIC | OP_BESIDE | OP_INWARD | OP_SOCKET,
    [OP_RECVMSG_ASIDE] = OP_PUBLIC | OP_BESIDE | OP_INWARD | OP_SOCKET,
    [OP_WATCH] = OP_BESIDE,
    [OP_CLOSE] = OP_PUBLIC,
    [OP_OPEN] = OP_PUBLIC,
    [OP_OPEN_BENEATH] = OP_PUBLIC,
    [OP_STAT] = OP_PUBLIC,
    [OP_FSYNC] = OP_PUBLIC,
    [OP_MAP_SYNC] = OP_PUBLIC,
    [OP_MAP_READ] = OP_PUBLIC,
    [OP_MAP_WRITE] = OP_PUBLIC,
    [OP_TIMER] = OP_PUBLIC | OP_MULTI,
    [OP_SIGNAL] = OP_PUBLIC | OP_MULTI,
    [OP_CHILD] = OP_PUBLIC | OP_BESIDE | OP_TIDIES,
    [OP_MUTEX] = OP_PUBLIC | OP_LOCK,
    [OP_COND] = OP_PUBLIC | OP_LOCK,
    [OP_SEM] = OP_PUBLIC | OP_LOCK,
    [OP_RDLOCK] = OP_PUBLIC | OP_LOCK,
    [OP_WRLOCK] = OP_PUBLIC | OP_LOCK,
    [OP_BARRIER] = OP_PUBLIC | OP_LOCK,
    [OP_ONCE] = OP_PUBLIC | OP_LOCK,
    [OP_PTHREAD_MUTEX] = OP_PUBLIC | OP_LOCK,
    [OP_SEM_T] = OP_PUBLIC | OP_LOCK,
    [OP_FUTEX] = OP_PUBLIC | OP_LOCK,
    [OP_FUTEX_ANY] = OP_PUBLIC | OP_LOCK,
};

static const char *const state_names[OP_STATES] = {
    [OP_IDLE] = "idle",   [OP_QUEUED] = "queued",
    [OP_ARMED] = "armed", [OP_CANCELLING] = "cancelling",
    [OP_DONE] = "done",
};

static const char *const kind_names[OP_KINDS] = {
    [OP_NONE] = "none",
    [OP_READ] = "read",
    [OP_READV] = "readv",
    [OP_RECV] = "recv",
    [OP_RECVMSG] = "recvmsg",
    [OP_RECV_MULTI] = "recv-multishot",
    [OP_ACCEPT] = "accept",
    [OP_ACCEPT_MULTI] = "accept-multishot",
    [OP_WRITE] = "write",
    [OP_WRITEV] = "writev",
    [OP_SEND] = "send",
    [OP_SENDMSG] = "sendmsg",
    [OP_CONNECT] = "connect",
    [OP_SHUTDOWN] = "shutdown",
    [OP_POLL] = "poll",
    [OP_RECV_ASIDE] = "recv",
    [OP_RECVMSG_ASIDE] = "recvmsg",
    [OP_WATCH] = "watch",
    [OP_CLOSE] = "close",
    [OP_OPEN] = "open",
    [OP_OPEN_BENEATH] = "open-beneath",
    [OP_STAT] = "stat",
    [OP_FSYNC] = "fsync",
    [OP_MAP_SYNC] = "map-sync",
    [OP_MAP_READ] = "map-prefault",
    [OP_MAP_WRITE] = "map-prefault",
    [OP_TIMER] = "timer",
    [OP_SIGNAL] = "signal",
    [OP_CHILD] = "child",
    [OP_MUTEX] = "mutex-lock",
    [OP_COND] = "cond-wait",
    [OP_SEM] = "sem-wait",
    [OP_RDLOCK] = "rdlock",
    [OP_WRLOCK] = "wrlock",
    [OP_BARRIER] = "barrier-wait",
    [OP_ONCE] = "once-begin",
    [OP_PTHREAD_MUTEX] = "pthread-mutex-lock",
    [OP_SEM_T] = "sem_t-wait",
    [OP_FUTEX] = "futex-wait",
    [OP_FUTEX_ANY] = "futex-wait-any",
    [OP_WORDS] = "words",
    [OP_TICK] = "tick",
    [OP_PAUSE] = "pause",
    [OP_POST] = "post",
};

/* Over is the owner's again: as soon as it is told so, the owner may free the op. */
static bool is_over(const struct heald_op *op)
{
    return op_load_state(op) == OP_IDLE;
}

int heald_op_error(const struct heald_op *op)
{
    if (!is_over(op))
        return -EINPROGRESS;
    return op->result < 0 ? (int)op->result : 0;
}

int64_t heald_op_result(const struct heald_op *op)
{
    return is_over(op) ? op->result : 0;
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
