/* test/unit/op.c: the states of an op, what its owner may ask, and what the preps refuse. */
#include "op/op.h"

#include "harness/harness.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

HEALD_CASE(an_op_is_two_cache_lines)
{
    ck_assert_uint_le(sizeof(struct heald_op), 128);
}

/* idle -> queued -> armed -> done -> idle, with cancelling beside armed. */
HEALD_CASE(moves_are_those_of_the_table)
{
    static const struct {
        enum op_state from, to;
    } allowed[] = {
        {OP_IDLE, OP_QUEUED}, {OP_QUEUED, OP_ARMED},     {OP_QUEUED, OP_DONE},
        {OP_ARMED, OP_DONE},  {OP_ARMED, OP_CANCELLING}, {OP_CANCELLING, OP_DONE},
        {OP_DONE, OP_IDLE},
    };

    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        ck_assert_int_ne(heald__op_moves[allowed[i].from] & 1u << allowed[i].to, 0);
    /* No way around the end, and none back. */
    ck_assert_int_eq(heald__op_moves[OP_IDLE], 1u << OP_QUEUED);
    ck_assert_int_eq(heald__op_moves[OP_DONE], 1u << OP_IDLE);
    ck_assert_int_eq(heald__op_moves[OP_CANCELLING], 1u << OP_DONE);
    ck_assert_int_eq(heald__op_moves[OP_ARMED] & (1u << OP_QUEUED | 1u << OP_ARMED), 0);
}

HEALD_CASE(what_each_state_tells)
{
    static const char *const names[] = {"idle", "queued", "armed", "cancelling", "done"};
    struct heald_op op = {.result = 5};

    for (int state = 0; state < OP_STATES; state++) {
        op.state = (uint8_t)state;
        bool over = state == OP_IDLE;
        ck_assert_str_eq(heald_op_state(&op), names[state]);
        op.result = 5;
        ck_assert_int_eq(heald_op_error(&op), over ? 0 : -EINPROGRESS);
        ck_assert_int_eq(heald_op_result(&op), over ? 5 : 0);
        op.result = -EPIPE;
        ck_assert_int_eq(heald_op_error(&op), over ? -EPIPE : -EINPROGRESS);
        ck_assert_int_eq(heald_op_result(&op), over ? -EPIPE : 0);
        ck_assert_int_eq(heald_op_notify_callback(&op), over ? 0 : -EBUSY);
        ck_assert_int_eq(heald_op_notify_signal(&op, SIGUSR1), over ? 0 : -EBUSY);
        ck_assert_int_eq(heald_op_notify_thread(&op), over ? 0 : -EBUSY);
    }
    op.state = UINT8_MAX;
    op.kind = UINT8_MAX;
    ck_assert_str_eq(heald_op_state(&op), "corrupt");
    ck_assert_str_eq(heald_op_kind(&op), "corrupt");
}

static int64_t work(struct heald_op *op)
{
    return op->result;
}

static int64_t job(struct heald_work *work)
{
    return work->state;
}

static void release(struct heald_work *work)
{
    (void)work;
}

