/*
 * aio/ring.c: the method through io_uring.
 *
 * The ring is the I/O thread's: one issuer, deferred task work, so a completion runs nowhere else
 * and the kernel interrupts no system call of the program. Its descriptor is closed as soon as the
 * thread has it registered: a program that closes every descriptor that it does not know closes
 * nothing of ours. It sleeps in the ring alone: a futex entry waits for the word `sleeping`; before
 * Linux 6.7 an eventfd has to (HEALD_AWAIT=thread requests that as well), which is made once and
 * kept for the life of the process, since a thread may be about to write to it.
 *
 * What waits for an entry, is handed over, completes and is asked to end is ring/client.h's. What a
 * loop does not need is here: the kernel may take nothing for a while, or nothing more at all; a
 * chunk goes to the device before all have come; the file of a request has a place in the ring.
 *
 * The kernel's quirks: data of the page cache is copied in the call that submits it, so large
 * requests are sent to a worker of the kernel; a pipe takes 64 KiB of a write and completes it
 * (complete.c goes on). The file of a request is looked up when it is submitted, but not that of
 * one which a worker begins: so that one uses a place among the ring's own files, if there is one,
 * and close(2) need not wait.
 */
#include "aio/method.h"
#include "base/choose.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "ring/client.h"
#include "ring/files.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES = 256,
    FIRST_CHUNK = 2, /* entries that are handed over at a time: so many at first, then twice … */
    LAST_CHUNK = 16
};

#define REFUSED_NS     HEALD_SEC
#define REFUSED_NAP_NS HEALD_MS

struct aio_ring {
    struct heald_client client;
    struct aio_io_thread *service;
    struct heald_ring_files files;
    struct heald_op bell; /* in the ring while the thread may sleep: a wake completes it */
    struct futex_waitv word;
    int eventfd; /* -1: the ring waits for the word itself */
    unsigned chunk;
    int64_t refused_ns; /* since when the kernel takes nothing; or 0 */
    bool ended;
};

/* One for the life of the process, where close(2) of the program's does not find it. */
static int make_bell(struct aio_state *p)
{
    int bell[2], high;

    if (p->bell)
        return p->bell - 1;
    if (heald__plat_bell_open(bell) < 0)
        return -1;
    if ((high = heald__plat_pin(bell[0])) >= 0) {
        heald__plat_libc_close(bell[0]);
        bell[0] = high;
    }
    aio_ours_add(bell[0]);
    __atomic_store_n(&p->bell, bell[0] + 1, __ATOMIC_RELEASE);
    return bell[0];
}

/* Not by close(), which is ours, and would ask the I/O thread. */
static int hide(struct aio_ring *w)
{
    int fd = heald__ring_hide(&w->client.ring);

    if (fd < 0)
        return fd;
    heald__plat_libc_close(fd);
    return 0;
}

/* A filter of system calls may allow the ring, and nothing to be done with it. */
static int try_enter(struct heald_ring *ring)
{
    io_uring_prep_nop(heald__ring_entry(ring));
    int err = heald__ring_enter(ring, 0);

    if (err || !heald__ring_peek(ring))
        return err ? err : -EAGAIN;
    heald__ring_seen(ring);
    return 0;
}

static int open_hidden(struct aio_io_thread *s, struct aio_ring *w)
{
    int err = heald__client_open(&w->client, s->sys, &aio_allocator, ENTRIES);

    if (!err && ((err = hide(w)) || (err = try_enter(&w->client.ring))))
        heald__client_close(&w->client);
    return err;
}

/* Closes the ring if it fails. One that was asked in vain whether it waits may still hold what it
 * was asked, if the kernel refused for a moment only, so another takes its place. */
