/*
 * await/open.c: opens a loop that waits for everything. This is done here, and not in loop/, since
 * all parts meet on this floor: the loop must not know what stands above it, and is handed the
 * tables by which it calls signals, children, locks and work. Any thread.
 */
#include "await/await.h"
#include "await/waiter.h"

#include <heald/loop.h>

const struct heald_upper *const heald__await_all[UPPERS] = {
    [UPPER_SIGNALS] = &heald__await_signals, [UPPER_CHILDREN] = &heald__await_children,
    [UPPER_LOCKS] = &heald__await_locks,     [UPPER_WORK] = &heald__await_work,
    [UPPER_NAMES] = &heald__await_names,     [UPPER_RACES] = &heald__await_races,
    [UPPER_RETRIES] = &heald__await_retries,
};

int heald_loop_open(struct heald_loop **ret_loop, const struct heald_loop_options *options)
{
    int err = heald__waiter_check(options ? options->ret_why : NULL);

    return err ? err : heald__loop_open_on(ret_loop, options, NULL, heald__await_all);
}
