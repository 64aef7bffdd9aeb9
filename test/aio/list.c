/* test/aio/list.c: lio_listio. */
#include "aio/suite.h"

enum { ITEMS = 10, LONG = 1000, LISTS = 50 };

static atomic_int list_seen, item_seen, other_seen;
static struct aiocb items[LONG];
static struct aiocb *list[LONG];
static char bytes[LONG];

static void on_list(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    must_be(info->si_code, SI_ASYNCIO);
    for (int i = 0; i < info->si_value.sival_int; i++)
        must(aio_error(&items[i]) != EINPROGRESS);
    atomic_fetch_add(&list_seen, 1);
}

static void on_item(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&item_seen, 1);
}

static void on_list_thread(union sigval value)
{
    for (int i = 0; i < value.sival_int; i++)
        must(aio_error(&items[i]) != EINPROGRESS);
    atomic_fetch_add(&list_seen, 1);
}

static void on_item_thread(union sigval value)
{
    (void)value;
    atomic_fetch_add(&item_seen, 1);
}

static struct sigevent event_signal(int count)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};

    event.sigev_value.sival_int = count;
    handle(SIGRTMIN + 1, on_list, SA_RESTART);
    return event;
}

static struct sigevent event_thread(int count)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};

    event.sigev_notify_function = on_list_thread;
    event.sigev_value.sival_int = count;
    return event;
}

static void list_make(int count, int fd, int opcode)
{
    for (int i = 0; i < count; i++) {
        items[i] = block(fd, &bytes[i], 1, i);
        items[i].aio_lio_opcode = opcode;
        list[i] = &items[i];
    }
}

static void must_refuse(int result, int err)
{
    int have = errno;

    must_be(result, -1);
    must_be(have, err);
}

static void list_notified_once(void)
{
    until(&list_seen, 1);
    nap(20);
    must_be(atomic_load(&list_seen), 1);
}

HEALD_CASE(waits_for_all)
{
    int fd = file_make();

    memset(bytes, 'w', sizeof bytes);
    list_make(LONG, fd, LIO_WRITE);
    must_be(lio_listio(LIO_WAIT, list, LONG, NULL), 0);
    memset(bytes, 0, sizeof bytes);
    list_make(LONG, fd, LIO_READ);
    must_be(lio_listio(LIO_WAIT, list, LONG, NULL), 0);
    for (int i = 0; i < LONG; i++) {
        must_be(aio_error(&items[i]), 0);
        must_be(aio_return(&items[i]), 1);
        must_be(bytes[i], 'w');
    }
    close(fd);
}

HEALD_CASE(waits_for_all_although_one_fails)
{
    int fd = file_with("0123456789"), fds[2];

    pipe_make(fds);
    list_make(ITEMS, fd, LIO_READ);
    items[0].aio_fildes = -1;
    items[5].aio_fildes = fds[0];
    must_be(write(fds[1], "x", 1), 1);
    must_refuse(lio_listio(LIO_WAIT, list, ITEMS, NULL), EIO);
    must_be(aio_error(&items[0]), EBADF);
    for (int i = 1; i < ITEMS; i++) {
        must_be(aio_error(&items[i]), 0);
        must_be(aio_return(&items[i]), 1);
    }
    pair_close(fds);
    close(fd);
}

HEALD_CASE(waits_although_one_is_refused)
{
    int fd = file_with("0123456789");

    list_make(ITEMS, fd, LIO_READ);
    items[3].aio_lio_opcode = 77;
    items[4].aio_reqprio = 21;
    must_refuse(lio_listio(LIO_WAIT, list, ITEMS, NULL), EIO);
    for (int i = 0; i < ITEMS; i++)
        must_be(aio_error(&items[i]), i == 3 || i == 4 ? EINVAL : 0);
    close(fd);
}

HEALD_CASE(waiting_does_not_tell)
{
    int fd = file_with("0123456789");
    struct sigevent event = event_signal(ITEMS);

    list_make(ITEMS, fd, LIO_READ);
    must_be(lio_listio(LIO_WAIT, list, ITEMS, &event), 0);
    nap(20);
    must_be(atomic_load(&list_seen), 0);
    close(fd);
}

