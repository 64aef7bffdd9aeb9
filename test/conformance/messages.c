/* test/conformance/messages.c: descriptors and credentials that travel in messages. */
#include "conformance/conformance.h"

#include <sys/socket.h>

HEALD_CASE(descriptors_arrive)
{
    struct heald_loop *loop = loop_on(_i);
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct heald_fd_msg out, in;
    char buf[8];
    int fds[2], pipes[2], got[4];

    for (int t = 0; t < 3; t++) {
        struct probe p = {0}, q = {0};
        ck_assert_int_eq(heald_socketpair(types[t], fds), 0);
        pair_open(PAIR_PIPE, pipes);
        heald_fd_msg_recv(&in, buf, sizeof buf);
        heald_prep_recvmsg(&q.op, fds[0], &in.msg, 0);
        probe_start(loop, &q);
        turn_for(loop, 0);
        ck_assert_int_eq(heald_fd_msg_send(&out, "two", 3, pipes, 2), 0);
        heald_prep_sendmsg(&p.op, fds[1], &out.msg, 0);
        ck_assert_int_eq(probe_do(loop, &p), 3);
        pair_close(loop, pipes);
        ck_assert_int_eq(probe_end(&q), 3);
        ck_assert_mem_eq(buf, "two", 3);
        ck_assert_int_eq(heald_fd_msg_fds(&in, got, 4), 2);
        ck_assert_int_eq(heald_fd_msg_fds(&in, got + 2, 2), 0);
        ck_assert_int_ne(fcntl(got[0], F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(op_write(loop, got[1], "way", 3, HEALD_NO_OFFSET), 3);
        ck_assert_int_eq(op_read(loop, got[0], buf, 8, HEALD_NO_OFFSET), 3);
        ck_assert_mem_eq(buf, "way", 3);
        pair_close(loop, got);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* A message with descriptors ends a read of the bytes before it; nothing after it may be missed. */
HEALD_CASE(they_split_the_reads_of_a_stream)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_fd_msg out, in;
    char buf[64];
    int fds[2], got[4];

    pair_open(PAIR_UNIX, fds);
    for (int round = 0; round < 3; round++) {
        struct probe p = {0};
        size_t have = 0;
        int came = 0;
        heald_fd_msg_recv(&in, buf, sizeof buf);
        heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
        if (round) {
            probe_start(loop, &p);
            turn_for(loop, 0);
        }
        ck_assert_int_eq(send(fds[1], "before", 6, 0), 6);
        ck_assert_int_eq(heald_fd_msg_send(&out, "with", 4, fds, 1), 0);
        ck_assert_int_eq(sendmsg(fds[1], &out.msg, 0), 4);
        ck_assert_int_eq(send(fds[1], "after", 5, 0), 5);
        have += (size_t)(round ? probe_end(&p) : probe_do(loop, &p));
        while (have < 15) {
            for (int n = heald_fd_msg_fds(&in, got, 4); n > 0; came++)
                close(got[--n]);
            heald_fd_msg_recv(&in, buf + have, sizeof buf - have);
            heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
            int64_t n = probe_do(loop, &p);
            ck_assert_int_gt(n, 0);
            have += (size_t)n;
        }
        for (int n = heald_fd_msg_fds(&in, got, 4); n > 0; came++)
            close(got[--n]);
        ck_assert_int_eq(came, 1);
        ck_assert_mem_eq(buf, "beforewithafter", 15);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(what_does_not_fit_is_closed)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_fd_msg out, in;
    int fds[2], many[HEALD_MSG_FDS], got[HEALD_MSG_FDS];
    struct probe p = {0};
    char buf[8];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < HEALD_MSG_FDS; i++)
        many[i] = fds[0];
    ck_assert_int_eq(heald_fd_msg_send(&out, "x", 1, many, HEALD_MSG_FDS), 0);
    for (unsigned room = 0; room <= HEALD_MSG_FDS; room += HEALD_MSG_FDS / 2) {
        heald_prep_sendmsg(&p.op, fds[1], &out.msg, 0);
        ck_assert_int_eq(probe_do(loop, &p), 1);
        heald_fd_msg_recv(&in, buf, sizeof buf);
        heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
        ck_assert_int_eq(probe_do(loop, &p), 1);
        ck_assert_int_eq(heald_fd_msg_fds(&in, got, room), (int)room);
        for (unsigned i = 0; i < room; i++)
            close(got[i]);
    }
    /* Cut by the kernel: nothing of it is kept. */
    ck_assert_int_eq(sendmsg(fds[1], &out.msg, 0), 1);
    heald_fd_msg_recv(&in, buf, sizeof buf);
    in.msg.msg_controllen = CMSG_SPACE(2 * sizeof(int));
    heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), 1);
    got[0] = -7;
    ck_assert_int_eq(heald_fd_msg_fds(&in, got, HEALD_MSG_FDS), -EMSGSIZE);
    ck_assert_int_eq(got[0], -7);
    ck_assert_int_eq(heald_fd_msg_send(&out, "x", 1, many, HEALD_MSG_FDS + 1), -EINVAL);
    ck_assert_int_eq(heald_fd_msg_send(&out, "x", 1, NULL, 1), -EINVAL);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_message_without_descriptors)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_fd_msg out, in;
    struct probe p = {0};
    char buf[8];
    int fds[2], got[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_fd_msg_send(&out, "plain", 5, NULL, 0), 0);
    heald_prep_sendmsg(&p.op, fds[1], &out.msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), 5);
    heald_fd_msg_recv(&in, buf, sizeof buf);
    heald_prep_recvmsg(&p.op, fds[0], &in.msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), 5);
    ck_assert_int_eq(heald_fd_msg_fds(&in, got, 2), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(credentials_arrive)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8], room[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct probe p = {0};
    struct ucred cred;
    int fds[2], on = 1;

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    heald_prep_recvmsg(&p.op, fds[0], &msg, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(op_send(loop, fds[1], "who", 3), 3);
    ck_assert_int_eq(probe_end(&p), 3);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(c->cmsg_type, SCM_CREDENTIALS);
    memcpy(&cred, CMSG_DATA(c), sizeof cred);
    ck_assert_int_eq(cred.pid, getpid());
    ck_assert_int_eq(cred.uid, getuid());
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(flags_that_are_refused)
{
    struct heald_loop *loop = loop_on(_i);
    static const int bad[] = {MSG_DONTWAIT, MSG_WAITALL, MSG_WAITALL | MSG_PEEK};
    struct msghdr msg = {0};
    struct probe p = {0};
    char buf[8];

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(heald_prep_recv(&p.op, 0, buf, 8, bad[i]), -EINVAL);
        ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
        ck_assert_int_eq(heald_prep_send(&p.op, 0, buf, 8, bad[i]), -EINVAL);
        ck_assert_int_eq(heald_prep_recvmsg(&p.op, 0, &msg, bad[i]), -EINVAL);
        ck_assert_int_eq(heald_prep_sendmsg(&p.op, 0, &msg, bad[i]), -EINVAL);
        ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    }
    ck_assert_int_eq(heald_prep_recvmsg(&p.op, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_sendmsg(&p.op, 0, NULL, 0), -EINVAL);
    loop_end(loop);
}

void add_messages(TCase *group)
{
    add_everywhere(group, descriptors_arrive);
    add_everywhere(group, they_split_the_reads_of_a_stream);
    add_everywhere(group, what_does_not_fit_is_closed);
    add_everywhere(group, a_message_without_descriptors);
    add_everywhere(group, credentials_arrive);
    add_everywhere(group, flags_that_are_refused);
}
