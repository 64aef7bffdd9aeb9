/* child/child.h: what the two ways to start a program share. */
#ifndef HEALD_SRC_CHILD_CHILD_H
#define HEALD_SRC_CHILD_CHILD_H

#include <heald/process.h>

#include <signal.h>

/* Signals that are to have their default in the child. */
void heald__child_fill_defaults(sigset_t *set, int keep_ignored);

/* Starts a program that gets spawn->death_signal. `lifted`: the descriptors that become its
 * standard streams, above 2; -1: none. 0, or -errno. */
int heald__child_start_bound(const struct heald_spawn *spawn, const int lifted[3],
                             char *const *argv, char *const *envp, pid_t *ret_pid);

#endif
