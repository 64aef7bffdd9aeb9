/*
 * test/conformance/reuse.c: the number of a closed socket or pipe is used again at once, at each
 * step of the ops that named it. Nothing of the old reaches the new or is taken from it.
 *
 * A scene: three ops wait on an old descriptor; it is closed in one of three ways at one of four
 * moments; another object gets its number, with data of its own to be read and with room; a fresh
 * read and a fresh write use it. The old ops complete once, with -ECANCELED or with what they did
 * to the old descriptor; the fresh ones see the new one alone.
 */
#include "conformance/reuse.h"

#include <stdio.h>
#include <sys/socket.h>

enum { OPS = 3, BIG = 32768, ROOM = 64 };

enum kind {
    READ,
    READV,
    POLL_READ,
    RECV,
    RECVMSG,
    MULTISHOT,
    WRITE,
    WRITEV,
    POLL_WRITE,
    SEND,
    SENDMSG
};

static const char *const kind_names[] = {"read",     "readv",     "poll in", "recv",
                                         "recvmsg",  "multishot", "write",   "writev",
                                         "poll out", "send",      "sendmsg"};

/* Pipes know the first three of each direction. */
static const enum kind inward[] = {READ, READV, POLL_READ, RECV, RECVMSG, MULTISHOT};
static const enum kind outward[] = {WRITE, WRITEV, POLL_WRITE, SEND, SENDMSG};

struct scene {
    struct heald_loop *loop;
    enum reuse_type type, next;
    enum reuse_how how;
    enum reuse_when when;
    bool out;
    enum kind kind[OPS];
    struct reuse_end old, fresh;
    struct probe op[OPS], close, trigger, read, write;
    struct heald_buf_group *group;
    struct iovec iov[OPS];
    struct msghdr msg[OPS];
    char in[OPS][ROOM], got[ROOM], byte, memory[4 * ROOM];
    bool used;
    size_t filled, drained; /* bytes that old.fd took first, that old.peer got meanwhile */
};

static char big[BIG];

__attribute__((noreturn)) static void scene_fails(const struct scene *s, const char *what)
{
    ck_abort_msg("%s with %s, %s, %s, then %s: %s; results %d %d %d, fresh %d %d",
                 reuse_type_names[s->type], kind_names[s->kind[0]], reuse_when_names[s->when],
                 reuse_how_names[s->how], reuse_type_names[s->next], what, (int)s->op[0].result,
                 (int)s->op[1].result, (int)s->op[2].result, (int)s->read.result,
                 (int)s->write.result);
}

#define holds(s, condition, what)     \
    do {                              \
        if (!(condition))             \
            scene_fails((s), (what)); \
    } while (0)

static void await(struct scene *s, const int *count, const char *what)
{
    holds(s, reuse_await(s->loop, count), what);
}

static void on_op(struct heald_op *op)
{
    struct scene *s = op->data;

    if (op->flags & HEALD_MORE)
        heald_buf_return(s->group, op->buffer);
    probe_completed(op);
}

static void prep(struct scene *s, int i)
{
    struct heald_op *op = &s->op[i].op;
    int fd = s->old.fd;
    bool out = s->out;

    s->iov[i] = (struct iovec){out ? big : s->in[i], out ? BIG : ROOM};
    s->msg[i] = (struct msghdr){.msg_iov = &s->iov[i], .msg_iovlen = 1};
    switch (s->kind[i]) {
    case READ: heald_prep_read(op, fd, s->in[i], ROOM, HEALD_NO_OFFSET); break;
    case READV: heald_prep_readv(op, fd, &s->iov[i], 1, HEALD_NO_OFFSET); break;
    case POLL_READ: heald_prep_poll(op, fd, POLLIN); break;
    case RECV: heald_prep_recv(op, fd, s->in[i], ROOM, 0); break;
    case RECVMSG: heald_prep_recvmsg(op, fd, &s->msg[i], 0); break;
    case MULTISHOT: heald_prep_recv_multishot(op, fd, s->group, 0); break;
    case WRITE: heald_prep_write(op, fd, big, BIG, HEALD_NO_OFFSET); break;
    case WRITEV: heald_prep_writev(op, fd, &s->iov[i], 1, HEALD_NO_OFFSET); break;
    case POLL_WRITE: heald_prep_poll(op, fd, POLLOUT); break;
    case SEND: heald_prep_send(op, fd, big, BIG, 0); break;
    case SENDMSG: heald_prep_sendmsg(op, fd, &s->msg[i], 0); break;
    }
    op->data = s;
    must(heald_submit(s->loop, op, on_op) == 0);
}

