/* commands.h: the subcommands, one file each. */
#ifndef HEALD_CMD_COMMANDS_H
#define HEALD_CMD_COMMANDS_H

#include "options.h"

extern const struct command command_serve;
extern const struct command command_backends;
extern const struct command command_demo;

#endif
