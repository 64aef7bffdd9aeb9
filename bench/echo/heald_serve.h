/* What heald's echo servers share. */
#ifndef BENCH_HEALD_SERVE_H
#define BENCH_HEALD_SERVE_H

#include <heald/heald.h>

/* Listens on a port of 127.0.0.1, prints `port N`, and accepts until SIGTERM. Returns the status of
 * the program, which it ends on failure. */
int serve(struct heald_loop *loop, const char *port, heald_fn *on_accepted);

#endif
