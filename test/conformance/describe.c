/* test/conformance/describe.c: heald_op_describe() and heald_op_format(). */
#include "conformance/conformance.h"
#include "conformance/resolver.h"

#include <signal.h>
#include <stdio.h>

enum { MANY = 2000 };

static struct heald_op_info info_of(const struct heald_op *op)
{
    struct heald_op_info info;

    ck_assert_int_eq(heald_op_describe(op, &info), 0);
    ck_assert_str_eq(info.kind, heald_op_kind(op));
    ck_assert_str_eq(info.state, heald_op_state(op));
    return info;
}

static const char *line_of(const struct heald_op *op)
{
    static char line[HEALD_OP_TEXT];
    int n = heald_op_format(op, line, sizeof line);

    ck_assert_int_eq(n, (int)strlen(line));
    return line;
}

/* Does the line begin like that, and has it this? */
static void expect_line(const struct heald_op *op, const char *begin, const char *has)
{
    const char *line = line_of(op);

    ck_assert_msg(strncmp(line, begin, strlen(begin)) == 0 && strstr(line, has), "%s", line);
}

static const char *addr_of(const struct heald_op_info *info)
{
    static char text[HEALD_ADDR_TEXT];

    text[0] = 0;
    if (info->addr.len)
        heald_addr_format(&info->addr, text, sizeof text);
    return text;
}

HEALD_CASE(ops_on_descriptors)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    struct heald_addr listens, peer;
    char byte, text[HEALD_ADDR_TEXT], line[2 * HEALD_ADDR_TEXT];
    int fds[2], listener = tcp_listen(0, &listens);

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p[0].op, fds[0], &byte, 1, 0);
    p[0].op.deadline_ns = now() + 3600 * HEALD_SEC;
    p[0].op.name = "the\nclient";
    heald_prep_accept(&p[1].op, listener, NULL, NULL);
    heald_prep_poll(&p[2].op, fds[1], POLLPRI);
    for (int i = 0; i < 3; i++)
        probe_start(loop, &p[i]);
    turn_for(loop, 0);
    struct heald_op_info info = info_of(&p[0].op);
    ck_assert_int_eq(info.fd[0], fds[0]);
    ck_assert_int_eq(info.fd[1], -1);
    ck_assert_int_eq(info.deadline_ns, p[0].op.deadline_ns);
    ck_assert_int_eq(info.since_ns, 0);
    ck_assert_int_eq(heald_peer_addr(fds[0], &peer), 0);
    heald_addr_format(&peer, text, sizeof text);
    ck_assert_str_eq(addr_of(&info), text);
    snprintf(line, sizeof line, "recv \"the?client\", fd %d from %s, armed, deadline in 3", fds[0],
             text);
    expect_line(&p[0].op, line, " s");
    info = info_of(&p[1].op);
    heald_addr_format(&listens, text, sizeof text);
    ck_assert_str_eq(addr_of(&info), text);
    ck_assert_int_eq(info.deadline_ns, HEALD_FOREVER);
    expect_line(&p[1].op, "accept fd ", " at 127.0.0.1:");
    expect_line(&p[2].op, "poll fd ", " with 127.0.0.1:");
    for (int i = 0; i < 3; i++)
        probe_cancel(&p[i]);
    ck_assert_int_eq(heald_op_describe(&p[0].op, &info), -EINVAL);
    ck_assert_int_eq(heald_op_format(&p[0].op, text, sizeof text), -EINVAL);
    pair_close(loop, fds);
    heald_close(loop, listener);
    loop_end(loop);
}

/* Of a connect that is not over, or whose callback is due. */
HEALD_CASE(where_a_connect_goes)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct heald_addr addr;

    ck_assert_int_eq(heald_addr_parse("127.0.0.1:1", &addr), 0);
    int fd = heald_socket(&addr, SOCK_STREAM);
    ck_assert_int_ge(fd, 0);
    heald_prep_connect(&p.op, fd, &addr.u.sa, addr.len);
    probe_start(loop, &p);
    struct heald_op_info info = info_of(&p.op);
    ck_assert_str_eq(addr_of(&info), "127.0.0.1:1");
    expect_line(&p.op, "connect fd ", " to 127.0.0.1:1, ");
    ck_assert_int_eq(probe_end(&p), -ECONNREFUSED);
    heald_close(loop, fd);
    loop_end(loop);
}

HEALD_CASE(ops_on_files)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};
    struct heald_stat st;

    heald_prep_stat(&p[0].op, AT_FDCWD, "/no/such\tfile", 0, &st);
    heald_prep_rename(&p[1].op, AT_FDCWD, "/no/a", AT_FDCWD, "/no/b", 0);
    for (int i = 0; i < 2; i++)
        probe_start(loop, &p[i]);
    struct heald_op_info info = info_of(&p[0].op);
    ck_assert_str_eq(info.path[0], "/no/such\tfile");
    ck_assert_ptr_null(info.path[1]);
    ck_assert_int_eq(info.fd[0], -1);
    expect_line(&p[0].op, "stat /no/such?file, ", "");
    info = info_of(&p[1].op);
    ck_assert_str_eq(info.path[0], "/no/a");
    ck_assert_str_eq(info.path[1], "/no/b");
    ck_assert_int_eq(info.fd[1], -1);
    expect_line(&p[1].op, "rename /no/a to /no/b, ", "");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(probe_end(&p[i]), -ENOENT);
    loop_end(loop);
}

