/* test/conformance/close.c: closing and forgetting descriptors, and numbers that are used again. */
#include "conformance/conformance.h"

#include <sys/socket.h>

HEALD_CASE(what_waits_is_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8], big[65536] = "";
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++)
        for (int how = 0; how < 3; how++) {
            struct probe p[5] = {0}, c = {0};
            pair_open(kind, fds);
            while (send(fds[0], big, sizeof big, 0) > 0)
                ;
            heald_prep_recv(&p[0].op, fds[0], buf, 8, 0);
            heald_prep_recv(&p[1].op, fds[0], buf, 8, 0);
            heald_prep_send(&p[2].op, fds[0], big, sizeof big, 0);
            heald_prep_send(&p[3].op, fds[0], big, sizeof big, 0);
            heald_prep_poll(&p[4].op, fds[0], POLLIN);
            for (int i = 0; i < 5; i++)
                probe_start(loop, &p[i]);
            turn_for(loop, 0);
            if (how == 0) {
                heald_prep_close(&c.op, fds[0]);
                ck_assert_int_eq(probe_do(loop, &c), 0);
            } else if (how == 1) {
                ck_assert_int_eq(heald_close(loop, fds[0]), 0);
            } else {
                heald_forget(loop, fds[0]);
            }
            for (int i = 0; i < 5; i++)
                ck_assert_int_eq(probe_end(&p[i]), -ECANCELED);
            ck_assert_int_eq(fcntl(fds[0], F_GETFD) < 0, how != 2);
            if (how == 2)
                heald_close(loop, fds[0]);
            heald_close(loop, fds[1]);
        }
    loop_end(loop);
}

HEALD_CASE(the_peer_sees_it)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe r = {0}, mine = {0}, c = {0};
        pair_open(kind, fds);
        heald_prep_read(&r.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &r);
        if (kind != PAIR_PIPE) {
            heald_prep_read(&mine.op, fds[1], buf, 8, HEALD_NO_OFFSET);
            probe_start(loop, &mine);
        }
        turn_for(loop, 0);
        heald_prep_close(&c.op, fds[1]);
        ck_assert_int_eq(probe_do(loop, &c), 0);
        ck_assert_int_eq(probe_end(&r), 0);
        if (kind != PAIR_PIPE)
            ck_assert_int_eq(probe_end(&mine), -ECANCELED);
        heald_close(loop, fds[0]);
    }
    loop_end(loop);
}

HEALD_CASE(a_number_is_used_again)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (int round = 0; round < 20; round++) {
        struct probe p = {0};
        pair_open((enum pair_kind)(round % PAIR_KINDS), fds);
        heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        if (round & 1)
            turn_for(loop, 0);
        ck_assert_int_eq(write(fds[1], "again", 5), 5);
        if (round & 2) {
            ck_assert_int_eq(probe_end(&p), 5);
            pair_close(loop, fds);
        } else {
            pair_close(loop, fds);
            int64_t result = probe_end(&p);
            ck_assert_msg(result == 5 || result == -ECANCELED, "%d", (int)result);
        }
    }
    loop_end(loop);
}

/* The old use of a number ends the moment it is closed: nothing of it reaches the new one. */
HEALD_CASE(a_new_use_hears_nothing_of_the_old)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[2][8];
    int old[2], new[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p[2] = {0};
        pair_open(kind, old);
        heald_prep_read(&p[0].op, old[0], buf[0], 8, HEALD_NO_OFFSET);
        probe_start(loop, &p[0]);
        turn_for(loop, 0);
        int keep = fcntl(old[0], F_DUPFD_CLOEXEC, 100);
        ck_assert_int_eq(heald_close(loop, old[0]), 0);
        pair_open(kind, new);
        heald_prep_read(&p[1].op, new[0], buf[1], 8, HEALD_NO_OFFSET);
        probe_start(loop, &p[1]);
        ck_assert_int_eq(write(old[1], "old", 3), 3);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p[1].calls, 0);
        ck_assert_int_eq(write(new[1], "new!", 4), 4);
        ck_assert_int_eq(probe_end(&p[1]), 4);
        ck_assert_mem_eq(buf[1], "new!", 4);
        int64_t result = probe_end(&p[0]);
        ck_assert(result == -ECANCELED || result == 3);
        close(keep);
        heald_close(loop, old[1]);
        pair_close(loop, new);
    }
    loop_end(loop);
}

/* Submitted and closed in one go: the op reads from the old descriptor or from none. */
HEALD_CASE(closed_before_the_kernel_knew)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8] = "", rest[8];
    int old[2], new[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, old);
        heald_prep_read(&p.op, old[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        ck_assert_int_eq(heald_close(loop, old[0]), 0);
        pair_open(kind, new);
        ck_assert_int_eq(write(new[1], "mine", 4), 4);
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        ck_assert_int_eq(op_read(loop, new[0], rest, 8, HEALD_NO_OFFSET), 4);
        heald_close(loop, old[1]);
        pair_close(loop, new);
    }
    loop_end(loop);
}