HEALD_CASE(empty_places_and_no_operations)
{
    int fd = file_with("0123456789");

    list_make(ITEMS, fd, LIO_READ);
    list[0] = list[ITEMS - 1] = NULL;
    items[1].aio_lio_opcode = items[2].aio_lio_opcode = LIO_NOP;
    items[1].aio_fildes = -1;
    must_be(lio_listio(LIO_WAIT, list, ITEMS, NULL), 0);
    must_be(bytes[0], 0);
    must_be(bytes[1], 0);
    must_be(bytes[3], '3');
    must_be(lio_listio(LIO_WAIT, list, 1, NULL), 0);
    must_be(lio_listio(LIO_WAIT, list + 1, 2, NULL), 0);
    must_be(lio_listio(LIO_WAIT, list, 0, NULL), 0);
    must_be(lio_listio(LIO_NOWAIT, list, 0, NULL), 0);
    close(fd);
}

HEALD_CASE(bad_mode)
{
    int fd = file_with("0123456789"), bad[] = {-1, 5, 77};

    list_make(1, fd, LIO_READ);
    for (int i = 0; i < 3; i++)
        must_refuse(lio_listio(bad[i], list, 1, NULL), EINVAL);
    must_be(bytes[0], 0);
    close(fd);
}

HEALD_CASE(negative_number)
{
    must_refuse(lio_listio(LIO_WAIT, list, -1, NULL), EINVAL);
    must_refuse(lio_listio(LIO_NOWAIT, list, INT32_MIN, NULL), EINVAL);
}

/* Starts a list of a read that waits and of one that does not, and reports when all is done. */
static void notified_once(struct sigevent event, int count)
{
    int fd = file_with("0123456789"), fds[2];

    pipe_make(fds);
    list_make(count, fd, LIO_READ);
    items[0].aio_fildes = items[count - 1].aio_fildes = fds[0];
    must_be(lio_listio(LIO_NOWAIT, list, count, &event), 0);
    memset(&event, 0xa5, sizeof event);
    memset(list, 0xa5, sizeof list);
    for (int i = 1; i + 1 < count; i++)
        must_be(result_of(&items[i]), i < 10);
    must_be(write(fds[1], "x", 1), 1);
    must_be(result_of(&items[0]), 1);
    nap(20);
    must_be(atomic_load(&list_seen), 0);
    must_be(write(fds[1], "x", 1), 1);
    must_be(result_of(&items[count - 1]), 1);
    list_notified_once();
    pair_close(fds);
    close(fd);
}

HEALD_CASE(signals_once_for_the_list)
{
    notified_once(event_signal(ITEMS), ITEMS);
}

HEALD_CASE(calls_once_for_the_list)
{
    notified_once(event_thread(ITEMS), ITEMS);
}

HEALD_CASE(signals_once_for_a_long_list)
{
    notified_once(event_signal(LONG), LONG);
}

static void notified_of_nothing(struct sigevent event)
{
    list_make(ITEMS, -1, LIO_NOP);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), 0);
    list_notified_once();
    memset(list, 0, sizeof list);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), 0);
    until(&list_seen, 2);
    must_be(lio_listio(LIO_NOWAIT, list, 0, &event), 0);
    until(&list_seen, 3);
    nap(20);
    must_be(atomic_load(&list_seen), 3);
}

HEALD_CASE(signals_for_an_empty_list)
{
    notified_of_nothing(event_signal(0));
}

HEALD_CASE(calls_for_an_empty_list)
{
    notified_of_nothing(event_thread(0));
}

static void each_is_reported(struct sigevent event, bool by_thread)
{
    int fd = file_with("0123456789");

    handle(SIGRTMIN, on_item, SA_RESTART);
    list_make(ITEMS, fd, LIO_READ);
    for (int i = 0; i < ITEMS; i++)
        if (by_thread)
            notify_by_thread(&items[i], on_item_thread, NULL);
        else
            notify_by_signal(&items[i], SIGRTMIN, 0);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), 0);
    list_notified_once();
    until(&item_seen, ITEMS);
    must_be(lio_listio(LIO_WAIT, list, ITEMS, NULL), 0);
    until(&item_seen, 2 * ITEMS);
    nap(20);
    must_be(atomic_load(&item_seen), 2 * ITEMS);
    must_be(atomic_load(&list_seen), 1);
    close(fd);
}

