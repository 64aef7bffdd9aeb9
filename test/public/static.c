/*
 * test/public/static.c: a program with functions and objects of its own, named as parts of the
 * library might be, and linked with it statically. A loop turns and locks a mutex, none of these is
 * called or changed by the library, and the program finds its own.
 */
#include <heald/heald.h>

#include "harness/harness.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Without heald__ in front each of these is something in the library. */
#define FUNCTIONS(X)                                                                              \
    X(region_map)                                                                                 \
    X(region_wait)                                                                                \
    X(region_grow)                                                                                \
    X(region_is_over)                                                                             \
    X(region_line_up)                                                                             \
    X(store_set)                                                                                  \
    X(store_commit)                                                                               \
    X(journal_begin)                                                                              \
    X(heap_allocate) X(sync_block) X(sync_abandon) X(cond_prepare_to_wait) X(lockdep_acquired)    \
        X(cells_add) X(cells_claim) X(cells_swap) X(child_start_fork) X(child_fill_defaults)     \
            X(op_events) X(loop_start) X(loop_end) X(loop_watch) X(loop_open_on) X(loop_pool)     \
                X(complete) X(dispatch) X(perform) X(result) X(fds_get) X(fds_close) X(ready_arm) \
                    X(ready_event) X(ready_submit) X(timers_submit) X(timers_expire) X(wheel_add) \
                        X(wheel_expire) X(mailbox_open) X(mailbox_take) X(polls_tell)             \
                            X(engine_open) X(engine_submit) X(ring_open) X(ring_enter)            \
                                X(ring_fill) X(client_submit) X(client_turn) X(pool_open)         \
                                    X(pool_submit) X(pool_close) X(file_perform) X(locks_open)    \
                                        X(locks_add) X(queue_ended) X(entry_wait) X(waiter_open)  \
                                            X(choose) X(why_set) X(plat_now) X(plat_poll)         \
                                                X(plat_close) X(plat_word_wake)

#define OBJECTS(X)                                                                       \
    X(op_traits)                                                                         \
    X(op_moves)                                                                          \
    X(op_stage_moves)                                                                    \
    X(sys_native)                                                                        \
    X(words_sleep)                                                                       \
    X(poll_rdhup)                                                                        \
    X(backend_epoll)                                                                     \
    X(backend_poll)                                                                      \
    X(backend_uring) X(engine_threads) X(engine_sync) X(mutex_wait_ops) X(waiter_thread) \
        X(await_locks) X(can_queue_signals)

enum { OBJECT_VALUE = 4711 };

static int calls;

#define FUNCTION(name)  \
    int name(void);     \
    int name(void)      \
    {                   \
        return ++calls; \
    }
#define OBJECT(name) \
    extern int name; \
    int name = OBJECT_VALUE;

FUNCTIONS(FUNCTION)
OBJECTS(OBJECT)

#define ADDRESS(name) &name,

static int (*const functions[])(void) = {FUNCTIONS(ADDRESS)};
static const int *const objects[] = {OBJECTS(ADDRESS)};

enum {
    FUNCTION_COUNT = sizeof functions / sizeof functions[0],
    OBJECT_COUNT = sizeof objects / sizeof objects[0]
};

static void count(struct heald_op *op)
{
    ck_assert_int_eq((int)op->result, 0);
    ++*(int *)op->data;
}

static void run_timer(struct heald_loop *loop)
{
    int ended = 0;
    struct heald_op timer = {.data = &ended};

    ck_assert_int_eq(heald_prep_timer(&timer, heald_now(loop) + HEALD_MS), 0);
    ck_assert_int_eq(heald_submit(loop, &timer, count), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(ended, 1);
}

static void lock_mutex(struct heald_loop *loop, struct heald_region *region)
{
    struct heald_mutex *mutex = heald_region_data(region);
    struct heald_participant *me;
    int ended = 0;
    struct heald_op lock = {.data = &ended};

    ck_assert_int_eq(heald_attach(region, &me), 0);
    ck_assert_int_eq(heald_mutex_lock(mutex, me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_unlock(mutex, me), 0);
    ck_assert_int_eq(heald_prep_mutex_lock(&lock, mutex, me), 0);
    ck_assert_int_eq(heald_submit(loop, &lock, count), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(heald_mutex_unlock(mutex, me), 0);
    heald_detach(me);
}

/* Without a name, or where there is no memfd_create(2) with one that is unlinked at once. */
static int open_region(struct heald_region **ret_region)
{
    char name[64];
    int err = heald_region_create_memfd(ret_region, NULL);

    if (err != -ENOSYS)
        return err;
    snprintf(name, sizeof name, "/heald-test-static-%d", (int)getpid());
    err = heald_region_open(ret_region, name, HEALD_REGION_CREATE, NULL);
    return err ? err : heald_region_unlink(name);
}

/* None was called or changed, and each is the program's. */
static void check_names(void)
{
    ck_assert_int_eq(calls, 0);
    for (int i = 0; i < FUNCTION_COUNT; i++)
        ck_assert_int_eq(functions[i](), i + 1);
    for (int i = 0; i < OBJECT_COUNT; i++)
        ck_assert_int_eq(*objects[i], OBJECT_VALUE);
}

HEALD_CASE(names_are_the_programs)
{
    struct heald_loop *loop;
    struct heald_region *region;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    run_timer(loop);
    ck_assert_int_eq(open_region(&region), 0);
    lock_mutex(loop, region);
    ck_assert_int_eq(heald_region_close(region), 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    check_names();
}

int main(void)
{
    Suite *suite = suite_create("static");
    TCase *group = harness_group(suite, "static");

    harness_add(group, names_are_the_programs);
    return harness_run(suite);
}