/* Closed behind the loop's back, and the number comes back from an accept: it is new. */
HEALD_CASE(closed_elsewhere_and_accepted_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    int listener = tcp_listen(0, &addr), first = -1;
    char buf[8];

    for (int round = 0; round < 6; round++) {
        struct probe p = {0};
        int client = tcp_connect(&addr);
        heald_prep_accept(&p.op, listener, NULL, NULL);
        int fd = (int)probe_do(loop, &p);
        if (first < 0)
            first = fd;
        ck_assert_int_eq(fd, first);
        ck_assert_int_eq(op_send(loop, client, "hello", 5), 5);
        ck_assert_int_eq(op_recv(loop, fd, buf, round & 1 ? 8 : 5), 5);
        ck_assert_int_eq(op_send(loop, fd, "x", 1), 1);
        ck_assert_int_eq(op_recv(loop, client, buf, 8), 1);
        heald_prep_recv(&p.op, fd, buf, 8, 0);
        p.op.deadline_ns = now() + HEALD_MS;
        ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
        close(fd);
        heald_close(loop, client);
    }
    heald_close(loop, listener);
    loop_end(loop);
}

/* Forgotten by one loop, used by another. */
HEALD_CASE(forgotten_and_used_elsewhere)
{
    struct heald_loop *loop = loop_on(_i), *other = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        for (int round = 0; round < 6; round++) {
            struct heald_loop *mine = round & 1 ? other : loop;
            struct probe p = {0};
            heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
            probe_start(mine, &p);
            turn_for(mine, 0);
            ck_assert_int_eq(write(fds[1], "hop", 3), 3);
            ck_assert_int_eq(probe_end(&p), 3);
            heald_forget(mine, fds[0]);
        }
        pair_close(loop, fds);
    }
    loop_end(other);
    loop_end(loop);
}

/* A loop that has forgotten a descriptor is not woken by it any more. */
HEALD_CASE(forgotten_is_silent)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, 0);
        heald_forget(loop, fds[0]);
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        turn_for(loop, HEALD_MS);
        heald_loop_stats(loop, &before);
        turn_for(loop, 5 * HEALD_MS);
        heald_loop_stats(loop, &after);
        ck_assert_uint_le(after.turns - before.turns, 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* What nobody waits for does not keep the loop awake either. */
HEALD_CASE(unread_data_is_silent)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        ck_assert_int_eq(write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(op_read(loop, fds[0], buf, 1, HEALD_NO_OFFSET), 1);
        ck_assert_int_eq(heald_close(loop, fds[1]), 0);
        turn_for(loop, HEALD_MS);
        heald_loop_stats(loop, &before);
        turn_for(loop, 5 * HEALD_MS);
        heald_loop_stats(loop, &after);
        ck_assert_uint_le(after.turns - before.turns, 4);
        ck_assert_int_eq(op_read(loop, fds[0], buf, 8, HEALD_NO_OFFSET), 2);
        ck_assert_int_eq(op_read(loop, fds[0], buf, 8, HEALD_NO_OFFSET), 0);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    }
    loop_end(loop);
}

static int late_fd;

static void on_close_other(struct heald_op *op)
{
    probe_completed(op);
    ck_assert_int_eq(heald_close(op->loop, late_fd), 0);
}

/* Both are ready in one turn; the first callback closes the descriptor of the second. */
HEALD_CASE(closed_by_a_callback_of_the_same_turn)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};
    char buf[2][8];
    int a[2], b[2];

    pair_open(PAIR_TCP, a);
    pair_open(PAIR_TCP, b);
    late_fd = b[0];
    heald_prep_recv(&p[0].op, a[0], buf[0], 8, 0);
    ck_assert_int_eq(heald_submit(loop, &p[0].op, on_close_other), 0);
    heald_prep_recv(&p[1].op, b[0], buf[1], 8, 0);
    probe_start(loop, &p[1]);
    turn_for(loop, 0);
    ck_assert_int_eq(send(a[1], "x", 1, 0), 1);
    ck_assert_int_eq(send(b[1], "yy", 2, 0), 2);
    ck_assert_int_eq(probe_end(&p[0]), 1);
    int64_t result = probe_end(&p[1]);
    ck_assert(result == 2 || result == -ECANCELED);
    pair_close(loop, a);
    heald_close(loop, b[1]);
    loop_end(loop);
}

void add_close(TCase *group)
{
    add_everywhere(group, what_waits_is_cancelled);
    add_everywhere(group, the_peer_sees_it);
    add_everywhere(group, a_number_is_used_again);
    add_everywhere(group, a_new_use_hears_nothing_of_the_old);
    add_everywhere(group, closed_before_the_kernel_knew);
    add_everywhere(group, closed_elsewhere_and_accepted_again);
    add_everywhere(group, forgotten_and_used_elsewhere);
    add_everywhere(group, forgotten_is_silent);
    add_everywhere(group, unread_data_is_silent);
    add_everywhere(group, closed_by_a_callback_of_the_same_turn);
}
