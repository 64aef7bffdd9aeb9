/* test/conformance/mq.c: message queues of POSIX. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MESSAGES = 2, SIZE = 16 };

static void name_of(char name[static 64])
{
    snprintf(name, 64, "/heald-test-%ld", (long)getpid());
}

/* An open queue without a name, for both directions. */
static int queue_make(int flags)
{
    static const struct heald_mq_attributes a = {.max_messages = MESSAGES, .message_size = SIZE};
    struct heald_why why = {""};
    char name[64];
    int fd = -1;

    name_of(name);
    int err = heald_mq_open(name, flags | O_CREAT | O_EXCL, 0600, &a, &fd, &why);
    if (err == -ENOSYS)
        harness_skip("no message queues of POSIX here");
    ck_assert_msg(!err, "%s", why.text);
    ck_assert_int_eq(heald_mq_unlink(name), 0);
    return fd;
}

static int64_t receive(struct heald_loop *loop, int fd, char buf[static SIZE], unsigned *priority)
{
    struct probe p = {0};

    return probe_prepared(loop, &p, heald_prep_mq_receive(&p.op, fd, buf, SIZE, priority));
}

static int64_t send_text(struct heald_loop *loop, int fd, const char *text, unsigned priority)
{
    struct probe p = {0};

    return probe_prepared(loop, &p, heald_prep_mq_send(&p.op, fd, text, strlen(text), priority));
}

HEALD_CASE(messages_come_by_priority)
{
    struct heald_loop *loop = loop_on(_i);
    int fd = queue_make(O_RDWR);
    unsigned priority = 0;
    char buf[SIZE];

    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(send_text(loop, fd, "low", 1), 0);
    ck_assert_int_eq(send_text(loop, fd, "high", HEALD_MQ_PRIORITIES - 1), 0);
    ck_assert_int_eq(receive(loop, fd, buf, &priority), 4);
    ck_assert_mem_eq(buf, "high", 4);
    ck_assert_uint_eq(priority, HEALD_MQ_PRIORITIES - 1);
    ck_assert_int_eq(receive(loop, fd, buf, NULL), 3);
    ck_assert_int_eq(send_text(loop, fd, "", 0), 0);
    ck_assert_int_eq(receive(loop, fd, buf, &priority), 0);
    ck_assert_uint_eq(priority, 0);
    heald_close(loop, fd);
    loop_end(loop);
}

/* Both ends wait, also on a descriptor that would block; each in the order of submission. */
HEALD_CASE(ops_wait_for_messages_and_for_room)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe in[3] = {0}, out[3] = {0};
    int fd = queue_make(O_RDWR);
    char buf[3][SIZE], text[2] = "a";

    skip_on_kqueue(_i, "libkqueue takes a queue for a regular file");
    for (int round = 0; round < 4; round++) {
        set_blocking(fd, round & 1);
        for (int i = 0; i < 3; i++) {
            heald_prep_mq_receive(&in[i].op, fd, buf[i], SIZE, NULL);
            probe_start(loop, &in[i]);
        }
        turn_for(loop, HEALD_MS);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(heald_op_error(&in[i].op), -EINPROGRESS);
            text[0] = (char)('a' + i);
            ck_assert_int_eq(heald_mq_send(fd, text, 1, 0), 0);
            ck_assert_int_eq(probe_end(&in[i]), 1);
            ck_assert_int_eq(buf[i][0], 'a' + i);
        }
        while (heald_mq_send(fd, "x", 1, 0) == 0)
            ;
        for (int i = 0; i < 3; i++) {
            heald_prep_mq_send(&out[i].op, fd, &"uvw"[i], 1, 0);
            probe_start(loop, &out[i]);
        }
        turn_for(loop, HEALD_MS);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(heald_op_error(&out[i].op), -EINPROGRESS);
            ck_assert_int_eq(heald_mq_receive(fd, buf[0], SIZE, NULL), 1);
            ck_assert_int_eq(probe_end(&out[i]), 0);
        }
        for (int i = 1; i < 3; i++) {
            ck_assert_int_eq(receive(loop, fd, buf[i], NULL), 1);
            ck_assert_int_eq(buf[i][0], "uvw"[i]);
        }
        ck_assert_int_eq(heald_mq_receive(fd, buf[0], SIZE, NULL), -EAGAIN);
    }
    heald_close(loop, fd);
    loop_end(loop);
}

