/* test/aio/notify.c: signals and threads as notifications of a request. */
#include "aio/suite.h"

enum { FLOOD = 100, CALLS = 50, STACK = 256 << 10, NOBODY = 65534 };

static atomic_int seen;
static atomic_long reported_by, notified_to;
static siginfo_t notified;

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    notified = *info;
    atomic_store(&notified_to, syscall(SYS_gettid));
    atomic_fetch_add(&seen, 1);
}

/* A read of a file; its notification is set already. */
static void read_and_tell(struct aiocb *cb, int fd, char *byte)
{
    cb->aio_fildes = fd;
    cb->aio_buf = byte;
    cb->aio_nbytes = 1;
    must_be(aio_read(cb), 0);
}

HEALD_CASE(the_signal_says_who_and_what)
{
    int fd = file_with("0123456789");
    char byte;
    struct aiocb cb = block(fd, &byte, 1, 0);

    handle(SIGRTMIN + 2, on_signal, 0);
    notify_by_signal(&cb, SIGRTMIN + 2, 0);
    cb.aio_sigevent.sigev_value.sival_ptr = &cb;
    read_and_tell(&cb, fd, &byte);
    until(&seen, 1);
    must_be(notified.si_signo, SIGRTMIN + 2);
    must_be(notified.si_code, SI_ASYNCIO);
    must(notified.si_value.sival_ptr == &cb);
    must_be(notified.si_pid, getpid());
    must_be(notified.si_uid, getuid());
    must_be(result_of(&cb), 1);
    close(fd);
}

HEALD_CASE(ordinary_signals_as_well)
{
    int fd = file_with("0123456789"), signals[] = {SIGUSR1, SIGIO, SIGALRM, SIGURG};
    char byte;

    for (int i = 0; i < 4; i++) {
        struct aiocb cb = block(fd, &byte, 1, 0);
        handle(signals[i], on_signal, 0);
        notify_by_signal(&cb, signals[i], 40 + i);
        read_and_tell(&cb, fd, &byte);
        until(&seen, i + 1);
        must_be(notified.si_signo, signals[i]);
        must_be(notified.si_code, SI_ASYNCIO);
        must_be(notified.si_value.sival_int, 40 + i);
    }
    close(fd);
}

static void *be_there(void *arg)
{
    atomic_store((atomic_long *)arg, syscall(SYS_gettid));
    while (!atomic_load(&seen))
        nap(1);
    return NULL;
}

/* One more thread, which every signal may go to; *ret_tid is its number. */
static pthread_t somebody(atomic_long *ret_tid)
{
    pthread_t thread = thread_start(be_there, ret_tid);

    while (!atomic_load(ret_tid))
        sched_yield();
    return thread;
}

/* The signal is the process's: it goes to a thread that takes it. */
HEALD_CASE(another_thread_takes_the_signal)
{
    int fd = file_with("0123456789");
    atomic_long other = 0;
    char byte;
    struct aiocb cb = block(fd, &byte, 1, 0);

    handle(SIGRTMIN, on_signal, 0);
    pthread_t thread = somebody(&other);
    block_signal(SIGRTMIN);
    notify_by_signal(&cb, SIGRTMIN, 0);
    read_and_tell(&cb, fd, &byte);
    until(&seen, 1);
    must_be(atomic_load(&notified_to), atomic_load(&other));
    thread_end(thread);
    close(fd);
}

/* Or, as Linux has it, to the one that is named, though others would take it. */
HEALD_CASE(the_named_thread_takes_the_signal)
{
    int fd = file_with("0123456789");
    atomic_long other = 0;
    char byte;
    struct aiocb cb = block(fd, &byte, 1, 0);

    handle(SIGRTMIN, on_signal, 0);
    pthread_t thread = somebody(&other);
    notify_by_signal(&cb, SIGRTMIN, 7);
    cb.aio_sigevent.sigev_notify = SIGEV_THREAD_ID;
    cb.aio_sigevent._sigev_un._tid = (pid_t)atomic_load(&other);
    read_and_tell(&cb, fd, &byte);
    until(&seen, 1);
    must_be(atomic_load(&notified_to), atomic_load(&other));
    must_be(notified.si_code, SI_ASYNCIO);
    must_be(notified.si_value.sival_int, 7);
    thread_end(thread);
    close(fd);
}

