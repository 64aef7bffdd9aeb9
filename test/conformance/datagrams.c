/* test/conformance/datagrams.c: messages keep their bounds, over UDP, Unix datagrams, seqpacket. */
#include "conformance/conformance.h"

#include <sys/socket.h>

enum { LOTS = 500 };

/* Two UDP sockets; b is connected to a, a to nobody. */
static void udp_open(int *ret_a, int *ret_b, struct heald_addr *ret_to_a)
{
    *ret_a = heald_bind("127.0.0.1:0", SOCK_DGRAM);
    ck_assert_int_ge(*ret_a, 0);
    ck_assert_int_eq(heald_local_addr(*ret_a, ret_to_a), 0);
    *ret_b = heald_bind("127.0.0.1:0", SOCK_DGRAM);
    ck_assert_int_ge(*ret_b, 0);
    ck_assert_int_eq(connect(*ret_b, &ret_to_a->u.sa, ret_to_a->len), 0);
}

HEALD_CASE(addresses_come_and_go)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to, from = {.len = sizeof from.u}, b_addr;
    char text[2][HEALD_ADDR_TEXT], buf[16];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct probe p = {0};
    int a, b;

    udp_open(&a, &b, &to);
    heald_local_addr(b, &b_addr);
    msg.msg_name = &from.u;
    msg.msg_namelen = sizeof from.u;
    heald_prep_recvmsg(&p.op, a, &msg, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(op_send(loop, b, "hello", 5), 5);
    ck_assert_int_eq(probe_end(&p), 5);
    from.len = msg.msg_namelen;
    heald_addr_format(&from, text[0], sizeof text[0]);
    heald_addr_format(&b_addr, text[1], sizeof text[1]);
    ck_assert_str_eq(text[0], text[1]);
    iov.iov_len = 5;
    heald_prep_sendmsg(&p.op, a, &msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), 5);
    ck_assert_int_eq(op_recv(loop, b, buf, 16), 5);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(an_empty_one_is_a_message)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    char buf[16];
    int a, b;

    udp_open(&a, &b, &to);
    ck_assert_int_eq(op_send(loop, b, "", 0), 0);
    ck_assert_int_eq(op_send(loop, b, "xy", 2), 2);
    ck_assert_int_eq(op_send(loop, b, "", 0), 0);
    ck_assert_int_eq(op_recv(loop, a, buf, 16), 0);
    ck_assert_int_eq(op_recv(loop, a, buf, 16), 2);
    ck_assert_int_eq(op_recv(loop, a, buf, 16), 0);
    struct probe p = {0};
    heald_prep_recv(&p.op, a, buf, 16, 0);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(op_send(loop, b, "", 0), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(what_does_not_fit_is_cut_and_said)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    char buf[4];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct probe p = {0};
    int a, b;

    udp_open(&a, &b, &to);
    ck_assert_int_eq(op_send(loop, b, "0123456789", 10), 10);
    ck_assert_int_eq(op_send(loop, b, "ab", 2), 2);
    heald_prep_recvmsg(&p.op, a, &msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), 4);
    ck_assert_int_ne(msg.msg_flags & MSG_TRUNC, 0);
    ck_assert_mem_eq(buf, "0123", 4);
    ck_assert_int_eq(op_recv(loop, a, buf, 4), 2);
    ck_assert_int_eq(op_send(loop, b, "0123456789", 10), 10);
    heald_prep_recv(&p.op, a, buf, 4, MSG_TRUNC);
    ck_assert_int_eq(probe_do(loop, &p), 10);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(nobody_there_is_reported)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    char buf[4];
    int a, b;

    udp_open(&a, &b, &to);
    heald_close(loop, a);
    ck_assert_int_eq(op_send(loop, b, "x", 1), 1);
    ck_assert_int_eq(op_recv(loop, b, buf, 4), -ECONNREFUSED);
    heald_close(loop, b);
    loop_end(loop);
}