/* Every prep with good arguments: the kind, a fresh deadline and no result left. */
static void prepare_all(struct heald_op ops[], int results[])
{
    static struct msghdr msg;
    static struct iovec iov;
    static struct sockaddr addr;
    static struct heald_stat st;
    static struct heald_map map;
    static char buf[8];
    static struct heald_lookup lookup;
    static struct heald_connect_name connect_name;
    static struct heald_work detachable = {.fn = job, .release = release};
    int n = 0;

    results[n] = heald_prep_read(&ops[n], 0, buf, 8, 0), n++;
    results[n] = heald_prep_write(&ops[n], 0, buf, 8, 0), n++;
    results[n] = heald_prep_readv(&ops[n], 0, &iov, 1, 0), n++;
    results[n] = heald_prep_writev(&ops[n], 0, &iov, 1, 0), n++;
    results[n] = heald_prep_recv(&ops[n], 0, buf, 8, 0), n++;
    results[n] = heald_prep_send(&ops[n], 0, buf, 8, 0), n++;
    results[n] = heald_prep_recvmsg(&ops[n], 0, &msg, 0), n++;
    results[n] = heald_prep_sendmsg(&ops[n], 0, &msg, 0), n++;
    results[n] = heald_prep_accept(&ops[n], 0, NULL, NULL), n++;
    results[n] = heald_prep_accept_multishot(&ops[n], 0), n++;
    results[n] = heald_prep_connect(&ops[n], 0, &addr, sizeof addr), n++;
    results[n] = heald_prep_shutdown(&ops[n], 0, SHUT_WR), n++;
    results[n] = heald_prep_close(&ops[n], 0), n++;
    results[n] = heald_prep_poll(&ops[n], 0, POLLIN), n++;
    results[n] = heald_prep_open(&ops[n], AT_FDCWD, "x", 0, 0), n++;
    results[n] = heald_prep_open_beneath(&ops[n], 3, "x", 0, 0), n++;
    results[n] = heald_prep_stat(&ops[n], AT_FDCWD, "x", 0, &st), n++;
    results[n] = heald_prep_fsync(&ops[n], 0, 0), n++;
    results[n] = heald_prep_map_sync(&ops[n], &map, 0, 0), n++;
    results[n] = heald_prep_map_prefault(&ops[n], &map, 0, 0, HEALD_MAP_WRITE), n++;
    results[n] = heald_prep_timer(&ops[n], 5), n++;
    results[n] = heald_prep_timer_clock(&ops[n], HEALD_CLOCK_BOOT, 5, 5), n++;
    results[n] = heald_prep_signal(&ops[n], SIGUSR1, NULL), n++;
    results[n] = heald_prep_child(&ops[n], 1, NULL), n++;
    results[n] = heald_prep_connect_name(&ops[n], &connect_name, "x", "80"), n++;
    results[n] = heald_prep_lookup(&ops[n], &lookup, "x", NULL), n++;
    results[n] = heald_prep_work(&ops[n], work, NULL), n++;
    results[n] = heald_prep_work_detachable(&ops[n], &detachable, NULL), n++;
}

static const char *const kinds[] = {
    "read",         "write",    "readv",   "writev",   "recv",
    "send",         "recvmsg",  "sendmsg", "accept",   "accept-multishot",
    "connect",      "shutdown", "close",   "poll",     "open",
    "open-beneath", "stat",     "fsync",   "map-sync", "map-prefault",
    "timer",        "timer",    "signal",  "child",    "connect-name",
    "lookup",       "work",     "work"};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

HEALD_CASE(a_prep_cleans_and_names)
{
    struct heald_op ops[KINDS] = {0};
    int results[KINDS];

    for (int i = 0; i < KINDS; i++) {
        ops[i].result = 99;
        ops[i].flags = HEALD_MORE;
        ops[i].deadline_ns = 1;
        ops[i].data = ops;
        ops[i].name = "mine";
        ops[i].op_class = HEALD_BULK;
    }
    prepare_all(ops, results);
    for (int i = 0; i < KINDS; i++) {
        ck_assert_int_eq(results[i], 0);
        ck_assert_str_eq(heald_op_kind(&ops[i]), kinds[i]);
        ck_assert_int_eq(ops[i].deadline_ns, ops[i].kind == OP_TIMER ? 5 : HEALD_FOREVER);
        ck_assert_int_eq(heald_op_result(&ops[i]), 0);
        ck_assert_int_eq(ops[i].flags, 0);
        /* These outlast it. */
        ck_assert_ptr_eq(ops[i].data, ops);
        ck_assert_str_eq(ops[i].name, "mine");
        ck_assert_int_eq(ops[i].op_class, HEALD_BULK);
    }
}

HEALD_CASE(a_live_op_is_left_alone)
{
    for (int state = OP_QUEUED; state < OP_STATES; state++) {
        struct heald_op ops[KINDS], before[KINDS];
        int results[KINDS];
        memset(ops, 0x5a, sizeof ops);
        for (int i = 0; i < KINDS; i++)
            ops[i].state = (uint8_t)state;
        memcpy(before, ops, sizeof ops);
        prepare_all(ops, results);
        ck_assert_mem_eq(ops, before, sizeof ops);
        for (int i = 0; i < KINDS; i++)
            ck_assert_int_eq(results[i], -EBUSY);
    }
}

#define REFUSED(call)                                  \
    do {                                               \
        ck_assert_int_eq(heald_prep_timer(&op, 1), 0); \
        ck_assert_int_eq(call, -EINVAL);               \
        ck_assert_str_eq(heald_op_kind(&op), "none");  \
    } while (0)