static int choose_bell(struct aio_io_thread *s, struct aio_ring *w)
{
    static const struct heald_choice choice = {.variable = "HEALD_AWAIT"};
    const char *method = heald__choice_requested(&choice, NULL);
    int err = 0;

    w->eventfd = -1;
    if (!s->process->bell && !(method && strcmp(method, "thread") == 0)) {
        if (heald__ring_waits(&w->client.ring))
            return 0;
        heald__client_close(&w->client);
        err = open_hidden(s, w);
    }
    if (!err && (w->eventfd = make_bell(s->process)) < 0) {
        heald__client_close(&w->client);
        err = -EMFILE;
    }
    return err;
}

/* Emptied here and not by the ring: that of a thread which ends would take what is another's. */
static void drain(struct aio_ring *w)
{
    if (w->eventfd >= 0)
        w->service->sys->bell_drain(w->eventfd);
}

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    struct aio_ring *w = heald_container_of(c, struct aio_ring, client);

    (void)flags;
    if (op == &w->bell)
        drain(w);
    else
        aio_done(w->service, aio_request_of(op), result);
}

static void on_answer(struct heald_client *c, struct heald_op *op, bool found)
{
    struct aio_ring *w = heald_container_of(c, struct aio_ring, client);
    aio_cancel_answer(w->service, aio_request_of(op), found);
}

static void prepare_bell(struct aio_io_thread *s, struct aio_ring *w)
{
    if (w->eventfd >= 0) {
        w->bell.kind = OP_POLL;
        w->bell.u.poll.fd = w->eventfd;
        w->bell.u.poll.events = POLLIN;
        return;
    }
    w->word = (struct futex_waitv){
        .uaddr = (uintptr_t)&s->process->sleeping, .val = 1, .flags = FUTEX_32};
    w->bell.kind = OP_WORDS;
    w->bell.u.rw.buf = &w->word;
    w->bell.u.rw.len = 1;
}

