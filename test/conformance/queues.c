/* test/conformance/queues.c: queues of a region, awaited in a loop. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { ONE_EACH = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER, CROWD = 100 };

struct shared {
    int ready, go;
    _Alignas(64) uint64_t memory[];
};

/* What a case has: the region, its participant, and a queue of two messages. */
static struct {
    struct heald_region *region;
    struct heald_participant *me;
    struct shared *shared;
    struct heald_queue *queue;
} here;

static void open_queue(unsigned flags)
{
    struct heald_queue_options o = {.capacity = 2, .message_max = 16, .flags = flags};
    char name[64];

    snprintf(name, sizeof name, "/heald-queues-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&here.region, name, HEALD_REGION_CREATE, NULL), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(here.region, &here.me), 0);
    here.shared = heald_region_data(here.region);
    here.queue = (struct heald_queue *)here.shared->memory;
    ck_assert_int_eq(heald_queue_init(here.queue, &o), 0);
}

static void close_queue(struct heald_loop *loop)
{
    loop_end(loop);
    heald_detach(here.me);
    ck_assert_int_eq(heald_region_close(here.region), 0);
}

static void until(const int *flag)
{
    for (int64_t end = now() + 5 * HEALD_SEC * harness_slow();
         !__atomic_load_n(flag, __ATOMIC_ACQUIRE); usleep(100))
        must(now() < end);
}

static void set(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* A process that does this once `go` is set, as a participant of its own, and then ends, or waits
 * to be killed. */
static pid_t start(void (*fn)(void), bool stays)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (heald_attach(here.region, &here.me))
            _exit(1);
        until(&here.shared->go);
        fn();
        set(&here.shared->ready);
        while (stays)
            pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid, bool is_killed)
{
    int status;

    if (is_killed)
        kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(is_killed ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status));
}

static void send_seven(void)
{
    must(heald_queue_send(here.queue, here.me, "seven", 6, 0, HEALD_FOREVER) == 0);
}

static void send_eight(void)
{
    must(heald_queue_send(here.queue, here.me, "eight", 6, 0, HEALD_FOREVER) == 0);
}

static void receive_one(void)
{
    char text[16];

    must(heald_queue_recv(here.queue, here.me, text, sizeof text, NULL, HEALD_FOREVER) == 6);
}

static void reserve_one(void)
{
    static struct heald_queue_slot slot;

    must(heald_queue_reserve(here.queue, here.me, 0, &slot, HEALD_FOREVER) == 0);
}

/* Dies when the first message of a series is copied, which is after the second. */
static void die_in_a_series(void)
{
    struct iovec two[] = {{(void *)8, 6}, {(char *)(uintptr_t) "eight", 6}};

    close(STDERR_FILENO); /* of what a sanitizer says */
    heald_queue_send_many(here.queue, here.me, two, 2, 0, HEALD_FOREVER);
}

/* Takes a message, and releases it when `go` is set again. */
static void hold_one(void)
{
    struct heald_queue_slot slot;

    must(heald_queue_peek(here.queue, here.me, &slot, HEALD_FOREVER) == 0);
    __atomic_store_n(&here.shared->go, 0, __ATOMIC_RELEASE);
    until(&here.shared->go);
    must(heald_queue_release(&slot, here.me) == 0);
}

static void close_it(void)
{
    must(heald_queue_close(here.queue, here.me) == 0);
}

static void prep_recv(struct probe *p, struct heald_queue_message *m, char text[16])
{
    *m = (struct heald_queue_message){.data = text, .size = 16};
    ck_assert_int_eq(heald_prep_queue_recv(&p->op, here.queue, here.me, m), 0);
}

static void check_message(struct probe *p, const struct heald_queue_message *m, const char *text)
{
    ck_assert_int_eq(heald_op_result(&p->op), 0);
    ck_assert_uint_eq(m->size, 6);
    ck_assert_str_eq(m->data, text);
}

