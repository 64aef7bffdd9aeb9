/*
 * options.c: see options.h. "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", flags together
 * as "-ab", and "--" before what begins with a dash.
 */
#include "options.h"

#include "suggest.h"
#include "terminal.h"
#include "thread_text.h"

#include <heald/base.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 26, HELP_COLUMNS = 80 };

/* A command line at work. */
struct parser {
    const struct command *command;
    void *config;
    char **argv;
    int at;         /* the word of argv that is parsed */
    char shown[64]; /* the option as it was typed: "-p" or "--port" */
};

int options_refuse(const struct command *command, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    /* NOLINTBEGIN(clang-analyzer-valist.Uninitialized): see text_addf() */
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    /* NOLINTEND(clang-analyzer-valist.Uninitialized) */
    va_end(again);
    va_end(args);
    fprintf(stderr, "heald%s%s: %s\n", command ? " " : "", command ? command->name : "",
            text ? mask_controls(text) : "cannot allocate memory");
    free(text);
    return EXIT_ERROR;
}

int options_refuse_unknown(const struct command *command, const char *what, const char *shown,
                           const struct suggestion *s, const struct command *of)
{
    const char *nearest = suggest_nearest(s);

    if (nearest)
        return options_refuse(command, "unknown %s '%s'; did you mean %s?", what, shown, nearest);
    return options_refuse(command, "unknown %s '%s'; see heald %s%s--help", what, shown,
                          of ? of->name : "", of ? " " : "");
}

int options_refuse_value(const struct command *command, const char *word)
{
    size_t len = strcspn(word, "=");

    return options_refuse(command, "%.*s %s: the option takes no value", (int)len, word,
                          options_shown(word + len + 1));
}

const char *options_shown(const char *word)
{
    return *word ? word : "''";
}

static unsigned help_columns(void)
{
    unsigned columns = terminal_columns();
    return columns && columns < HELP_COLUMNS ? columns : HELP_COLUMNS;
}

void options_print_text(const char *text)
{
    terminal_wrap(text, 0, help_columns());
    putchar('\n');
}

void options_print_row(const char *left, const char *help)
{
    unsigned columns = help_columns(), indent = columns < 2 * LEFT ? LEFT / 4 : LEFT;
    bool is_wide = strlen(left) + 4 > indent;

    printf("  %-*s", is_wide ? 0 : (int)indent - 2, left);
    if (is_wide)
        printf("\n%*s", (int)indent, "");
    terminal_wrap(help, indent, columns);
    putchar('\n');
}

static void print_option(const struct option *o)
{
    char left[64], letter[] = {'-', o->letter, ',', ' ', 0};

    snprintf(left, sizeof left, "%s%s%s%s", o->letter ? letter : "    ", o->name,
             o->metavar ? " " : "", o->metavar ? o->metavar : "");
    options_print_row(left, o->help);
}

void options_print_help(const struct command *command)
{
    printf("usage: heald %s%s%s%s\n\n", command->name, command->options ? " [OPTION...]" : "",
           *command->arguments ? " " : "", command->arguments);
    options_print_text(command->summary);
    printf("\noptions:\n");
    for (const struct option *o = command->options; o && o->name; o++)
        print_option(o);
    options_print_row("-h, --help", "print this help");
    if (command->details) {
        putchar('\n');
        options_print_text(command->details);
    }
}

void options_print_plain(const struct command *command)
{
    for (const struct option *o = command->options; o && o->name; o++) {
        const char *value = o->metavar ? o->metavar : "";
        if (o->letter)
            printf("-%c\t%s\t%s\n", o->letter, value, o->help);
        printf("%s\t%s\t%s\n", o->name, value, o->help);
    }
    printf("-h\t\tprint this help\n--help\t\tprint this help\n");
}

static const struct option *find_option(const struct command *command, const char *text, size_t len)
{
    for (const struct option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, text, len) == 0)
            return o;
    return NULL;
}

