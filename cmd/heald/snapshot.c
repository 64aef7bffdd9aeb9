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

static void list_people(struct snapshot_region *r)
{
    struct heald_participant_info info;
    unsigned cursor = 0;

    while (heald_participant_next(r->region, &cursor, &info)) {
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
                                          const struct heald_object_info *info)
{
    r->objects = snapshot_grow(r->objects, r->object_count, sizeof *r->objects);
    struct snapshot_object *o = &r->objects[r->object_count++];
    o->info = *info;
    o->state.condition = HEALD_OBJECT_UNKNOWN;
    heald_object_inspect(r->region, info->offset, info->type, &o->state);
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

static void list_objects(struct snapshot_region *r)
{
    struct heald_object_info info;
    unsigned cursor = 0;

    while (heald_object_next(r->region, &cursor, &info))
        add_object(r, &info);
    for (unsigned i = 0; i < r->participant_count; i++) {
        for (unsigned k = 0; k < r->participants[i].wait_count && !r->participants[i].is_gone;
             k++) {
            const struct heald_wait_info *w = &r->participants[i].waits[k];
            struct snapshot_object *o = find_object(r, w->offset, w->type);
            info = (struct heald_object_info){.offset = w->offset, .type = w->type};
            if (!o)
                o = add_object(r, &info);
            add_wait(o, (struct snapshot_wait){.participant = i, .wait = w});
        }
    }
}

/* 0, or why it is no region that can be looked at; *ret_why, if it is not: a text to free. */
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
    r->region = region;
    heald_region_inspect(region, &r->info);
    heald_region_stats(region, &r->stats);
    r->is_open = heald_region_unlink_unused(name, 1) == -EBUSY;
    list_people(r);
    list_objects(r);
    return 0;
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

/* Everything in the directory of shared memory; only the regions where it has other users. */
static void snapshot_all(struct snapshot *c)
{
    const char *directory = heald_region_directory();
    bool is_alone = strcmp(directory, "/dev/shm") == 0;
    DIR *dir = opendir(directory);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char name[sizeof entry->d_name + 1];
        char *why = NULL;
        struct stat st;
        if (!find_file(entry->d_name, &st))
            continue;
        snprintf(name, sizeof name, "/%s", entry->d_name);
        int err = add_region(c, name, &why);
        free(why);
        if (is_alone && (err == -ENOEXEC || err == -EINVAL))
            add_leftover(c, entry->d_name, &st);
    }
    if (dir)
        closedir(dir);
}

static void complain(const struct command *command, const char *name, const char *why)
{
    char *shown = mask_controls(copy_of(name));

    options_refuse(command, "%s: %s", *shown ? shown : "''", why);
    free(shown);
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
        complain(command, name, with_leftovers && err == -EINVAL ? heald_strerror(-ENOENT) : why);
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
        snapshot_all(c);
    for (unsigned i = 0; i < count; i++)
        all = take_one(c, command, names[i], with_leftovers) && all;
    return all;
}

int snapshot_parse(const struct command *command, int argc, char **argv, void *options,
                   const char *ret_names[SNAPSHOT_NAMES_MAX], unsigned *ret_count)
{
    unsigned count = 0;
    int status;

    memset(ret_names, 0, SNAPSHOT_NAMES_MAX * sizeof *ret_names);
    status = options_parse(command, argc, argv, options, ret_names);
    while (count < SNAPSHOT_NAMES_MAX && ret_names[count])
        count++;
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
        if (r->region)
            heald_region_close(r->region);
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

const struct heald_participant_info *snapshot_holder(const struct snapshot_region *r,
                                                     const struct heald_object_state *state,
                                                     unsigned number)
{
    for (unsigned i = 0; number < HEALD_HOLDERS_SHOWN && i < r->participant_count; i++)
        if (r->participants[i].slot == state->holders[number].slot)
            return &r->participants[i];
    return NULL;
}
