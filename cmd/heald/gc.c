/* gc.c: `heald gc`: what no process uses, and why; and its removal. */
#define _GNU_SOURCE 1 /* F_SETLEASE, where there is one */
#include "commands.h"
#include "json.h"
#include "snapshot.h"
#include "table.h"

#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, TEXT_SIZE = 128 };

struct gc_options {
    bool is_json, is_deleting;
};

static const struct option options[] = {
    {'d', "--delete", OPTION_FLAG, offsetof(struct gc_options, is_deleting), 0, 0, NULL,
     "remove what no process uses"},
    {0, "--dry-run", OPTION_UNFLAG, offsetof(struct gc_options, is_deleting), 0, 0, NULL,
     "remove nothing (the default)"},
    {'j', "--json", OPTION_FLAG, offsetof(struct gc_options, is_json), 0, 0, NULL, "print JSON"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_gc = {
    .name = "gc",
    .run = run,
    .summary = "list or remove shared memory that no process uses",
    .arguments = "[NAME...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "NAME is /name, file:/path, or the name of a POSIX shared memory object or semaphore. By "
        "default all of them are listed. An object is removed only if the kernel confirms that no "
        "process has it open.\n"
        "Exit status: 0 success; 1 a NAME is in use; 2 an error.",
};

/* One candidate: what was found out. */
struct finding {
    const char *kind, *name, *shown; /* kind: "region", "shm", "sem" */
    char why[2 * TEXT_SIZE];
    int error; /* 0: no process uses it; -EBUSY: a process does; else it is not known */
    bool is_removed;
};

#ifdef F_SETLEASE
/* Is that file still what the path names? It may have been replaced since it was opened. */
static bool is_named(int fd, const char *path)
{
    struct stat file, named;

    return fstat(fd, &file) == 0 && lstat(path, &named) == 0 && file.st_ino == named.st_ino &&
           file.st_dev == named.st_dev;
}
#endif

/* A write lease is given only where no other descriptor or mapping of the file is there. While it
 * is held, every open(2) of it blocks. */
static int ask_lease(const char *path, bool removes)
{
#ifdef F_SETLEASE
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err = 0;

    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        err = errno == EAGAIN ? -EBUSY : -errno;
    else if (!is_named(fd, path))
        err = -EBUSY;
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

static void look_at_region(const struct snapshot_region *r, bool removes, struct finding *f)
{
    char text[THREAD_TEXT_SIZE];

    *f = (struct finding){.kind = "region", .name = r->name, .shown = r->shown};
    f->error = r->error ? r->error : heald_region_unlink_unused(r->name, !removes);
    f->is_removed = removes && !f->error;
    if (r->error)
        snprintf(f->why, sizeof f->why, "%s", r->why);
    else if (f->error == -EBUSY)
        snprintf(f->why, sizeof f->why, "in use");
    else if (f->error)
        snprintf(f->why, sizeof f->why, "%s", heald_strerror(f->error));
    else
        snprintf(f->why, sizeof f->why, "no process has it open; created by %s",
                 snapshot_creator(r, text));
}

static void look_at_leftover(const struct snapshot_leftover *l, bool removes, struct finding *f)
{
    char path[PATH_SIZE];

    *f = (struct finding){.kind = l->is_sem ? "sem" : "shm", .name = l->name, .shown = l->shown};
    snprintf(path, sizeof path, "%s/%s", heald_region_directory(), l->name);
    f->error = ask_lease(path, removes);
    f->is_removed = removes && !f->error;
    if (f->error == -EBUSY)
        snprintf(f->why, sizeof f->why, "in use");
    else if (f->error)
        snprintf(f->why, sizeof f->why, "unknown whether it is in use: %s",
                 heald_strerror(f->error));
    else
        snprintf(f->why, sizeof f->why, "no process has it open or mapped");
}

static void print_finding(const struct finding *f, struct table *t, struct json *j)
{
    const char *state = f->is_removed ? "removed" : f->error == 0 ? "unused" : "kept";

    if (!j) {
        table_add(t, "%s", state);
        table_add(t, "%s%s", *f->kind == 's' ? "posix " : "", f->kind);
        table_add(t, "%s", f->shown);
        table_add(t, "%s", f->why);
        return;
    }
    json_object(j, NULL);
    json_text(j, "kind", f->kind);
    json_text(j, "name", f->name);
    json_text(j, "state", state);
    json_text(j, "why", f->why);
    json_close(j);
}

/* 0, or the exit status of what was asked for by name: EXIT_NO: it is in use. */
static int status_of(const struct finding *f, bool is_named)
{
    if (!is_named)
        return snapshot_is_shortage(f->error) ? EXIT_ERROR : 0;
    return !f->error ? 0 : f->error == -EBUSY ? EXIT_NO : EXIT_ERROR;
}

/* The highest status of all. j: NULL: for people. */
static int look_at_all(const struct snapshot *c, bool removes, struct json *j)
{
    static const struct table_column columns[] = {
        {"STATE", false}, {"TYPE", false}, {"NAME", false}, {"REASON", false}};
    struct table t = {.columns = columns, .count = sizeof columns / sizeof columns[0]};
    struct finding f;
    int status = 0;

    for (unsigned i = 0; i < c->region_count + c->leftover_count; i++) {
        if (i < c->region_count)
            look_at_region(&c->regions[i], removes, &f);
        else
            look_at_leftover(&c->leftovers[i - c->region_count], removes, &f);
        print_finding(&f, &t, j);
        int its = status_of(&f, c->is_of_names);
        status = its > status ? its : status;
    }
    table_print(&t);
    return status;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char **names;
    struct gc_options o = {0};
    struct snapshot c;
    struct json j;
    unsigned count;
    int status = snapshot_parse(command, argc, argv, &o, &names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
#ifdef F_SETLEASE
    /* It notifies the holder of a lease of an open(2), and ends it by default. */
    signal(SIGIO, SIG_IGN);
#endif
    bool all = snapshot_take(&c, command, names, count, true);
    if (o.is_json) {
        json_begin(&j, stdout);
        json_array(&j, "items");
    }
    status = look_at_all(&c, o.is_deleting, o.is_json ? &j : NULL);
    if (o.is_json) {
        json_close(&j);
        json_end(&j);
    }
    snapshot_free(&c);
    free(names);
    return all ? status : EXIT_ERROR;
}
