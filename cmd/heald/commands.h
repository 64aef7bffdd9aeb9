/* commands.h: the subcommands, one file each. */
#ifndef HEALD_CMD_COMMANDS_H
#define HEALD_CMD_COMMANDS_H

#include "options.h"

extern const struct command command_serve;
extern const struct command command_backends;
extern const struct command command_demo;
extern const struct command command_ls;
extern const struct command command_locks;
extern const struct command command_gc;
extern const struct command command_repair;
extern const struct command command_lock;
extern const struct command command_sem;
extern const struct command command_aio;

#endif
