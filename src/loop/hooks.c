/*
 * loop/hooks.c: functions of the program that run in each turn. The loop's thread.
 *
 * A hook may remove any hook, itself included: so each is put back into the list before it runs,
 * and the list that is still to be run is looked at again after it.
 */
#include "loop/loop.h"

int heald_hook_add(struct heald_loop *loop, struct heald_hook *hook, enum heald_hook_when when,
                   void (*fn)(struct heald_loop *loop, struct heald_hook *hook))
{
    if (!fn || (when != HEALD_HOOK_PREPARE && when != HEALD_HOOK_CHECK))
        return -EINVAL;
    if (list_linked(&hook->link))
        return -EBUSY;
    hook->fn = fn;
    list_push(&loop->hooks[when], &hook->link);
    loop->attention.more |= MORE_HOOKS;
    return 0;
}

void heald_hook_remove(struct heald_hook *hook)
{
    if (list_linked(&hook->link))
        list_remove(&hook->link);
}

void heald__hooks_run(struct heald_loop *loop, enum heald_hook_when when)
{
    struct heald_link todo, *node;

    list_take(&todo, &loop->hooks[when]);
    while ((node = list_pop(&todo))) {
        struct heald_hook *hook = heald_container_of(node, struct heald_hook, link);
        list_push(&loop->hooks[when], node);
        hook->fn(loop, hook);
    }
}

void heald__hooks_close(struct heald_loop *loop)
{
    for (int when = 0; when < HOOKS; when++)
        while (list_pop(&loop->hooks[when]))
            continue;
}