HEALD_CASE(ops_without_a_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    struct query q = {0};
    uint32_t word = 1;

    heald_prep_timer(&p[0].op, now() + 3600 * HEALD_SEC);
    heald_op_background(&p[0].op, 1);
    heald_prep_signal(&p[1].op, SIGUSR1, NULL);
    heald_prep_futex_wait(&p[2].op, &word, 1);
    for (int i = 0; i < 3; i++)
        probe_start(loop, &p[i]);
    query_start(loop, &q, "hang.test", "http");
    expect_line(&p[0].op, "timer, armed, due in 3", "background");
    ck_assert_int_eq(info_of(&p[0].op).background, 1);
    ck_assert_int_eq(info_of(&p[1].op).number, SIGUSR1);
    expect_line(&p[1].op, "signal ", ", armed");
    ck_assert_ptr_eq(info_of(&p[2].op).object, &word);
    expect_line(&p[2].op, "futex-wait at 0x", "");
    ck_assert_str_eq(info_of(&q.p.op).host, "hang.test");
    expect_line(&q.p.op, "lookup hang.test port http, ", "");
    resolver_go();
    probe_end(&q.p);
    for (int i = 0; i < 3; i++)
        probe_cancel(&p[i]);
    loop_end(loop);
}

HEALD_CASE(the_question_of_a_connection)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_connect_name name = {.family = AF_INET};
    struct probe p = {0};
    char host[] = "hang.test:80";

    ck_assert_int_eq(heald_prep_connect_name(&p.op, &name, host, NULL), 0);
    probe_start(loop, &p);
    memset(host, 'x', sizeof host - 1); /* the caller's again */
    expect_line(&p.op, "connect-name hang.test:80, ", "");
    probe_cancel(&p);
    resolver_go();
    loop_end(loop);
}

/* A text is cut, and says how long it is. */
HEALD_CASE(a_short_buffer)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char all[HEALD_OP_TEXT], buf[8];

    heald_prep_signal(&p.op, SIGUSR1, NULL);
    probe_start(loop, &p);
    int n = heald_op_format(&p.op, all, sizeof all);
    for (size_t size = 0; size <= sizeof buf; size++) {
        memset(buf, '#', sizeof buf);
        ck_assert_int_eq(heald_op_format(&p.op, buf, size), n);
        for (size_t i = 0; i < sizeof buf; i++)
            ck_assert_int_eq(buf[i], i + 1 < size ? all[i] : i + 1 == size ? 0 : '#');
    }
    probe_cancel(&p);
    loop_end(loop);
}

static void note_since(const struct heald_op *op, void *user)
{
    int64_t since = info_of(op).since_ns;

    (void)user;
    if (op->name)
        ck_assert_int_eq(since, 0); /* it was posted */
    else
        ck_assert_msg(since > 0 && since <= now(), "%lld", (long long)since);
}

/* They stay known while others come and go, on the short way of a receive and on all others. */
HEALD_CASE(since_when)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.since = 1});
    static struct probe p[MANY];
    struct probe first = {0}, posted = {.op = {.name = "posted"}};
    int64_t began = now();
    char byte;
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&first.op, fds[0], &byte, 1, 0);
    probe_start(loop, &first);
    int64_t since = info_of(&first.op).since_ns;
    ck_assert_int_ge(since, began);
    for (int round = 0; round < 3; round++) {
        memset(p, 0, sizeof p);
        for (int i = 0; i < MANY; i++) {
            heald_prep_timer(&p[i].op, i % 2 ? HEALD_FOREVER : 0);
            probe_start(loop, &p[i]);
        }
        posted.finals = 0;
        ck_assert_int_eq(heald_loop_post(loop, &posted.op, probe_completed), 0);
        heald_loop_list(loop, note_since, NULL);
        for (int i = 0; i < MANY; i++)
            if (i % 2)
                probe_cancel(&p[i]);
            else
                ck_assert_int_eq(probe_end(&p[i]), 0);
    }
    ck_assert_int_eq(info_of(&first.op).since_ns, since);
    expect_line(&first.op, "recv fd ", ", armed for ");
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(probe_end(&first), 1);
    /* Another time, another submission. */
    while (now() == since)
        ;
    first.finals = 0;
    probe_start(loop, &first);
    ck_assert_int_gt(info_of(&first.op).since_ns, since);
    probe_cancel(&first);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_describe(TCase *group)
{
    add_everywhere(group, ops_on_descriptors);
    add_on_backends(group, where_a_connect_goes);
    add_everywhere(group, ops_on_files);
    add_on_backends(group, ops_without_a_descriptor);
    add_on_backends(group, the_question_of_a_connection);
    add_on_backends(group, a_short_buffer);
    add_on_backends(group, since_when);
}
