/* test/differential/run.h: what differential.c has of program.c. */
#ifndef HEALD_TEST_RUN_H
#define HEALD_TEST_RUN_H

struct run;

/* Runs the program of run->seed on run->backend and run->engine: 0, or why the loop did not open.
 * Everything else that goes wrong is an assertion of libcheck. */
int program_run(struct run *run);

#endif
