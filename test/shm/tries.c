/*
 * test/shm/tries.c: a call that does not block and finds another participant in its way asks the
 * system only now and then whether that one is gone: one that tries again and again is not slowed
 * down by that. A holder that has called exec(3), which is found in no other way, is still found.
 */
#include "harness/filter.h"
#include "shm/shm.h"

#include <pthread.h>

enum { TRIES = 640, QUEUE_BYTES = 16384 };

struct scene {
    struct heald_mutex mutex, another;
    struct heald_rwlock written, read;
    int held, held_too, looked, sent; /* atomic */
    bool blocks;                      /* the receiver */
    int asked[5], result[5];
    _Alignas(64) char queue[QUEUE_BYTES];
};

static struct heald_queue *queue_of(struct scene *s)
{
    return (struct heald_queue *)(void *)s->queue;
}

static bool holds_all(struct fixture *f)
{
    struct scene *s = f->data;

    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    must(heald_rwlock_wrlock(&s->written, f->me, HEALD_FOREVER) == 0);
    must(heald_rwlock_rdlock(&s->read, f->me, HEALD_FOREVER) == 0);
    must(heald_queue_join(queue_of(s), f->me) == 0);
    __atomic_store_n(&s->held, 1, __ATOMIC_RELEASE);
    return true;
}

static void *attach_hold_exec(void *fixture)
{
    struct fixture *f = fixture;

    must(heald_attach(f->region, &f->me) == 0);
    holds_all(f);
    execlp("sleep", "sleep", "1000", (char *)NULL);
    abort();
}

/* The kernel reports the exec of a process's first thread itself, of late. */
static bool holds_all_and_execs(struct fixture *f)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, attach_hold_exec, f) == 0);
    return true;
}

static bool holds_another(struct fixture *f)
{
    must(heald_mutex_lock(&((struct scene *)f->data)->another, f->me, HEALD_FOREVER) == 0);
    set_flag(&((struct scene *)f->data)->held_too);
    return true;
}

static int try_one(struct fixture *f, int what)
{
    struct scene *s = f->data;
    char buf[8];

    switch (what) {
    case 0: return heald_mutex_trylock(&s->mutex, f->me);
    case 1: return heald_rwlock_tryrdlock(&s->written, f->me);
    case 2: return heald_rwlock_trywrlock(&s->written, f->me);
    case 3: return heald_rwlock_trywrlock(&s->read, f->me);
    default: return (int)heald_queue_tryrecv(queue_of(s), f->me, buf, sizeof buf, NULL);
    }
}

static struct fixture scene_open(bool (*holder)(struct fixture *), pid_t *ret_holder)
{
    struct heald_queue_options options = {.capacity = 8, .message_max = 8};
    struct fixture f = fixture_open();
    struct scene *s = f.data;

    ck_assert_uint_le(heald_queue_size(&options), QUEUE_BYTES);
    ck_assert_int_eq(heald_queue_init(queue_of(s), &options), 0);
    *ret_holder = child_start(&f, holder);
    while (!__atomic_load_n(&s->held, __ATOMIC_ACQUIRE))
        usleep(1000);
    return f;
}

static volatile int asked; /* in the child that tries */

static void on_tgkill(int number)
{
    (void)number;
    asked = asked + 1;
}

/* Each tgkill(2) is a signal from now on. False: not here. */
static bool count_tgkill(void)
{
    signal(SIGSYS, on_tgkill);
    if (filter_set(SYS_tgkill, SECCOMP_RET_TRAP, 0) < 0)
        return false;
    syscall(SYS_tgkill, getpid(), getpid(), 0);
    return asked == 1;
}

static bool tries_all(struct fixture *f)
{
    struct scene *s = f->data;

    if (!count_tgkill())
        _exit(77);
    for (int what = 0; what < 5; what++) {
        asked = 0;
        for (int i = 0; i < TRIES; i++)
            s->result[what] = try_one(f, what);
        s->asked[what] = asked;
    }
    return false;
}