HEALD_CASE(each_signals_as_well)
{
    each_is_reported(event_signal(ITEMS), false);
}

HEALD_CASE(each_calls_as_well)
{
    each_is_reported(event_thread(ITEMS), true);
}

static void refuse_opcode(struct aiocb *cb)
{
    cb->aio_lio_opcode = 77;
}

static void refuse_priority(struct aiocb *cb)
{
    cb->aio_reqprio = 21;
}

/* POSIX: EIO, the items say what; all others go on, and the list is notified. */
static void notified_although(struct sigevent event, void (*refuse)(struct aiocb *), int refused)
{
    int fd = file_with("0123456789"), err;

    list_make(ITEMS, fd, LIO_READ);
    for (int i = 0; i < refused; i++)
        refuse(&items[i]);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), -1);
    err = errno;
    must(err == EIO || (on_libc() && err == EINVAL));
    for (int i = 0; i < ITEMS; i++)
        must_be(result_of(&items[i]), i < refused ? -EINVAL : 1);
    list_notified_once();
    close(fd);
}

HEALD_CASE(signals_although_some_are_unknown)
{
    notified_although(event_signal(ITEMS), refuse_opcode, 2);
}

HEALD_CASE(signals_although_some_are_refused)
{
    notified_although(event_signal(ITEMS), refuse_priority, 2);
}

HEALD_CASE(calls_although_some_are_refused)
{
    notified_although(event_thread(ITEMS), refuse_priority, 2);
}

HEALD_CASE(signals_although_all_are_refused)
{
    notified_although(event_signal(ITEMS), refuse_priority, ITEMS);
}

HEALD_CASE(failures_that_come_later_are_no_refusal)
{
    struct sigevent event = event_signal(ITEMS);

    list_make(ITEMS, -1, LIO_WRITE);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), 0);
    list_notified_once();
    for (int i = 0; i < ITEMS; i++)
        must_be(result_of(&items[i]), -EBADF);
}

HEALD_CASE(nobody_is_reported)
{
    int fd = file_with("0123456789");
    struct sigevent none = {.sigev_notify = SIGEV_NONE}, zero;
    sigset_t all;

    memset(&zero, 0, sizeof zero);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 3; i++) {
        list_make(ITEMS, fd, LIO_READ);
        must_be(lio_listio(LIO_NOWAIT, list, ITEMS, i == 0 ? &none : i == 1 ? &zero : NULL), 0);
        for (int j = 0; j < ITEMS; j++)
            must_be(result_of(&items[j]), 1);
    }
    nap(20);
    must_be(sigtimedwait(&all, NULL, &(struct timespec){0}), -1);
    close(fd);
}

static void on_other(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&other_seen, 1);
}

static void *interrupt_soon(void *arg)
{
    nap(50);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void wait_in_vain(int reader)
{
    struct aiocb *short_lived[2] = {&items[0], &items[1]};
    pthread_t self = pthread_self(), thread;

    for (int i = 0; i < 2; i++) {
        items[i] = block(reader, &bytes[i], 1, 0);
        items[i].aio_lio_opcode = LIO_READ;
    }
    thread = thread_start(interrupt_soon, &self);
    must_refuse(lio_listio(LIO_WAIT, short_lived, 2, NULL), EINTR);
    thread_end(thread);
    memset(short_lived, 0xa5, sizeof short_lived);
}

static void use_the_stack(void)
{
    volatile char junk[8192];

    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)0xa5;
}

/* What the interrupted call waited for goes on, when its list is long gone. */
HEALD_CASE(interrupted_wait_cancels_nothing)
{
    int fds[2];

    handle(SIGUSR1, on_other, 0);
    for (int i = 0; i < 5; i++) {
        pipe_make(fds);
        wait_in_vain(fds[0]);
        use_the_stack();
        must_hang(&items[0]);
        must_be(write(fds[1], "ab", 2), 2);
        must_be(result_of(&items[0]), 1);
        must_be(result_of(&items[1]), 1);
        must_be(memcmp(bytes, "ab", 2), 0);
        pair_close(fds);
    }
    must_be(atomic_load(&other_seen), 5);
}

