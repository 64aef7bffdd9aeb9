/*
 * await/describe.c: what a pending op waits for, as data and as a line. Of most kinds the traits
 * say which member of the union has what; a kind that is different has a function in `parts`. The
 * loop's thread.
 */
#include "await/await.h"
#include "loop/loop.h"

#include <heald/describe.h>
#include <heald/name.h>
#include <heald/timer.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

static void of_splice(const struct heald_op *op, struct heald_op_info *info)
{
    info->fd[1] = op->u.sendfile.from;
}

static void of_copy(const struct heald_op *op, struct heald_op_info *info)
{
    info->fd[1] = op->u.copy.to;
}

static void of_paths(const struct heald_op *op, struct heald_op_info *info)
{
    info->path[0] = op->u.paths.path;
    info->path[1] = op->u.paths.to;
    info->fd[1] = op->u.paths.to_dirfd;
}

static void of_symlink(const struct heald_op *op, struct heald_op_info *info)
{
    info->path[0] = op->u.path.u.target;
    info->path[1] = op->u.path.path;
}

static void of_path(const struct heald_op *op, struct heald_op_info *info)
{
    info->path[0] = op->u.path.path;
}

static void of_connect(const struct heald_op *op, struct heald_op_info *info)
{
    socklen_t len = op->u.connect.len;

    info->addr.len = len <= sizeof info->addr.u ? len : 0;
    memcpy(&info->addr.u, op->u.connect.addr, info->addr.len);
}

static void of_timer(const struct heald_op *op, struct heald_op_info *info)
{
    info->clock = op->u.timer.clock;
}

static void of_signal(const struct heald_op *op, struct heald_op_info *info)
{
    info->number = op->u.signal.signo;
}

/* Its descriptor is the library's. */
static void of_child(const struct heald_op *op, struct heald_op_info *info)
{
    info->number = op->u.child.pid;
    info->fd[0] = -1;
}

static void of_sysv(const struct heald_op *op, struct heald_op_info *info)
{
    info->number = op->u.sysv.queue;
}

static void of_map(const struct heald_op *op, struct heald_op_info *info)
{
    info->object = op->u.map.map;
}

static void of_lock(const struct heald_op *op, struct heald_op_info *info)
{
    info->object = op->u.lock.object;
}

/* The condition, until its wait has ended. */
static void of_cond(const struct heald_op *op, struct heald_op_info *info)
{
    info->object = op->u.lock.u.cond ? (const void *)op->u.lock.u.cond : op->u.lock.object;
}

static void of_futex(const struct heald_op *op, struct heald_op_info *info)
{
    info->object = op->u.futex.object;
}

static void of_lookup(const struct heald_op *op, struct heald_op_info *info)
{
    heald__lookup_question(op, &info->host, &info->service);
}

static void of_race(const struct heald_op *op, struct heald_op_info *info)
{
    heald__race_question(op, &info->host, &info->service);
    info->addr = op->u.connect_name.name->addr;
}

typedef void part_fn(const struct heald_op *op, struct heald_op_info *info);

/* NULL: the traits say it all. */
static part_fn *const parts[OP_KINDS] = {
    [OP_SENDFILE] = of_splice,     [OP_COPY_RANGE] = of_copy, [OP_LINK] = of_paths,
    [OP_LINK_FD] = of_paths,       [OP_RENAME] = of_paths,    [OP_SYMLINK] = of_symlink,
    [OP_OPEN_BENEATH] = of_path,   [OP_CONNECT] = of_connect, [OP_TIMER] = of_timer,
    [OP_SIGNAL] = of_signal,       [OP_CHILD] = of_child,     [OP_MAP_SYNC] = of_map,
    [OP_MAP_READ] = of_map,        [OP_MAP_WRITE] = of_map,   [OP_COND] = of_cond,
    [OP_PTHREAD_MUTEX] = of_futex, [OP_SEM_T] = of_futex,     [OP_FUTEX] = of_futex,
    [OP_FUTEX_ANY] = of_futex,     [OP_LOOKUP] = of_lookup,   [OP_CONNECT_NAME] = of_race,
    [OP_FIFO_OPEN] = of_path,      [OP_MSGSND] = of_sysv,     [OP_MSGRCV] = of_sysv,
};

static bool has_fd(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE | OP_NAMES_FD | OP_NAMES_PATH);
}

/* A number whose file was closed is another's. */
static void set_fd(const struct heald_op *op, struct heald_op_info *info)
{
    bool closed = op->flags & OP_DETACHED && !(heald__op_traits[op->kind] & OP_NAMES_PATH);

    if (has_fd(op) && !closed && op_fd(op) >= 0)
        info->fd[0] = op_fd(op);
}

