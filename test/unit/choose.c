/* test/unit/choose.c: the choice by option, environment and preference, and what it says. */
#include "base/choose.h"

#include "harness/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"fast", "plain", "slow", NULL};
static const struct heald_left_out left_out[] = {{"rare", "built without it"}, {NULL, NULL}};
static const struct heald_choice choice = {
    .option = "way", .variable = "HEALD_TEST_WAY", .names = names, .left_out = left_out};

/* What each returns, and which one was the last that was asked. */
struct world {
    int errors[3], last;
};

static int open_it(void *ctx, unsigned i)
{
    struct world *w = ctx;

    w->last = (int)i;
    return w->errors[i];
}

static void check(struct world w, const char *option, const char *variable, int err, int last,
                  const char *text)
{
    struct heald_why why = {"untouched"};

    if (variable)
        setenv("HEALD_TEST_WAY", variable, 1);
    else
        unsetenv("HEALD_TEST_WAY");
    w.last = -1;
    ck_assert_int_eq(heald__choose(&choice, option, open_it, &w, &why), err);
    ck_assert_int_eq(w.last, last);
    ck_assert_str_eq(why.text, text);
    /* The text is not needed. */
    ck_assert_int_eq(heald__choose(&choice, option, open_it, &w, NULL), err);
}

HEALD_CASE(the_first_that_works)
{
    static const char *const none[] = {NULL, ""};

    for (int o = 0; o < 2; o++)
        for (int v = 0; v < 2; v++) {
            check((struct world){0}, none[o], none[v], 0, 0, "untouched");
            check((struct world){{-ENOSYS}, 0}, none[o], none[v], 0, 1, "untouched");
            check((struct world){{-ENOSYS, -ENOMEM}, 0}, none[o], none[v], -ENOMEM, 1,
                  "way plain: out of memory");
            check((struct world){{-ENOSYS, -ENOSYS, -ENOSYS}, 0}, none[o], none[v], -ENOSYS, 2,
                  "way slow: not available here: the kernel lacks it or forbids it, or "
                  "HEALD_NO_URING is set");
        }
}

HEALD_CASE(the_one_that_is_named)
{
    check((struct world){0}, NULL, "slow", 0, 2, "untouched");
    check((struct world){0}, "", "slow", 0, 2, "untouched");
    check((struct world){0}, "plain", "slow", 0, 1, "untouched");
    check((struct world){0}, "plain", "nonsense", 0, 1, "untouched");
    check((struct world){{-ENOSYS}, 0}, NULL, "fast", -ENOSYS, 0,
          "HEALD_TEST_WAY=fast: not available here: the kernel lacks it or forbids it, or "
          "HEALD_NO_URING is set");
    check((struct world){{-EMFILE}, 0}, "fast", NULL, -EMFILE, 0,
          "way=fast: too many open files in this process");
}

HEALD_CASE(names_that_are_refused)
{
    char many[1000];

    check((struct world){0}, NULL, "fas", -EINVAL, -1,
          "HEALD_TEST_WAY=fas: unknown; fast, plain or slow");
    check((struct world){0}, "fastest", "fast", -EINVAL, -1,
          "way=fastest: unknown; fast, plain or slow");
    check((struct world){0}, "rare", NULL, -ENOSYS, -1,
          "way=rare: not in this build: built without it");
    memset(many, 'x', sizeof many - 1);
    many[40] = '\0';
    check((struct world){0}, many, NULL, -EINVAL, -1,
          "way=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: unknown; fast, plain or slow");
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    check((struct world){0}, many, NULL, -EINVAL, -1,
          "way=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…: unknown; fast, plain or slow");
}

/* Without opening anything. */
HEALD_CASE(a_look_beforehand)
{
    struct heald_why why = {"untouched"};

    ck_assert_int_eq(heald__choice_check(&choice, "fast", &why), 0);
    ck_assert_int_eq(heald__choice_check(&choice, "", &why), 0);
    ck_assert_str_eq(why.text, "untouched");
    ck_assert_int_eq(heald__choice_check(&choice, "rare", &why), -ENOSYS);
    ck_assert_int_eq(heald__choice_check(&choice, "none", NULL), -EINVAL);
}

int main(void)
{
    Suite *suite = suite_create("choose");
    TCase *group = harness_group(suite, "choose");

    harness_add(group, the_first_that_works);
    harness_add(group, the_one_that_is_named);
    harness_add(group, names_that_are_refused);
    harness_add(group, a_look_beforehand);
    return harness_run(suite);
}
