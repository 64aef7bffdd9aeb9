/* backends.c: `heald backends`: what this system has, what is chosen, and why not. */
#include "commands.h"
#include "json.h"
#include "table.h"

#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>

enum { FEATURES_MAX = 16 };

struct backends_options {
    bool is_json;
};

static const struct option options[] = {
    {'j', "--json", OPTION_FLAG, offsetof(struct backends_options, is_json), 0, 0, NULL,
     "print JSON"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_backends = {
    .name = "backends",
    .run = run,
    .summary = "list the back ends and file engines",
    .arguments = "",
    .options = options,
    .details =
        "HEALD_BACKEND and HEALD_ENGINE select a back end and an engine for programs that do not "
        "select one; HEALD_NO_URING=1 disables io_uring.\n"
        "Exit status: 0 success; 2 no loop can be opened with these settings.",
};

static void add_features(struct table *t, const char *title, const struct heald_feature *features,
                         unsigned count)
{
    table_add(t, "%s", title);
    table_add(t, "%s", "");
    table_add(t, "%s", "");
    for (unsigned i = 0; i < count; i++) {
        const struct heald_feature *f = &features[i];
        table_add(t, "  %s", f->name);
        table_add(t, "%s", f->chosen ? "chosen" : f->error ? "no" : "yes");
        table_add(t, "%s", f->why);
    }
}

static void put_features(struct json *j, const char *name, const struct heald_feature *features,
                         unsigned count)
{
    json_array(j, name);
    for (unsigned i = 0; i < count; i++) {
        const struct heald_feature *f = &features[i];
        json_object(j, NULL);
        json_text(j, "name", f->name);
        json_boolean(j, "available", !f->error);
        json_boolean(j, "chosen", f->chosen);
        json_integer(j, "error", f->error);
        json_text(j, "why", f->why);
        json_close(j);
    }
    json_close(j);
}

/* Can a program that asks for nothing open a loop? The exit status; one line on stderr if not. */
static int try_default(const struct command *command)
{
    struct heald_why why = {""};
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why});

    if (!err)
        return heald_loop_close(loop) ? EXIT_ERROR : 0;
    return options_refuse(command, "%s", why.text);
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"AVAILABLE", false}, {"DESCRIPTION", false}};
    struct backends_options o = {0};
    struct heald_feature backends[FEATURES_MAX], engines[FEATURES_MAX];
    (void)program;
    int status = options_parse(command, argc, argv, &o, NULL);
    if (status != OPTIONS_GO_ON)
        return status;

    unsigned backend_count = heald_backends(backends, FEATURES_MAX);
    unsigned engine_count = heald_engines(engines, FEATURES_MAX);
    if (backend_count > FEATURES_MAX)
        backend_count = FEATURES_MAX;
    if (engine_count > FEATURES_MAX)
        engine_count = FEATURES_MAX;
    if (o.is_json) {
        struct json j;
        json_begin(&j, stdout);
        put_features(&j, "backends", backends, backend_count);
        put_features(&j, "engines", engines, engine_count);
        json_end(&j);
    } else {
        struct table t = {.columns = columns, .count = sizeof columns / sizeof columns[0]};
        add_features(&t, "back ends", backends, backend_count);
        add_features(&t, "file engines", engines, engine_count);
        table_print(&t);
    }
    return try_default(command);
}
