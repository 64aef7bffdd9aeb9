/*
 * ipc/monitor.h: a mutex and an event count, inside which the larger objects do all they do: enter,
 * look, change, leave; or leave and wait for a change.
 *
 * What an object keeps is in order after every single store, so whoever enters after one who died
 * inside goes on as if nothing had been. One that died between a change and telling of it is
 * noticed by those who wait (region_wait.guard).
 */
#ifndef HEALD_SRC_IPC_MONITOR_H
#define HEALD_SRC_IPC_MONITOR_H

#include "ipc/begin.h"

/* 0: inside. -EBUSY: another is; what to wait for. -ESTALE, -EBADMSG. */
int monitor_enter(struct heald_monitor *m, struct heald_participant *me,
                  struct region_wait *ret_wait);

/* The same, waiting for as long as it takes. */
int monitor_enter_now(struct heald_monitor *m, struct heald_participant *me);

void monitor_leave(struct heald_monitor *m, struct heald_participant *me);

/* After a change that others may wait for. */
void monitor_leave_and_tell(struct heald_monitor *m, struct heald_participant *me);

/*
 * -EBUSY, and what to wait for: that somebody tells, or that `holder` dies (0: nobody). `several`:
 * others' deaths matter, too.
 */
int monitor_leave_to_wait(struct heald_monitor *m, struct heald_participant *me, uint64_t holder,
                          bool several, struct region_wait *ret_wait);

/*
 * Between two stores inside of which one must come first: whoever is killed has made the first, or
 * neither. Only the compiler could make it otherwise: what a processor has done is seen by all
 * before the death is.
 */
static inline void monitor_then(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The participant of an id is there (0), or gone (-EOWNERDEAD); 0 is nobody and gone. */
int monitor_is_gone(const struct heald_participant *me, uint64_t id);

/* Inside, before looking for what others give back without entering: from then on they tell. */
void monitor_will_wait(struct heald_monitor *m);

/* From outside, after giving something back: tells, if somebody waits. 0, -ESTALE, -EBADMSG. */
int monitor_tell_if_waiting(struct heald_monitor *m, struct heald_participant *me);

/* Among words that name their holders: the first that is `id` (0: nobody's); NULL. May be asked
 * from outside for one's own id. */
uint64_t *monitor_find(uint64_t words[], unsigned count, uint64_t id);

/*
 * Cells: words that name their holders and are taken and given back without entering, each by one
 * change. Takes one that is nobody's, or if `thoroughly` of one who is gone; NULL: there is none.
 * Gives back one that is the caller's; false: none is.
 */
uint64_t *monitor_claim(uint64_t cells[], unsigned count, const struct heald_participant *me,
                        bool thoroughly);
bool monitor_release(uint64_t cells[], unsigned count, const struct heald_participant *me);

/* Changes a cell, if it is still `from`. */
bool monitor_swap(uint64_t *cell, uint64_t from, uint64_t to);

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
};

/* Gives a wait up: `result`, or what it came to after all. */
int ipc_give_up(const struct ipc_form *form, void *object, struct heald_participant *me,
                int64_t *memory, int result);

int ipc_block(const struct ipc_form *form, void *object, struct heald_participant *me,
              int64_t deadline_ns);

/* The same, and *memory, which is 0 before, is what the last look left there. */
int ipc_block_and_tell(const struct ipc_form *form, void *object, struct heald_participant *me,
                       int64_t deadline_ns, int64_t *memory);

/* One look. Where it would have to wait, `busy`. A monitor that is busy is waited for. */
int ipc_try(const struct ipc_form *form, void *object, struct heald_participant *me, int busy);

/* The forms that there are. */
extern const struct ipc_form ipc_mutex_form, ipc_sem_form, ipc_rdlock_form, ipc_wrlock_form,
    ipc_barrier_form, ipc_once_form;

#endif
