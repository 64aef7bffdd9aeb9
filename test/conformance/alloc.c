/* test/conformance/alloc.c: no memory is asked for an operation; what was asked for comes back. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/socket.h>

/* Memory that counts; also from pool threads, if the library were to ask there. */
struct purse {
    long calls, held;
};

static void *count_resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    struct purse *purse = ctx;

    __atomic_fetch_add(&purse->calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&purse->held, (long)size - (long)(ptr ? old_size : 0), __ATOMIC_RELAXED);
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static struct heald_loop *loop_counted(int combination, struct purse *purse)
{
    return loop_with(combination, (struct heald_loop_options){
                                      .allocator = {.resize = count_resize, .ctx = purse}});
}

static void on_post(struct heald_op *op)
{
    ++*(int *)op->data;
}

/* Some of everything. */
static void work(struct heald_loop *loop, int file, struct heald_addr *addr, int listener)
{
    struct heald_op post = {0};
    struct heald_stat st;
    char buf[64] = "";
    int fds[2], posts = 0;

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe r = {0}, t = {0};
        pair_open(kind, fds);
        heald_prep_read(&r.op, fds[0], buf, 64, HEALD_NO_OFFSET);
        r.op.deadline_ns = now() + 100 * HEALD_SEC;
        probe_start(loop, &r);
        turn_for(loop, 0);
        ck_assert_int_eq(op_write(loop, fds[1], buf, 64, HEALD_NO_OFFSET), 64);
        ck_assert_int_eq(probe_end(&r), 64);
        heald_prep_poll(&r.op, fds[0], POLLIN);
        probe_start(loop, &r);
        heald_prep_timer(&t.op, now());
        ck_assert_int_eq(probe_do(loop, &t), 0);
        probe_cancel(&r);
        pair_close(loop, fds);
    }
    struct probe a = {0}, s = {0};
    heald_prep_accept(&a.op, listener, NULL, NULL);
    probe_start(loop, &a);
    int client = tcp_connect(addr);
    heald_close(loop, (int)probe_end(&a));
    close(client);
    ck_assert_int_eq(op_write(loop, file, buf, 64, 0), 64);
    ck_assert_int_eq(op_read(loop, file, buf, 64, HEALD_NO_OFFSET), 64);
    lseek(file, 0, SEEK_SET);
    heald_prep_stat(&s.op, AT_FDCWD, "/", 0, &st);
    ck_assert_int_eq(probe_do(loop, &s), 0);
    post.data = &posts;
    ck_assert_int_eq(heald_loop_post(loop, &post, on_post), 0);
    turn_until(loop, &posts, 1);
}

HEALD_CASE(none_for_an_operation)
{
    struct purse purse = {0};
    struct heald_loop *loop = loop_counted(_i, &purse);
    struct heald_addr addr;
    char path[64];
    int dir = dir_make(path), listener = tcp_listen(0, &addr);
    int file = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    for (int i = 0; i < 3; i++)
        work(loop, file, &addr, listener);
    long calls = purse.calls;
    for (int i = 0; i < 20; i++)
        work(loop, file, &addr, listener);
    ck_assert_int_eq(purse.calls, calls);
    heald_close(loop, file);
    heald_close(loop, listener);
    dir_remove(dir, path);
    loop_end(loop);
    ck_assert_int_eq(purse.held, 0);
}

