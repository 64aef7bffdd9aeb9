/* main.c: finds the subcommand. */
#include "commands.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_ls,  &command_locks, &command_gc,    &command_repair,   &command_lock,
    &command_sem, &command_aio,   &command_serve, &command_backends, &command_demo,
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(void)
{
    printf("usage: heald COMMAND [OPTION...]\n"
           "Event loops and cooperating processes: the tools of the library heald.\n\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\noptions:\n"
           "  --help     this text; heald COMMAND --help for a command's\n"
           "  --version  the version\n");
}

/* What was printed must have been written: a full disk is an error, not a success. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "heald: cannot write to standard output\n");
    return EXIT_ERROR;
}

/* Else the next file that is opened becomes a standard stream, and messages are written to it. The
 * lowest free number is what open(2) takes. */
static int open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    if (open_standard_streams() < 0)
        return EXIT_ERROR;
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        fprintf(stderr, "heald: which command? heald --help lists them\n");
        return EXIT_ERROR;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return finish(0);
    }
    if (strcmp(word, "--version") == 0) {
        printf("heald %s\n", heald_version());
        return finish(0);
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i]->name) == 0)
            return finish(commands[i]->run(commands[i], argv[0], argc - 1, argv + 1));
    fprintf(stderr, "heald: unknown command '%s'; heald --help lists them\n", word);
    return EXIT_ERROR;
}
