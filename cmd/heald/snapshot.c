/* snapshot.c: see snapshot.h. */
#include "snapshot.h"

#include "refusal.h"

#include <heald/heald.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096 };

void *snapshot_grow(void *array, unsigned count, size_t size)
{
    void *bigger = realloc(array, ((size_t)count + 1) * size);

    if (!bigger) {
        fprintf(stderr, "heald: cannot allocate memory\n");
        exit(EXIT_ERROR);
    }
    memset((char *)bigger + count * size, 0, size);
    return bigger;
}

static char *copy_of(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(snapshot_grow(NULL, 0, size), text, size);
}

static void list_people(struct snapshot_region *r, const struct heald_region *region)
{
    struct heald_participant_info info;
    unsigned cursor = 0;

    while (heald_participant_next(region, &cursor, &info)) {
        r->participants =
            snapshot_grow(r->participants, r->participant_count, sizeof *r->participants);
        r->participants[r->participant_count++] = info;
    }
}

static struct snapshot_object *find_object(struct snapshot_region *r, uint64_t offset,
                                           enum heald_object_type type)
{
    for (unsigned i = 0; i < r->object_count; i++)
        if (r->objects[i].info.offset == offset && r->objects[i].info.type == type)
            return &r->objects[i];
    return NULL;
}

static struct snapshot_object *add_object(struct snapshot_region *r,
                                          const struct heald_region *region,
                                          const struct heald_object_info *info)
{
    r->objects = snapshot_grow(r->objects, r->object_count, sizeof *r->objects);
    struct snapshot_object *o = &r->objects[r->object_count++];
    o->info = *info;
    o->state.condition = HEALD_OBJECT_UNKNOWN;
    heald_object_inspect(region, info->offset, info->type, &o->state);
    o->is_bridge = counts_read(region, info, &o->bridge);
    return o;
}

/* Into the line, in the order of their coming. */
static void add_wait(struct snapshot_object *o, struct snapshot_wait wait)
{
    unsigned at = o->wait_count;

    o->waits = snapshot_grow(o->waits, at, sizeof *o->waits);
    for (; at > 0 && o->waits[at - 1].wait->ticket > wait.wait->ticket; at--)
        o->waits[at] = o->waits[at - 1];
    o->waits[at] = wait;
    o->wait_count++;
}

static void list_objects(struct snapshot_region *r, const struct heald_region *region)
{
    struct heald_object_info info;
    unsigned cursor = 0;

    while (heald_object_next(region, &cursor, &info))
        add_object(r, region, &info);
    for (unsigned i = 0; i < r->participant_count; i++) {
        for (unsigned k = 0; k < r->participants[i].wait_count && !r->participants[i].is_gone;
             k++) {
            const struct heald_wait_info *w = &r->participants[i].waits[k];
            struct snapshot_object *o = find_object(r, w->offset, w->type);
            info = (struct heald_object_info){.offset = w->offset, .type = w->type};
            if (!o)
                o = add_object(r, region, &info);
            add_wait(o, (struct snapshot_wait){.participant = i, .wait = w});
        }
    }
}

bool snapshot_is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* 0, or why it is no region that can be looked at; *ret_why, if it is not: a text to free. The
 * region is closed again: there may be more of them than this process may have descriptors. */
static int add_region(struct snapshot *c, const char *name, char **ret_why)
{
    const char *why = NULL;
    char text[REFUSAL_SIZE];
    struct heald_region_options o = {.ret_why = &why};
    struct heald_region *region;
    /* Anybody may have made it, and may truncate it at any time: it is not mapped. */
    int err = heald_region_open(
        &region, name, HEALD_REGION_READ_ONLY | HEALD_REGION_ANY_OWNER | HEALD_REGION_SNAPSHOT, &o);

    if (err)
        *ret_why = copy_of(refusal_text(name, err, why, text));
    if (err == -ENOEXEC || err == -ENOENT || err == -EINVAL || err == -ENAMETOOLONG)
        return err;
    c->regions = snapshot_grow(c->regions, c->region_count, sizeof *c->regions);
    struct snapshot_region *r = &c->regions[c->region_count++];
    *r = (struct snapshot_region){
        .name = copy_of(name), .shown = mask_controls(copy_of(name)), .error = err};
    if (err) {
        r->why = copy_of(*ret_why);
        return err;
    }
    heald_region_inspect(region, &r->info);
    heald_region_stats(region, &r->stats);
    list_people(r, region);
    list_objects(r, region);
    heald_region_close(region);
    r->use = heald_region_unlink_unused(name, 1);
    if (!snapshot_is_shortage(r->use))
        return 0;
    *ret_why = copy_of(heald_strerror(r->use));
    return r->use;
}

static void add_leftover(struct snapshot *c, const char *name, const struct stat *st)
{
    c->leftovers = snapshot_grow(c->leftovers, c->leftover_count, sizeof *c->leftovers);
    c->leftovers[c->leftover_count++] =
        (struct snapshot_leftover){.name = copy_of(name),
                                   .shown = mask_controls(copy_of(name)),
                                   .is_sem = strncmp(name, "sem.", 4) == 0,
                                   .size = st->st_size,
                                   .owner = st->st_uid};
}

