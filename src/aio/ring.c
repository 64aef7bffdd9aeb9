/*
 * aio/ring.c: the road through io_uring.
 *
 * The ring is the I/O thread's: one issuer, deferred task work, so a completion runs nowhere else
 * and the kernel interrupts nobody's system call. Its descriptor is given back as soon as the
 * thread has it registered: a program that closes every descriptor that it does not know closes
 * nothing of ours. It sleeps in the ring alone: a futex entry waits for the word `sleeping`; before
 * Linux 6.7 an eventfd has to (HEALD_AWAIT=thread asks for that as well), which is made once and
 * kept for the life of the process, since somebody may be about to write to it.
 *
 * User data: a request's op; that plus 1, the answer of its cancel; the bell.
 *
 * The kernel's quirks: what is to be copied from or to the page cache is copied in the call that
 * submits it, so large ones are sent to a worker of the kernel's; a pipe takes 64 KiB of a write
 * and calls it done (finish.c goes on). The file of a request is looked up when it is submitted,
 * but not that of one which a worker begins: so that goes by a place among the ring's own files,
 * if there is one, and close(2) need not wait.
 */
#include "aio/road.h"
#include "base/choose.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "ring/files.h"
#include "ring/fill.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES = 256,
    CANCELED = 1,
    FIRST_CHUNK = 2, /* entries that are handed over at a time: so many at first, then twice … */
    LAST_CHUNK = 16,
    AGAIN = 64
};

#define REFUSED_NS     HEALD_SEC
#define REFUSED_NAP_NS HEALD_MS

struct aio_ring {
    struct heald_ring ring;
    struct heald_ring_files files;
    struct heald_link backlog; /* by op.link: no entry was to be had */
    struct heald_op bell;      /* its address is the bell's user data */
    struct futex_waitv word;
    int eventfd; /* -1: the ring waits for the word itself */
    unsigned chunk;
    int64_t refused_ns; /* since when the kernel takes nothing; or 0 */
    bool armed;
    bool ended;
};

/* One for the life of the process, where close(2) of the program's does not find it. */
static int make_bell(struct aio_process *p)
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
    int fd = heald__ring_hide(&w->ring);

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

static int open_hidden(struct aio_service *s, struct aio_ring *w)
{
    int err = heald__ring_open(&w->ring, s->sys, &aio_allocator, ENTRIES, false);

    if (!err && ((err = hide(w)) || (err = try_enter(&w->ring))))
        heald__ring_close(&w->ring, &aio_allocator);
    return err;
}

/* Closes the ring if it fails. One that was asked in vain whether it waits may still hold what it
 * was asked, if the kernel refused for a moment only, so another takes its place. */
static int choose_bell(struct aio_service *s, struct aio_ring *w)
{
    static const struct heald_choice choice = {.variable = "HEALD_AWAIT"};
    const char *road = heald__choice_wish(&choice, NULL);
    int err = 0;

    w->eventfd = -1;
    if (!s->process->bell && !(road && strcmp(road, "thread") == 0)) {
        if (heald__ring_waits(&w->ring))
            return 0;
        heald__ring_close(&w->ring, &aio_allocator);
        err = open_hidden(s, w);
    }
    if (!err && (w->eventfd = make_bell(s->process)) < 0) {
        heald__ring_close(&w->ring, &aio_allocator);
        err = -EMFILE;
    }
    return err;
}

static int ring_open(struct aio_service *s)
{
    struct aio_ring *w = alloc_new(&aio_allocator, sizeof *w);

    if (!w)
        return -ENOMEM;
    list_init(&w->backlog);
    w->chunk = FIRST_CHUNK;
    int err = open_hidden(s, w);
    if (!err)
        err = choose_bell(s, w);
    if (err) {
        alloc_free(&aio_allocator, w, sizeof *w);
        return err;
    }
    w->word = (struct futex_waitv){
        .uaddr = (uintptr_t)&s->process->sleeping, .val = 1, .flags = FUTEX_32};
    w->bell.kind = OP_WORDS;
    w->bell.u.rw.buf = &w->word;
    w->bell.u.rw.len = 1;
    s->ring = w;
    s->pipes = heald__ring_pipes_nowait(&w->ring);
    return 0;
}

