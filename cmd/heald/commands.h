/* commands.h: the subcommands, one file each, and the list of them. */
#ifndef HEALD_CMD_COMMANDS_H
#define HEALD_CMD_COMMANDS_H

#include "options.h"

extern const struct command command_serve;
extern const struct command command_backends;
extern const struct command command_demo;
extern const struct command command_ls;
extern const struct command command_top;
extern const struct command command_locks;
extern const struct command command_gc;
extern const struct command command_repair;
extern const struct command command_lock;
extern const struct command command_sem;
extern const struct command command_send;
extern const struct command command_recv;
extern const struct command command_pipe;
extern const struct command command_bridge;
extern const struct command command_pub;
extern const struct command command_sub;
extern const struct command command_call;
extern const struct command command_reply;
extern const struct command command_aio;
extern const struct command command_help;

/* The command of this name; NULL after options_refuse() for `command`. */
const struct command *commands_find(const struct command *command, const char *name);

/* The text of `heald --help`. */
void commands_print_help(void);

#endif
