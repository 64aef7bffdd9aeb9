/*
 * test/sim/sim.c: random programs against the made-up world, each back end in turn, and the oracle
 * after every step. See sim.h.
 *
 * HEALD_SEED=N build/test/test-sim replays one seed.
 */
#include "sim/sim.h"

#include <errno.h>
#include <fcntl.h>

enum { SEEDS = 8000, SEEDS_A_CASE = 500, STEPS = 150, TURNS_AT_THE_END = 5000 };

static unsigned limit; /* callbacks a turn */

static unsigned below(unsigned n)
{
    return rng_below(&world.rng, n);
}

/* A descriptor of the program's, at times a new one; -1: none can be had. */
static int some_fd(bool listener)
{
    static const int types[] = {FD_STREAM, FD_STREAM, FD_LOCAL, FD_PIPE, FD_SOCKET, FD_DATAGRAM};
    unsigned first = below(FDS), open = 0;

    for (unsigned i = 0; i < FDS; i++) {
        int fd = (int)((first + i) % FDS);
        const struct wfd *w = world_fd(fd);
        if (!w || w->type == FD_OTHER || w->type == FD_FILE || w->closing ||
            w->listener != listener)
            continue;
        if (++open == 1 && below(8))
            return fd;
    }
    int fd = open > 12 ? -1 : world_open(listener ? FD_STREAM : types[below(6)]);
    if (fd >= 0) {
        world.fd[fd].listener = listener;
        if (listener)
            world.fd[fd].room = 0;
    }
    return fd;
}

static int prep_inward(struct slot *s)
{
    bool listener = below(4) == 0;
    int fd = s->fd = some_fd(listener);

    if (fd < 0)
        return -1;
    s->len = ROOM;
    if (listener)
        return below(2) ? heald_prep_accept_multishot(&s->op, fd)
                        : heald_prep_accept(&s->op, fd, (struct sockaddr *)(void *)s->buf, &s->len);
    switch (below(6)) {
    case 0:
    case 1: return heald_prep_recv(&s->op, fd, s->buf, 1 + below(ROOM), 0);
    case 2:
    case 3: return heald_prep_read(&s->op, fd, s->buf, 1 + below(ROOM), HEALD_NO_OFFSET);
    case 4:
        return below(2) ? heald_prep_recv_run_multishot(&s->op, fd, model.group, 0)
                        : heald_prep_read_multishot(&s->op, fd, model.group);
    default: return heald_prep_recv_multishot(&s->op, fd, model.group, 0);
    }
}

static int prep_outward(struct slot *s)
{
    int fd = s->fd = some_fd(false);

    if (fd < 0)
        return -1;
    switch (below(8)) {
    case 0: return heald_prep_shutdown(&s->op, fd, SHUT_WR);
    case 1:
        /* A fresh one: nobody connects twice. */
        s->fd = fd = world_open(FD_STREAM);
        if (fd >= 0)
            world.fd[fd].room = 0;
        return fd < 0 ? -1
                      : heald_prep_connect(&s->op, fd, (struct sockaddr *)(void *)s->buf, ROOM);
    case 2:
    case 3: return heald_prep_write(&s->op, fd, s->buf, 1 + below(ROOM), HEALD_NO_OFFSET);
    default: return heald_prep_send(&s->op, fd, s->buf, 1 + below(ROOM), 0);
    }
}

static int prep_timer(struct slot *s)
{
    int64_t in = below(3) ? below(3000000) : below(3000);
    int64_t period = below(4) ? 0 : 1 + below(500000);

    s->first = world.now + in;
    s->passed = 0;
    return heald_prep_timer_clock(&s->op, HEALD_CLOCK_MONOTONIC, s->first, period);
}

static int prep_other(struct slot *s)
{
    static struct heald_child_status status;

    if (below(3) == 0)
        return heald_prep_child(&s->op, 1 + (int)below(1000), &status);
    s->fd = some_fd(false);
    return s->fd < 0 ? -1 : heald_prep_poll(&s->op, s->fd, below(2) ? POLLIN : POLLOUT);
}

static int prep_some(struct slot *s)
{
    s->fd = -1;
    s->given = s->cancelled = s->closed = s->file = false;
    switch (below(10)) {
    case 0:
    case 1:
    case 2: return prep_inward(s);
    case 3:
    case 4: return prep_outward(s);
    case 5: return prep_other(s);
    case 6:
    case 7:
    case 8: return files_prep(s);
    default: return prep_timer(s);
    }
}