/* What is refused leaves an op that cannot be submitted. */
HEALD_CASE(reads_and_writes_that_are_refused)
{
    struct heald_op op = {0};
    struct iovec iov = {0};
    char buf[8];

    REFUSED(heald_prep_read(&op, 0, buf, 8, -2));
    REFUSED(heald_prep_write(&op, 0, buf, 8, INT64_MIN));
    REFUSED(heald_prep_read(&op, 0, NULL, 8, 0));
    REFUSED(heald_prep_write(&op, 0, NULL, 1, HEALD_NO_OFFSET));
    REFUSED(heald_prep_readv(&op, 0, NULL, 1, 0));
    REFUSED(heald_prep_readv(&op, 0, &iov, 0, 0));
    REFUSED(heald_prep_writev(&op, 0, &iov, -1, 0));
    REFUSED(heald_prep_writev(&op, 0, &iov, 1025, 0));
    REFUSED(heald_prep_writev(&op, 0, &iov, 1, -2));
    REFUSED(heald_prep_recv(&op, 0, buf, 8, MSG_DONTWAIT));
    REFUSED(heald_prep_send(&op, 0, buf, 8, MSG_WAITALL));
    REFUSED(heald_prep_recvmsg(&op, 0, NULL, 0));
    REFUSED(heald_prep_sendmsg(&op, 0, &(struct msghdr){0}, MSG_DONTWAIT));
    REFUSED(heald_prep_recv_multishot(&op, 0, NULL, 0));
}

HEALD_CASE(others_that_are_refused)
{
    struct heald_op op = {0};
    struct sockaddr addr;
    socklen_t len;

    REFUSED(heald_prep_accept(&op, 0, NULL, &len));
    REFUSED(heald_prep_accept(&op, 0, &addr, NULL));
    REFUSED(heald_prep_connect(&op, 0, NULL, 0));
    REFUSED(heald_prep_shutdown(&op, 0, 77));
    REFUSED(heald_prep_poll(&op, 0, POLLNVAL));
    REFUSED(heald_prep_poll(&op, 0, 0x10000));
    REFUSED(heald_prep_open(&op, AT_FDCWD, NULL, 0, 0));
    REFUSED(heald_prep_open_beneath(&op, 3, NULL, 0, 0));
    REFUSED(heald_prep_open_beneath(&op, AT_FDCWD, "x", 0, 0));
    REFUSED(heald_prep_stat(&op, AT_FDCWD, "x", 0, NULL));
    REFUSED(heald_prep_timer(&op, -1));
    REFUSED(heald_prep_timer_clock(&op, HEALD_CLOCK_BOOT, 1, -1));
    REFUSED(heald_prep_timer_clock(&op, (enum heald_clock)2, 1, 1));
    REFUSED(heald_prep_signal(&op, 0, NULL));
    REFUSED(heald_prep_signal(&op, -1, NULL));
    REFUSED(heald_prep_signal(&op, SIGKILL, NULL));
    REFUSED(heald_prep_signal(&op, SIGSEGV, NULL));
    REFUSED(heald_prep_child(&op, 0, NULL));
    REFUSED(heald_prep_child(&op, -5, NULL));
    REFUSED(heald_prep_connect_name(&op, NULL, "x", "80"));
    REFUSED(heald_prep_lookup(&op, NULL, "x", NULL));
    REFUSED(heald_prep_work(&op, NULL, NULL));
    REFUSED(heald_prep_work_detachable(&op, NULL, NULL));
    REFUSED(heald_prep_work_detachable(&op, &(struct heald_work){.fn = job}, NULL));
}

/* A length beyond what one call moves is cut, as the system does. */
HEALD_CASE(lengths_are_cut)
{
    struct heald_op op = {0};
    char buf[8];

    ck_assert_int_eq(heald_prep_recv(&op, 0, buf, SIZE_MAX, 0), 0);
    ck_assert_uint_eq(op.u.rw.len, HEALD_MAX_LEN);
    ck_assert_int_eq(heald_prep_read(&op, 0, buf, (size_t)HEALD_MAX_LEN + 1, 0), 0);
    ck_assert_uint_eq(op.u.rw.len, HEALD_MAX_LEN);
    ck_assert_int_eq(heald_prep_write(&op, 0, NULL, 0, 0), 0);
}

int main(void)
{
    Suite *suite = suite_create("op");
    TCase *group = harness_group(suite, "op");

    harness_add(group, an_op_is_two_cache_lines);
    harness_add(group, moves_are_those_of_the_table);
    harness_add(group, what_each_state_tells);
    harness_add(group, a_prep_cleans_and_names);
    harness_add(group, a_live_op_is_left_alone);
    harness_add(group, reads_and_writes_that_are_refused);
    harness_add(group, others_that_are_refused);
    harness_add(group, lengths_are_cut);
    return harness_run(suite);
}