HEALD_CASE(who_tries_asks_now_and_then)
{
    static const int expected[] = {-EBUSY, -EBUSY, -EBUSY, -EBUSY, -EAGAIN};
    pid_t holder;
    struct fixture f = scene_open(holds_all, &holder);
    struct scene *s = f.data;
    int status;

    ck_assert_int_ge(waitpid(child_start(&f, tries_all), &status, 0), 0);
    child_kill(holder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        harness_skip("system calls cannot be counted here");
    ck_assert_int_eq(status, 0);
    for (int what = 0; what < 5; what++) {
        ck_assert_msg(s->result[what] == expected[what], "%d: %d", what, s->result[what]);
        /* The try of a write lock glances at its readers several times. */
        ck_assert_msg(s->asked[what] <= TRIES / 8, "%d: asked %d times", what, s->asked[what]);
    }
    fixture_close(&f);
}

/* Whether the case's thread finds the end of a holder that the kernel does not report. */
HEALD_CASE(an_exec_is_found)
{
    static const int expected[] = {-EOWNERDEAD, -EOWNERDEAD, -EOWNERDEAD, 0, -EPIPE};
    pid_t holder;

    if (heald_clock_now(HEALD_CLOCK_BOOT) < 0)
        harness_skip("the portable platform cannot tell");
    struct fixture f = scene_open(holds_all_and_execs, &holder);
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_SEC;
    int result;

    do
        result = try_one(&f, _i);
    while ((result == -EBUSY || result == -EAGAIN) && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end);
    ck_assert_int_eq(result, expected[_i]);
    child_kill(holder);
    fixture_close(&f);
}

/* … also if it is tried in turn with another that is held. */
HEALD_CASE(an_exec_is_found_beside_another)
{
    pid_t holder;

    skip_on_portable("cannot tell");
    struct fixture f = scene_open(holds_all_and_execs, &holder);
    struct scene *s = f.data;
    pid_t other = child_start(&f, holds_another);
    int64_t end = in_ms(20000);
    int result;

    until_set(&s->held_too);
    for (int i = 0; i < _i; i++)
        heald_mutex_trylock(&s->another, f.me);
    do {
        ck_assert_int_eq(heald_mutex_trylock(&s->another, f.me), -EBUSY);
        result = heald_mutex_trylock(&s->mutex, f.me);
    } while (result == -EBUSY && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end);
    ck_assert_int_eq(result, -EOWNERDEAD);
    child_kill(other);
    child_kill(holder);
    fixture_close(&f);
}

static struct scene *looked_at; /* in the child that receives */

static void wait_for_end(int number)
{
    (void)number;
    set_flag(&looked_at->looked);
    while (!__atomic_load_n(&looked_at->sent, __ATOMIC_ACQUIRE))
        ;
}

static ssize_t receive(struct fixture *f)
{
    struct scene *s = f->data;
    char buf[8];

    if (s->blocks)
        return heald_queue_recv(queue_of(s), f->me, buf, sizeof buf, NULL, HEALD_FOREVER);
    return heald_queue_tryrecv(queue_of(s), f->me, buf, sizeof buf, NULL);
}

/* It asks for the sender when it has found nothing. */
static bool receives(struct fixture *f)
{
    ssize_t n;

    if (!count_tgkill())
        _exit(77);
    looked_at = f->data;
    signal(SIGSYS, wait_for_end);
    set_flag(&looked_at->held);
    while ((n = receive(f)) == -EAGAIN)
        ;
    must(n == 4);
    must(receive(f) == -EPIPE);
    return false;
}

/* The last sender has sent, and is gone, while a receiver that has found nothing asks for it. */
HEALD_CASE(the_last_message_comes_before_the_end)
{
    unsigned flags = _i & 1 ? HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER : 0;
    struct heald_queue_options options = {.capacity = 8, .message_max = 8, .flags = flags};
    int status;

    if (heald_clock_now(HEALD_CLOCK_BOOT) < 0)
        harness_skip("the portable platform does not ask");
    struct fixture f = fixture_open();
    struct scene *s = f.data;
    s->blocks = _i & 2;
    ck_assert_int_eq(heald_queue_init(queue_of(s), &options), 0);
    ck_assert_int_eq(heald_queue_join(queue_of(s), f.me), 0);
    pid_t receiver = child_start(&f, receives);
    while (!__atomic_load_n(&s->looked, __ATOMIC_ACQUIRE) && !waitpid(receiver, &status, WNOHANG))
        usleep(200);
    if (!s->looked) {
        ck_assert_int_eq(WEXITSTATUS(status), 77);
        harness_skip("system calls cannot be counted here");
    }
    ck_assert_int_eq(heald_queue_trysend(queue_of(s), f.me, "last", 4, 0), 0);
    heald_detach(f.me);
    set_flag(&s->sent);
    ck_assert_int_eq(child_end(receiver), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("tries");
    TCase *group = harness_group(suite, "tries");

    harness_add(group, who_tries_asks_now_and_then);
    harness_add_range(group, an_exec_is_found, 0, 5);
    harness_add_range(group, an_exec_is_found_beside_another, 0, 2);
    harness_add_range(group, the_last_message_comes_before_the_end, 0, 4);
    return harness_run(suite);
}
