/* options.c: see options.h. "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", and "--" before
 * what begins with a dash. */
#include "options.h"

#include <heald/base.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int options_refuse(const struct command *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "heald %s: ", command->name);
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): see text_addf() */
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_ERROR;
}

/* The letter of an option; 0: it has none. */
static char letter_of(const struct command *command, const struct option *o)
{
    const struct option_letter *l = command->letters;

    while (l && l->letter && strcmp(l->name, o->name) != 0)
        l++;
    return l ? l->letter : 0;
}

static void print_option(const struct command *command, const struct option *o)
{
    char left[64], letter = letter_of(command, o);
    int n = letter ? snprintf(left, sizeof left, "-%c, ", letter) : 0;

    snprintf(left + n, sizeof left - (size_t)n, "%s %s", o->name, o->metavar ? o->metavar : "");
    printf("  %-22s %s%s\n", left, strlen(left) > 22 ? "\n                         " : "", o->help);
}

static void print_help(const struct command *command)
{
    printf("usage: heald %s%s%s%s\n%s\n", command->name, command->options ? " [OPTION...]" : "",
           *command->arguments ? " " : "", command->arguments, command->summary);
    printf("\noptions:\n");
    for (const struct option *o = command->options; o && o->name; o++)
        print_option(command, o);
    printf("  %-22s %s\n", "--help", "this text");
    if (command->details)
        printf("\n%s", command->details);
}

static const struct option *find_option(const struct command *command, const char *text, size_t len)
{
    for (const struct option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, text, len) == 0)
            return o;
    return NULL;
}

static bool parse_count(const struct option *o, const char *text, unsigned *ret_count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < o->min || value > o->max)
        return false;
    *ret_count = (unsigned)value;
    return true;
}

static bool parse_seconds(const struct option *o, const char *text, int64_t *ret_ns)
{
    char *end;
    double value = strtod(text, &end);
    /* Only digits and a point: no sign, no exponent, no "nan". */
    if (!*text || text[strspn(text, "0123456789.")] || *end || !(value > 0) ||
        value > (double)o->max)
        return false;
    *ret_ns = (int64_t)(value * (double)HEALD_SEC);
    return *ret_ns > 0;
}

/* Stores the value of an option; OPTIONS_GO_ON or EXIT_ERROR. */
static int set_option(const struct command *command, const struct option *o, const char *text,
                      void *config)
{
    void *field = (char *)config + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
    case OPTION_UNFLAG: *(bool *)field = o->kind == OPTION_FLAG; break;
    case OPTION_TEXT:
        if (!*text)
            return options_refuse(command, "%s: empty", o->name);
        *(const char **)field = text;
        break;
    case OPTION_COUNT:
        if (!parse_count(o, text, field))
            return options_refuse(command, "%s: '%s' is not a number from %u to %u", o->name, text,
                                  o->min, o->max);
        break;
    case OPTION_SECONDS:
        if (!parse_seconds(o, text, field))
            return options_refuse(command, "%s: '%s' is not a number of seconds, %u at most",
                                  o->name, text, o->max);
        break;
    }
    return OPTIONS_GO_ON;
}

/* The value of an option in the next word, to which *at moves. */
static int take_next_word(const struct command *command, const struct option *o, char **argv,
                          int *at, void *config)
{
    if (!argv[*at + 1])
        return options_refuse(command, "%s needs a value: %s", o->name, o->metavar);
    ++*at;
    return set_option(command, o, argv[*at], config);
}

static int parse_letter(const struct command *command, char **argv, int *at, void *config)
{
    const char *word = argv[*at];
    const struct option_letter *l = command->letters;

    while (l && l->letter && l->letter != word[1])
        l++;
    if (!l || !l->letter)
        return options_refuse(command, "unknown option '%s'", word);
    const struct option *o = find_option(command, l->name, strlen(l->name));
    if (o->metavar && word[2])
        return set_option(command, o, word + 2, config);
    if (o->metavar)
        return take_next_word(command, o, argv, at, config);
    if (word[2])
        return options_refuse(command, "-%c takes no value: '%s'", l->letter, word);
    return set_option(command, o, "", config);
}

/* The option at argv[*at], with its value; *at moves to its last word. */
static int parse_option(const struct command *command, char **argv, int *at, void *config)
{
    const char *word = argv[*at];
    size_t len = strcspn(word, "=");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help(command);
        return 0;
    }
    if (word[1] != '-')
        return parse_letter(command, argv, at, config);
    const struct option *o = find_option(command, word, len);
    if (!o)
        return options_refuse(command, "unknown option '%.*s'", (int)len, word);
    if (!o->metavar) {
        if (word[len])
            return options_refuse(command, "%s takes no value", o->name);
        return set_option(command, o, "", config);
    }
    if (word[len])
        return set_option(command, o, word + len + 1, config);
    return take_next_word(command, o, argv, at, config);
}

int options_parse(const struct command *command, int argc, char **argv, void *config,
                  const char **ret_arguments)
{
    unsigned count = 0;
    bool is_literal = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!is_literal && strcmp(word, "--") == 0) {
            is_literal = true;
        } else if (!is_literal && word[0] == '-' && word[1]) {
            int status = parse_option(command, argv, &i, config);
            if (status != OPTIONS_GO_ON)
                return status;
        } else if (count == command->arguments_max) {
            return options_refuse(command, "one argument too many: '%s'", word);
        } else {
            ret_arguments[count++] = word;
            is_literal = is_literal || count == command->words_from;
        }
    }
    return OPTIONS_GO_ON;
}