HEALD_CASE(a_crowd_of_ops_needs_none)
{
    struct purse purse = {0};
    struct heald_loop *loop = loop_counted(_i, &purse);
    struct heald_op *ops = calloc(5000, sizeof *ops);
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    heald_prep_poll(&ops[0], fds[0], POLLIN);
    ck_assert_int_eq(heald_submit(loop, &ops[0], NULL), 0);
    turn_for(loop, 0);
    long calls = purse.calls;
    for (int i = 1; i < 5000; i++) {
        if (i & 1)
            heald_prep_timer(&ops[i], now() + 1000 * HEALD_SEC);
        else
            heald_prep_poll(&ops[i], fds[0], POLLIN);
        must(heald_submit(loop, &ops[i], NULL) == 0);
    }
    turn_for(loop, 0);
    for (int i = 0; i < 5000; i++)
        must(heald_cancel(&ops[i]) == 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    /* Once, a table of descriptors: a ring does not take that many polls. */
    ck_assert_int_le(purse.calls, calls + 1);
    free(ops);
    pair_close(loop, fds);
    loop_end(loop);
    ck_assert_int_eq(purse.held, 0);
}

/* A round of waits for words of shared memory: some end, some are cancelled. */
static void wait_for_words(struct heald_loop *loop, uint32_t words[], unsigned count)
{
    struct heald_futex any[8];
    struct heald_op ops[8] = {0}, many = {0};

    for (unsigned i = 0; i < count; i++) {
        any[i] = (struct heald_futex){&words[i], words[i]};
        ck_assert_int_eq(heald_prep_futex_wait(&ops[i], &words[i], words[i]), 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], NULL), 0);
    }
    ck_assert_int_eq(heald_prep_futex_wait_any(&many, any, count), 0);
    ck_assert_int_eq(heald_submit(loop, &many, NULL), 0);
    turn_for(loop, HEALD_MS);
    for (unsigned i = 0; i < count; i++) {
        if (i % 2)
            words[i]++;
        else if (heald_op_error(&ops[i]) == -EINPROGRESS)
            ck_assert_int_eq(heald_cancel(&ops[i]), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    /* A cancel passes on a wake. */
    ck_assert_int_ge(many.result, 0);
}

HEALD_CASE(none_for_a_wait)
{
    enum { COUNT = 8, ROUNDS = 20 };
    struct purse purse = {0};
    struct heald_loop *loop = loop_counted(_i, &purse);
    uint32_t words[COUNT] = {0};
    long calls = 0;

    for (int i = 0; i < ROUNDS; i++) {
        wait_for_words(loop, words, COUNT);
        calls = i < ROUNDS / 2 ? purse.calls : calls;
    }
    /* Now and then the kernel, or a thread, has not released one more than ever before. */
    ck_assert_int_le(purse.calls, calls + COUNT / 2);
    loop_end(loop);
    ck_assert_int_eq(purse.held, 0);
}

/* Everything that a loop can be asked for is paid from its purse, and comes back. */
HEALD_CASE(all_comes_back)
{
    skip_on_portable("no boot clock");
    struct purse purse = {0};
    struct heald_loop *loop = loop_counted(_i, &purse);
    struct heald_buf_group *group;
    struct probe p = {0};
    char memory[4][8];

    ck_assert_int_gt(purse.held, 0);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 4, 8), 0);
    heald_prep_signal(&p.op, SIGUSR1, NULL);
    probe_start(loop, &p);
    probe_cancel(&p);
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, 0, 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_ge(heald_loop_fd(loop), 0);
    loop_end(loop);
    ck_assert_int_eq(purse.held, 0);
}

static void *no_memory(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)ptr;
    (void)old_size;
    (void)size;
    return NULL;
}

HEALD_CASE(without_memory_there_is_no_loop)
{
    struct heald_loop *loop = NULL;
    struct heald_loop_options options = {
        .backend = backend_of(_i), .engine = engine_of(_i), .allocator = {.resize = no_memory}};

    ck_assert_int_eq(heald_loop_open(&loop, &options), -ENOMEM);
    ck_assert_ptr_null(loop);
}

void add_alloc(TCase *group)
{
    add_everywhere(group, none_for_an_operation);
    add_everywhere(group, a_crowd_of_ops_needs_none);
    add_on_waiters(group, none_for_a_wait);
    add_everywhere(group, all_comes_back);
    add_everywhere(group, without_memory_there_is_no_loop);
}
