/*
 * aio/io_thread.c: the I/O thread: how records reach it, its turn, its beginning and its end.
 *
 * It belongs to the process and to no caller: requests outlive the thread that made them, no
 * completion interrupts a system call of the program's, and a broken pipe sends no signal, since
 * every signal is blocked here. It starts with the first request and ends when it had nothing to do
 * for a second, for a process whose other threads have ended must end as well.
 *
 * Argument. `top` is a stack to which any thread pushes with one compare-and-swap and which only
 * the I/O thread fetches, whole, with one exchange; reversed, the records of one thread are in
 * order. No wake is lost: the I/O thread stores sleeping = 1 and then loads top, a pusher stores
 * top and then loads sleeping, all of it sequentially consistent, so one of them sees the other's
 * store. A pusher that finds it other than 0 changes it to a mark of its own, wakes the I/O thread
 * by that word, and changes its mark, if it is still there, to 0; a sleep that has not begun by
 * then finds no 1. So 0 says that the wake was made, not that one is owed: the pusher may be
 * interrupted before, by a signal handler that waits for what another thread pushes meanwhile. And
 * it changes only its own mark, for the value may be another's, which has seen a later sleep and
 * not woken yet.
 *
 * `running` keeps the same promise for the thread as a whole: it stores 0 and then loads top; a
 * pusher stores top and then loads running. The one that changes it from 0 to 1 starts a thread, or
 * continues as it. If none can be started the records in the stack have failed: their requests end
 * with EAGAIN on the caller's thread, without notification; the caller plays the thread for that
 * long, `running` included, so none that another starts has anything that it could take. It is not
 * interrupted: a handler may wait for the thread (close(2)).
 */
#include "aio/method.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "platform/futex.h"
#include "platform/shm.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define IDLE_NS    HEALD_SEC
#define AGAIN_NS   HEALD_MS         /* between two tries to notify */
#define STARVED_NS (10 * HEALD_MS)  /* to find a thread */
#define LEAVE_NS   (100 * HEALD_US) /* between two interrupts of a thread */

enum {
    ENOUGH = 16, /* requests for the I/O thread to begin with */
    STACK_BYTES = 256 << 10
};

static void *io_thread_main(void *arg);

