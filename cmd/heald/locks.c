/* locks.c: `heald locks`: who holds what, who waits for it, and who waits for himself. */
#include "census.h"
#include "commands.h"
#include "graph.h"
#include "json.h"

#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_SIZE = 128, SITE_SIZE = 300 };

struct locks_options {
    bool is_json, is_all;
};

static const struct option options[] = {
    {"--all", OPTION_FLAG, offsetof(struct locks_options, is_all), 0, 0, NULL,
     "also what nobody holds and nobody waits for"},
    {"--json", OPTION_FLAG, offsetof(struct locks_options, is_json), 0, 0, NULL, "for programs"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_locks = {
    .name = "locks",
    .run = run,
    .summary = "Shows who holds which lock, who waits for it, and deadlocks.",
    .arguments = "[NAME...]",
    .arguments_max = CENSUS_NAMES_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path; without one, all regions with names like /name. Locks are\n"
        "shown that have a name or that somebody waits for; where it was taken is an address for\n"
        "addr2line(1). For how long a lock is held is known exactly in a region made with trace,\n"
        "else from who has waited longest. Nothing is locked or changed.\n"
        "The exit status is 1 if there is a deadlock, and 2 if a NAME cannot be looked at.\n",
};

static double seconds_since(int64_t ns)
{
    return (double)(heald_clock_now(HEALD_CLOCK_MONOTONIC) - ns) / (double)HEALD_SEC;
}

static bool is_lock(const struct census_object *o)
{
    return o->info.type != HEALD_OBJECT_DATA;
}

static bool is_shown(const struct census_object *o, const struct locks_options *opt)
{
    bool is_quiet = o->state.condition == HEALD_OBJECT_FREE ||
                    o->state.condition == HEALD_OBJECT_DONE || o->info.type == HEALD_OBJECT_COND ||
                    o->info.type == HEALD_OBJECT_BARRIER;
    return is_lock(o) && (opt->is_all || o->wait_count || o->state.holder_count || !is_quiet);
}

/* "mutex "name"" or "mutex +0x40". */
static const char *describe(const struct census_object *o, char text[TEXT_SIZE])
{
    if (o->info.name[0])
        snprintf(text, TEXT_SIZE, "%s \"%s\"", heald_object_type_name(o->info.type), o->info.name);
    else
        snprintf(text, TEXT_SIZE, "%s +0x%llx", heald_object_type_name(o->info.type),
                 (unsigned long long)o->info.offset);
    return census_mask(text);
}

static void print_how_long(const struct census_object *o)
{
    if (o->state.since_ns)
        printf(", for %.3f s", seconds_since(o->state.since_ns));
    else if (o->wait_count && o->waits[0].wait->since_ns)
        printf(", for at least %.3f s", seconds_since(o->waits[0].wait->since_ns));
}

static void print_holders(const struct census_region *r, const struct census_object *o)
{
    const struct heald_object_state *s = &o->state;
    char text[TEXT_SIZE], site[SITE_SIZE];

    printf("    %s", heald_object_condition_name(s->condition));
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = census_holder(r, s, i);
        if (!p)
            continue;
        printf("%s%s", i ? ", " : " by ", census_thread(&p->thread, text, sizeof text));
        if (*census_site(&p->thread, s->site, site, sizeof site))
            printf(", taken at %s", site);
    }
    if (s->holder_count)
        print_how_long(o);
    printf("\n");
    for (unsigned i = 0; i < s->last_count; i++) {
        struct heald_thread_info t = s->last[i];
        t.is_here = r->info.creator.is_here;
        printf("%s%s%s", i ? ", " : "    last: ", census_thread(&t, text, sizeof text),
               i + 1 == s->last_count ? "\n" : "");
    }
}

static void print_waits(const struct census_region *r, const struct census_object *o)
{
    char text[TEXT_SIZE];

    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct census_wait *w = &o->waits[i];
        printf("    waits: %s", census_thread(&r->people[w->person].thread, text, sizeof text));
        if (w->wait->since_ns)
            printf(", for %.3f s", seconds_since(w->wait->since_ns));
        printf("%s%s\n", w->wait->flags & HEALD_WAIT_IN_LOOP ? ", in a loop" : "",
               w->wait->flags & HEALD_WAIT_DEADLINE ? ", until a deadline" : "");
    }
}

static void print_locks(const struct census *c, const struct locks_options *opt)
{
    char text[TEXT_SIZE];

    for (unsigned i = 0; i < c->region_count; i++) {
        const struct census_region *r = &c->regions[i];
        if (r->error && !c->is_of_names)
            printf("%s: %s\n", r->shown, r->why ? r->why : heald_strerror(r->error));
        for (unsigned k = 0; k < r->object_count; k++) {
            const struct census_object *o = &r->objects[k];
            if (!is_shown(o, opt))
                continue;
            printf("%s  %s\n", r->shown, describe(o, text));
            print_holders(r, o);
            print_waits(r, o);
        }
    }
}

