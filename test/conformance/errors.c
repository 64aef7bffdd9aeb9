/* test/conformance/errors.c: misuse: bad descriptors, ops that are pending, not prepared, refused.
 */
#include "conformance/conformance.h"

#include <sys/socket.h>

enum { KINDS = 14 };

/* Prepares a kind of op on a descriptor. */
static void prepare(struct heald_op *op, int kind, int fd)
{
    static char buf[8];
    static struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    static struct sockaddr_storage addr = {.ss_family = AF_INET};

    switch (kind) {
    case 0: heald_prep_read(op, fd, buf, 8, HEALD_NO_OFFSET); break;
    case 1: heald_prep_write(op, fd, buf, 8, HEALD_NO_OFFSET); break;
    case 2: heald_prep_read(op, fd, buf, 8, 0); break;
    case 3: heald_prep_write(op, fd, buf, 8, 0); break;
    case 4: heald_prep_readv(op, fd, &iov, 1, HEALD_NO_OFFSET); break;
    case 5: heald_prep_recv(op, fd, buf, 8, 0); break;
    case 6: heald_prep_send(op, fd, buf, 8, 0); break;
    case 7: heald_prep_recvmsg(op, fd, &msg, 0); break;
    case 8: heald_prep_sendmsg(op, fd, &msg, 0); break;
    case 9: heald_prep_accept(op, fd, NULL, NULL); break;
    case 10: heald_prep_connect(op, fd, (struct sockaddr *)&addr, 16); break;
    case 11: heald_prep_shutdown(op, fd, SHUT_WR); break;
    case 12: heald_prep_poll(op, fd, POLLIN); break;
    default: heald_prep_fsync(op, fd, 0); break;
    }
}

HEALD_CASE(numbers_that_are_no_descriptors)
{
    struct heald_loop *loop = loop_on(_i);
    int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int bad[] = {-1, -2, INT32_MIN, closed, 100000, INT32_MAX};

    close(closed);
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        struct probe p = {0};
        for (int kind = 0; kind < KINDS; kind++) {
            prepare(&p.op, kind, bad[b]);
            int64_t result = probe_do(loop, &p);
            ck_assert_msg(result == -EBADF, "%s on %d: %d", heald_op_kind(&p.op), bad[b],
                          (int)result);
        }
        heald_prep_close(&p.op, bad[b]);
        ck_assert_int_eq(probe_do(loop, &p), -EBADF);
        ck_assert_int_eq(heald_close(loop, bad[b]), -EBADF);
        heald_forget(loop, bad[b]);
    }
    loop_end(loop);
}

HEALD_CASE(an_op_that_is_live)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct heald_stat st;
    char buf[8];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    heald_prep_recv(&p.op, fds[0], buf, 8, 0);
    probe_start(loop, &p);
    for (int turns = 0; turns < 2; turns++) {
        ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EBUSY);
        ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), -EBUSY);
        ck_assert_int_eq(heald_prep_recv(&p.op, fds[0], buf, 8, 0), -EBUSY);
        ck_assert_int_eq(heald_prep_timer(&p.op, 0), -EBUSY);
        ck_assert_int_eq(heald_prep_timer(&p.op, -1), -EBUSY);
        ck_assert_int_eq(heald_prep_poll(&p.op, fds[0], 0), -EBUSY);
        ck_assert_int_eq(heald_prep_stat(&p.op, AT_FDCWD, "/", 0, &st), -EBUSY);
        ck_assert_int_eq(heald_prep_close(&p.op, fds[0]), -EBUSY);
        ck_assert_int_eq(heald_op_notify_callback(&p.op), -EBUSY);
        ck_assert_int_eq(heald_op_notify_thread(&p.op), -EBUSY);
        ck_assert_str_eq(heald_op_kind(&p.op), "recv");
        ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
        ck_assert_int_eq(heald_op_result(&p.op), 0);
        turn_for(loop, 0);
    }
    ck_assert_int_eq(send(fds[1], "ok", 2, 0), 2);
    ck_assert_int_eq(probe_end(&p), 2);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(an_op_that_was_not_prepared)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};
    char buf[8];

    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_op_error(&op), 0);
    ck_assert_int_eq(heald_op_result(&op), 0);
    ck_assert_str_eq(heald_op_kind(&op), "none");
    ck_assert_int_eq(heald_prep_read(&op, 0, buf, 8, 0), 0);
    ck_assert_int_eq(heald_prep_read(&op, 0, buf, 8, -2), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    loop_end(loop);
}

HEALD_CASE(an_array_stops_at_the_first_that_is_refused)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[4] = {0};
    struct heald_op *ops[] = {&p[0].op, NULL, &p[1].op, &p[2].op, &p[3].op};

    heald_prep_timer(&p[0].op, 0);
    heald_prep_timer(&p[1].op, 0);
    heald_prep_timer(&p[3].op, 0);
    ck_assert_int_eq(heald_submit_all(loop, ops, 5, probe_completed), 3);
    ck_assert_int_eq(heald_submit_all(loop, ops + 3, 2, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_submit_all(loop, ops, 0, probe_completed), 0);
    ck_assert_int_eq(heald_submit_all(loop, ops + 4, 1, probe_completed), 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(p[i].finals, i != 2);
    loop_end(loop);
}

/* From its own callback an op is the owner's again: prepared, submitted, and freed. */
static void on_chain(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);

    ck_assert_str_eq(heald_op_state(op), "idle");
    ck_assert_int_eq(heald_cancel(op), -EINVAL);
    if (++p->calls == KINDS) {
        p->finals = 1;
        return;
    }
    prepare(op, p->calls, -1);
    ck_assert_int_eq(heald_submit(op->loop, op, on_chain), 0);
}

HEALD_CASE(submitted_again_in_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    prepare(&p.op, 0, -1);
    ck_assert_int_eq(heald_submit(loop, &p.op, on_chain), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(p.calls, KINDS);
    loop_end(loop);
}

/* It keeps its arguments and its deadline. */
HEALD_CASE(submitted_again_without_a_prep)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe in = {0}, out = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_send(&out.op, fds[1], "again", 5, 0);
    heald_prep_recv(&in.op, fds[0], buf, 8, 0);
    in.op.deadline_ns = now() + 3600 * HEALD_SEC;
    for (int i = 0; i < 3; i++) {
        in.finals = out.finals = 0;
        probe_start(loop, &in);
        ck_assert_int_eq(probe_do(loop, &out), 5);
        ck_assert_int_eq(probe_end(&in), 5);
    }
    in.op.deadline_ns = 0;
    for (int i = 0; i < 3; i++) {
        in.finals = 0;
        ck_assert_int_eq(probe_do(loop, &in), -ETIMEDOUT);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_wild_number_costs_nothing)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    /* A table as large as this number would be noticed. */
    for (int i = 0; i < 100; i++) {
        prepare(&p.op, i % KINDS, INT32_MAX - i);
        ck_assert_int_eq(probe_do(loop, &p), -EBADF);
    }
    loop_end(loop);
}

void add_errors(TCase *group)
{
    add_everywhere(group, numbers_that_are_no_descriptors);
    add_everywhere(group, an_op_that_is_live);
    add_everywhere(group, an_op_that_was_not_prepared);
    add_everywhere(group, an_array_stops_at_the_first_that_is_refused);
    add_everywhere(group, submitted_again_in_its_callback);
    add_everywhere(group, submitted_again_without_a_prep);
    add_everywhere(group, a_wild_number_costs_nothing);
}
