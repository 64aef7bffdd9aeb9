/* test/conformance/environment.c: the choice of back end and engine: options, environment. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/resource.h>

enum { ROWS = 16 };

static int open_named(const char *backend, const char *engine, const char *ret[2])
{
    struct heald_loop_options options = {.backend = backend, .engine = engine};
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, &options);

    if (err)
        return err;
    ret[0] = heald_loop_backend(loop);
    ret[1] = heald_loop_engine(loop);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    return 0;
}

HEALD_CASE(the_environment_chooses)
{
    const char *got[2];

    setenv("HEALD_BACKEND", backend_of(_i), 1);
    setenv("HEALD_ENGINE", engine_of(_i), 1);
    ck_assert_int_eq(open_named(NULL, NULL, got), 0);
    ck_assert_str_eq(got[0], backend_of(_i));
    ck_assert_str_eq(got[1], engine_of(_i));
    /* What the program asks for by name stands above it. */
    ck_assert_int_eq(open_named("poll", "sync", got), 0);
    ck_assert_str_eq(got[0], "poll");
    ck_assert_str_eq(got[1], "sync");
}

HEALD_CASE(names_that_nobody_knows)
{
    const char *got[2];

    setenv("HEALD_BACKEND", "fast", 1);
    ck_assert_int_eq(open_named(NULL, NULL, got), -EINVAL);
    setenv("HEALD_BACKEND", "poll", 1);
    setenv("HEALD_ENGINE", "fast", 1);
    ck_assert_int_eq(open_named(NULL, NULL, got), -EINVAL);
}

HEALD_CASE(the_chosen_one_is_what_opens)
{
    struct heald_feature rows[2][ROWS];
    unsigned count[2] = {heald_backends(rows[0], ROWS), heald_engines(rows[1], ROWS)};
    const char *got[2];

    ck_assert_int_eq(open_named(NULL, NULL, got), 0);
    for (int which = 0; which < 2; which++) {
        int chosen = 0;
        for (unsigned i = 0; i < count[which]; i++) {
            struct heald_feature *f = &rows[which][i];
            ck_assert_ptr_nonnull(f->why);
            ck_assert_uint_gt(strlen(f->why), 0);
            if (!f->chosen)
                continue;
            chosen++;
            ck_assert_int_eq(f->error, 0);
            ck_assert_str_eq(f->name, got[which]);
        }
        ck_assert_int_eq(chosen, 1);
    }
    ck_assert_uint_eq(heald_backends(rows[0], 0), count[0]);
    ck_assert_uint_eq(heald_backends(rows[0], 1), count[0]);
    ck_assert_uint_eq(heald_engines(NULL, 0), count[1]);
}

HEALD_CASE(without_a_ring_the_next_best)
{
    struct heald_feature rows[ROWS];
    const char *got[2];

    setenv("HEALD_NO_URING", "1", 1);
    ck_assert_int_eq(open_named(NULL, NULL, got), 0);
    ck_assert_str_ne(got[0], "uring");
    ck_assert_str_ne(got[1], "uring");
    ck_assert_int_eq(open_named("uring", NULL, got), -ENOSYS);
    ck_assert_int_eq(open_named("poll", "uring", got), -ENOSYS);
    unsigned count = heald_backends(rows, ROWS);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(rows[i].name, "uring") == 0)
            ck_assert_int_eq(rows[i].error, -ENOSYS);
    setenv("HEALD_BACKEND", "uring", 1);
    ck_assert_int_eq(open_named(NULL, NULL, got), -ENOSYS);
}

static void check_why(struct heald_loop_options o, int err, const char *text)
{
    struct heald_why why = {"untouched"};
    struct heald_loop *loop = NULL;

    o.ret_why = &why;
    ck_assert_int_eq(heald_loop_open(&loop, &o), err);
    ck_assert_msg(strncmp(why.text, text, strlen(text)) == 0, "%s", why.text);
    if (!err)
        ck_assert_int_eq(heald_loop_close(loop), 0);
    o.ret_why = NULL;
    loop = NULL;
    ck_assert_int_eq(heald_loop_open(&loop, &o), err);
    if (!err)
        ck_assert_int_eq(heald_loop_close(loop), 0);
}

#define OPTIONS(...) ((struct heald_loop_options){__VA_ARGS__})

HEALD_CASE(options_that_are_refused_say_why)
{
    check_why(OPTIONS(0), 0, "untouched");
    check_why(OPTIONS(.backend = "epol"), -EINVAL, "backend=epol: unknown; ");
    check_why(OPTIONS(.engine = "fast"), -EINVAL, "engine=fast: unknown; ");
    check_why(OPTIONS(.policy = (enum heald_policy)9), -EINVAL, "policy=9: unknown; 0 to 3");
    check_why(OPTIONS(.shares = {1, 1001}), -EINVAL, "shares[1]=1001: at most 1000");
    check_why(OPTIONS(.entries = 100), -EINVAL, "entries=100: a power of two, at most 32768");
    check_why(OPTIONS(.entries = 65536), -EINVAL, "entries=65536: ");
    check_why(OPTIONS(.pool_threads = 257), -EINVAL, "pool_threads=257: at most 256");
}

HEALD_CASE(variables_that_are_refused_say_why)
{
    static const char *const variables[] = {"HEALD_BACKEND", "HEALD_ENGINE", "HEALD_AWAIT"};

    for (int i = 0; i < 3; i++) {
        char text[64];
        setenv(variables[i], "", 1);
        check_why(OPTIONS(0), 0, "untouched");
        check_why(OPTIONS(.backend = "", .engine = ""), 0, "untouched");
        setenv(variables[i], "nonsense", 1);
        snprintf(text, sizeof text, "%s=nonsense: unknown; ", variables[i]);
        check_why(OPTIONS(0), -EINVAL, text);
        unsetenv(variables[i]);
    }
    setenv("HEALD_NO_URING", "1", 1);
    setenv("HEALD_BACKEND", "uring", 1);
    check_why(OPTIONS(0), -ENOSYS, "HEALD_BACKEND=uring: not ");
    check_why(OPTIONS(.backend = "poll", .engine = "uring"), -ENOSYS, "engine=uring: not ");
}

HEALD_CASE(the_system_that_refuses_is_named)
{
    struct rlimit limit, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    check_why(OPTIONS(.backend = "poll", .engine = "sync"), -EMFILE,
              "descriptor for heald_loop_post(): ");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

HEALD_CASE(what_was_left_out_is_known)
{
    struct heald_feature rows[ROWS];
    unsigned count = heald_backends(rows, ROWS);
    const char *got[2];

    for (unsigned i = 0; i < count; i++) {
        int err = open_named(rows[i].name, "sync", got);
        ck_assert_int_eq(err, rows[i].error);
    }
}

HEALD_CASE(the_version)
{
    ck_assert_str_eq(heald_version(), "0.1.0");
}

void add_environment(TCase *group)
{
    add_everywhere(group, the_environment_chooses);
    add_once(group, names_that_nobody_knows);
    add_once(group, the_chosen_one_is_what_opens);
    add_once(group, without_a_ring_the_next_best);
    add_once(group, options_that_are_refused_say_why);
    add_once(group, variables_that_are_refused_say_why);
    add_once(group, the_system_that_refuses_is_named);
    add_once(group, what_was_left_out_is_known);
    add_once(group, the_version);
}