/* Nothing is lost: what was not received is in the queue. */
HEALD_CASE(cancel_deadline_and_close_lose_nothing)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, q = {0};
    int fd = queue_make(O_RDWR);
    char buf[SIZE];

    skip_on_kqueue(_i, "libkqueue takes a queue for a regular file");
    heald_prep_mq_receive(&p.op, fd, buf, SIZE, NULL);
    probe_start(loop, &p);
    turn_for(loop, 0);
    probe_cancel(&p);
    heald_prep_mq_receive(&p.op, fd, buf, SIZE, NULL);
    p.op.deadline_ns = now() + HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    while (heald_mq_send(fd, "x", 1, 0) == 0)
        ;
    heald_prep_mq_send(&p.op, fd, "y", 1, 0);
    p.op.deadline_ns = now() + HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    for (int i = 0; i < MESSAGES; i++) {
        ck_assert_int_eq(receive(loop, fd, buf, NULL), 1);
        ck_assert_int_eq(buf[0], 'x');
    }
    heald_prep_mq_receive(&p.op, fd, buf, SIZE, NULL);
    heald_prep_mq_receive(&q.op, fd, buf, SIZE, NULL);
    probe_start(loop, &p);
    probe_start(loop, &q);
    turn_for(loop, 0);
    heald_close(loop, fd);
    ck_assert_int_eq(probe_end(&p), -ECANCELED);
    ck_assert_int_eq(probe_end(&q), -ECANCELED);
    loop_end(loop);
}

/* Another process, which ends with its messages in the queue. */
HEALD_CASE(messages_of_another_process)
{
    int fd = queue_make(O_RDWR), status;
    pid_t child = fork();

    skip_on_kqueue(_i, "libkqueue takes a queue for a regular file");
    if (child == 0) {
        for (int i = 0; i < 100; i++) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            while (heald_mq_send(fd, &i, sizeof i, 0) == -EAGAIN)
                poll(&wait, 1, -1);
        }
        _exit(0);
    }
    struct heald_loop *loop = loop_on(_i);
    char buf[SIZE];
    int n;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(receive(loop, fd, buf, NULL), sizeof n);
        memcpy(&n, buf, sizeof n);
        ck_assert_int_eq(n, i);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    heald_close(loop, fd);
    loop_end(loop);
}

/* Both are woken for a message that one of them gets: the other waits on, and neither is forgotten.
 */
