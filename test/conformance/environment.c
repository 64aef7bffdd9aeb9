/* test/conformance/environment.c: the choice of back end and engine: options, environment. */
#include "conformance/conformance.h"

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
    add_once(group, what_was_left_out_is_known);
    add_once(group, the_version);
}
