/* await/await.h: the tables by which a loop reaches signals, children, locks and work. */
#ifndef HEALD_SRC_AWAIT_AWAIT_H
#define HEALD_SRC_AWAIT_AWAIT_H

#include "loop/upper.h"

extern const struct heald_upper heald__await_signals, heald__await_children, heald__await_locks,
    heald__await_work, heald__await_names, heald__await_races,
    heald__await_retries;

/* All of them, for heald__loop_open_on(). */
extern const struct heald_upper *const heald__await_all[UPPERS];

/* lookup.c, connect_name.c: what a pending op of theirs asks for; NULL: none, or no longer known.
 * The strings are valid until the op completes. */
void heald__lookup_question(const struct heald_op *op, const char **ret_host,
                            const char **ret_service);
void heald__race_question(const struct heald_op *op, const char **ret_host,
                          const char **ret_service);

#endif
