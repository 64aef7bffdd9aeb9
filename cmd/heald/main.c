/* main.c: finds the subcommand. */
#include "commands.h"
#include "suggest.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What was printed must have been written: a full disk is an error, not a success. The reason of a
 * write that failed earlier is lost; but part of the output is lost, too, so that another byte does
 * no harm, and the reason is most likely that of its own failure. */
static int finish(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (!errno && write(STDOUT_FILENO, "\n", 1) == 1)
        errno = 0;
    fprintf(stderr, "heald: cannot write to standard output: %s\n",
            errno ? heald_strerror(-errno) : "an earlier write failed");
    return EXIT_ERROR;
}

/*
 * A standard stream that is closed is opened; else the next file that is opened becomes it, and
 * messages are written to that file. It is opened for the other direction, so that a read or write
 * fails as it does on a closed stream. The lowest free number is what open(2) takes.
 */
static int open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", flags) != fd)
            return -1;
    }
    return 0;
}

static bool is_option(const char *word, const char *letter, const char *name)
{
    return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

static int refuse_option(const char *word)
{
    struct suggestion s = {.word = word};

    if (strncmp(word, "--help=", 7) == 0 || strncmp(word, "--version=", 10) == 0)
        return options_refuse_value(NULL, word);
    suggest_compare(&s, "--help");
    suggest_compare(&s, "--version");
    return options_refuse_unknown(NULL, "option", word, &s, NULL);
}

int main(int argc, char **argv)
{
    if (open_standard_streams() < 0)
        return EXIT_ERROR;
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word)
        return options_refuse(NULL, "a command is required; see heald --help");
    if (is_option(word, "-h", "--help")) {
        commands_print_help();
        return finish(0);
    }
    if (is_option(word, "-V", "--version")) {
        printf("heald %s\n", heald_version());
        return finish(0);
    }
    if (word[0] == '-')
        return refuse_option(word);
    const struct command *command = commands_find(NULL, word);
    if (!command)
        return EXIT_ERROR;
    return finish(command->run(command, argv[0], argc - 1, argv + 1));
}
