/* gc.c: `heald gc`: what nobody uses any more, and why; and its removal. */
#define _GNU_SOURCE 1 /* F_SETLEASE, where there is one */
#include "census.h"
#include "commands.h"
#include "json.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, TEXT_SIZE = 128 };

struct gc_options {
    bool is_json, is_deleting;
};

static const struct option options[] = {
    {"--delete", OPTION_FLAG, offsetof(struct gc_options, is_deleting), 0, 0, NULL,
     "remove what nobody uses"},
    {"--json", OPTION_FLAG, offsetof(struct gc_options, is_json), 0, 0, NULL, "for programs"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_gc = {
    .name = "gc",
    .run = run,
    .summary = "Lists shared memory that nobody uses, and removes it.",
    .arguments = "[NAME...]",
    .arguments_max = CENSUS_NAMES_MAX,
    .options = options,
    .details =
        "NAME is /name, or that of a file of POSIX; without one, all that there are.\n"
        "A region is unused when no process has it open, which the kernel says: everybody who\n"
        "has holds a lock on it (flock(2)). Of POSIX shared memory and semaphores the kernel says\n"
        "it by a lease (fcntl(2)), to their owner and to root. What cannot be told is never\n"
        "removed. A region that is only waiting to be opened again is unused, too.\n",
};

/* One candidate: what was found out. */
struct finding {
    const char *kind, *name, *shown;
    char why[2 * TEXT_SIZE];
    int error; /* 0: nobody uses it; -EBUSY: somebody does; else it cannot be told */
    bool is_removed;
};

/* A write lease is given only where no other descriptor or mapping of the file is there. While it
 * is held, nobody's open(2) of it goes through. */
static int ask_lease(const char *path, bool removes)
{
#ifdef F_SETLEASE
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err = 0;

    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        err = errno == EAGAIN ? -EBUSY : -errno;
    else if (removes && unlink(path) < 0)
        err = -errno;
    close(fd);
    return err;
#else
    (void)path;
    (void)removes;
    return -ENOSYS;
#endif
}

static void look_at_region(const struct census_region *r, bool removes, struct finding *f)
{
    char text[TEXT_SIZE];

    *f = (struct finding){.kind = "region", .name = r->name, .shown = r->shown};
    f->error = r->error ? r->error : heald_region_unlink_unused(r->name, !removes);
    f->is_removed = removes && !f->error;
    if (r->error)
        snprintf(f->why, sizeof f->why, "%s", r->why ? r->why : heald_strerror(r->error));
    else if (f->error == -EBUSY)
        snprintf(f->why, sizeof f->why, "in use");
    else if (f->error)
        snprintf(f->why, sizeof f->why, "%s", heald_strerror(f->error));
    else
        snprintf(f->why, sizeof f->why, "no process has it open; made by %s",
                 census_thread(&r->info.creator, text, sizeof text));
}

static void look_at_leftover(const struct census_leftover *l, bool removes, struct finding *f)
{
    char path[PATH_SIZE];

    *f = (struct finding){
        .kind = l->is_sem ? "posix sem" : "posix shm", .name = l->name, .shown = l->shown};
    snprintf(path, sizeof path, "%s/%s", heald_region_folder(), l->name);
    f->error = ask_lease(path, removes);
    f->is_removed = removes && !f->error;
    if (f->error == -EBUSY)
        snprintf(f->why, sizeof f->why, "in use");
    else if (f->error)
        snprintf(f->why, sizeof f->why, "cannot be told: %s", heald_strerror(f->error));
    else
        snprintf(f->why, sizeof f->why, "no process has it open or mapped");
}

static void print_finding(const struct finding *f, bool is_json, bool is_first)
{
    const char *state = f->is_removed ? "removed" : f->error == 0 ? "unused" : "kept";

    if (!is_json) {
        printf("%-8s %-10s %-24s %s\n", state, f->kind, f->shown, f->why);
        return;
    }
    printf("%s{\"kind\": \"%s\", \"name\": ", is_first ? "" : ", ", f->kind);
    json_string(f->name);
    printf(", \"state\": \"%s\", \"why\": ", state);
    json_string(f->why);
    printf("}");
}

/* Is it one of those that were asked for? NULL first: all are. */
static bool is_meant(const char *const names[], const char *name)
{
    if (!names[0])
        return true;
    for (int i = 0; i < CENSUS_NAMES_MAX && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void look_at_all(const struct census *c, const char *const names[],
                        const struct gc_options *o)
{
    struct finding f;
    bool is_first = true;

    for (unsigned i = 0; i < c->region_count + c->leftover_count; i++) {
        bool is_region = i < c->region_count;
        const struct census_region *r = is_region ? &c->regions[i] : NULL;
        const struct census_leftover *l = is_region ? NULL : &c->leftovers[i - c->region_count];
        if (!is_meant(names, r ? r->name : l->name))
            continue;
        if (r)
            look_at_region(r, o->is_deleting, &f);
        else
            look_at_leftover(l, o->is_deleting, &f);
        print_finding(&f, o->is_json, is_first);
        is_first = false;
    }
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char *names[CENSUS_NAMES_MAX] = {NULL};
    struct gc_options o = {0};
    struct census c;
    int status = options_parse(command, argc, argv, &o, names);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
#ifdef F_SETLEASE
    /* It tells the holder of a lease that somebody opens the file, and else ends him. */
    signal(SIGIO, SIG_IGN);
#endif
    census_take(&c, command->name, NULL, 0);
    if (o.is_json)
        printf("[");
    look_at_all(&c, names, &o);
    if (o.is_json)
        printf("]\n");
    census_free(&c);
    return 0;
}
