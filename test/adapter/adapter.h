/*
 * test/adapter/adapter.h: one set of cases over every host of a heald loop, a file each. cases.c
 * and edges.c are linked with one of them, and run on each back end.
 */
#ifndef HEALD_TEST_ADAPTER_H
#define HEALD_TEST_ADAPTER_H

#include "harness/harness.h"

#include <heald/heald.h>

#include <stdbool.h>

enum { GUESTS = 2 };

/* What a file of a host defines. One host in a process; guests have the numbers 0 and 1. */
extern const char host_name[];
extern const bool host_ends;         /* by itself, when nothing is left to do */
extern const bool host_needs_update; /* after what its callbacks submit */

void host_open(void);
void host_close(void);

/* host_run: runs until host_stop(), or the end of a host that ends. */
void host_run(void);
void host_stop(void);
unsigned host_iterations(void); /* since host_open() */

/* Once after so many milliseconds; and each time that the descriptor is readable, until -1. */
void host_after(int ms, void (*fn)(void));
void host_watch(int fd, void (*fn)(void));

/* The adapter in memory of its own, which is freed in its on_closed. */
int guest_open(int i, struct heald_loop *loop);
void guest_update(int i);
void guest_close(int i);

/* What cases.c has for them. on_guest_error: the adapter's on_error. */
void on_guest_error(int i, int err, int kept);
extern int guests_closed;

/* A loop on a back end, which must have a descriptor, that is guest 0 of an open host; and the end
 * of both. */
struct heald_loop *guest_on(int backend);
void update_if_needed(void);
struct heald_loop *loop_on(int backend, struct heald_loop_options options);
void all_close(struct heald_loop *loop);
const char *backend_name(int backend);

/* Add a case for each back end that works here; for the one of that name, or for each. */
void add_everywhere(TCase *group, const TTest *test);
void add_on(TCase *group, const TTest *test, const char *backend);

extern int errors_seen, error_last, error_kept; /* of on_guest_error() */
extern void (*then)(void);                      /* what it calls, if that is not NULL */

void add_edges(TCase *group);

#endif
