/* aio_absent.c: `heald aio` of a build without libheald-aio. */
#include "commands.h"

#include <string.h>

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    (void)program;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return options_parse(command, argc, argv, NULL, NULL);
    return options_refuse(command, "this build has no libheald-aio: %s", HEALD_AIO_WHY_NOT);
}

const struct command command_aio = {
    .name = "aio",
    .run = run,
    .summary = "Runs a program whose POSIX AIO is heald's; not in this build.",
    .arguments = "-- PROGRAM [ARG...]",
    .details = "This build has no libheald-aio: " HEALD_AIO_WHY_NOT ".\n",
};
