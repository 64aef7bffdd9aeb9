/* sync/wait_ops.c: see ops.h. Any thread, as the participant it is. */
#include "sync/wait_ops.h"

#include <errno.h>

int heald__sync_abandon(const struct sync_wait_ops *ops, void *object, struct heald_participant *me,
                        int64_t *memory, int result)
{
    int instead = ops->abandon ? ops->abandon(object, me, memory) : -EBUSY;
    return instead == -EBUSY ? result : instead;
}

int heald__sync_block(const struct sync_wait_ops *ops, void *object, struct heald_participant *me,
                      int64_t deadline_ns)
{
    int64_t memory = 0;

    return heald__sync_block_keep(ops, object, me, deadline_ns, &memory);
}

int heald__sync_block_keep(const struct sync_wait_ops *ops, void *object,
                           struct heald_participant *me, int64_t deadline_ns, int64_t *memory)
{
    unsigned flags = sync_wait_flags(deadline_ns) | ops->flags, place = 0;
    struct region_wait wait;
    int err, late = 0;

    while (!late && (err = ops->try(object, me, memory, &wait)) == -EBUSY) {
        if (!place) {
            place = heald__region_enqueue(me, object, ops->kind, flags, deadline_ns);
            heald__region_note_wait_for(me, wait.holder, object);
        }
        late = heald__region_wait(&wait, deadline_ns);
    }
    heald__region_dequeue(me, place);
    return late ? heald__sync_abandon(ops, object, me, memory, late) : err;
}
