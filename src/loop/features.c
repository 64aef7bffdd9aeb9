/* loop/features.c: which back ends and engines there are, and which one a loop gets. */
#include "loop/loop.h"

#include "base/choose.h"

#include "config.h"

#include <errno.h>
#include <string.h>

#define BACKEND_ROW(name) &heald__backend_##name,
#define ENGINE_ROW(name)  &heald__engine_##name,

static const struct heald_backend_ops *const backends[] = {HEALD_BACKENDS(BACKEND_ROW) NULL};
static const struct heald_engine_ops *const engines[] = {HEALD_ENGINES(ENGINE_ROW) NULL};

#define NAME_ROW(name) #name,

static const char *const backend_names[] = {HEALD_BACKENDS(NAME_ROW) NULL};
static const char *const engine_names[] = {HEALD_ENGINES(NAME_ROW) NULL};

/* What this build does not have. */
static const struct heald_left_out left_out[] = {
#define LEFT_OUT_ROW(name, why) {#name, why},
    HEALD_LEFT_OUT(LEFT_OUT_ROW){NULL, NULL}};

static const struct heald_choice backend_choice = {
    .option = "backend", .variable = "HEALD_BACKEND", .names = backend_names, .left_out = left_out};
static const struct heald_choice engine_choice = {
    .option = "engine", .variable = "HEALD_ENGINE", .names = engine_names, .left_out = left_out};

static int open_backend(void *ctx, unsigned i)
{
    struct heald_loop *loop = ctx;

    loop->backend.ops = backends[i];
    return backends[i]->open(&loop->backend);
}

int heald__choose_backend(struct heald_loop *loop, const struct heald_loop_options *o)
{
    return heald__choose(&backend_choice, o->backend, open_backend, loop, o->ret_why);
}

/* A ring that is both back end and engine is one ring. */
static int open_engine(void *ctx, unsigned i)
{
    struct heald_loop *loop = ctx;
    bool is_native =
        loop->backend.ops->submit && strcmp(loop->backend.ops->name, engines[i]->name) == 0;
    int err = heald__engine_open(loop, engines[i], is_native);

    if (err)
        loop->engine.ops = NULL;
    return err;
}

int heald__choose_engine(struct heald_loop *loop, const struct heald_loop_options *o)
{
    return heald__choose(&engine_choice, o->engine, open_engine, loop, o->ret_why);
}

static unsigned add(struct heald_feature *f, unsigned n, unsigned max, const char *name, int error,
                    const char *why)
{
    if (n < max)
        f[n] = (struct heald_feature){.name = name, .error = error, .why = why};
    return n + 1;
}

static unsigned mark_chosen(struct heald_feature *f, unsigned n, unsigned max, const char *wish)
{
    for (unsigned i = 0; i < n && i < max; i++)
        if (!f[i].error && (!wish || strcmp(wish, f[i].name) == 0)) {
            f[i].chosen = 1;
            break;
        }
    return n;
}

static const char *why_not(int err)
{
    return err == -ENOSYS ? "the kernel lacks it or forbids it, or HEALD_NO_URING is set"
                          : heald_strerror(err);
}

static unsigned add_left_out(struct heald_feature *f, unsigned n, unsigned max,
                             bool (*is_of)(const char *name))
{
    for (size_t i = 0; left_out[i].name; i++)
        if (is_of(left_out[i].name))
            n = add(f, n, max, left_out[i].name, -ENOSYS, left_out[i].why);
    return n;
}

static bool any(const char *name)
{
    (void)name;
    return true;
}

static bool is_engine(const char *name)
{
    return strcmp(name, "uring") == 0;
}

unsigned heald_backends(struct heald_feature ret_features[], unsigned max)
{
    unsigned n = 0;

    for (size_t i = 0; backends[i]; i++) {
        struct heald_loop_options o = {.backend = backends[i]->name, .engine = "sync"};
        struct heald_loop *loop;
        int err = heald__loop_open_on(&loop, &o, NULL, NULL);
        if (!err)
            heald_loop_close(loop);
        n = add(ret_features, n, max, o.backend, err, err ? why_not(err) : backends[i]->about);
    }
    n = add_left_out(ret_features, n, max, any);
    return mark_chosen(ret_features, n, max, heald__choice_requested(&backend_choice, NULL));
}

unsigned heald_engines(struct heald_feature ret_features[], unsigned max)
{
    unsigned n = 0;

    for (size_t i = 0; engines[i]; i++) {
        struct heald_loop_options o = {.backend = "poll", .engine = engines[i]->name};
        struct heald_loop *loop;
        int err = heald__loop_open_on(&loop, &o, NULL, NULL);
        if (!err)
            heald_loop_close(loop);
        n = add(ret_features, n, max, o.engine, err, err ? why_not(err) : engines[i]->about);
    }
    n = add_left_out(ret_features, n, max, is_engine);
    return mark_chosen(ret_features, n, max, heald__choice_requested(&engine_choice, NULL));
}