/* Is it a regular file of the directory of shared memory? */
static bool find_file(const char *name, struct stat *ret_stat)
{
    char path[PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s/%s", heald_region_directory(), name);

    return n < PATH_SIZE && lstat(path, ret_stat) == 0 && S_ISREG(ret_stat->st_mode);
}

/* One file of that directory; with_leftovers: no other kind of program keeps files there. The error
 * of this process, or 0. */
static int snapshot_file(struct snapshot *c, const char *file, bool with_leftovers)
{
    char name[PATH_SIZE];
    char *why = NULL;
    struct stat st;

    if (!find_file(file, &st))
        return 0;
    snprintf(name, sizeof name, "/%s", file);
    int err = add_region(c, name, &why);
    free(why);
    if (with_leftovers && (err == -ENOEXEC || err == -EINVAL))
        add_leftover(c, file, &st);
    return snapshot_is_shortage(err) ? err : 0;
}

/* Everything in the directory of shared memory; only the regions where it has other users. False:
 * this process lacks what it needs to see all. */
static bool snapshot_all(struct snapshot *c, const struct command *command)
{
    const char *directory = heald_region_directory();
    bool is_alone = strcmp(directory, "/dev/shm") == 0, all = true;
    DIR *dir = opendir(directory);
    struct dirent *entry;

    if (!dir && errno != ENOENT) {
        options_refuse(command, "%s: %s", directory, heald_strerror(-errno));
        return false;
    }
    while (dir && (entry = readdir(dir)))
        all = !snapshot_file(c, entry->d_name, is_alone) && all;
    if (dir)
        closedir(dir);
    return all;
}

/* The one of a name that was given. */
static bool take_one(struct snapshot *c, const struct command *command, const char *name,
                     bool with_leftovers)
{
    const char *file = name + (name[0] == '/');
    char *why = NULL;
    int err = add_region(c, name, &why);
    bool is_none = err == -ENOEXEC || err == -EINVAL;
    struct stat st;

    if (err && with_leftovers && is_none && !strchr(file, '/') && find_file(file, &st)) {
        add_leftover(c, file, &st);
        err = 0;
    } else if (err) {
        options_refuse(command, "%s: %s", options_shown(name),
                       with_leftovers && err == -EINVAL ? heald_strerror(-ENOENT) : why);
    }
    free(why);
    return !err;
}

bool snapshot_take(struct snapshot *c, const struct command *command, const char *const names[],
                   unsigned count, bool with_leftovers)
{
    bool all = true;

    *c = (struct snapshot){.is_of_names = count};
    if (!count)
        all = snapshot_all(c, command);
    for (unsigned i = 0; i < count; i++)
        all = take_one(c, command, names[i], with_leftovers) && all;
    return all;
}

int snapshot_parse(const struct command *command, int argc, char **argv, void *options,
                   const char ***ret_names, unsigned *ret_count)
{
    size_t size = ((size_t)argc + 1) * sizeof **ret_names;
    const char **names = snapshot_grow(NULL, 0, size);
    unsigned count = 0;
    int status = options_parse(command, argc, argv, options, names);

    if (status != OPTIONS_GO_ON) {
        free(names);
        return status;
    }
    while (names[count])
        count++;
    *ret_names = names;
    *ret_count = count;
    return status;
}

void snapshot_free(struct snapshot *c)
{
    for (unsigned i = 0; i < c->region_count; i++) {
        struct snapshot_region *r = &c->regions[i];
        for (unsigned k = 0; k < r->object_count; k++) {
            free(r->objects[k].waits);
            free(r->objects[k].sites);
        }
        free(r->objects);
        free(r->participants);
        free(r->name);
        free(r->shown);
        free(r->why);
    }
    for (unsigned i = 0; i < c->leftover_count; i++) {
        free(c->leftovers[i].name);
        free(c->leftovers[i].shown);
    }
    free(c->regions);
    free(c->leftovers);
}

const struct heald_participant_info *snapshot_find(const struct snapshot_region *r,
                                                   const struct heald_thread_info *thread)
{
    for (unsigned i = 0; i < r->participant_count; i++)
        if (!r->participants[i].is_gone && r->participants[i].thread.pid == thread->pid &&
            r->participants[i].thread.thread == thread->thread)
            return &r->participants[i];
    return NULL;
}

char *snapshot_past(const struct snapshot_region *r, const struct heald_thread_info *thread,
                    char text[THREAD_TEXT_SIZE])
{
    const struct heald_participant_info *p = snapshot_find(r, thread);

    return p ? thread_text(&p->thread, text) : thread_text_alone(thread, "not attached", text);
}

char *snapshot_creator(const struct snapshot_region *r, char text[THREAD_TEXT_SIZE])
{
    return r->info.creator_is_gone ? thread_text_alone(&r->info.creator, "ended", text)
                                   : thread_text(&r->info.creator, text);
}

/* They are in the order of their slots. */
static const struct heald_participant_info *find_slot(const struct snapshot_region *r,
                                                      unsigned slot)
{
    unsigned from = 0, to = r->participant_count;

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        const struct heald_participant_info *p = &r->participants[middle];
        if (p->slot == slot)
            return p;
        if (p->slot < slot)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

const struct heald_participant_info *snapshot_holder(const struct snapshot_region *r,
                                                     const struct heald_object_state *state,
                                                     unsigned number)
{
    return number < HEALD_HOLDERS_SHOWN ? find_slot(r, state->holders[number].slot) : NULL;
}

const struct heald_participant_info *snapshot_slowest(const struct snapshot_region *r,
                                                      const struct heald_object_state *state)
{
    return state->has_slowest ? find_slot(r, state->slowest) : NULL;
}

bool snapshot_has_messages(const struct snapshot_object *o)
{
    return o->info.type == HEALD_OBJECT_QUEUE || o->info.type == HEALD_OBJECT_SERVICE ||
           o->info.type == HEALD_OBJECT_TOPIC;
}

bool snapshot_bridge_runs(const struct snapshot_region *r, const struct bridge_counts *c)
{
    for (unsigned i = 0; i < r->participant_count; i++)
        if ((uint64_t)r->participants[i].thread.pid == c->process && !r->participants[i].is_gone)
            return true;
    return false;
}
