/*
 * test/aio/stepping.h: a signal at an instruction of a call, whichever it is: a child process is
 * stepped through its call (ptrace(2)) so far, and gets SIGUSR1 there. The threads of the
 * implementation run freely.
 *
 * HEALD_AIO_STRIDE=N: at each Nth instruction; 1 is all of them.
 */
#ifndef HEALD_TEST_AIO_STEPPING_H
#define HEALD_TEST_AIO_STEPPING_H

#include "aio/suite.h"

enum { STEPPING_LIMIT = 5 }; /* seconds that a child may take */

/* In the child: what it does between the two is stepped through. */
void stepping_begin(void);
void stepping_end(void);

/* Runs `actor` in a child for each place of the signal; it must exit with 0 each time. */
void step_through(void (*actor)(void *), void *arg);

#endif
