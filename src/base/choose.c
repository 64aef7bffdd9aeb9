/*
 * base/choose.c: see choose.h. Any thread, as long as nobody changes the environment meanwhile.
 */
#include "base/choose.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void heald__why_set(struct heald_why *why, const char *format, ...)
{
    va_list args;

    if (!why)
        return;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it does not see va_start() */
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

const char *heald__choice_requested(const struct heald_choice *c, const char *option)
{
    if (option && *option)
        return option;
    const char *value = getenv(c->variable);
    return value && *value ? value : NULL;
}

/* The source of the name. */
static const char *source_of(const struct heald_choice *c, const char *option)
{
    return option && *option ? c->option : c->variable;
}

/* "uring, epoll, poll or select". */
static void list_names(const struct heald_choice *c, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (unsigned i = 0; c->names[i] && at < size; i++) {
        const char *between = i == 0 ? "" : c->names[i + 1] ? ", " : " or ";
        int n = snprintf(text + at, size - at, "%s%s", between, c->names[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

static const char *why_left_out(const struct heald_choice *c, const char *name)
{
    for (const struct heald_left_out *l = c->left_out; l && l->name; l++)
        if (strcmp(l->name, name) == 0)
            return l->why;
    return NULL;
}

enum { NAME_SHOWN = 40 /* bytes of a name that nobody knows */ };

static int refuse(const struct heald_choice *c, const char *option, struct heald_why *ret_why)
{
    const char *name = heald__choice_requested(c, option), *source = source_of(c, option);
    const char *why = why_left_out(c, name);
    char names[sizeof ret_why->text];

    if (why) {
        heald__why_set(ret_why, "%s=%s: not in this build: %s", source, name, why);
        return -ENOSYS;
    }
    list_names(c, names, sizeof names);
    const char *cut = strlen(name) > NAME_SHOWN ? "…" : "";
    heald__why_set(ret_why, "%s=%.*s%s: unknown; %s", source, NAME_SHOWN, name, cut, names);
    return -EINVAL;
}

int heald__choice_check(const struct heald_choice *c, const char *option, struct heald_why *ret_why)
{
    const char *wish = heald__choice_requested(c, option);

    if (!wish)
        return 0;
    for (unsigned i = 0; c->names[i]; i++)
        if (strcmp(wish, c->names[i]) == 0)
            return 0;
    return refuse(c, option, ret_why);
}

/* The one that was wished, or the one of which the default would be, cannot be opened. */
static void say_failed(const struct heald_choice *c, const char *option, const char *name, int err,
                       struct heald_why *ret_why)
{
    const char *why = err == -ENOSYS ? "not available here: the kernel lacks it or forbids it, or "
                                       "HEALD_NO_URING is set"
                                     : heald_strerror(err);

    if (heald__choice_requested(c, option))
        heald__why_set(ret_why, "%s=%s: %s", source_of(c, option), name, why);
    else
        heald__why_set(ret_why, "%s %s: %s", c->option ? c->option : c->variable, name, why);
}

int heald__choose(const struct heald_choice *c, const char *option,
                  int (*open)(void *ctx, unsigned i), void *ctx, struct heald_why *ret_why)
{
    const char *wish = heald__choice_requested(c, option);
    int err = heald__choice_check(c, option, ret_why);

    if (err)
        return err;
    for (unsigned i = 0; c->names[i]; i++) {
        if (wish && strcmp(wish, c->names[i]) != 0)
            continue;
        err = open(ctx, i);
        /* Only what the system lacks is skipped; no memory or no descriptors would be missing for
         * the next, too. */
        if (!err)
            return 0;
        if (wish || err != -ENOSYS || !c->names[i + 1]) {
            say_failed(c, option, c->names[i], err, ret_why);
            return err;
        }
    }
    return -ENOSYS;
}