static void set_addr(const struct heald_op *op, struct heald_op_info *info)
{
    int (*get)(int fd, struct heald_addr *ret_addr) =
        op_accepts(op) ? heald_local_addr : heald_peer_addr;

    if (heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE) && info->fd[0] >= 0)
        get(info->fd[0], &info->addr);
}

int heald_op_describe(const struct heald_op *op, struct heald_op_info *ret_info)
{
    struct heald_op_info info = {.kind = heald_op_kind(op),
                                 .state = heald_op_state(op),
                                 .name = op->name,
                                 .deadline_ns = op->deadline_ns,
                                 .background = op_is_background(op),
                                 .clock = HEALD_CLOCK_MONOTONIC,
                                 .fd = {-1, -1}};

    if (op_load_state(op) == OP_IDLE)
        return -EINVAL;
    info.since_ns = heald__since_of(op->loop, op);
    if (heald__op_traits[op->kind] & OP_NAMES_PATH)
        info.path[0] = op->u.path.path;
    if (heald__op_traits[op->kind] & OP_SHOWN)
        of_lock(op, &info);
    set_fd(op, &info);
    set_addr(op, &info);
    if (parts[op->kind])
        parts[op->kind](op, &info);
    for (int i = 0; i < 2; i++)
        info.fd[i] = info.fd[i] < 0 ? -1 : info.fd[i];
    *ret_info = info;
    return 0;
}

/* A text that may be longer than its room: its length counts what did not fit. */
struct line {
    char *buf;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *format, ...)
{
    size_t at = l->len < l->size ? l->len : l->size;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(l->buf + at, l->size - at, format, args);
    va_end(args);
    l->len += n > 0 ? (size_t)n : 0;
}

/* What others have named. */
static void add_text(struct line *l, const char *before, const char *text, const char *after)
{
    add(l, "%s", before);
    for (; *text; text++)
        add(l, "%c", *text < ' ' || *text > '~' ? '?' : *text);
    add(l, "%s", after);
}

/* What stands before the address. */
static const char *preposition(const struct heald_op *op)
{
    if (op_accepts(op))
        return "at";
    if (op->kind == OP_CONNECT || op->kind == OP_CONNECT_NAME)
        return "to";
    if (op_polls(op))
        return "with";
    return op_is_inward(op) ? "from" : "to";
}

static void add_target(struct line *l, const struct heald_op *op, const struct heald_op_info *info)
{
    char addr[HEALD_ADDR_TEXT];

    if (info->name)
        add_text(l, " \"", info->name, "\",");
    for (int i = 0; i < 2; i++)
        if (info->fd[i] >= 0)
            add(l, i && info->fd[0] >= 0 ? " and %d" : " fd %d", info->fd[i]);
    if (info->path[0])
        add_text(l, " ", info->path[0], "");
    if (info->path[1])
        add_text(l, " to ", info->path[1], "");
    if (info->host)
        add_text(l, " ", info->host, "");
    if (info->service)
        add_text(l, " port ", info->service, "");
    if (info->addr.len && heald_addr_format(&info->addr, addr, sizeof addr) > 0)
        add(l, " %s %s", preposition(op), addr);
    if (info->number)
        add(l, " %d", info->number);
    if (info->object)
        add(l, " at %p", info->object);
}

static double seconds(int64_t ns)
{
    return (double)ns / HEALD_SEC;
}

static void add_deadline(struct line *l, const struct heald_op *op,
                         const struct heald_op_info *info)
{
    bool timer = op->kind == OP_TIMER;
    bool boot = info->clock == HEALD_CLOCK_BOOT;
    int64_t now = boot ? op->loop->sys->now(HEALD_CLOCK_BOOT) : heald_now(op->loop);
    int64_t left = info->deadline_ns - now;

    if (info->deadline_ns == HEALD_FOREVER)
        return;
    if (left >= 0)
        add(l, ", %s in %.1f s", timer ? "due" : "deadline", seconds(left));
    else
        add(l, ", %s %.1f s ago", timer ? "due" : "deadline", seconds(-left));
}

int heald_op_format(const struct heald_op *op, char *buf, size_t size)
{
    struct heald_op_info info;
    struct line l = {.buf = buf, .size = size};
    int err = heald_op_describe(op, &info);

    if (err)
        return err;
    add(&l, "%s", info.kind);
    add_target(&l, op, &info);
    add(&l, ", %s", info.state);
    if (info.since_ns)
        add(&l, " for %.1f s", seconds(heald_now(op->loop) - info.since_ns));
    add_deadline(&l, op, &info);
    if (info.background)
        add(&l, ", background");
    return (int)l.len;
}
