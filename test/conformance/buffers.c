/* test/conformance/buffers.c: groups of buffers: what is refused, what goes in and out. */
#include "conformance/conformance.h"

#include <sys/socket.h>

HEALD_CASE(sizes_that_are_refused)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group = NULL;
    char memory[64];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, NULL, 4, 16), -EINVAL);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 0, 16), -EINVAL);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 3, 16), -EINVAL);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 65536, 16), -EINVAL);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 4, 0), -EINVAL);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 4, HEALD_MAX_LEN + 1u), -EINVAL);
    ck_assert_ptr_null(group);
    loop_end(loop);
}

HEALD_CASE(the_largest_and_the_smallest)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    char *memory = malloc(32768 * 2);

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 32768, 2), 0);
    ck_assert_ptr_eq(heald_buf_data(group, 0), memory);
    ck_assert_ptr_eq(heald_buf_data(group, 32767), memory + (size_t)32767 * 2);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 1, 1), 0);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    free(memory);
    loop_end(loop);
}

HEALD_CASE(only_what_is_out_comes_back)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    struct probe p = {0};
    char memory[2][8];
    int fds[2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 2, 8), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(heald_buf_return(group, i), -EINVAL);
    pair_open(PAIR_UNIX, fds);
    heald_prep_recv_multishot(&p.op, fds[0], group, 0);
    probe_start(loop, &p);
    ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
    turn_until(loop, &p.calls, 1);
    unsigned index = p.op.buffer;
    ck_assert_mem_eq(heald_buf_data(group, index), "abc", 3);
    ck_assert_int_eq(heald_buf_return(group, !index), -EINVAL);
    ck_assert_int_eq(heald_buf_return(group, index), 0);
    ck_assert_int_eq(heald_buf_return(group, index), -EINVAL);
    ck_assert_int_eq(heald_buf_group_close(group), -EBUSY);
    probe_cancel(&p);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_loop_closes_what_is_left)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    char memory[4][8];

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 4, 8), 0);
    loop_end(loop);
}

HEALD_CASE(opened_and_closed_again_and_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group, *kept;
    char memory[2][4][8];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_buf_group_open(&kept, loop, memory[0], 4, 8), 0);
    for (int i = 0; i < 1000; i++) {
        must(heald_buf_group_open(&group, loop, memory[1], 4, 8) == 0);
        must(heald_buf_group_close(group) == 0);
    }
    struct probe p = {0};
    heald_prep_recv_multishot(&p.op, fds[0], kept, 0);
    probe_start(loop, &p);
    ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
    turn_until(loop, &p.calls, 1);
    ck_assert_mem_eq(heald_buf_data(kept, p.op.buffer), "abc", 3);
    probe_cancel(&p);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_buffers(TCase *group)
{
    add_everywhere(group, sizes_that_are_refused);
    add_everywhere(group, the_largest_and_the_smallest);
    add_everywhere(group, only_what_is_out_comes_back);
    add_everywhere(group, a_loop_closes_what_is_left);
    add_everywhere(group, opened_and_closed_again_and_again);
}