static const struct option *find_letter(const struct command *command, char letter)
{
    for (const struct option *o = command->options; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static int refuse_unknown(const struct command *command, const char *shown, const char *word)
{
    struct suggestion s = {.word = word};

    for (const struct option *o = command->options; o && o->name; o++)
        suggest_compare(&s, o->name);
    suggest_compare(&s, "--help");
    return options_refuse_unknown(command, "option", shown, &s, command);
}

bool options_count(const char *text, unsigned min, unsigned max, unsigned *ret_count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
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
static int set_option(const struct parser *p, const struct option *o, const char *text)
{
    void *field = (char *)p->config + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
    case OPTION_UNFLAG: *(bool *)field = o->kind == OPTION_FLAG; break;
    case OPTION_TEXT:
        if (!*text)
            return options_refuse(p->command, "%s: the value %s is empty", p->shown, o->metavar);
        *(const char **)field = text;
        break;
    case OPTION_COUNT:
        if (!options_count(text, o->min, o->max, field))
            return options_refuse(p->command, "%s %s: not a number from %u to %u", p->shown,
                                  options_shown(text), o->min, o->max);
        break;
    case OPTION_SECONDS:
        if (!parse_seconds(o, text, field))
            return options_refuse(p->command,
                                  "%s %s: not a number of seconds greater than 0 and at most %u",
                                  p->shown, options_shown(text), o->max);
        break;
    }
    return OPTIONS_GO_ON;
}

/* The value of an option in the next word, to which p->at moves. */
static int take_next_word(struct parser *p, const struct option *o)
{
    if (!p->argv[p->at + 1])
        return options_refuse(p->command, "%s: a value is required: %s", p->shown, o->metavar);
    p->at++;
    return set_option(p, o, p->argv[p->at]);
}

/* "-n", "-nq", "-w5", "-nw5", "-w 5". */
static int parse_letters(struct parser *p)
{
    const char *word = p->argv[p->at];

    for (const char *c = word + 1; *c; c++) {
        const struct option *o = find_letter(p->command, *c);
        snprintf(p->shown, sizeof p->shown, "-%c", *c);
        if (*c == 'h' && !o) {
            options_print_help(p->command);
            return 0;
        }
        if (!o)
            return refuse_unknown(p->command, c == word + 1 && c[1] ? word : p->shown, word);
        if (o->metavar)
            return c[1] ? set_option(p, o, c + 1) : take_next_word(p, o);
        int status = set_option(p, o, "");
        if (status != OPTIONS_GO_ON)
            return status;
    }
    return OPTIONS_GO_ON;
}

/* The option at argv[at], with its value; p->at moves to its last word. */
static int parse_option(struct parser *p)
{
    const char *word = p->argv[p->at];
    size_t len = strcspn(word, "=");
    const struct option *o = find_option(p->command, word, len);

    if (strcmp(word, "--help") == 0) {
        options_print_help(p->command);
        return 0;
    }
    if (word[1] != '-')
        return parse_letters(p);
    snprintf(p->shown, sizeof p->shown, "%.*s", (int)(len < 64 ? len : 63), word);
    if (!o && strcmp(p->shown, "--help") != 0)
        return refuse_unknown(p->command, p->shown, p->shown);
    if (word[len] && (!o || !o->metavar))
        return options_refuse_value(p->command, word);
    if (!o->metavar)
        return set_option(p, o, "");
    return word[len] ? set_option(p, o, word + len + 1) : take_next_word(p, o);
}

int options_parse(const struct command *command, int argc, char **argv, void *config,
                  const char **ret_arguments)
{
    struct parser p = {.command = command, .config = config, .argv = argv};
    unsigned count = 0;
    bool is_literal = false;
    for (p.at = 1; p.at < argc; p.at++) {
        const char *word = argv[p.at];
        if (!is_literal && strcmp(word, "--") == 0) {
            is_literal = true;
        } else if (!is_literal && word[0] == '-' && word[1]) {
            int status = parse_option(&p);
            if (status != OPTIONS_GO_ON)
                return status;
        } else if (count == command->arguments_max) {
            return options_refuse(command, "unexpected argument '%s'; see heald %s --help", word,
                                  command->name);
        } else {
            ret_arguments[count++] = word;
            is_literal = is_literal || count == command->words_from;
        }
    }
    return OPTIONS_GO_ON;
}
