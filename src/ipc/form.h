/*
 * ipc/form.h: what it is to wait for an object: a look, which takes it or says what to wait for,
 * and what undoes the looks when the wait is given up. Neither waits for anybody.
 */
#ifndef HEALD_SRC_IPC_FORM_H
#define HEALD_SRC_IPC_FORM_H

#include "ipc/begin.h"

/*
 * Blocks in a wait of this form until the deadline. `memory` is 0 at the first look of a wait and
 * then what the last look left there. abandon (or NULL) takes back what the looks did when the wait
 * is given up; what it returns, if not -EBUSY, is the result after all.
 */
typedef int ipc_look(void *object, struct heald_participant *me, int64_t *memory,
                     struct region_wait *ret_wait);
typedef int ipc_abandon(void *object, struct heald_participant *me, int64_t *memory);

struct ipc_form {
    ipc_look *look;
    ipc_abandon *abandon;
    enum heald_object_type kind;
    unsigned flags; /* enum heald_wait_flag: to do what */
    /* What is kept of it once it is the caller's: for people, and for the order of locks; or NULL.
     * It is by the result `taken`, and if `inherits` by -EOWNERDEAD, too. */
    void (*took)(void *object, struct heald_participant *me, uint64_t site);
    int taken;
    bool inherits;
};

/* An attempt, made at `site`, came to `result`. Returns that. */
static inline int ipc_took(const struct ipc_form *form, void *object, struct heald_participant *me,
                           uint64_t site, int result)
{
    if (form->took && (result == form->taken || (result == -EOWNERDEAD && form->inherits)))
        form->took(object, me, site);
    return result;
}

/* Gives a wait up: `result`, or what it came to after all. */
int heald__ipc_give_up(const struct ipc_form *form, void *object, struct heald_participant *me,
                       int64_t *memory, int result);

int heald__ipc_block(const struct ipc_form *form, void *object, struct heald_participant *me,
                     int64_t deadline_ns);

/* The same, and *memory, which is 0 before, is what the last look left there. */
int heald__ipc_block_and_tell(const struct ipc_form *form, void *object,
                              struct heald_participant *me, int64_t deadline_ns, int64_t *memory);

/* The forms that there are. */
extern const struct ipc_form heald__ipc_mutex_form, heald__ipc_sem_form, heald__ipc_rdlock_form,
    heald__ipc_wrlock_form, heald__ipc_barrier_form, heald__ipc_once_form;

#endif
