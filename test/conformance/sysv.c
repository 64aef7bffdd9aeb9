/* test/conformance/sysv.c: message queues of System V. */
#include "conformance/conformance.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>

enum { SIZE = 16 };

struct message {
    long type;
    char text[SIZE];
};

static int queue_make(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    if (queue < 0)
        harness_skip("no message queues of System V here");
    return queue;
}

static void queue_remove(int queue)
{
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}

static int64_t receive(struct heald_loop *loop, int queue, struct message *m, long type, int flags)
{
    struct probe p = {0};

    return probe_prepared(loop, &p, heald_prep_msgrcv(&p.op, queue, m, SIZE, type, flags));
}

static int64_t send_one(struct heald_loop *loop, int queue, long type, const char *text)
{
    struct message m = {.type = type};
    struct probe p = {0};

    memcpy(m.text, text, strlen(text));
    return probe_prepared(loop, &p, heald_prep_msgsnd(&p.op, queue, &m, strlen(text)));
}

HEALD_CASE(messages_by_type)
{
    struct heald_loop *loop = loop_on(_i);
    int queue = queue_make();
    struct message m;

    ck_assert_int_eq(send_one(loop, queue, 3, "three"), 0);
    ck_assert_int_eq(send_one(loop, queue, 1, "one"), 0);
    ck_assert_int_eq(send_one(loop, queue, 2, ""), 0);
    ck_assert_int_eq(receive(loop, queue, &m, -2, 0), 3);
    ck_assert_int_eq(m.type, 1);
    ck_assert_mem_eq(m.text, "one", 3);
    ck_assert_int_eq(receive(loop, queue, &m, 2, 0), 0);
    ck_assert_int_eq(receive(loop, queue, &m, 0, 0), 5);
    ck_assert_int_eq(m.type, 3);
    queue_remove(queue);
    loop_end(loop);
}

HEALD_CASE(receives_wait_for_messages)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    struct message m[3];
    int queue = queue_make();

    for (int i = 0; i < 3; i++) {
        heald_prep_msgrcv(&p[i].op, queue, &m[i], SIZE, i + 1, 0);
        probe_start(loop, &p[i]);
    }
    turn_for(loop, 3 * HEALD_MS);
    for (int i = 2; i >= 0; i--) {
        ck_assert_int_eq(heald_op_error(&p[i].op), -EINPROGRESS);
        ck_assert_int_eq(send_one(loop, queue, i + 1, "x"), 0);
        ck_assert_int_eq(probe_end(&p[i]), 1);
        ck_assert_int_eq(m[i].type, i + 1);
    }
    queue_remove(queue);
    loop_end(loop);
}

/* What a full queue did not take is sent when another process has made room. */
HEALD_CASE(sends_wait_for_room)
{
    struct heald_loop *loop = loop_on(_i);
    struct message m = {.type = 1}, got;
    int queue = queue_make(), sent = 0;
    struct probe p = {0};

    while (msgsnd(queue, &m, SIZE, IPC_NOWAIT) == 0)
        sent++;
    m.type = 2;
    heald_prep_msgsnd(&p.op, queue, &m, SIZE);
    probe_start(loop, &p);
    turn_for(loop, 3 * HEALD_MS);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    for (int i = 0; i < sent; i++)
        ck_assert_int_eq(msgrcv(queue, &got, SIZE, 1, IPC_NOWAIT), SIZE);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(receive(loop, queue, &got, 2, 0), SIZE);
    queue_remove(queue);
    loop_end(loop);
}

HEALD_CASE(cancel_and_deadline_lose_nothing)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, q = {0};
    struct message m = {0};
    int queue = queue_make();

    heald_prep_msgrcv(&p.op, queue, &m, SIZE, 0, 0);
    probe_start(loop, &p);
    heald_prep_msgrcv(&q.op, queue, &m, SIZE, 0, 0);
    q.op.deadline_ns = now() + HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &q), -ETIMEDOUT);
    m.type = 1;
    ck_assert_int_eq(msgsnd(queue, &m, 4, 0), 0);
    probe_cancel(&p);
    turn_for(loop, 3 * HEALD_MS);
    ck_assert_int_eq(receive(loop, queue, &m, 0, 0), 4);
    queue_remove(queue);
    loop_end(loop);
}

/* Many come from another process while receives are cancelled: each exactly once. */
HEALD_CASE(every_message_once)
{
    enum { COUNT = 50 };
    int queue = queue_make(), status, seen = 0;
    pid_t child = fork();

    if (child == 0) {
        for (long i = 1; i <= COUNT; i++) {
            struct message m = {.type = i};
            if (msgsnd(queue, &m, 0, 0))
                _exit(1);
            usleep(100);
        }
        _exit(0);
    }
    struct heald_loop *loop = loop_on(_i);
    while (seen < COUNT) {
        struct probe p = {0};
        struct message m;
        heald_prep_msgrcv(&p.op, queue, &m, SIZE, 0, 0);
        p.op.deadline_ns = now() + 200 * HEALD_US;
        int64_t n = probe_do(loop, &p);
        ck_assert(n == 0 || n == -ETIMEDOUT);
        if (n == 0)
            ck_assert_int_eq(m.type, ++seen);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    queue_remove(queue);
    loop_end(loop);
}

HEALD_CASE(errors_of_queues)
{
    struct heald_loop *loop = loop_on(_i);
    int queue = queue_make();
    struct probe p = {0};
    struct message m;

    probe_refused(loop, &p, heald_prep_msgsnd(&p.op, queue, NULL, 1));
    probe_refused(loop, &p, heald_prep_msgrcv(&p.op, queue, NULL, 1, 0, 0));
    probe_refused(loop, &p, heald_prep_msgrcv(&p.op, queue, &m, 1, 0, 4));
    ck_assert_int_eq(send_one(loop, queue, 0, "x"), -EINVAL);
    ck_assert_int_eq(send_one(loop, -1, 1, "x"), -EINVAL);
    ck_assert_int_eq(send_one(loop, queue, 1, "long"), 0);
    heald_prep_msgrcv(&p.op, queue, &m, 2, 0, 0);
    ck_assert_int_eq(probe_do(loop, &p), -E2BIG);
    heald_prep_msgrcv(&p.op, queue, &m, 2, 0, HEALD_MSGRCV_CUT);
    ck_assert_int_eq(probe_do(loop, &p), 2);
    heald_prep_msgrcv(&p.op, queue, &m, 2, 0, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    queue_remove(queue);
    int64_t gone = probe_end(&p);
    ck_assert(gone == -EIDRM || gone == -EINVAL);
    loop_end(loop);
}

void add_sysv(TCase *group)
{
    add_everywhere(group, messages_by_type);
    add_everywhere(group, receives_wait_for_messages);
    add_everywhere(group, sends_wait_for_room);
    add_everywhere(group, cancel_and_deadline_lose_nothing);
    add_everywhere(group, every_message_once);
    add_everywhere(group, errors_of_queues);
}