/* The number belongs to another object, with "new!" in it for the fresh read. */
static void use(struct scene *s)
{
    s->used = true;
    reuse_take(&s->fresh, s->next, s->old.fd);
    if (s->fresh.reads) {
        heald_prep_read(&s->read.op, s->fresh.fd, s->got, ROOM, HEALD_NO_OFFSET);
        probe_start(s->loop, &s->read);
    }
    if (s->fresh.writes) {
        heald_prep_write(&s->write.op, s->fresh.fd, "NEW?", 4, HEALD_NO_OFFSET);
        probe_start(s->loop, &s->write);
    }
}

static void on_closed(struct heald_op *op)
{
    probe_completed(op);
    use(op->data);
}

/* Closes the old descriptor, and uses its number as soon as that is free. */
static void replace(struct scene *s)
{
    s->close.op.data = s;
    if (reuse_close(s->loop, s->old.fd, s->how, &s->close.op, on_closed))
        use(s);
}

static void on_trigger(struct heald_op *op)
{
    probe_completed(op);
    replace(op->data);
}

/* The old ops are given what they wait for in the turn in which the descriptor is closed. */
static void replace_when_due(struct scene *s)
{
    int pair[2];

    must(heald_socketpair(SOCK_STREAM, pair) == 0);
    heald_prep_recv(&s->trigger.op, pair[0], &s->byte, 1, 0);
    s->trigger.op.data = s;
    must(heald_submit(s->loop, &s->trigger.op, on_trigger) == 0);
    turn_for(s->loop, 0);
    if (s->out)
        s->drained += reuse_drain(s->old.peer, NULL, 0);
    else
        must(write(s->old.peer, "old", 3) == 3);
    must(write(pair[1], "x", 1) == 1);
    await(s, &s->trigger.finals, "the callback that closes did not run");
    must(heald_close(s->loop, pair[0]) == 0);
    close(pair[1]);
}

static void check_old(const struct scene *s)
{
    /* Of TCP the kernel may find room late: when the other side acknowledges, or asked again. */
    bool has_room = s->out && (s->type == REUSE_UDP || s->type == REUSE_TCP);
    bool may_be_own = s->when == REUSE_DUE || has_room;

    for (int i = 0; i < OPS; i++) {
        int64_t result = s->op[i].result;
        bool data = s->kind[i] == READ || s->kind[i] == READV || s->kind[i] == RECV ||
                    s->kind[i] == RECVMSG;
        if (result == -ECANCELED)
            continue;
        holds(s, may_be_own && result > 0 && s->kind[i] != MULTISHOT, "a result is not its own");
        if (data)
            holds(s, result == 3 && memcmp(s->in[i], "old", 3) == 0, "an old op has other data");
    }
}

static bool is_datagram(enum reuse_type type)
{
    return type == REUSE_DGRAM || type == REUSE_UDP;
}

/* The old peer has what the old ops say they wrote, and nothing else. */
static void check_old_peer(const struct scene *s)
{
    char text[ROOM];
    ssize_t n, wrote = (ssize_t)s->filled;
    bool stray;

    if (!s->out || is_datagram(s->type)) {
        size_t left = reuse_drain(s->old.peer, text, sizeof text);
        holds(s, !memchr(text, 'N', left), "the old peer has what was written to the new one");
        return;
    }
    for (int i = 0; i < OPS; i++)
        if (s->kind[i] != POLL_WRITE && s->op[i].result > 0)
            wrote += s->op[i].result;
    n = reuse_drain_to_end(s->old.peer, 'N', &stray);
    holds(s, n >= 0, "the old peer sees no end");
    holds(s, !stray, "the old peer has what was written to the new one");
    holds(s, n + (ssize_t)s->drained == wrote, "the old peer has more or less than was written");
}

static void check_new(const struct scene *s)
{
    char text[ROOM];
    size_t n = reuse_drain(s->fresh.peer, text, sizeof text);

    if (s->fresh.reads) {
        holds(s, s->read.result == 4, "the fresh read lost its data");
        holds(s, memcmp(s->got, "new!", 4) == 0, "the fresh read has other data");
    }
    if (s->fresh.writes) {
        holds(s, s->write.result == 4, "the fresh write failed");
        holds(s, n == 4, "the new peer has more or less than was written");
        holds(s, memcmp(text, "NEW?", 4) == 0, "the new peer has other data");
    } else if (s->next == REUSE_FILE) {
        holds(s, n == 4 && memcmp(text, "new!", 4) == 0, "the new file was written to");
    }
}