/* A message that comes later, from another process. */
static void receive_in_loop(int index, unsigned flags)
{
    struct heald_loop *loop = loop_on(index);
    struct heald_queue_message m;
    struct probe p = {0};
    char text[16];

    open_queue(flags);
    ck_assert_int_eq(heald_prep_queue_recv(&p.op, here.queue, here.me, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_queue_recv(&p.op, NULL, here.me, &m), -EINVAL);
    pid_t pid = start(send_seven, false);
    prep_recv(&p, &m, text);
    ck_assert_str_eq(heald_op_kind(&p.op), "queue-recv");
    probe_start(loop, &p);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    set(&here.shared->go);
    probe_end(&p);
    check_message(&p, &m, "seven");
    end(pid, false);
    close_queue(loop);
}

HEALD_CASE(a_message_that_comes)
{
    receive_in_loop(_i, 0);
}

HEALD_CASE(a_message_of_the_only_sender)
{
    receive_in_loop(_i, ONE_EACH);
}

/* Room that another process makes. */
static void send_in_loop(int index, unsigned flags)
{
    struct heald_loop *loop = loop_on(index);
    char eight[] = "eight";
    struct heald_queue_message m = {.data = eight, .size = 6};
    struct probe p = {0};

    open_queue(flags);
    pid_t pid = start(receive_one, false);
    for (int i = 0; i < 2; i++)
        send_seven();
    ck_assert_int_eq(heald_prep_queue_send(&p.op, here.queue, here.me, &m), 0);
    probe_start(loop, &p);
    set(&here.shared->go);
    probe_end(&p);
    ck_assert_int_eq(heald_op_result(&p.op), 0);
    end(pid, false);
    close_queue(loop);
}

HEALD_CASE(room_that_is_made)
{
    send_in_loop(_i, 0);
}

HEALD_CASE(room_of_the_only_receiver)
{
    send_in_loop(_i, ONE_EACH);
}

/* Done at once, refused, cancelled, too late. */
HEALD_CASE(results)
{
    struct heald_loop *loop = loop_on(_i);
    char seven[17] = "seven";
    struct heald_queue_message m = {.data = seven, .size = 17}, got;
    struct probe p = {0};
    char text[16];

    open_queue(0);
    ck_assert_int_eq(heald_prep_queue_send(&p.op, here.queue, here.me, &m), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EMSGSIZE);
    m.size = 6;
    ck_assert_int_eq(heald_prep_queue_send(&p.op, here.queue, here.me, &m), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    prep_recv(&p, &got, text);
    got.size = 5;
    ck_assert_int_eq(probe_do(loop, &p), -EMSGSIZE);
    prep_recv(&p, &got, text);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    check_message(&p, &got, "seven");
    prep_recv(&p, &got, text);
    p.op.deadline_ns = now() + HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    prep_recv(&p, &got, text);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    probe_end(&p);
    ck_assert_int_eq(heald_op_result(&p.op), -ECANCELED);
    /* The one that was cancelled takes nothing. */
    send_eight();
    prep_recv(&p, &got, text);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    check_message(&p, &got, "eight");
    close_queue(loop);
}

HEALD_CASE(in_the_memory_of_the_queue)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_queue_slot slot = {0};
    struct probe p = {0};

    open_queue(0);
    pid_t pid = start(send_seven, false);
    ck_assert_int_eq(heald_prep_queue_peek(&p.op, here.queue, here.me, &slot), 0);
    probe_start(loop, &p);
    set(&here.shared->go);
    probe_end(&p);
    ck_assert_int_eq(heald_op_result(&p.op), 0);
    ck_assert_str_eq(slot.data, "seven");
    ck_assert_int_eq(heald_queue_release(&slot, here.me), 0);
    end(pid, false);
    slot.priority = 1;
    ck_assert_int_eq(heald_prep_queue_reserve(&p.op, here.queue, here.me, &slot), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    slot.priority = 0;
    ck_assert_int_eq(heald_prep_queue_reserve(&p.op, here.queue, here.me, &slot), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(heald_queue_abandon(&slot, here.me), 0);
    close_queue(loop);
}

/* A sender dies with its slot, in front of a message. */
HEALD_CASE(a_dead_sender)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_queue_message m;
    struct probe p = {0};
    char text[16];

    open_queue(0);
    pid_t pid = start(reserve_one, true);
    set(&here.shared->go);
    until(&here.shared->ready);
    send_eight();
    prep_recv(&p, &m, text);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_loop_turn(loop, now() + HEALD_MS), 0);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    end(pid, true);
    probe_end(&p);
    check_message(&p, &m, "eight");
    close_queue(loop);
}

HEALD_CASE(an_end_that_comes)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_queue_message m;
    struct probe p = {0};
    char text[16];

    open_queue(0);
    pid_t pid = start(close_it, false);
    prep_recv(&p, &m, text);
    probe_start(loop, &p);
    set(&here.shared->go);
    probe_end(&p);
    ck_assert_int_eq(heald_op_result(&p.op), -ENODATA);
    end(pid, false);
    close_queue(loop);
}

