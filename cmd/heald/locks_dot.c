/*
 * locks_dot.c: `heald locks --dot`: a picture, for dot(1). An arrow leads from a waiter to the
 * lock, and from the lock to its holder. A deadlock is red.
 */
#include "commands.h"
#include "locks.h"
#include "site.h"
#include "table.h"
#include "utf8.h"

#include <stdio.h>

enum { COMMAND_SHOWN = 60 };

/* Inside a quoted string, in which a backslash begins an escape. */
static void print_text(const char *text, size_t max)
{
    size_t shown = utf8_fit(text, max);

    for (size_t i = 0; i < shown; i++) {
        if (text[i] == '"' || text[i] == '\\')
            putchar('\\');
        putchar(text[i]);
    }
    if (text[shown])
        printf("...");
}

static void print_participant(const struct locks *l, unsigned i)
{
    const struct graph_participant *p = &l->graph->participants[i];
    char text[THREAD_TEXT_SIZE], command[THREAD_COMMAND_SIZE];

    /* Who neither waits nor holds anything is not in the picture. */
    if (!p->wait_count && !p->holds_something)
        return;
    printf("  t%u [shape=box, label=\"", i);
    print_text(thread_text(&p->thread, text), THREAD_TEXT_SIZE);
    printf("\\n");
    print_text(thread_command(&p->thread, command), COMMAND_SHOWN);
    printf("\"%s];\n", p->is_stuck[GRAPH_DEADLOCK] ? ", color=red" : "");
}

static unsigned participant_of(const struct locks *l, const struct heald_thread_info *thread)
{
    return (unsigned)(graph_find(l->graph, thread) - l->graph->participants);
}

static void print_seconds(int64_t since_ns, bool at_least)
{
    char age[TABLE_NUMBER_SIZE];

    if (since_ns)
        printf(" for %s%s", at_least ? "at least " : "", table_age(locks_seconds(since_ns), age));
}

static void print_site(const struct snapshot_site *site)
{
    if (!*site_text(site))
        return;
    printf("\\nat ");
    print_text(site_text(site), SNAPSHOT_SITE_SIZE);
}

static void print_holders(const struct locks *l, const struct snapshot_region *r,
                          const struct snapshot_object *o, const char *id)
{
    for (unsigned i = 0; i < o->state.holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, &o->state, i);
        if (!p)
            continue;
        printf("  %s -> t%u [label=\"%s%s%s", id, participant_of(l, &p->thread),
               o->info.type == HEALD_OBJECT_BARRIER
                   ? "arrived"
                   : heald_object_condition_name(o->state.condition),
               *locks_mode(o) ? " " : "", locks_mode(o));
        print_seconds(o->state.holders[i].since_ns, o->state.holders[i].at_least);
        print_site(&o->sites[i]);
        printf("\"];\n");
    }
}

static void print_waits(const struct locks *l, const struct snapshot_region *r,
                        const struct snapshot_object *o, const char *id)
{
    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct snapshot_wait *w = &o->waits[i];
        const struct heald_thread_info *thread = &r->participants[w->participant].thread;
        printf("  t%u -> %s [style=dashed, label=\"%u: waits %s", participant_of(l, thread), id,
               i + 1, locks_purpose(w->wait));
        print_seconds(w->wait->since_ns, false);
        printf("%s", w->wait->flags & HEALD_WAIT_DEADLINE ? "\\nuntil a deadline" : "");
        print_site(&w->site);
        printf("\"];\n");
    }
}

static void print_object(const struct locks *l, const struct snapshot_region *r,
                         const struct snapshot_object *o, const char *id)
{
    char text[LOCKS_NAME_SIZE];

    printf("  %s [label=\"", id);
    print_text(locks_name(o, text), LOCKS_NAME_SIZE);
    printf("\\n");
    print_text(r->shown, THREAD_TEXT_SIZE);
    printf("\"];\n");
    print_holders(l, r, o, id);
    print_waits(l, r, o, id);
}

void locks_print_dot(const struct locks *l)
{
    const struct snapshot *c = l->snapshot;

    printf("digraph locks {\n");
    for (unsigned i = 0; i < l->graph->count; i++)
        print_participant(l, i);
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++) {
            char id[32];
            if (!locks_is_shown(l, &c->regions[i].objects[k]))
                continue;
            snprintf(id, sizeof id, "r%uo%u", i, k);
            print_object(l, &c->regions[i], &c->regions[i].objects[k], id);
        }
    for (unsigned i = 0; i < c->region_count && !c->is_of_names; i++)
        if (c->regions[i].error)
            options_refuse(&command_locks, "%s: %s", c->regions[i].shown, c->regions[i].why);
    printf("}\n");
}