/* More messages than the queue of the socket has room for: the senders wait, in order. */
static void fill_and_drain(struct heald_loop *loop, int type)
{
    struct probe *p = calloc(LOTS, sizeof *p);
    int *number = calloc(LOTS, sizeof *number), fds[2], got;

    ck_assert_int_eq(heald_socketpair(type, fds), 0);
    for (int i = 0; i < LOTS; i++) {
        number[i] = i;
        heald_prep_send(&p[i].op, fds[1], &number[i], sizeof number[i], 0);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < LOTS; i++) {
        ck_assert_int_eq(op_recv(loop, fds[0], &got, sizeof got), sizeof got);
        ck_assert_int_eq(got, i);
    }
    for (int i = 0; i < LOTS; i++)
        ck_assert_int_eq(probe_end(&p[i]), sizeof got);
    pair_close(loop, fds);
    free(p);
    free(number);
}

HEALD_CASE(a_full_queue_makes_senders_wait)
{
    struct heald_loop *loop = loop_on(_i);

    fill_and_drain(loop, SOCK_DGRAM);
    fill_and_drain(loop, SOCK_SEQPACKET);
    loop_end(loop);
}

HEALD_CASE(packets_in_sequence_end)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_SEQPACKET, fds), 0);
    ck_assert_int_eq(op_send(loop, fds[1], "one", 3), 3);
    ck_assert_int_eq(op_send(loop, fds[1], "three", 5), 5);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 3);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 5);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 0);
    ck_assert_int_eq(op_send(loop, fds[0], "x", 1), -EPIPE);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    loop_end(loop);
}

HEALD_CASE(read_and_write_work_too)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    char buf[16], more[16];
    struct iovec iov[] = {{.iov_base = buf, .iov_len = 2}, {.iov_base = more, .iov_len = 16}};
    struct probe p = {0};
    int a, b;

    udp_open(&a, &b, &to);
    ck_assert_int_eq(op_write(loop, b, "abcdef", 6, HEALD_NO_OFFSET), 6);
    ck_assert_int_eq(op_write(loop, b, "ghijkl", 6, HEALD_NO_OFFSET), 6);
    ck_assert_int_eq(op_read(loop, a, buf, 16, HEALD_NO_OFFSET), 6);
    heald_prep_readv(&p.op, a, iov, 2, HEALD_NO_OFFSET);
    ck_assert_int_eq(probe_do(loop, &p), 6);
    ck_assert_mem_eq(buf, "gh", 2);
    ck_assert_mem_eq(more, "ijkl", 4);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(too_long_is_refused)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    char *buf = calloc(1, 70000);
    int a, b;

    udp_open(&a, &b, &to);
    ck_assert_int_eq(op_send(loop, b, buf, 70000), -EMSGSIZE);
    free(buf);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

struct senders {
    struct probe p;
    struct heald_buf_group *group;
    uint64_t memory[8][24]; /* 192 bytes: room for 48 of a datagram */
    char got[8][64];
    int64_t len[8];
    struct heald_addr from[8];
    unsigned flags[8];
    int n, keep;
};

static void on_datagram(struct heald_op *op)
{
    struct senders *s = heald_container_of(op, struct senders, p.op);

    probe_completed(op);
    if (!(op->flags & HEALD_MORE)) {
        ck_assert_uint_eq(op->buffer, HEALD_NO_BUFFER);
        return;
    }
    struct heald_datagram *d = heald_buf_datagram(s->group, op->buffer);
    ck_assert_ptr_nonnull(d);
    must(s->n < 8 && op->result <= 48);
    memcpy(s->got[s->n], d + 1, (size_t)op->result);
    s->len[s->n] = op->result;
    s->flags[s->n] = d->flags;
    s->from[s->n].len = d->addr_len;
    memcpy(&s->from[s->n].u.storage, &d->addr, sizeof d->addr);
    s->n++;
    if (!s->keep)
        ck_assert_int_eq(heald_buf_return(s->group, op->buffer), 0);
}

static struct senders *senders_open(struct heald_loop *loop, int fd, unsigned buffers)
{
    struct senders *s = calloc(1, sizeof *s);

    ck_assert_int_eq(heald_buf_group_open(&s->group, loop, s->memory, buffers, 192), 0);
    ck_assert_int_eq(heald_prep_recvfrom_multishot(&s->p.op, fd, s->group, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &s->p.op, on_datagram), 0);
    return s;
}

static void senders_close(struct senders *s)
{
    if (!s->p.finals)
        probe_cancel(&s->p);
    ck_assert_int_eq(heald_buf_group_close(s->group), 0);
    free(s);
}

