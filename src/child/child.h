/* child/child.h: what the two ways to start a program share. */
#ifndef HEALD_SRC_CHILD_CHILD_H
#define HEALD_SRC_CHILD_CHILD_H

#include <heald/process.h>

#include <signal.h>

/* What a child by fork(2) needs beside struct heald_spawn; all descriptors are above those that it
 * gets. */
struct child_plan {
    const struct heald_spawn *spawn;
    char *const *argv, *const *envp;
    int streams[3];           /* that become its standard streams; -1: none */
    int fds[HEALD_SPAWN_FDS]; /* that become its further descriptors */
    int terminal;             /* -1: none */
    int above;                /* the least number that the child does not get */
};

/* Signals that are to have their default in the child. */
void heald__child_fill_defaults(sigset_t *set, int keep_ignored);

/* fork.c: starts a program. 0, or -errno. */
int heald__child_start_fork(const struct child_plan *plan, pid_t *ret_pid);

/* pty.c: a terminal of that size: its master, which does not block, and its other end. 0 or
 * -errno. */
int heald__child_open_pty(unsigned rows, unsigned columns, int *ret_master, int *ret_terminal);

#endif