static void submit(void)
{
    struct slot *s = model_idle();

    if (!s || prep_some(s))
        return;
    s->op.op_class = (uint8_t)below(3);
    if (s->op.kind != OP_TIMER && below(4) == 0)
        s->op.deadline_ns = world.now - 1000 + below(2000000);
    s->deadline = s->op.deadline_ns;
    s->generation = s->fd >= 0 ? world.fd[s->fd].generation : 0;
    bool silent = !op_is_multishot(&s->op) && below(5) == 0;
    /* What is done within the submission is done to a pending op. */
    model_submitted(s, silent);
    model.entrant = &s->op;
    int err = heald_submit(model.loop, &s->op, silent ? NULL : model_callback);
    model.entrant = NULL;
    VERIFY(err == 0 || (err == -EMFILE && s->op.kind == OP_CHILD), "submit of %s: %d",
           heald_op_kind(&s->op), err);
    if (err) {
        s->live = false;
        model.live--;
    }
}

static void close_some(void)
{
    int fd = below(3) ? some_fd(below(4) == 0) : files_some();
    struct slot *s = model_idle();

    if (fd < 0)
        return;
    model_closed(fd);
    switch (below(3)) {
    case 0: heald_forget(model.loop, fd); break;
    case 1:
        world.fd[fd].closing = true; /* it may be deferred */
        VERIFY(heald_close(model.loop, fd) == 0, "close of %d", fd);
        break;
    default:
        if (!s)
            return;
        s->fd = -1;
        s->given = s->cancelled = s->closed = s->file = false;
        s->deadline = HEALD_FOREVER;
        world.fd[fd].closing = true;
        heald_prep_close(&s->op, fd);
        model_submitted(s, false);
        VERIFY(heald_submit(model.loop, &s->op, model_callback) == 0, "submit of close");
    }
}

static void cancel_some(void)
{
    struct slot *s = model_any();

    if (s)
        model_cancel(s);
}

static void give_back(void)
{
    while (model.held_count && below(4))
        VERIFY(heald_buf_return(model.group, model.held[--model.held_count]) == 0,
               "a buffer is refused");
}

static void act(void)
{
    switch (below(8)) {
    case 0: close_some(); break;
    case 1: cancel_some(); break;
    case 2: give_back(); break;
    case 3: world_event(); break;
    default: submit();
    }
}

static void in_callback(struct slot *s)
{
    if (below(4) == 0 && s->live)
        model_cancel(s);
    if (below(3) == 0)
        act();
    if (below(50) == 0)
        VERIFY(heald_loop_turn(model.loop, 0) == -EBUSY, "a turn within a turn");
    give_back();
}

static void turn(void)
{
    int64_t deadline = below(3) ? world.now + below(1000000) : below(2) ? 0 : HEALD_FOREVER;

    model.turn++;
    model.turn_deadline = deadline;
    int n = heald_loop_turn(model.loop, deadline);
    VERIFY(n >= 0 && (unsigned)n <= limit, "a turn gives %d", n);
    model_after_turn(n, limit);
}

static void quiet(struct slot *s)
{
    (void)s;
}

/* Everything happens that can; what then still lives is cancelled; and then nothing lives. */
static void finish(void)
{
    for (unsigned i = 0; i < 3; i++) {
        world_feed();
        turn();
    }
    world.calm = true;
    model.turn_deadline = HEALD_FOREVER;
    model.in_callback = quiet;
    for (unsigned i = 0; i < SLOTS; i++)
        if (model.slot[i].live)
            model_cancel(&model.slot[i]);
    for (unsigned i = 0; model.live && i < TURNS_AT_THE_END; i++) {
        model_verify();
        if (!model.live)
            break;
        model.turn++;
        VERIFY(heald_loop_turn(model.loop, HEALD_FOREVER) >= 0, "a turn fails");
        model_verify();
        VERIFY(!world.stuck || !model.live, "sleeps for ever, and %u ops live", model.live);
    }
    VERIFY(!model.live, "%u ops never end", model.live);
}

static void run(uint64_t seed, const struct heald_backend_ops *backend)
{
    struct heald_loop_options o = {
        .engine = "sync", .allocator = world_allocator, .sys = &world_sys};

    seeds_note(" on %s", backend->name);
    world_init(seed);
    model = (struct model){.in_callback = in_callback};
    o.policy = (enum heald_policy)below(4);
    o.turn_callbacks = limit = below(2) ? 1 + below(3) : 128;
    o.entries = 1u << below(5);
    VERIFY(heald__loop_open_on(&model.loop, &o, backend, heald__await_all) == 0, "open");
    VERIFY(heald_buf_group_open(&model.group, model.loop, model.memory, BUFFERS, BUFFER_SIZE) == 0,
           "group");
    unsigned steps = below(STEPS);
    for (unsigned i = 0; i < steps; i++) {
        if (below(3))
            act();
        else
            turn();
        model_verify();
    }
    finish();
    VERIFY(heald_loop_close(model.loop) == 0, "close");
    files_verify_end();
    VERIFY(world.bytes == 0, "%zu bytes are left", world.bytes);
}

static void try_seed(uint64_t seed)
{
    for (unsigned b = 0; sim_backends[b]; b++)
        run(seed, sim_backends[b]);
}

int main(void)
{
    return seeds_main("sim", SEEDS, SEEDS_A_CASE, try_seed);
}