static int ring_open(struct aio_io_thread *s)
{
    struct aio_ring *w = alloc_new(&aio_allocator, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->service = s;
    w->client.done = on_done;
    w->client.answered = on_answer;
    w->chunk = FIRST_CHUNK;
    int err = open_hidden(s, w);
    if (!err)
        err = choose_bell(s, w);
    if (err) {
        alloc_free(&aio_allocator, w, sizeof *w);
        return err;
    }
    prepare_bell(s, w);
    s->ring = w;
    s->pipes = heald__ring_pipes_nowait(&w->client.ring);
    return 0;
}

static void ring_close(struct aio_io_thread *s)
{
    struct aio_ring *w = s->ring;

    s->ring = NULL;
    heald__client_close(&w->client);
    alloc_free(&aio_allocator, w, sizeof *w);
}

static bool ring_keep(struct aio_io_thread *s, struct aio_request *r)
{
    struct aio_file *f = r->file;

    if (f->mixed)
        return false;
    if (f->slot < 0)
        f->slot = heald__ring_file_add(&s->ring->client.ring, &s->ring->files, aio_fd_of(r));
    return r->fixed = f->slot >= 0;
}

static void ring_release(struct aio_io_thread *s, struct aio_file *f)
{
    if (s->ring)
        heald__ring_file_remove(&s->ring->client.ring, &s->ring->files, f->slot);
}

/* The device shall not wait for the last of many: it gets the first few at once, and while it has
 * something to do more at a time. What is refused now is handed over with the next. */
static void hand_chunk(struct aio_ring *w)
{
    heald__ring_flush(&w->client.ring);
    if (w->chunk < LAST_CHUNK)
        w->chunk *= 2;
}

/* What the kernel does not try at once has its file looked up by the worker that does it. */
static bool is_begun_by_a_worker(const struct aio_request *r)
{
    return r->op.kind == OP_FSYNC || r->copies;
}

static void say_how(struct aio_request *r)
{
    r->op.buffer = 0;
    if (r->op.kind != OP_FSYNC && !r->waits)
        r->op.buffer |= OP_NOWAIT;
    if (r->copies)
        r->op.buffer |= OP_ASYNC;
    if (r->fixed) {
        r->op.buffer |= OP_PLACED;
        r->op.data = (void *)(intptr_t)r->file->slot;
    }
}

static void ring_start(struct aio_io_thread *s, struct aio_request *r)
{
    struct aio_ring *w = s->ring;

    if (is_begun_by_a_worker(r) && !r->fixed)
        ring_keep(s, r);
    say_how(r);
    heald__client_submit(&w->client, &r->op);
    if (io_uring_sq_ready(&w->client.ring.ring) >= w->chunk)
        hand_chunk(w);
}

/* One that has an entry goes on as it is, for the kernel has its file once it has been handed over:
 * it can be had back only when the ring will not be entered again. */
static bool ring_withdraw(struct aio_io_thread *s, struct aio_request *r)
{
    struct aio_ring *w = s->ring;
    return (w->ended || r->op.stage == STAGE_BACKLOG) && heald__client_withdraw(&w->client, &r->op);
}

static bool ring_cancel(struct aio_io_thread *s, struct aio_request *r)
{
    return heald__client_ask(&s->ring->client, &r->op);
}

/* A thread that was woken, or has submitted something, often submits more at once; on the same
 * processor it gets its turn here, and need not wake a thread that has only just gone to sleep. */
static bool linger(struct aio_io_thread *s, struct aio_ring *w)
{
    heald__ring_flush(&w->client.ring);
    if (s->notifier || s->busy)
        aio_io_thread_linger(s->process);
    return aio_io_thread_has_more(s->process);
}

static int64_t deadline_of(const struct aio_io_thread *s, int64_t timeout_ns)
{
    return timeout_ns < 0 ? HEALD_FOREVER : s->sys->now(HEALD_CLOCK_MONOTONIC) + timeout_ns;
}

/* For want of memory the kernel refuses for a while; a filter may say the same and mean it. */
static int refused_for_long(struct aio_io_thread *s, struct aio_ring *w)
{
    if (!w->client.ring.refused) {
        w->refused_ns = 0;
        return 0;
    }
    int64_t now = s->sys->now(HEALD_CLOCK_MONOTONIC);
    if (!w->refused_ns)
        w->refused_ns = now;
    s->sys->poll(NULL, 0, REFUSED_NAP_NS);
    return now - w->refused_ns < REFUSED_NS ? 0 : -EAGAIN;
}

static int ring_wait(struct aio_io_thread *s, int64_t timeout_ns)
{
    struct aio_ring *w = s->ring;
    bool sleeps = timeout_ns && !linger(s, w) && aio_io_thread_sleeps(s->process);

    if (sleeps && w->bell.stage == STAGE_LOOP)
        heald__client_submit(&w->client, &w->bell);
    int err = heald__client_enter(&w->client, sleeps ? deadline_of(s, timeout_ns) : 0);
    aio_io_thread_awake(s->process);
    w->chunk = FIRST_CHUNK;
    heald__client_harvest(&w->client);
    /* All that is done: a thread that is woken for the first would find the rest undone. */
    if (err == -EINTR)
        err = 0;
    if (!err && heald__ring_behind(&w->client.ring))
        err = heald__client_catch_up(&w->client);
    if (!err)
        err = refused_for_long(s, w);
    w->ended = err && err != -EINTR;
    return w->ended ? err : 0;
}

static bool ring_flushed(const struct aio_io_thread *s)
{
    return !heald__client_pending(&s->ring->client);
}

static bool ring_holds(const struct aio_request *r)
{
    return r->fixed || !is_begun_by_a_worker(r);
}

const struct aio_method aio_method_ring = {
    .open = ring_open,
    .close = ring_close,
    .start = ring_start,
    .withdraw = ring_withdraw,
    .cancel = ring_cancel,
    .wait = ring_wait,
    .flushed = ring_flushed,
    .holds = ring_holds,
    .keep = ring_keep,
    .release = ring_release,
};
