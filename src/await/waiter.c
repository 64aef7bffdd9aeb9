/* await/waiter.c: which waiter a loop takes. The loop's thread. */
#include "await/waiter.h"

#include "base/choose.h"

#include "config.h"

#define WAITER_ROW(name) &heald__waiter_##name,

static const struct heald_waiter_ops *const waiters[] = {HEALD_WAITERS(WAITER_ROW) NULL};

#define NAME_ROW(name) #name,

static const char *const names[] = {HEALD_WAITERS(NAME_ROW) NULL};
static const struct heald_left_out left_out[] = {
#define LEFT_OUT_ROW(name, why) {#name, why},
    HEALD_WAITERS_LEFT_OUT(LEFT_OUT_ROW){NULL, NULL}};

static const struct heald_choice choice = {
    .variable = "HEALD_AWAIT", .names = names, .left_out = left_out};

int heald__waiter_check(struct heald_why *ret_why)
{
    return heald__choice_check(&choice, NULL, ret_why);
}

static int open_waiter(void *ctx, unsigned i)
{
    struct heald_waiter *waiter = ctx;

    *waiter = (struct heald_waiter){.ops = waiters[i], .locks = waiter->locks};
    return waiters[i]->open(waiter);
}

int heald__waiter_open(struct heald_waiter *waiter, struct heald_locks *locks)
{
    waiter->locks = locks;
    return heald__choose(&choice, NULL, open_waiter, waiter, NULL);
}
