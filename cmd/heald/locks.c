/* locks.c: `heald locks`: the holders and waiters of each lock, and deadlocks. */
#include "locks.h"
#include "commands.h"
#include "site.h"
#include "terminal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct locks_options {
    bool is_json, is_dot, is_all, is_files;
    int64_t pause_ns; /* 0: look once */
};

static const struct option options[] = {
    {'a', "--all", OPTION_FLAG, offsetof(struct locks_options, is_all), 0, 0, NULL,
     "also show locks that no process holds or waits for"},
    {'f', "--files", OPTION_FLAG, offsetof(struct locks_options, is_files), 0, 0, NULL,
     "also show locks on files"},
    {'j', "--json", OPTION_FLAG, offsetof(struct locks_options, is_json), 0, 0, NULL, "print JSON"},
    {0, "--dot", OPTION_FLAG, offsetof(struct locks_options, is_dot), 0, 0, NULL,
     "print a graph in the language of dot(1)"},
    {0, "--watch", OPTION_SECONDS, offsetof(struct locks_options, pause_ns), 0, 86400, "SECONDS",
     "repeat at this interval until interrupted"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_locks = {
    .name = "locks",
    .run = run,
    .summary = "show locks, their holders and waiters, and deadlocks",
    .arguments = "[NAME...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path. By default all regions with names like /name are shown. A "
        "lock is shown if it has a name or a waiter, and is held or waited for. The command "
        "locks and changes nothing.\n"
        "Exit status: 0 no deadlock; 1 a deadlock; 2 an error.",
};

static bool is_lock(const struct snapshot_object *o)
{
    return o->info.type != HEALD_OBJECT_DATA;
}

char *locks_name(const struct snapshot_object *o, char text[LOCKS_NAME_SIZE])
{
    const char *type = heald_object_type_name(o->info.type);

    if (o->info.name[0])
        snprintf(text, LOCKS_NAME_SIZE, "%s \"%s\"", type, o->info.name);
    else
        snprintf(text, LOCKS_NAME_SIZE, "%s +0x%llx", type, (unsigned long long)o->info.offset);
    return mask_controls(text);
}

const char *locks_purpose(const struct heald_wait_info *wait)
{
    if (wait->type == HEALD_OBJECT_SERVICE)
        return wait->flags & HEALD_WAIT_TO_READ ? "for a request" : "for a reply";
    if (wait->type == HEALD_OBJECT_QUEUE)
        return wait->flags & HEALD_WAIT_TO_READ ? "to receive" : "to send";
    if (wait->type == HEALD_OBJECT_TOPIC && wait->flags & HEALD_WAIT_TO_WRITE)
        return "to publish";
    if (wait->flags & (HEALD_WAIT_TO_READ | HEALD_WAIT_TO_WRITE))
        return wait->flags & HEALD_WAIT_TO_READ ? "to read" : "to write";
    switch (wait->type) {
    case HEALD_OBJECT_MUTEX: return "to lock it";
    case HEALD_OBJECT_SEM: return "for a permit";
    case HEALD_OBJECT_COND: return "for a signal";
    case HEALD_OBJECT_BARRIER: return "for the others";
    case HEALD_OBJECT_ONCE: return "for its completion";
    case HEALD_OBJECT_TOPIC: return "for subscribers";
    case HEALD_OBJECT_RWLOCK:
    case HEALD_OBJECT_QUEUE:
    case HEALD_OBJECT_SERVICE:
    case HEALD_OBJECT_DATA: break;
    }
    return "";
}

const char *locks_mode(const struct snapshot_object *o)
{
    if (o->info.type != HEALD_OBJECT_RWLOCK)
        return "";
    return o->state.is_writing ? "to write" : "to read";
}

bool locks_is_shown(const struct locks *l, const struct snapshot_object *o)
{
    bool is_quiet = o->state.condition == HEALD_OBJECT_FREE ||
                    o->state.condition == HEALD_OBJECT_DONE || o->info.type == HEALD_OBJECT_COND ||
                    o->info.type == HEALD_OBJECT_BARRIER;
    return is_lock(o) && (l->is_all || o->wait_count || o->state.holder_count || !is_quiet);
}

static bool has_circle(const struct graph *g, unsigned circle[])
{
    unsigned cursor = 0, also = 0;

    return graph_circle(g, GRAPH_DEADLOCK, &cursor, circle) ||
           graph_circle(g, GRAPH_ENDING, &also, circle);
}

static bool is_deadlocked(const struct locks *l)
{
    unsigned cursor = 0;
    return graph_circle(l->graph, GRAPH_DEADLOCK, &cursor, l->circle);
}

/* Is there a deadlock? */
static bool print_all(const struct snapshot *c, const struct graph *g,
                      const struct locks_options *opt)
{
    struct locks l = {.snapshot = c, .graph = g, .is_all = opt->is_all};

    l.circle = snapshot_grow(NULL, g->count, sizeof *l.circle);
    if (opt->is_files)
        file_locks_take(&l.files);
    if (opt->is_dot)
        locks_print_dot(&l);
    else if (opt->is_json)
        locks_print_json(&l);
    else
        locks_print_text(&l);
    bool found = is_deadlocked(&l);
    free(l.circle);
    file_locks_free(&l.files);
    return found;
}

/* A cycle is looked for once more before it is reported: see graph_make(). */
static bool confirm(const struct graph *g)
{
    unsigned *circle = snapshot_grow(NULL, g->count, sizeof *circle);
    bool again = has_circle(g, circle);

    free(circle);
    return again;
}

/* The exit status. */
static int look(const struct command *command, const struct locks_options *opt,
                const char *const names[], unsigned count)
{
    struct snapshot first, second;
    struct graph before, after;
    bool found, all = snapshot_take(&first, command, names, count, false);

    graph_make(&before, &first, NULL);
    if (confirm(&before)) {
        all = snapshot_take(&second, command, names, count, false) && all;
        graph_make(&after, &second, &before);
        site_find_all(&second);
        found = print_all(&second, &after, opt);
        graph_free(&after);
        snapshot_free(&second);
    } else {
        site_find_all(&first);
        found = print_all(&first, &before, opt);
    }
    graph_free(&before);
    snapshot_free(&first);
    return !all ? EXIT_ERROR : found ? EXIT_NO : 0;
}

/* In a terminal each look replaces the last one; otherwise the reader finds an empty line between
 * them, and a program a line for each. */
static void separate(const struct locks_options *opt, bool is_first)
{
    if (opt->is_json || opt->is_dot)
        return;
    if (terminal_has_sequences())
        printf("\033[H\033[J");
    else if (!is_first)
        printf("\n");
}

/* Until it is killed, a name is unlinked, or its output is closed. The exit status. */
static int watch(const struct command *command, const struct locks_options *opt,
                 const char *const names[], unsigned count)
{
    const struct timespec pause = {.tv_sec = (time_t)(opt->pause_ns / HEALD_SEC),
                                   .tv_nsec = (long)(opt->pause_ns % HEALD_SEC)};
    int status = 0;

    for (bool is_first = true; status != EXIT_ERROR && !ferror(stdout); is_first = false) {
        if (!is_first)
            nanosleep(&pause, NULL);
        separate(opt, is_first);
        status = look(command, opt, names, count);
        fflush(stdout);
    }
    return status;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char **names;
    struct locks_options o = {0};
    unsigned count;
    int status = snapshot_parse(command, argc, argv, &o, &names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (o.is_json && o.is_dot)
        status = options_refuse(command, "--json and --dot: mutually exclusive");
    else if (o.is_files && o.is_dot)
        status = options_refuse(command, "--files and --dot: mutually exclusive");
    else if (o.is_files && access("/proc/locks", R_OK) < 0)
        status = options_refuse(command, "--files: /proc/locks: %s", heald_strerror(-errno));
    else
        status = o.pause_ns ? watch(command, &o, names, count) : look(command, &o, names, count);
    free(names);
    return status;
}