HEALD_CASE(receivers_compete)
{
    struct heald_loop *loop[2] = {loop_on(_i), loop_on(_i)};
    int fd[2] = {queue_make(O_RDWR)};
    struct probe p[2] = {0};
    char buf[2][SIZE];

    skip_on_kqueue(_i, "libkqueue takes a queue for a regular file");
    fd[1] = fcntl(fd[0], F_DUPFD_CLOEXEC, 3);
    for (int i = 0; i < 2; i++) {
        heald_prep_mq_receive(&p[i].op, fd[i], buf[i], SIZE, NULL);
        probe_start(loop[i], &p[i]);
    }
    for (int n = 0; n < 100; n++) {
        ck_assert_int_eq(heald_mq_send(fd[0], (const char *)&n, sizeof n, 0), 0);
        int64_t end = now() + 5 * HEALD_SEC * harness_slow();
        while (!p[0].finals && !p[1].finals) {
            must(now() < end);
            for (int i = 0; i < 2; i++)
                turn_for(loop[(n + i) & 1], 0);
        }
        for (int i = 0; i < 2; i++) {
            if (!p[i].finals)
                continue;
            ck_assert_int_eq(p[i].result, sizeof n);
            ck_assert_mem_eq(buf[i], &n, sizeof n);
            heald_prep_mq_receive(&p[i].op, fd[i], buf[i], SIZE, NULL);
            probe_start(loop[i], &p[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        probe_cancel(&p[i]);
        heald_close(loop[i], fd[i]);
        loop_end(loop[i]);
    }
}

HEALD_CASE(polls_see_messages)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fd = queue_make(O_RDWR);

    skip_on_kqueue(_i, "libkqueue takes a queue for a regular file");
    heald_prep_poll(&p.op, fd, POLLIN);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    ck_assert_int_eq(heald_mq_send(fd, "x", 1, 0), 0);
    ck_assert_int_eq(probe_end(&p), POLLIN);
    heald_prep_poll(&p.op, fd, POLLOUT);
    ck_assert_int_eq(probe_do(loop, &p), POLLOUT);
    heald_close(loop, fd);
    loop_end(loop);
}

HEALD_CASE(what_is_refused)
{
    struct heald_loop *loop = loop_on(_i);
    int in = queue_make(O_RDONLY), pipes[2], file = open("/dev/zero", O_RDWR | O_CLOEXEC);
    struct heald_mq_attributes a;
    char buf[SIZE] = "";
    struct probe p = {0};

    ck_assert_int_eq(heald_mq_attributes(in, &a), 0);
    ck_assert_uint_eq(a.max_messages, MESSAGES);
    ck_assert_uint_eq(a.message_size, SIZE);
    ck_assert_uint_eq(a.messages, 0);
    probe_refused(loop, &p, heald_prep_mq_send(&p.op, in, buf, 1, HEALD_MQ_PRIORITIES));
    probe_refused(loop, &p, heald_prep_mq_send(&p.op, in, NULL, 1, 0));
    probe_refused(loop, &p, heald_prep_mq_receive(&p.op, in, NULL, 1, NULL));
    ck_assert_int_eq(send_text(loop, in, "x", 0), -EBADF);
    heald_prep_mq_receive(&p.op, in, buf, SIZE - 1, NULL);
    ck_assert_int_eq(probe_do(loop, &p), -EMSGSIZE);
    pair_open(PAIR_PIPE, pipes);
    int others[] = {pipes[0], file, fileno(tmpfile()), -1};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(receive(loop, others[i], buf, NULL), -EBADF);
        ck_assert_int_eq(heald_mq_receive(others[i], buf, SIZE, NULL), -EBADF);
        ck_assert_int_eq(heald_mq_attributes(others[i], &a), -EBADF);
    }
    close(others[2]);
    close(file);
    pair_close(loop, pipes);
    heald_close(loop, in);
    loop_end(loop);
}

static void refused(const char *name, int flags, const struct heald_mq_attributes *a, int err,
                    const char *text)
{
    struct heald_why why = {""};
    int fd = -7;

    ck_assert_int_eq(heald_mq_open(name, flags, 0600, a, &fd, &why), err);
    ck_assert_int_eq(fd, -7);
    ck_assert_msg(strstr(why.text, text) != NULL, "%s", why.text);
    ck_assert_int_eq(heald_mq_open(name, flags, 0600, a, &fd, NULL), err);
}

/* The limit that is in the way is named. */
HEALD_CASE(errors_name_the_limit)
{
    static const struct heald_mq_attributes many = {.max_messages = 1u << 30},
                                            large = {.message_size = 1u << 30},
                                            usual = {.max_messages = 4, .message_size = 64};
    struct rlimit old, none = {0};
    char name[64];

    close(queue_make(O_RDWR));
    name_of(name);
    refused("none", O_RDWR, NULL, -EINVAL, "slash");
    refused("/", O_RDWR, NULL, -EINVAL, "slash");
    refused("/a/b", O_RDWR, NULL, -EINVAL, "slash");
    refused(name, O_RDWR | O_TRUNC, NULL, -EINVAL, "flags");
    refused(name, O_RDWR, NULL, -ENOENT, name);
    refused(name, O_RDWR | O_CREAT, &many, -EINVAL, "/proc/sys/fs/mqueue/msg_max is ");
    refused(name, O_RDWR | O_CREAT, &large, -EINVAL, "/proc/sys/fs/mqueue/msgsize_max is ");
    ck_assert_int_eq(heald_mq_unlink(name), -ENOENT);
    ck_assert_int_eq(heald_mq_unlink("x"), -EINVAL);
#ifdef RLIMIT_MSGQUEUE
    getrlimit(RLIMIT_MSGQUEUE, &old);
    none.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
    refused(name, O_RDWR | O_CREAT, &usual, -EMFILE,
            "4 messages of 64 bytes: RLIMIT_MSGQUEUE is 0 bytes");
    setrlimit(RLIMIT_MSGQUEUE, &old);
#endif
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    refused(name, O_RDWR | O_CREAT, &usual, -EMFILE, "RLIMIT_NOFILE is 3 descriptors");
    setrlimit(RLIMIT_NOFILE, &old);
}

void add_mq(TCase *group)
{
    add_everywhere(group, messages_come_by_priority);
    add_everywhere(group, ops_wait_for_messages_and_for_room);
    add_everywhere(group, cancel_deadline_and_close_lose_nothing);
    add_everywhere(group, messages_of_another_process);
    add_everywhere(group, receivers_compete);
    add_everywhere(group, polls_see_messages);
    add_everywhere(group, what_is_refused);
    add_once(group, errors_name_the_limit);
}