static void ring_close(struct aio_service *s)
{
    struct aio_ring *w = s->ring;

    s->ring = NULL;
    heald__ring_close(&w->ring, &aio_allocator);
    alloc_free(&aio_allocator, w, sizeof *w);
}

static bool enter_ring(struct aio_ring *w, struct aio_request *r)
{
    struct io_uring_sqe *sqe = heald__ring_entry(&w->ring);

    if (!sqe)
        return false;
    r->entry = heald__ring_last(&w->ring);
    heald__ring_fill(&w->ring, sqe, &r->op);
    if (r->op.kind != OP_FSYNC && !r->waits)
        sqe->rw_flags = RWF_NOWAIT;
    if (r->copies)
        sqe->flags |= IOSQE_ASYNC;
    if (r->fixed) {
        sqe->flags |= IOSQE_FIXED_FILE;
        sqe->fd = r->file->slot;
    }
    return true;
}

bool aio_ring_keep(struct aio_service *s, struct aio_request *r)
{
    struct aio_file *f = r->file;

    if (f->mixed)
        return false;
    if (f->slot < 0)
        f->slot = heald__ring_file_add(&s->ring->ring, &s->ring->files, aio_fd_of(r));
    return r->fixed = f->slot >= 0;
}

void aio_ring_let_go(struct aio_service *s, struct aio_file *f)
{
    if (s->ring)
        heald__ring_file_remove(&s->ring->ring, &s->ring->files, f->slot);
}

/* The device shall not wait for the last of many: it gets the first few at once, and while it has
 * something to do more at a time. What is refused now is handed over with the next. */
static void hand_chunk(struct aio_ring *w)
{
    heald__ring_flush(&w->ring);
    if (w->chunk < LAST_CHUNK)
        w->chunk *= 2;
}

/* What the kernel does not try at once has its file looked up by the worker that does it. */
static bool is_begun_by_a_worker(const struct aio_request *r)
{
    return r->op.kind == OP_FSYNC || r->copies;
}

static void ring_start(struct aio_service *s, struct aio_request *r)
{
    struct aio_ring *w = s->ring;

    if (is_begun_by_a_worker(r) && !r->fixed)
        aio_ring_keep(s, r);
    if (!list_empty(&w->backlog) || !enter_ring(w, r))
        list_push(&w->backlog, &r->op.link);
    if (io_uring_sq_ready(&w->ring.ring) >= w->chunk)
        hand_chunk(w);
}

/* One that has an entry can be had back only when the ring will not be entered again. */
static bool ring_take_back(struct aio_service *s, struct aio_request *r)
{
    struct aio_ring *w = s->ring;

    if (!list_linked(&r->op.link))
        return w->ended && !heald__ring_taken(&w->ring, r->entry);
    list_remove(&r->op.link);
    return true;
}

static bool ring_cancel(struct aio_service *s, struct aio_request *r)
{
    struct aio_ring *w = s->ring;
    struct io_uring_sqe *sqe = heald__ring_entry(&w->ring);

    if (!sqe)
        return false;
    heald__ring_fill_cancel(sqe, (uint64_t)(uintptr_t)&r->op);
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)&r->op | CANCELED);
    return true;
}

static void work_off(struct aio_ring *w)
{
    struct heald_link *first;

    while ((first = w->backlog.next) != &w->backlog &&
           enter_ring(w, aio_request_of(heald_container_of(first, struct heald_op, link))))
        list_remove(first);
}

/* The bell shall be heard while the thread sleeps. */
static bool arm(struct aio_ring *w)
{
    struct io_uring_sqe *sqe;

    if (w->armed)
        return true;
    if (!(sqe = heald__ring_entry(&w->ring)))
        return false;
    if (w->eventfd >= 0)
        io_uring_prep_poll_add(sqe, w->eventfd, POLLIN);
    else
        heald__ring_fill(&w->ring, sqe, &w->bell);
    io_uring_sqe_set_data(sqe, &w->bell);
    return w->armed = true;
}