HEALD_CASE(signals_wait_while_blocked)
{
    int fd = file_with("0123456789");
    static struct aiocb blocks[FLOOD];
    char byte;

    block_signal(SIGRTMIN);
    for (int i = 0; i < FLOOD; i++) {
        blocks[i] = block(fd, &byte, 1, 0);
        notify_by_signal(&blocks[i], SIGRTMIN, i);
        read_and_tell(&blocks[i], fd, &byte);
    }
    must_be(signals_within(SIGRTMIN, 200), FLOOD);
    close(fd);
}

static void room_for_signals(rlim_t room)
{
    struct rlimit limit;

    must_be(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    limit.rlim_cur = room ? room : limit.rlim_max;
    must_be(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
}

static void ask_for_many(struct aiocb *blocks, int fd, char *byte)
{
    for (int i = 0; i < FLOOD; i++) {
        blocks[i] = block(fd, byte, 1, 0);
        notify_by_signal(&blocks[i], SIGRTMIN, i);
        read_and_tell(&blocks[i], fd, byte);
    }
}

static int signals_notified(void)
{
    bool have[FLOOD] = {false};
    int count = 0;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    while (count < FLOOD && sigtimedwait(&set, &info, &(struct timespec){2, 0}) == SIGRTMIN) {
        must_be(info.si_code, SI_ASYNCIO);
        must(!have[info.si_value.sival_int]);
        have[info.si_value.sival_int] = true;
        count++;
    }
    return count;
}

/* What waits is counted for each user: root lets us have one of our own. */
static void be_alone(void)
{
    uid_t uid = (uid_t)(100000 + getpid());

    if (is_root())
        must_be(setresuid(uid, uid, uid), 0);
}

/* They are taken one by one; the queue has no room for all. */
static void flooded(void *arg)
{
    static struct aiocb blocks[FLOOD];
    int fd = file_with("0123456789");
    char byte;

    be_alone();
    block_signal(SIGRTMIN);
    room_for_signals(*(rlim_t *)arg);
    ask_for_many(blocks, fd, &byte);
    for (int i = 0; i < FLOOD; i++)
        must_be(result_of(&blocks[i]), 1);
    must_be(signals_notified(), FLOOD);
}

static void flood(rlim_t room)
{
    in_child(flooded, &room);
}

HEALD_CASE(no_signal_is_lost_when_the_queue_is_full)
{
    flood(4);
}

HEALD_CASE(no_signal_is_lost_when_the_queue_is_small)
{
    flood(40);
}

/* Requests go on, and end, while nobody takes the signals of others. */
static void overtaken(void *arg)
{
    static struct aiocb blocks[FLOOD];
    int fd = file_with("0123456789");
    char byte;

    (void)arg;
    be_alone();
    block_signal(SIGRTMIN);
    room_for_signals(4);
    ask_for_many(blocks, fd, &byte);
    for (int i = 0; i < 100; i++)
        must_be(read_now(fd, &byte, 1, 0), 1);
}

HEALD_CASE(a_full_queue_holds_up_nobody)
{
    in_child(overtaken, NULL);
}

static pthread_attr_t attributes;

static void look_around(union sigval value)
{
    sigset_t mask;
    size_t stack;
    int state;
    pthread_attr_t mine;

    must_be(value.sival_int, 4711);
    must_be(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        must(sigismember(&mask, signo) != 1);
    must_be(pthread_getattr_np(pthread_self(), &mine), 0);
    must_be(pthread_attr_getstacksize(&mine, &stack), 0);
    must_be(pthread_attr_getdetachstate(&mine, &state), 0);
    must_be(state, PTHREAD_CREATE_DETACHED);
    pthread_attr_destroy(&mine);
    atomic_store(&reported_by, (long)stack);
    atomic_fetch_add(&seen, 1);
}

static void call_with(pthread_attr_t *attr)
{
    int fd = file_with("0123456789");
    char byte;
    struct aiocb cb = block(fd, &byte, 1, 0);
    int want = atomic_load(&seen) + 1;

    notify_by_thread(&cb, look_around, NULL);
    cb.aio_sigevent.sigev_value.sival_int = 4711;
    cb.aio_sigevent.sigev_notify_attributes = attr;
    read_and_tell(&cb, fd, &byte);
    until(&seen, want);
    must_be(result_of(&cb), 1);
    close(fd);
}

HEALD_CASE(called_with_a_mask_that_is_empty)
{
    sigset_t all;

    sigfillset(&all);
    must_be(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    for (int i = 0; i < 200; i++)
        call_with(NULL);
    must(atomic_load(&reported_by) >= 1 << 20);
}

HEALD_CASE(attributes_are_honoured)
{
    must_be(pthread_attr_init(&attributes), 0);
    must_be(pthread_attr_setstacksize(&attributes, STACK), 0);
    must_be(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    call_with(&attributes);
    must(atomic_load(&reported_by) >= STACK - 16384);
    must(atomic_load(&reported_by) <= STACK + 16384);
    pthread_attr_destroy(&attributes);
}

HEALD_CASE(joinable_is_overridden)
{
    must_be(pthread_attr_init(&attributes), 0);
    must_be(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_JOINABLE), 0);
    call_with(&attributes);
    pthread_attr_destroy(&attributes);
}

/* The object is the caller's, and gone before the request is done. */
HEALD_CASE(attributes_are_copied)
{
    int fds[2];
    char byte;
    struct aiocb cb;
    pthread_attr_t *attr = page_make();

    pipe_make(fds);
    must_be(pthread_attr_init(attr), 0);
    must_be(pthread_attr_setstacksize(attr, STACK), 0);
    must_be(pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED), 0);
    cb = block(fds[0], &byte, 1, 0);
    notify_by_thread(&cb, look_around, NULL);
    cb.aio_sigevent.sigev_value.sival_int = 4711;
    cb.aio_sigevent.sigev_notify_attributes = attr;
    must_be(aio_read(&cb), 0);
    pthread_attr_destroy(attr);
    page_drop(attr);
    must_be(write(fds[1], "x", 1), 1);
    until(&seen, 1);
    must(atomic_load(&reported_by) <= STACK + 16384);
    pair_close(fds);
}

static bool have[CALLS];

static void mark(union sigval value)
{
    must(!have[value.sival_int]);
    have[value.sival_int] = true;
    atomic_fetch_add(&seen, 1);
}

HEALD_CASE(called_once_for_each)
{
    static struct aiocb blocks[CALLS];
    int fd = file_with("0123456789");
    char byte;

    for (int i = 0; i < CALLS; i++) {
        blocks[i] = block(fd, &byte, 1, 0);
        notify_by_thread(&blocks[i], mark, NULL);
        blocks[i].aio_sigevent.sigev_value.sival_int = i;
        read_and_tell(&blocks[i], fd, &byte);
    }
    until(&seen, CALLS);
    nap(20);
    must_be(atomic_load(&seen), CALLS);
    close(fd);
}

/* A callback that uses AIO itself, for as long as it likes, and ends as it likes. */
static void busy(union sigval value)
{
    int fd = value.sival_int;
    char byte;

    must_be(read_now(fd, &byte, 1, 0), 1);
    nap(100);
    must_be(write_now(fd, "x", 1, 5), 1);
    struct aiocb cb;
    start_read(&cb, fd, &byte, 1, 0);
    aio_cancel(fd, &cb);
    wait_for(&cb);
    atomic_fetch_add(&seen, 1);
    pthread_exit(NULL);
}

HEALD_CASE(callbacks_may_do_anything)
{
    static struct aiocb blocks[CALLS];
    int fd = file_with("0123456789");
    char byte;

    for (int i = 0; i < CALLS; i++) {
        blocks[i] = block(fd, &byte, 1, 0);
        notify_by_thread(&blocks[i], busy, NULL);
        blocks[i].aio_sigevent.sigev_value.sival_int = fd;
        read_and_tell(&blocks[i], fd, &byte);
    }
    for (int i = 0; i < 100; i++)
        must_be(read_now(fd, &byte, 1, 0), 1);
    until(&seen, CALLS);
    close(fd);
}

/* A callback that never comes back must not keep others from being called. */
static void stay(union sigval value)
{
    char byte;

    atomic_fetch_add(&seen, 1);
    while (read(value.sival_int, &byte, 1) < 0)
        ;
    atomic_fetch_add(&reported_by, 1);
}

HEALD_CASE(callbacks_do_not_wait_for_each_other)
{
    static struct aiocb blocks[CALLS];
    int fd = file_with("0123456789"), fds[2];
    char byte;

    pipe_make(fds);
    for (int i = 0; i < CALLS; i++) {
        blocks[i] = block(fd, &byte, 1, 0);
        notify_by_thread(&blocks[i], stay, NULL);
        blocks[i].aio_sigevent.sigev_value.sival_int = fds[0];
        read_and_tell(&blocks[i], fd, &byte);
    }
    until(&seen, CALLS);
    close(fds[1]);
    for (int64_t end = now() + patience(); atomic_load(&reported_by) < CALLS; nap(1))
        must(now() < end);
    close(fds[0]);
    close(fd);
}

static void count(union sigval value)
{
    (void)value;
    atomic_fetch_add(&seen, 1);
}

/* No thread can be had when the request ends; later one can. */
static void without_threads(void *arg)
{
    struct rlimit limit, none;
    int fds[2];
    char byte;
    struct aiocb cb;

    (void)arg;
    pipe_make(fds);
    must_be(setresuid(NOBODY, NOBODY, NOBODY), 0);
    cb = block(fds[0], &byte, 1, 0);
    notify_by_thread(&cb, count, NULL);
    must_be(aio_read(&cb), 0);
    nap(50);
    must_be(getrlimit(RLIMIT_NPROC, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    must_be(setrlimit(RLIMIT_NPROC, &none), 0);
    must_be(write(fds[1], "x", 1), 1);
    must_be(result_of(&cb), 1);
    nap(200);
    must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
    until(&seen, 1);
}

HEALD_CASE(a_call_is_not_lost_for_want_of_threads)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(without_threads, NULL);
}

/* A notification we do not know: refused, or none is sent; the request is done either way. */
HEALD_CASE(notification_unknown)
{
    int fd = file_with("0123456789");
    char byte;
    struct aiocb cb = block(fd, &byte, 1, 0);

    cb.aio_sigevent.sigev_notify = 4711;
    if (aio_read(&cb) == 0)
        must_be(result_of(&cb), 1);
    else
        must_be(errno, EINVAL);
    close(fd);
}

void add_notify(TCase *group)
{
    add(group, the_signal_says_who_and_what);
    add(group, ordinary_signals_as_well);
    add(group, another_thread_takes_the_signal);
    add(group, the_named_thread_takes_the_signal);
    add(group, signals_wait_while_blocked);
    add(group, no_signal_is_lost_when_the_queue_is_full);
    add(group, no_signal_is_lost_when_the_queue_is_small);
    add(group, a_full_queue_holds_up_nobody);
    add(group, called_with_a_mask_that_is_empty);
    add(group, attributes_are_honoured);
    add(group, joinable_is_overridden);
    add(group, attributes_are_copied);
    add(group, called_once_for_each);
    add(group, callbacks_may_do_anything);
    add(group, callbacks_do_not_wait_for_each_other);
    add(group, a_call_is_not_lost_for_want_of_threads);
    add(group, notification_unknown);
}
