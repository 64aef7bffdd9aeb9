/*
 * repair.c: `heald repair`: what the program that shares a region would do after a death, done by
 * hand: a mutex or read-write lock whose holder died is marked consistent, a broken barrier reset.
 *
 * The snapshot says what is broken. Each repair uses the calls that a program has, so one that
 * another process did meanwhile is found done, and one that is killed half-way changes nothing.
 */
#include "commands.h"
#include "json.h"
#include "locks.h"
#include "refusal.h"
#include "snapshot.h"

#include <heald/heald.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct repair_options {
    bool is_dry, is_json;
};

static const struct option options[] = {
    {0, "--dry-run", OPTION_FLAG, offsetof(struct repair_options, is_dry), 0, 0, NULL,
     "print what is broken and change nothing"},
    {'j', "--json", OPTION_FLAG, offsetof(struct repair_options, is_json), 0, 0, NULL,
     "print JSON"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_repair = {
    .name = "repair",
    .run = run,
    .summary = "repair the locks and barriers that a dead process left",
    .arguments = "NAME [OBJECT...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path. OBJECT is a name that heald ls prints, or +0xOFFSET. By "
        "default all broken objects that have a name or a waiter are repaired. The command does "
        "not check the data that a lock protects.\n"
        "Exit status: 0 nothing is broken any more; 1 an object is still broken; 2 an error.",
};

/* A region to repair. */
struct repair {
    const struct snapshot_region *snapshot;
    struct heald_region *region;
    struct heald_participant *me;
    bool is_dry;
    struct json *json; /* NULL: for people */
};

/* What became of an attempt to lock what a dead one held; 0: it is repaired. */
static int after_lock(int err, int (*consistent)(void *, struct heald_participant *),
                      int (*unlock)(void *, struct heald_participant *), void *object,
                      struct heald_participant *me)
{
    if (err == -EOWNERDEAD)
        err = consistent(object, me);
    else if (err)
        return err;
    int last = unlock(object, me);
    return err ? err : last;
}

static int mutex_consistent(void *object, struct heald_participant *me)
{
    return heald_mutex_consistent(object, me);
}

static int mutex_unlock(void *object, struct heald_participant *me)
{
    return heald_mutex_unlock(object, me);
}

static int rwlock_consistent(void *object, struct heald_participant *me)
{
    return heald_rwlock_consistent(object, me);
}

static int rwlock_unlock(void *object, struct heald_participant *me)
{
    return heald_rwlock_unlock(object, me);
}

/* Resets the round that was found to be broken. If another process has reset it since the snapshot,
 * and others have arrived at the next round, nothing is done. */
static int reset_barrier(const struct repair *r, const struct snapshot_object *o, void *object)
{
    uint32_t round = heald_barrier_round(object);
    struct heald_object_state now;
    int err = heald_object_inspect(r->region, o->info.offset, o->info.type, &now);

    return err || now.condition != HEALD_OBJECT_LOST ? err
                                                     : heald_barrier_reset(object, r->me, round);
}

static int repair_object(const struct repair *r, const struct snapshot_object *o)
{
    void *object = heald_at(r->region, o->info.offset);

    if (!object)
        return -EBADMSG;
    switch (o->info.type) {
    case HEALD_OBJECT_MUTEX:
        return after_lock(heald_mutex_trylock(object, r->me), mutex_consistent, mutex_unlock,
                          object, r->me);
    case HEALD_OBJECT_RWLOCK:
        return after_lock(heald_rwlock_trywrlock(object, r->me), rwlock_consistent, rwlock_unlock,
                          object, r->me);
    case HEALD_OBJECT_BARRIER: return reset_barrier(r, o, object);
    case HEALD_OBJECT_DATA:
    case HEALD_OBJECT_COND:
    case HEALD_OBJECT_SEM:
    case HEALD_OBJECT_ONCE:
    case HEALD_OBJECT_QUEUE:
    case HEALD_OBJECT_SERVICE:
    case HEALD_OBJECT_TOPIC: break;
    }
    return -EINVAL;
}

/* Why it needs repair, or NULL. What a dead process held of a semaphore or of once is free. */
static const char *problem_of(const struct snapshot_object *o)
{
    enum heald_object_condition is = o->state.condition;

    switch (o->info.type) {
    case HEALD_OBJECT_MUTEX:
    case HEALD_OBJECT_RWLOCK:
        return is == HEALD_OBJECT_ORPHANED ? "its holder died"
               : is == HEALD_OBJECT_LOST   ? "not recoverable after its holder died"
                                           : NULL;
    case HEALD_OBJECT_BARRIER:
        return is == HEALD_OBJECT_LOST ? "a process that had arrived died" : NULL;
    case HEALD_OBJECT_DATA:
    case HEALD_OBJECT_COND:
    case HEALD_OBJECT_SEM:
    case HEALD_OBJECT_ONCE:
    case HEALD_OBJECT_QUEUE:
    case HEALD_OBJECT_SERVICE:
    case HEALD_OBJECT_TOPIC: break;
    }
    return NULL;
}

enum result { INTACT, REPAIRED, BROKEN, BUSY, PERMANENT, FAILED };

static const char *const result_names[] = {"intact", "repaired",  "broken",
                                           "busy",   "permanent", "failed"};

/* What was found of an object, and done. */
struct outcome {
    const char *problem; /* NULL: none */
    enum result result;
    int error; /* of FAILED */
};

static struct outcome handle(const struct repair *r, const struct snapshot_object *o)
{
    struct outcome out = {.problem = problem_of(o), .result = INTACT};
    bool is_barrier = o->info.type == HEALD_OBJECT_BARRIER;

    if (!out.problem)
        return out;
    if (!is_barrier && o->state.condition == HEALD_OBJECT_LOST) {
        out.result = PERMANENT;
    } else if (r->is_dry) {
        out.result = BROKEN;
    } else {
        out.error = repair_object(r, o);
        out.result = !out.error ? REPAIRED : out.error == -EBUSY ? BUSY : FAILED;
    }
    return out;
}

static int status_of(const struct outcome *out)
{
    switch (out->result) {
    case INTACT:
    case REPAIRED: return 0;
    case BROKEN:
    case BUSY:
    case PERMANENT: return EXIT_NO;
    case FAILED: break;
    }
    return EXIT_ERROR;
}

/* What follows the problem in the text. */
static const char *sequel_of(const struct snapshot_object *o, const struct outcome *out)
{
    switch (out->result) {
    case INTACT: return "not broken";
    case REPAIRED: return o->info.type == HEALD_OBJECT_BARRIER ? "reset" : "marked consistent";
    case BROKEN: return "broken";
    case BUSY: return "another process holds it and can repair it";
    case PERMANENT: return "permanent, create the region anew";
    case FAILED: break;
    }
    return heald_strerror(out->error);
}

static void print_outcome(const struct repair *r, const struct snapshot_object *o,
                          const struct outcome *out)
{
    char name[LOCKS_NAME_SIZE];

    if (!r->json) {
        printf("%s  %s: %s%s%s\n", r->snapshot->shown, locks_name(o, name),
               out->problem ? out->problem : "", out->problem ? ": " : "", sequel_of(o, out));
        return;
    }
    json_object(r->json, NULL);
    json_text(r->json, "name", o->info.name);
    json_text(r->json, "type", heald_object_type_name(o->info.type));
    json_unsigned(r->json, "offset", o->info.offset);
    json_text(r->json, "problem", out->problem);
    json_text(r->json, "result", result_names[out->result]);
    json_integer(r->json, "error", out->error);
    json_close(r->json);
}

/* An object by its textual name; NULL. */
static const struct snapshot_object *find(const struct snapshot_region *r, const char *name)
{
    char offset[32];

    for (unsigned i = 0; i < r->object_count; i++) {
        snprintf(offset, sizeof offset, "+0x%llx", (unsigned long long)r->objects[i].info.offset);
        if ((*name && strcmp(r->objects[i].info.name, name) == 0) || strcmp(offset, name) == 0)
            return &r->objects[i];
    }
    return NULL;
}

/* The highest status of all. */
static int handle_all(const struct repair *r, const char *const names[])
{
    unsigned printed = 0;
    int status = 0;

    for (unsigned i = 0; names[0] ? names[i] != NULL : i < r->snapshot->object_count; i++) {
        const struct snapshot_object *o =
            names[0] ? find(r->snapshot, names[i]) : &r->snapshot->objects[i];
        struct outcome out = handle(r, o);
        if (!out.problem && !names[0])
            continue;
        print_outcome(r, o, &out);
        printed++;
        status = status_of(&out) > status ? status_of(&out) : status;
    }
    if (!printed && !r->json)
        printf("%s  no named object is broken\n", r->snapshot->shown);
    return status;
}

static int print_all(struct repair *r, const char *const names[], bool is_json)
{
    struct json j;

    if (!is_json)
        return handle_all(r, names);
    r->json = &j;
    json_begin(&j, stdout);
    json_text(&j, "region", r->snapshot->name);
    json_boolean(&j, "dry_run", r->is_dry);
    json_array(&j, "objects");
    int status = handle_all(r, names);
    r->json = NULL;
    json_close(&j);
    json_end(&j);
    return status;
}

/* Before anything is changed. */
static bool are_there(const struct command *command, const struct snapshot_region *r,
                      const char *const names[])
{
    bool all = true;

    for (unsigned i = 0; names[i]; i++) {
        if (find(r, names[i]))
            continue;
        options_refuse(command, "%s: no object '%s'; heald ls %s lists the objects", r->name,
                       names[i], r->name);
        all = false;
    }
    return all;
}

static int repair_region(const struct command *command, const struct snapshot_region *snapshot,
                         const char *const names[], const struct repair_options *opt)
{
    struct repair r = {.snapshot = snapshot, .is_dry = opt->is_dry};
    const char *why = NULL;
    char text[REFUSAL_SIZE];
    struct heald_region_options o = {.ret_why = &why};
    int err = r.is_dry ? 0 : heald_region_open(&r.region, snapshot->name, 0, &o);

    if (err)
        return options_refuse(command, "%s: %s", snapshot->shown,
                              refusal_text(snapshot->name, err, why, text));
    if (r.region && (err = heald_attach(r.region, &r.me))) {
        heald_region_close(r.region);
        return options_refuse(command, "%s: %s", snapshot->shown, heald_strerror(err));
    }
    int status = print_all(&r, names, opt->is_json);
    if (r.region) {
        heald_detach(r.me);
        heald_region_close(r.region);
    }
    return status;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char **names;
    struct repair_options o = {0};
    struct snapshot c;
    unsigned count;
    int status = snapshot_parse(command, argc, argv, &o, &names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (!count) {
        free(names);
        return options_refuse(command, "a region is required: heald repair NAME [OBJECT...]");
    }
    status = EXIT_ERROR;
    if (snapshot_take(&c, command, names, 1, false) && are_there(command, c.regions, names + 1))
        status = repair_region(command, c.regions, names + 1, &o);
    snapshot_free(&c);
    free(names);
    return status;
}