/* Emptied here and not by the ring: that of a thread which ends would take what is another's. */
static void unarm(struct aio_service *s, struct aio_ring *w)
{
    w->armed = false;
    if (w->eventfd >= 0)
        s->sys->bell_drain(w->eventfd);
}

static void hear(struct aio_service *s, struct aio_ring *w, const struct io_uring_cqe *cqe)
{
    uint64_t data = cqe->user_data;
    int result = cqe->res;

    heald__ring_seen(&w->ring);
    if (data == (uint64_t)(uintptr_t)&w->bell)
        unarm(s, w);
    else if (data & CANCELED)
        aio_cancel_answer(s, aio_request_of((struct heald_op *)(uintptr_t)(data - CANCELED)),
                          result == 0);
    else
        aio_done(s, aio_request_of((struct heald_op *)(uintptr_t)data), result);
}

/* Gives back all that is done: the kernel brings to light so many completions at a time, and who is
 * woken for the first would find the rest undone. */
static int harvest(struct aio_service *s, struct aio_ring *w, int err)
{
    struct io_uring_cqe *cqe;

    for (int i = 0; i < AGAIN; i++) {
        while ((cqe = heald__ring_peek(&w->ring)))
            hear(s, w, cqe);
        if (err || !heald__ring_behind(&w->ring))
            break;
        err = heald__ring_enter(&w->ring, 0);
    }
    return err;
}

/* Who was woken, or has handed over something, often hands over more at once; on the same processor
 * he gets his turn here, and need not wake a thread that has only just gone to sleep. */
static bool linger(struct aio_service *s, struct aio_ring *w)
{
    heald__ring_flush(&w->ring);
    if (s->told || s->busy)
        aio_service_linger(s->process);
    return aio_service_has_more(s->process);
}

static int64_t deadline_of(const struct aio_service *s, int64_t timeout_ns)
{
    return timeout_ns < 0 ? HEALD_FOREVER : s->sys->now(HEALD_CLOCK_MONOTONIC) + timeout_ns;
}

/* For want of memory the kernel refuses for a while; a filter may say the same and mean it. */
static int refused_for_long(struct aio_service *s, struct aio_ring *w)
{
    if (!w->ring.refused) {
        w->refused_ns = 0;
        return 0;
    }
    int64_t now = s->sys->now(HEALD_CLOCK_MONOTONIC);
    if (!w->refused_ns)
        w->refused_ns = now;
    s->sys->poll(NULL, 0, REFUSED_NAP_NS);
    return now - w->refused_ns < REFUSED_NS ? 0 : -EAGAIN;
}

static int ring_wait(struct aio_service *s, int64_t timeout_ns)
{
    struct aio_ring *w = s->ring;

    work_off(w);
    bool sleeps = timeout_ns && !linger(s, w) && aio_service_sleeps(s->process) && arm(w);
    int err = heald__ring_enter(&w->ring, sleeps ? deadline_of(s, timeout_ns) : 0);
    aio_service_awake(s->process);
    w->chunk = FIRST_CHUNK;
    if (err == -EINTR)
        err = 0;
    err = harvest(s, w, err);
    if (!err)
        err = refused_for_long(s, w);
    w->ended = err && err != -EINTR;
    return w->ended ? err : 0;
}

static bool ring_flushed(const struct aio_service *s)
{
    struct aio_ring *w = s->ring;
    return !heald__ring_pending(&w->ring) && list_empty(&w->backlog);
}

static bool ring_holds(const struct aio_request *r)
{
    return r->fixed || !is_begun_by_a_worker(r);
}

const struct aio_road aio_road_ring = {
    .open = ring_open,
    .close = ring_close,
    .start = ring_start,
    .take_back = ring_take_back,
    .cancel = ring_cancel,
    .wait = ring_wait,
    .flushed = ring_flushed,
    .holds = ring_holds,
};