static void run_scene(struct scene *s)
{
    reuse_open(&s->old, s->type);
    if (s->out && s->type != REUSE_UDP)
        s->filled = fill_up(s->old.fd);
    for (int i = 0; i < OPS; i++)
        prep(s, i);
    if (s->when == REUSE_ARMED || (s->when == REUSE_CANCELLED && s->next == s->type))
        turn_for(s->loop, 0);
    if (s->when == REUSE_CANCELLED)
        for (int i = 0; i < OPS; i++)
            heald_cancel(&s->op[i].op);
    if (s->when == REUSE_DUE)
        replace_when_due(s);
    else
        replace(s);
    if (s->how == REUSE_CLOSE_OP)
        await(s, &s->close.finals, "the close op does not complete");
    for (int i = 0; i < OPS; i++)
        await(s, &s->op[i].finals, "an old op does not complete");
    holds(s, s->how != REUSE_CLOSE_OP || s->close.result == 0, "the close op failed");
    if (!s->used) {
        holds(s, !reuse_is_open(s->old.fd), "still open when nothing uses it any more");
        use(s);
    }
    if (s->fresh.reads)
        await(s, &s->read.finals, "the fresh read does not complete");
    if (s->fresh.writes)
        await(s, &s->write.finals, "the fresh write does not complete");
    check_old(s);
    check_old_peer(s);
    check_new(s);
    must(heald_close(s->loop, s->fresh.fd) == 0);
    close(s->fresh.peer);
    close(s->old.peer);
}

static void run_ops(struct heald_loop *loop, struct heald_buf_group *group, enum reuse_when when,
                    unsigned n, bool out)
{
    enum reuse_type type = (enum reuse_type)(n % REUSE_OLD_TYPES);
    const enum kind *kinds = out ? outward : inward;
    bool pipe = type == REUSE_PIPE_IN || type == REUSE_PIPE_OUT;
    unsigned count = pipe ? 3 : out ? 5 : 6;

    if (type == (out ? REUSE_PIPE_IN : REUSE_PIPE_OUT))
        return;
    for (unsigned k = 0; k < count; k++)
        for (unsigned how = 0; how < REUSE_HOWS; how++) {
            struct scene s = {.loop = loop,
                              .group = group,
                              .type = type,
                              .when = when,
                              .how = (enum reuse_how)how,
                              .out = out};
            /* The same type, and each other in turn. */
            s.next = n < REUSE_OLD_TYPES ? type : (enum reuse_type)((n + k + how) % REUSE_TYPES);
            for (unsigned i = 0; i < OPS; i++)
                s.kind[i] = kinds[(k + i) % count];
            run_scene(&s);
        }
}

/* Each type to each other, on a loop with room and on one whose ring is full at once. */
static void run_when(int combination, enum reuse_when when)
{
    static char memory[2][4 * ROOM];
    struct heald_loop *loops[] = {
        loop_on(combination), loop_with(combination, (struct heald_loop_options){.entries = 2})};
    struct heald_buf_group *group[2];

    memset(big, 'o', sizeof big);
    for (int i = 0; i < 2; i++)
        must(heald_buf_group_open(&group[i], loops[i], memory[i], 4, ROOM) == 0);
    for (unsigned n = 0; n < 2 * REUSE_OLD_TYPES; n++)
        for (int out = 0; out < 2; out++)
            run_ops(loops[(n + (unsigned)out) % 2], group[(n + (unsigned)out) % 2], when, n, out);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_buf_group_close(group[i]), 0);
        loop_end(loops[i]);
    }
}

HEALD_CASE(right_after_the_submit)
{
    run_when(_i, REUSE_SUBMITTED);
}

HEALD_CASE(while_the_ops_wait)
{
    run_when(_i, REUSE_ARMED);
}

HEALD_CASE(when_a_result_is_due)
{
    run_when(_i, REUSE_DUE);
}

HEALD_CASE(between_a_cancel_and_its_completion)
{
    run_when(_i, REUSE_CANCELLED);
}

void add_reuse(TCase *group)
{
    add_everywhere(group, right_after_the_submit);
    add_everywhere(group, while_the_ops_wait);
    add_everywhere(group, when_a_result_is_due);
    add_everywhere(group, between_a_cancel_and_its_completion);
}
