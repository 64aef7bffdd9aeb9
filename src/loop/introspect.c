/* loop/introspect.c: what a loop reports of itself: names, counters, its pending ops. The loop's
 * thread. */
#include "loop/loop.h"

const char heald__own_name[] = "heald";

const char *heald_loop_backend(const struct heald_loop *loop)
{
    return loop->backend.ops->name;
}

const char *heald_loop_engine(const struct heald_loop *loop)
{
    return loop->engine.ops->name;
}

void heald_loop_stats(const struct heald_loop *loop, struct heald_loop_stats *ret_stats)
{
    *ret_stats = loop->stats;
    ret_stats->pending = heald__loop_pending(loop);
    ret_stats->wakes = __atomic_load_n(&loop->mailbox.rings, __ATOMIC_RELAXED);
    ret_stats->due = heald__due_count(&loop->due);
    ret_stats->holds = loop->holds;
}

struct listing {
    void (*each)(const struct heald_op *op, void *user);
    void *user;
    size_t count;
};

static void list_one(const struct heald_op *op, void *user)
{
    struct listing *l = user;

    /* The library's own are nobody's to look at. */
    if (op->kind == OP_WATCH || op->name == heald__own_name || heald__close_is_own(op))
        return;
    l->count++;
    if (l->each)
        l->each(op, l->user);
}

/* Ops that wait on a descriptor; those with a callback due are in the policy's list as well, and
 * reported there. */
static void list_queue(struct heald_op *first, struct listing *l)
{
    struct heald_op *op = first;

    if (!first)
        return;
    do
        if (!(op->flags & OP_DUE))
            list_one(op, l);
    while ((op = fds_op(op->link.next)) != first);
}

static void list_timers(const struct heald_wheel *w, struct listing *l)
{
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++) {
            const struct heald_link *head = &w->head[level][slot];
            for (const struct heald_link *n = head->next; n != head; n = n->next) {
                const struct heald_op *op = heald_container_of(n, struct heald_op, timer);
                if (op->kind == OP_TIMER && !(op->flags & OP_DUE))
                    list_one(op, l);
            }
        }
}

size_t heald_loop_list(struct heald_loop *loop, void (*each)(const struct heald_op *op, void *user),
                       void *user)
{
    struct listing l = {.each = each, .user = user};

    heald__mailbox_fetch_all(loop);
    heald__due_each(&loop->due, list_one, &l);
    for (unsigned fd = 0; fd < loop->fds.size; fd++) {
        list_queue(loop->fds.v[fd].queue[DIR_IN], &l);
        list_queue(loop->fds.v[fd].queue[DIR_OUT], &l);
        list_queue(loop->fds.v[fd].polls, &l);
        list_queue(loop->fds.v[fd].files, &l);
    }
    list_queue(loop->fds.detached.files, &l);
    list_timers(&loop->timers, &l);
    if (loop->boot)
        list_timers(&loop->boot->wheel, &l);
    for (int part = 0; part < UPPERS; part++)
        if (loop->upper[part]->each)
            loop->upper[part]->each(loop, list_one, &l);
    return l.count;
}