HEALD_CASE(each_with_its_sender)
{
    struct heald_loop *loop = loop_on(_i);
    char much[100] = "much", text[2][HEALD_ADDR_TEXT];
    struct heald_addr to, b_addr;
    int a, b;

    udp_open(&a, &b, &to);
    struct senders *s = senders_open(loop, a, 8);
    ck_assert_int_eq(send(b, "one", 3, 0), 3);
    ck_assert_int_eq(send(b, "", 0, 0), 0);
    ck_assert_int_eq(send(b, much, sizeof much, 0), sizeof much);
    turn_until(loop, &s->n, 3);
    ck_assert_int_eq(send(b, "four", 4, 0), 4);
    turn_until(loop, &s->n, 4);
    ck_assert_int_eq(s->len[0], 3);
    ck_assert_int_eq(s->len[1], 0);
    ck_assert_int_eq(s->len[2], 48);
    ck_assert_uint_eq(s->flags[2], MSG_TRUNC);
    ck_assert_uint_eq(s->flags[3], 0);
    ck_assert_int_eq(memcmp(s->got[3], "four", 4), 0);
    heald_local_addr(b, &b_addr);
    heald_addr_format(&b_addr, text[1], sizeof text[1]);
    for (int i = 0; i < 4; i++) {
        heald_addr_format(&s->from[i], text[0], sizeof text[0]);
        ck_assert_str_eq(text[0], text[1]);
    }
    /* The address is one to answer to. */
    ck_assert_int_eq(sendto(a, "re", 2, 0, &s->from[0].u.sa, s->from[0].len), 2);
    ck_assert_int_eq(op_recv(loop, b, much, sizeof much), 2);
    senders_close(s);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(a_sender_without_an_address)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_DGRAM, fds), 0);
    struct senders *s = senders_open(loop, fds[0], 4);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    turn_until(loop, &s->n, 1);
    ck_assert_uint_eq(s->from[0].len, 0);
    ck_assert_int_eq(s->got[0][0], 'x');
    senders_close(s);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(datagrams_wait_while_no_buffer_is_free)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr to;
    int a, b;

    udp_open(&a, &b, &to);
    struct senders *s = senders_open(loop, a, 2);
    s->keep = 1;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send(b, &"abc"[i], 1, 0), 1);
    ck_assert_int_eq(probe_end(&s->p), -ENOBUFS);
    ck_assert_int_eq(s->n, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(heald_buf_return(s->group, i), 0);
    s->p.finals = 0;
    ck_assert_int_eq(heald_submit(loop, &s->p.op, on_datagram), 0);
    turn_until(loop, &s->n, 3);
    ck_assert_int_eq(s->got[2][0], 'c');
    senders_close(s);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(what_receives_no_datagrams)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *small;
    uint64_t memory[2][18];
    struct probe p = {0};
    int fds[2];

    ck_assert_int_eq(heald_buf_group_open(&small, loop, memory, 2, 144), 0);
    ck_assert_int_eq(heald_prep_recvfrom_multishot(&p.op, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_recvfrom_multishot(&p.op, 0, small, MSG_PEEK), -EINVAL);
    ck_assert_int_eq(heald_prep_recvfrom_multishot(&p.op, 0, small, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_buf_group_close(small), 0);
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        struct senders *s = senders_open(loop, fds[0], 4);
        ck_assert_int_eq(probe_end(&s->p), kind == PAIR_PIPE ? -ENOTSOCK : -EINVAL);
        senders_close(s);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

void add_datagrams(TCase *group)
{
    add_everywhere(group, addresses_come_and_go);
    add_everywhere(group, an_empty_one_is_a_message);
    add_everywhere(group, what_does_not_fit_is_cut_and_said);
    add_everywhere(group, nobody_there_is_reported);
    add_everywhere(group, a_full_queue_makes_senders_wait);
    add_everywhere(group, packets_in_sequence_end);
    add_everywhere(group, read_and_write_work_too);
    add_everywhere(group, too_long_is_refused);
    add_everywhere(group, each_with_its_sender);
    add_everywhere(group, a_sender_without_an_address);
    add_everywhere(group, datagrams_wait_while_no_buffer_is_free);
    add_everywhere(group, what_receives_no_datagrams);
}
