/* ipc/form.c: see form.h. Any thread, as the participant it is. */
#include "ipc/form.h"

#include <errno.h>

int heald__ipc_give_up(const struct ipc_form *form, void *object, struct heald_participant *me,
                       int64_t *memory, int result)
{
    int instead = form->abandon ? form->abandon(object, me, memory) : -EBUSY;
    return instead == -EBUSY ? result : instead;
}

int heald__ipc_block(const struct ipc_form *form, void *object, struct heald_participant *me,
                     int64_t deadline_ns)
{
    int64_t memory = 0;

    return heald__ipc_block_and_tell(form, object, me, deadline_ns, &memory);
}

int heald__ipc_block_and_tell(const struct ipc_form *form, void *object,
                              struct heald_participant *me, int64_t deadline_ns, int64_t *memory)
{
    unsigned flags = ipc_wait_flags(deadline_ns) | form->flags, place = 0;
    struct region_wait wait;
    int err, late = 0;

    while (!late && (err = form->look(object, me, memory, &wait)) == -EBUSY) {
        if (!place) {
            place = heald__region_line_up(me, object, form->kind, flags, deadline_ns);
            heald__region_note_wait_for(me, wait.holder, object);
        }
        late = heald__region_wait(&wait, deadline_ns);
    }
    heald__region_step_out(me, place);
    return late ? heald__ipc_give_up(form, object, me, memory, late) : err;
}