HEALD_CASE(many_lists_at_once)
{
    static struct aiocb blocks[LISTS][ITEMS];
    int fd = file_with("0123456789");
    struct sigevent event = event_signal(0);

    for (int i = 0; i < LISTS; i++) {
        struct aiocb *short_lived[ITEMS];
        for (int j = 0; j < ITEMS; j++) {
            blocks[i][j] = block(fd, &bytes[j], 1, j);
            blocks[i][j].aio_lio_opcode = LIO_READ;
            short_lived[j] = &blocks[i][j];
        }
        must_be(lio_listio(LIO_NOWAIT, short_lived, ITEMS, &event), 0);
        memset(short_lived, 0xa5, sizeof short_lived);
    }
    until(&list_seen, LISTS);
    for (int i = 0; i < LISTS; i++)
        for (int j = 0; j < ITEMS; j++)
            must_be(result_of(&blocks[i][j]), 1);
    close(fd);
}

/* The blocks are their owner's when the list is notified. */
static void drop_all(union sigval value)
{
    for (int i = 0; i < ITEMS; i++)
        must_be(aio_error(&((struct aiocb *)value.sival_ptr)[i]), 0);
    page_drop(value.sival_ptr);
    atomic_fetch_add(&list_seen, 1);
}

HEALD_CASE(blocks_dropped_when_the_list_is_done)
{
    int fd = file_with("0123456789");
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};

    event.sigev_notify_function = drop_all;
    for (int i = 0; i < 200; i++) {
        struct aiocb *blocks = page_make(), *all[ITEMS];
        for (int j = 0; j < ITEMS; j++) {
            blocks[j] = block(fd, &bytes[j], 1, j);
            blocks[j].aio_lio_opcode = LIO_READ;
            all[j] = &blocks[j];
        }
        event.sigev_value.sival_ptr = blocks;
        must_be(lio_listio(LIO_NOWAIT, all, ITEMS, &event), 0);
        until(&list_seen, i + 1);
    }
    close(fd);
}

HEALD_CASE(cancelled_items_count_as_done)
{
    int fds[2];
    struct sigevent event = event_signal(ITEMS);

    pipe_make(fds);
    list_make(ITEMS, fds[0], LIO_READ);
    must_be(lio_listio(LIO_NOWAIT, list, ITEMS, &event), 0);
    for (int i = ITEMS; i-- > 1;)
        must_be(aio_cancel(fds[0], &items[i]), AIO_CANCELED);
    nap(10);
    if (aio_cancel(fds[0], &items[0]) != AIO_CANCELED) {
        must_be(atomic_load(&list_seen), 0);
        must_be(write(fds[1], "x", 1), 1);
    }
    list_notified_once();
    pair_close(fds);
}

void add_list(TCase *group)
{
    add(group, waits_for_all);
    add(group, waits_for_all_although_one_fails);
    add(group, waits_although_one_is_refused);
    add(group, waiting_does_not_tell);
    add(group, empty_places_and_no_operations);
    add(group, bad_mode);
    add(group, negative_number);
    add(group, signals_once_for_the_list);
    add(group, calls_once_for_the_list);
    add(group, signals_once_for_a_long_list);
    add(group, signals_for_an_empty_list);
    add(group, calls_for_an_empty_list);
    add(group, each_signals_as_well);
    add(group, each_calls_as_well);
    add(group, signals_although_some_are_unknown);
    add(group, signals_although_some_are_refused);
    add(group, calls_although_some_are_refused);
    add(group, signals_although_all_are_refused);
    add(group, failures_that_come_later_are_no_refusal);
    add(group, nobody_is_reported);
    add(group, interrupted_wait_cancels_nothing);
    add(group, many_lists_at_once);
    add(group, blocks_dropped_when_the_list_is_done);
    add(group, cancelled_items_count_as_done);
}