/* What it had handed over is received, by one that slept before it began. */
HEALD_CASE(a_sender_that_dies_in_a_series)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_queue_message m;
    struct probe p = {0};
    char text[16];
    int status;

    open_queue(0);
    pid_t pid = start(die_in_a_series, false);
    prep_recv(&p, &m, text);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_loop_turn(loop, now() + 5 * HEALD_MS), 0);
    set(&here.shared->go);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_ne(status, 0);
    probe_end(&p);
    check_message(&p, &m, "eight");
    close_queue(loop);
}

/* A closed queue ends when the last message has been released. */
HEALD_CASE(an_end_behind_a_message)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_queue_message m;
    struct probe p = {0};
    char text[16];

    open_queue(0);
    pid_t pid = start(hold_one, false);
    send_seven();
    set(&here.shared->go);
    for (int64_t late = now() + 5 * HEALD_SEC * harness_slow();
         __atomic_load_n(&here.shared->go, __ATOMIC_ACQUIRE); usleep(100))
        must(now() < late);
    close_it();
    prep_recv(&p, &m, text);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_loop_turn(loop, now() + HEALD_MS), 0);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    set(&here.shared->go);
    probe_end(&p);
    ck_assert_int_eq(heald_op_result(&p.op), -ENODATA);
    end(pid, false);
    close_queue(loop);
}

/* Each message completes one op. */
HEALD_CASE(many_that_wait)
{
    static struct probe probes[CROWD];
    static struct heald_queue_message messages[CROWD];
    static char texts[CROWD][16];
    struct heald_loop *loop = loop_on(_i);
    int got = 0;

    memset(probes, 0, sizeof probes);
    open_queue(0);
    for (int i = 0; i < CROWD; i++) {
        prep_recv(&probes[i], &messages[i], texts[i]);
        probe_start(loop, &probes[i]);
    }
    pid_t pid = start(send_seven, false);
    set(&here.shared->go);
    probe_end(&probes[0]);
    check_message(&probes[0], &messages[0], "seven");
    end(pid, false);
    for (int i = 1; i < CROWD; i++) {
        ck_assert_int_eq(heald_op_error(&probes[i].op), -EINPROGRESS);
        ck_assert_int_eq(heald_cancel(&probes[i].op), 0);
        probe_end(&probes[i]);
        got += heald_op_result(&probes[i].op) == 0;
    }
    ck_assert_int_eq(got, 0);
    close_queue(loop);
}

void add_queues(TCase *group)
{
    add_on_waiters(group, a_message_that_comes);
    add_on_waiters(group, a_message_of_the_only_sender);
    add_on_waiters(group, room_that_is_made);
    add_on_waiters(group, room_of_the_only_receiver);
    add_on_waiters(group, results);
    add_on_waiters(group, in_the_memory_of_the_queue);
    add_on_waiters(group, a_dead_sender);
    add_on_waiters(group, an_end_that_comes);
    add_on_waiters(group, a_sender_that_dies_in_a_series);
    add_on_waiters(group, an_end_behind_a_message);
    add_on_waiters(group, many_that_wait);
}
