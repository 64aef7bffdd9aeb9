/* loop/features.c: which back ends and engines there are, and which one a loop gets. */
#include "loop/loop.h"

#include "config.h"

#include <errno.h>
#include <stdlib.h>

#define BACKEND_ROW(name) &heald_backend_##name,
#define ENGINE_ROW(name)  &heald_engine_##name,

static const struct heald_backend_ops *const backends[] = {HEALD_BACKENDS(BACKEND_ROW) NULL};
static const struct heald_engine_ops *const engines[] = {HEALD_ENGINES(ENGINE_ROW) NULL};

/* What this build does not have. */
static const struct {
    const char *name, *why;
} left_out[] = {
#define LEFT_OUT_ROW(name, why) {#name, why},
    HEALD_LEFT_OUT(LEFT_OUT_ROW){NULL, NULL}};

static int error_of_unknown(const char *name)
{
    for (size_t i = 0; left_out[i].name; i++)
        if (strcmp(left_out[i].name, name) == 0)
            return -ENOSYS;
    return -EINVAL;
}

int heald_choose_backend(struct heald_loop *loop, const char *name)
{
    int err = -ENOSYS;

    if (!name)
        name = getenv("HEALD_BACKEND");
    for (size_t i = 0; backends[i]; i++) {
        if (name && strcmp(name, backends[i]->name) != 0)
            continue;
        loop->backend.ops = backends[i];
        err = backends[i]->open(&loop->backend);
        /* Only what the system lacks is passed over; no memory or no descriptors would be missing
         * for the next, too. */
        if (name || err != -ENOSYS)
            return err;
    }
    return name ? error_of_unknown(name) : err;
}

/* A ring that is both back end and engine is one ring. */
static int open_engine(struct heald_loop *loop, const struct heald_engine_ops *ops)
{
    bool is_native = loop->backend.ops->submit && strcmp(loop->backend.ops->name, ops->name) == 0;

    return heald_engine_open(loop, ops, is_native);
}

int heald_choose_engine(struct heald_loop *loop, const char *name)
{
    int err = -ENOSYS;

    if (!name)
        name = getenv("HEALD_ENGINE");
    for (size_t i = 0; engines[i]; i++) {
        if (name && strcmp(name, engines[i]->name) != 0)
            continue;
        err = open_engine(loop, engines[i]);
        if (err)
            loop->engine.ops = NULL;
        if (name || err != -ENOSYS)
            return err;
    }
    return name ? error_of_unknown(name) : err;
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
    return err == -ENOSYS ? "the kernel lacks it or forbids it, or the environment does"
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
        int err = heald_loop_open(&loop, &o);
        if (!err)
            heald_loop_close(loop);
        n = add(ret_features, n, max, o.backend, err, err ? why_not(err) : backends[i]->about);
    }
    n = add_left_out(ret_features, n, max, any);
    return mark_chosen(ret_features, n, max, getenv("HEALD_BACKEND"));
}

unsigned heald_engines(struct heald_feature ret_features[], unsigned max)
{
    unsigned n = 0;

    for (size_t i = 0; engines[i]; i++) {
        struct heald_loop_options o = {.backend = "poll", .engine = engines[i]->name};
        struct heald_loop *loop;
        int err = heald_loop_open(&loop, &o);
        if (!err)
            heald_loop_close(loop);
        n = add(ret_features, n, max, o.engine, err, err ? why_not(err) : engines[i]->about);
    }
    n = add_left_out(ret_features, n, max, is_engine);
    return mark_chosen(ret_features, n, max, getenv("HEALD_ENGINE"));
}
