/* options.h: the options of a subcommand, from a table: parsed, and printed as help. */
#ifndef HEALD_CMD_OPTIONS_H
#define HEALD_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* What stands in the field of the config struct that an option sets. */
enum option_kind {
    OPTION_FLAG,   /* bool: true */
    OPTION_UNFLAG, /* bool: false */
    OPTION_TEXT,   /* const char * into argv */
    OPTION_COUNT,  /* unsigned, between min and max */
    OPTION_SECONDS /* int64_t nanoseconds, from decimal seconds between min and max */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of a row */
struct option {
    char letter;      /* 'p' of "-p"; 0: it has none */
    const char *name; /* "--port" */
    enum option_kind kind;
    size_t offset; /* of the field */
    unsigned min, max;
    const char *metavar; /* "N"; NULL for a flag */
    const char *help;
};

struct command {
    const char *name;
    /* program: argv[0] of the process, to start it anew */
    int (*run)(const struct command *command, const char *program, int argc, char **argv);
    const char *summary;   /* one line, for heald --help */
    const char *arguments; /* "DIR", "[DIR]", "" */
    unsigned arguments_max;
    unsigned words_from; /* the argument that is a command, from 1: no options follow; 0: none is */
    const struct option *options; /* ends with a name NULL; NULL: none */
    const char *details;          /* printed after the options by --help, wrapped */
};

/* The exit statuses of all commands: heald(1). */
enum {
    EXIT_NO = 1,          /* the answer is no: not acquired, a deadlock, in use */
    EXIT_ERROR = 2,       /* the command line is invalid, a name does not exist, an error */
    EXIT_REPLIED = 3,     /* heald call: with an error */
    EXIT_UNKNOWN = 4,     /* heald call: the request may have been served */
    EXIT_NOT_RUN = 126,   /* the program to run exists and cannot be run */
    EXIT_NOT_FOUND = 127, /* it does not exist */
    EXIT_SIGNAL = 128     /* and the number of the signal that ended it */
};

/* What options_parse() returns when the command is to go on. */
enum { OPTIONS_GO_ON = -1 };

/*
 * Fills the config struct and ret_arguments (NULL where none was given). argv[0] is the command's
 * name. Returns OPTIONS_GO_ON, or the exit status: 0 after --help, EXIT_ERROR after one line on
 * stderr.
 */
int options_parse(const struct command *command, int argc, char **argv, void *config,
                  const char **ret_arguments);

/* The text of --help. */
void options_print_help(const struct command *command);

/* The options for completion: a line for each word, with its value and its help, between tabs. */
void options_print_plain(const struct command *command);

/* A paragraph of a help text, wrapped. */
void options_print_text(const char *text);

/* One row of a list of options in a help text. left: "-p, --port N". */
void options_print_row(const char *left, const char *help);

/* One line on stderr: "heald NAME: …", or "heald: …" where command is NULL. The words in it may be
 * anybody's: control characters are masked. Returns EXIT_ERROR. */
int options_refuse(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a word that is none of those compared; `what`: "option", "command"; shown: how the
 * word is printed; of: the command whose --help lists them, NULL: heald's own. */
struct suggestion;
int options_refuse_unknown(const struct command *command, const char *what, const char *shown,
                           const struct suggestion *s, const struct command *of);

/* The same for an option "--name=VALUE" that takes no value. */
int options_refuse_value(const struct command *command, const char *word);

/* A number of digits alone, from min to max; false: it is none. */
bool options_count(const char *text, unsigned min, unsigned max, unsigned *ret_count);

/* A word of the command line, for such a message; '' where it is empty. */
const char *options_shown(const char *word);

#endif