static void print_circle(const struct graph *g, const unsigned circle[], unsigned n)
{
    char text[TEXT_SIZE];

    printf("DEADLOCK\n");
    for (unsigned i = 0; i < n; i++) {
        unsigned next = circle[(i + 1) % n];
        const struct graph_wait *w = graph_between(g, circle[i], next);
        printf("    %s waits for ", census_thread(&g->people[circle[i]].thread, text, sizeof text));
        if (w)
            printf("%s %s", w->region->shown, describe(w->object, text));
        printf(", held by %s\n", census_thread(&g->people[next].thread, text, sizeof text));
    }
}

static void print_thread_json(const struct heald_thread_info *t)
{
    printf("{\"pid\": %ld, \"thread\": %llu}", (long)t->pid, (unsigned long long)t->thread);
}

static void print_seconds_json(int64_t since_ns)
{
    if (since_ns)
        printf("%.6f", seconds_since(since_ns));
    else
        printf("null");
}

static void print_lock_json(const struct census_region *r, const struct census_object *o)
{
    const struct heald_object_state *s = &o->state;
    char site[SITE_SIZE];

    printf("{\"region\": ");
    json_string(r->name);
    printf(", \"name\": ");
    json_string(o->info.name);
    printf(", \"type\": \"%s\", \"offset\": %llu, \"state\": \"%s\", \"holders\": [",
           heald_object_type_name(o->info.type), (unsigned long long)o->info.offset,
           heald_object_condition_name(s->condition));
    for (unsigned i = 0, n = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = census_holder(r, s, i);
        if (!p)
            continue;
        printf("%s{\"pid\": %ld, \"thread\": %llu, \"site\": ", n++ ? ", " : "",
               (long)p->thread.pid, (unsigned long long)p->thread.thread);
        json_string(census_site(&p->thread, s->site, site, sizeof site));
        printf("}");
    }
    printf("], \"held_s\": ");
    print_seconds_json(s->since_ns);
    printf(", \"last\": [");
    for (unsigned i = 0; i < s->last_count; i++) {
        printf("%s", i ? ", " : "");
        print_thread_json(&s->last[i]);
    }
    printf("], \"waiters\": [");
    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct census_wait *w = &o->waits[i];
        printf("%s{\"pid\": %ld, \"thread\": %llu, \"waited_s\": ", i ? ", " : "",
               (long)r->people[w->person].thread.pid,
               (unsigned long long)r->people[w->person].thread.thread);
        print_seconds_json(w->wait->since_ns);
        printf(", \"in_loop\": %s, \"deadline\": %s}",
               w->wait->flags & HEALD_WAIT_IN_LOOP ? "true" : "false",
               w->wait->flags & HEALD_WAIT_DEADLINE ? "true" : "false");
    }
    printf("]}");
}

static void print_json(const struct census *c, const struct graph *g,
                       const struct locks_options *opt, unsigned circle[])
{
    unsigned cursor = 0, length, shown = 0, circles = 0;

    printf("{\"locks\": [");
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++) {
            if (!is_shown(&c->regions[i].objects[k], opt))
                continue;
            printf("%s", shown++ ? ", " : "");
            print_lock_json(&c->regions[i], &c->regions[i].objects[k]);
        }
    printf("], \"deadlocks\": [");
    while ((length = graph_circle(g, &cursor, circle))) {
        printf("%s[", circles++ ? ", " : "");
        for (unsigned i = 0; i < length; i++) {
            printf("%s", i ? ", " : "");
            print_thread_json(&g->people[circle[i]].thread);
        }
        printf("]");
    }
    printf("]}\n");
}

static bool print_all(const struct census *c, const struct locks_options *opt)
{
    struct graph g;
    unsigned cursor = 0, length;
    bool found;

    graph_make(&g, c);
    unsigned *circle = calloc(g.count + 1, sizeof *circle);
    if (!circle) {
        graph_free(&g);
        return false;
    }
    if (opt->is_json) {
        print_json(c, &g, opt, circle);
    } else {
        print_locks(c, opt);
        while ((length = graph_circle(&g, &cursor, circle)))
            print_circle(&g, circle, length);
    }
    cursor = 0;
    found = graph_circle(&g, &cursor, circle);
    free(circle);
    graph_free(&g);
    return found;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char *names[CENSUS_NAMES_MAX];
    struct locks_options o = {0};
    struct census c;
    unsigned count;
    int status = census_parse(command, argc, argv, &o, names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    bool all = census_take(&c, command, names, count, false);
    bool found = print_all(&c, &o);
    census_free(&c);
    return !all ? EXIT_ERROR : found ? EXIT_NO : 0;
}
