/* aio_absent.c: `heald aio` of a build without libheald-aio. */
#include "commands.h"

#include <string.h>

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    (void)program;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return options_parse(command, argc, argv, NULL, NULL);
    return options_refuse(command, "this build has no libheald-aio: %s", HEALD_AIO_WHY_NOT);
}

const struct command command_aio = {
    .name = "aio",
    .run = run,
    .summary = "run a program with heald's POSIX AIO (not in this build)",
    .arguments = "-- PROGRAM [ARG...]",
    .details = "This build has no libheald-aio: " HEALD_AIO_WHY_NOT ".",
};
