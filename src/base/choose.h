/*
 * base/choose.h: the choice among several ways to do the same (back ends, engines, waiters, methods
 * of AIO): by an option, else by a variable of the environment, else the first that works.
 *
 * An empty option or variable means the default. A name that nobody knows is -EINVAL; one that this
 * build lacks, or that does not work here, is -ENOSYS; a text says which, and what may be given.
 */
#ifndef HEALD_SRC_BASE_CHOOSE_H
#define HEALD_SRC_BASE_CHOOSE_H

#include <heald/base.h>

struct heald_left_out {
    const char *name, *why;
};

struct heald_choice {
    const char *option;                    /* as it is called in the options; NULL: there is none */
    const char *variable;                  /* of the environment */
    const char *const *names;              /* in the order of preference, then NULL */
    const struct heald_left_out *left_out; /* of this build; the last has no name */
};

/* The name that the option, or else the environment, gives; NULL: none. */
const char *heald__choice_requested(const struct heald_choice *c, const char *option);

/* Is the wish a name that this build has, or none? 0, -EINVAL, -ENOSYS. */
int heald__choice_check(const struct heald_choice *c, const char *option,
                        struct heald_why *ret_why);

/*
 * Calls open(ctx, i) for names[i]: for the one that is wished, or in order until one does not
 * return -ENOSYS. Returns what the last call did. *ret_why (or NULL) is filled on failure only.
 */
int heald__choose(const struct heald_choice *c, const char *option,
                  int (*open)(void *ctx, unsigned i), void *ctx, struct heald_why *ret_why);

/* Fills *why, unless it is NULL; what does not fit is cut. */
void heald__why_set(struct heald_why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
