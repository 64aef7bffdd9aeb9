/* serve.h: `heald serve` for other subcommands. */
#ifndef HEALD_CMD_SERVE_H
#define HEALD_CMD_SERVE_H

#include "serve/server.h"

/* What the command does without options; the directory is left out. */
void serve_defaults(struct server_config *ret_config);

/*
 * Serves until a signal ends it; returns the exit status. Once it listens it prints the back end,
 * the URL, and `what_next` (NULL: nothing), a function that prints what a person may do with that
 * URL.
 */
int serve(const struct server_config *config, void (*what_next)(const char *url));

#endif
