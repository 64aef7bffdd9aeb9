/* commands.c: the list of the subcommands, and `heald help`. */
#include "commands.h"

#include "json.h"
#include "suggest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_ls,   &command_top,   &command_locks,    &command_gc,    &command_repair,
    &command_lock, &command_sem,   &command_send,     &command_recv,  &command_pipe,
    &command_pub,  &command_sub,   &command_call,     &command_reply, &command_bridge,
    &command_aio,  &command_serve, &command_backends, &command_demo,  &command_help,
};

struct help_options {
    bool is_plain, is_json;
};

static const struct option help_options[] = {
    {0, "--plain", OPTION_FLAG, offsetof(struct help_options, is_plain), 0, 0, NULL,
     "print a line for each word, with its value and its description, separated by tabs"},
    {'j', "--json", OPTION_FLAG, offsetof(struct help_options, is_json), 0, 0, NULL, "print JSON"},
    {0},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

const struct command *commands_find(const struct command *command, const char *name)
{
    struct suggestion s = {.word = name};

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
        suggest_compare(&s, commands[i]->name);
    }
    options_refuse_unknown(command, "command", name, &s, NULL);
    return NULL;
}

void commands_print_help(void)
{
    printf("usage: heald COMMAND [OPTION...] [ARGUMENT...]\n\n");
    options_print_text(
        "Inspects and repairs locks in shared memory, runs commands under such a lock, sends "
        "and receives messages, "
        "runs programs with heald's POSIX AIO, and serves files.");
    printf("\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        options_print_row(commands[i]->name, commands[i]->summary);
    printf("\noptions:\n");
    options_print_row("-h, --help", "print this help");
    options_print_row("-V, --version", "print the version");
    putchar('\n');
    options_print_text(
        "heald COMMAND --help prints the options of a command; heald-COMMAND(1) is its page.");
}

/* As options_print_plain(). */
static void print_plain(void)
{
    for (size_t i = 0; i < COMMANDS; i++)
        printf("%s\t\t%s\n", commands[i]->name, commands[i]->summary);
    printf("-h\t\tprint this help\n--help\t\tprint this help\n"
           "-V\t\tprint the version\n--version\t\tprint the version\n");
}

static void put_command(struct json *j, const struct command *c)
{
    json_object(j, NULL);
    json_text(j, "name", c->name);
    json_text(j, "summary", c->summary);
    json_text(j, "arguments", c->arguments);
    json_array(j, "options");
    for (const struct option *o = c->options; o && o->name; o++) {
        char letter[] = {o->letter, 0};
        json_object(j, NULL);
        json_text(j, "letter", o->letter ? letter : NULL);
        json_text(j, "name", o->name);
        json_text(j, "value", o->metavar);
        json_text(j, "help", o->help);
        json_close(j);
    }
    json_close(j);
    json_close(j);
}

/* The command that was found; NULL: all. */
static void print_json(const struct command *found)
{
    struct json j;

    json_begin(&j, stdout);
    json_array(&j, "commands");
    for (size_t i = 0; i < COMMANDS; i++)
        if (!found || found == commands[i])
            put_command(&j, commands[i]);
    json_close(&j);
    json_end(&j);
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    struct help_options o = {0};
    const char *name = NULL;
    int status = options_parse(command, argc, argv, &o, &name);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (o.is_json && o.is_plain)
        return options_refuse(command, "--json and --plain: mutually exclusive");
    const struct command *found = name ? commands_find(command, name) : NULL;
    if (name && !found)
        return EXIT_ERROR;
    if (o.is_json)
        print_json(found);
    else if (found)
        (o.is_plain ? options_print_plain : options_print_help)(found);
    else
        (o.is_plain ? print_plain : commands_print_help)();
    return 0;
}

const struct command command_help = {
    .name = "help",
    .run = run,
    .summary = "print the commands, or the options of a command",
    .arguments = "[COMMAND]",
    .arguments_max = 1,
    .options = help_options,
    .details = "The completions of the shells read the output of --plain.",
};