static bool turn_running(struct aio_state *p, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&p->running, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* All that was pushed, the first first. */
static struct heald_link *take(struct aio_state *p)
{
    struct heald_link *node, *next, *first = NULL;

    if (!aio_io_thread_has_more(p))
        return NULL;
    __atomic_store_n(&p->pushed, 0, __ATOMIC_RELAXED);
    /* Acquire: pairs with push(). */
    for (node = __atomic_exchange_n(&p->top, NULL, __ATOMIC_ACQUIRE); node; node = next) {
        next = node->next;
        node->next = first;
        first = node;
    }
    return first;
}

static void drop(struct aio_state *p, struct aio_notifier *t)
{
    aio_notification_drop(&t->notification);
    aio_slab_free(p, t);
}

/* There is no thread for what was pushed. */
static void fail_all(struct aio_state *p)
{
    struct aio_io_thread s = {.process = p, .sys = &heald__sys_native};
    struct heald_link *next;

    list_init(&s.late);
    for (struct heald_link *node = take(p); node; node = next) {
        next = node->next;
        struct aio_head *h = aio_head_of(node);
        if (h->type == AIO_SUBMIT) {
            struct aio_request *r = heald_container_of(h, struct aio_request, notifier.head);
            aio_notification_drop(&r->notifier.notification);
            r->notifier.notification.how = SIGEV_NONE;
            s.live++;
            aio_complete(&s, r, -EAGAIN);
        } else if (h->type == AIO_NOTIFY) {
            drop(p, (struct aio_notifier *)(void *)h);
        } else if (h->type == AIO_CALL) {
            aio_call_drop((struct aio_call *)(void *)h);
        } else {
            aio_ask_answer((struct aio_ask *)(void *)h);
        }
    }
    aio_words_wake(p, s.touched);
    while ((next = list_pop(&s.late))) /* lists whose notification failed at first */
        drop(p, (struct aio_notifier *)(void *)aio_head_of(next));
}

/* Nothing to do: is it still so after `running` was cleared? */
static bool may_end(struct aio_state *p)
{
    /* Pairs with aio_io_thread_ensure(). */
    __atomic_store_n(&p->running, 0, __ATOMIC_SEQ_CST);
    return !__atomic_load_n(&p->top, __ATOMIC_SEQ_CST) || !turn_running(p, 0, 2);
}

/* Until it has opened what it needs: the program may expect the lowest number from its next
 * open(2), and may close all that it does not know. */
static void await_waiter(struct aio_state *p)
{
    struct heald_word w = {&p->running, 1};

    while (__atomic_load_n(&p->running, __ATOMIC_ACQUIRE) == 1)
        heald__plat_words_wait(&w, 1, HEALD_FOREVER);
}

static int start_thread(struct aio_state *p)
{
    pthread_t thread;

    if (!turn_running(p, 0, 1))
        return 0;
    p->pools = aio_pools_begin(p);
    if (p->pools && heald__plat_thread_start_small(&thread, STACK_BYTES, io_thread_main, p) == 0) {
        await_waiter(p);
        return 0;
    }
    if (p->pools)
        aio_pools_end(p->pools);
    do
        fail_all(p); /* of those that have relied on this one, too */
    while (!may_end(p));
    return -EAGAIN;
}

int aio_io_thread_ensure(struct aio_state *p)
{
    sigset_t all, old;
    int state;

    /* Pairs with may_end(). */
    if (__atomic_load_n(&p->running, __ATOMIC_SEQ_CST))
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* for pthread_join(3) */
    int err = start_thread(p);
    pthread_setcancelstate(state, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err;
}

static void ring(struct aio_state *p)
{
    int bell = __atomic_load_n(&p->bell, __ATOMIC_ACQUIRE), old;
    if (!bell) {
        heald__plat_word_wake(&p->sleeping);
        return;
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old); /* for write(2) */
    heald__plat_bell_ring(bell - 1);
    pthread_setcancelstate(old, NULL);
}

/* Neither 0 nor 1, and nobody else's for so long. */
static uint32_t new_mark(void)
{
    static uint32_t marks; /* atomic; goes on in a child of fork(2), where half a wake may */

    return __atomic_add_fetch(&marks, 4, __ATOMIC_RELAXED) | 2;
}

static bool turn_sleeping(struct aio_state *p, uint32_t *from, uint32_t to)
{
    return __atomic_compare_exchange_n(&p->sleeping, from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void wake(struct aio_state *p)
{
    /* Pairs with aio_io_thread_sleeps(). */
    uint32_t seen = __atomic_load_n(&p->sleeping, __ATOMIC_SEQ_CST), mark;

    if (!seen)
        return;
    mark = new_mark();
    while (!turn_sleeping(p, &seen, mark))
        if (!seen)
            return;
    ring(p);
    turn_sleeping(p, &mark, 0);
}

/* Once it has something to begin with, the I/O thread may begin. Hints, all of it. */
static void make_way(struct aio_state *p)
{
    if (__atomic_add_fetch(&p->pushed, 1, __ATOMIC_RELAXED) == ENOUGH &&
        __atomic_load_n(&p->lingering, __ATOMIC_RELAXED))
        sched_yield();
}

void aio_io_thread_linger(struct aio_state *p)
{
    __atomic_store_n(&p->lingering, 1, __ATOMIC_RELAXED);
    sched_yield();
    __atomic_store_n(&p->lingering, 0, __ATOMIC_RELAXED);
}

void aio_io_thread_push(struct aio_state *p, struct aio_head *h, enum aio_type type)
{
    struct heald_link *top = __atomic_load_n(&p->top, __ATOMIC_RELAXED);

    h->type = (uint8_t)type;
    /* Release by way of seq_cst: pairs with take(). */
    do
        h->link.next = top;
    while (!__atomic_compare_exchange_n(&p->top, &top, &h->link, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    wake(p);
    aio_io_thread_ensure(p); /* if none can be started, the record has failed by now */
    make_way(p);
}

bool aio_io_thread_sleeps(struct aio_state *p)
{
    /* Pairs with wake(). */
    __atomic_store_n(&p->sleeping, 1, __ATOMIC_SEQ_CST);
    return !__atomic_load_n(&p->top, __ATOMIC_SEQ_CST);
}

void aio_io_thread_awake(struct aio_state *p)
{
    /* Relaxed: one that sees the old value wakes once too often, which is harmless. */
    __atomic_store_n(&p->sleeping, 0, __ATOMIC_RELAXED);
}

static void handle(struct aio_io_thread *s, struct aio_head *h)
{
    struct aio_request *r = heald_container_of(h, struct aio_request, notifier.head);

    s->busy |= h->type != AIO_CALL;
    switch ((enum aio_type)h->type) {
    case AIO_SUBMIT:
        s->live++;
        if (r->state == AIO_DECIDED)
            aio_complete(s, r, r->op.result);
        else
            aio_admit(s, r);
        break;
    case AIO_DONE: aio_done(s, r, r->op.result); break;
    case AIO_NOTIFY: aio_notify(s, (struct aio_notifier *)(void *)h); break;
    case AIO_CALL: list_push(&s->uncalled, &h->link); break;
    case AIO_CANCEL: aio_cancel_all(s, (struct aio_ask *)(void *)h); break;
    case AIO_QUIESCE: aio_quiesce(s, (struct aio_ask *)(void *)h); break;
    }
}

/* Those for which no thread could be started, after a while: the starter reports at once. */
static void call_late(struct aio_io_thread *s)
{
    struct heald_link *node, calls;
    int64_t now;

    if (list_empty(&s->uncalled) || (now = s->sys->now(HEALD_CLOCK_MONOTONIC)) < s->call_ns)
        return;
    s->call_ns = now + AGAIN_NS;
    list_take(&calls, &s->uncalled);
    while ((node = list_pop(&calls)))
        aio_pools_call(s, (struct aio_call *)(void *)aio_head_of(node));
}

/* Retries failed notifications. */
static void tell_late(struct aio_io_thread *s)
{
    struct heald_link *node;

    while ((node = s->late.next) != &s->late) {
        struct aio_notifier *t = (struct aio_notifier *)(void *)aio_head_of(node);
        if (!aio_notify_by_signal(s->sys, &t->notification))
            break;
        list_remove(node);
        aio_release(s->process, t);
    }
    call_late(s);
}

static bool is_quiet(const struct aio_io_thread *s)
{
    return list_empty(&s->late) && list_empty(&s->uncalled) && !aio_pools_calls(s);
}

static bool has_work(const struct aio_io_thread *s)
{
    return s->live || !list_empty(&s->quiescing);
}

static int64_t time_to_sleep(const struct aio_io_thread *s, bool starved)
{
    if (!list_empty(&s->quiescing) && !s->method->flushed(s))
        return 0;
    if (!list_empty(&s->leaving))
        return LEAVE_NS;
    if (!is_quiet(s))
        return AGAIN_NS;
    if (starved)
        return STARVED_NS;
    return has_work(s) ? -1 : IDLE_NS;
}

/* -errno: the method is at its end. */
static int turn(struct aio_io_thread *s)
{
    struct heald_link *next;

    for (struct heald_link *node = take(s->process); node; node = next) {
        next = node->next;
        handle(s, aio_head_of(node));
    }
    tell_late(s);
    aio_words_wake(s->process, s->touched);
    s->notifier = s->touched != 0;
    s->touched = 0;
    bool starved = aio_pools_retry(s);
    aio_quiesce_answer(s);
    int err = s->method->wait(s, time_to_sleep(s, starved));
    aio_quiesce_answer(s);
    return err;
}

/* Is no thread left that could take a signal, or make room in the queue of signals? */
static bool is_alone(struct aio_io_thread *s)
{
    int alive = heald__plat_threads_alive();

    return alive >= 0 && (unsigned)alive <= 1 + aio_pools_threads(s);
}

/* One turn: has there been nothing to do since the time in *idle_since (0: there was)? A
 * notification that cannot be sent does not keep a process alive whose own threads have ended. */
static bool idle_turn(struct aio_io_thread *s, int64_t *idle_since)
{
    s->busy = false;
    if (turn(s) < 0)
        aio_method_ended(s);
    if (s->busy || has_work(s)) {
        *idle_since = 0;
        return false;
    }
    int64_t now = s->sys->now(HEALD_CLOCK_MONOTONIC);
    if (!*idle_since)
        *idle_since = now;
    if (now - *idle_since < IDLE_NS)
        return false;
    if (is_quiet(s) || is_alone(s))
        return true;
    *idle_since = now;
    return false;
}

static void serve(struct aio_io_thread *s)
{
    int64_t idle_since = 0;

    while (!idle_turn(s, &idle_since) || !may_end(s->process))
        continue;
}

bool aio_io_thread_is_me(const struct aio_state *p)
{
    return __atomic_load_n(&p->thread, __ATOMIC_RELAXED) == heald__plat_thread_id();
}

/* Another one may have begun. */
static void is_me_no_more(struct aio_state *p)
{
    uint64_t mine = heald__plat_thread_id();

    __atomic_compare_exchange_n(&p->thread, &mine, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* There is no memory for it: what has been pushed fails, as where no thread can be started. */
static void refuse_all(struct aio_state *p)
{
    do
        fail_all(p);
    while (!may_end(p));
    heald__plat_word_wake(&p->running);
    is_me_no_more(p);
}

static void *io_thread_main(void *arg)
{
    struct aio_state *p = arg;
    struct aio_io_thread s = {.process = p, .sys = &heald__sys_native, .pools = p->pools};

    __atomic_store_n(&s.process->thread, heald__plat_thread_id(), __ATOMIC_RELAXED);
    pthread_detach(pthread_self());
    list_init(&s.late);
    list_init(&s.uncalled);
    list_init(&s.quiescing);
    list_init(&s.asking);
    list_init(&s.leaving);
    __atomic_store_n(&s.process->pid, getpid(), __ATOMIC_RELAXED);
    aio_ours_begin();
    if (aio_methods_open(&s) < 0) {
        aio_pools_end(s.pools);
        refuse_all(s.process);
        return NULL;
    }
    __atomic_store_n(&s.process->running, 2, __ATOMIC_SEQ_CST);
    heald__plat_word_wake(&s.process->running);
    serve(&s);
    aio_methods_close(&s);
    aio_pools_end(s.pools);
    is_me_no_more(s.process);
    return NULL;
}
