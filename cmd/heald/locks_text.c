/* locks_text.c: `heald locks` as text. */
#include "locks.h"
#include "site.h"
#include "table.h"
#include "terminal.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

enum { COMMAND_SHOWN = 160 };

static void print_how_long(const struct heald_holder_info *holder)
{
    char age[TABLE_NUMBER_SIZE];

    if (holder->since_ns)
        printf(", for %s%s", holder->at_least ? "at least " : "",
               table_age(locks_seconds(holder->since_ns), age));
}

/* ", deadline in 1.2s"; "": it has no deadline. */
static const char *until(const struct heald_wait_info *wait, char text[THREAD_TEXT_SIZE])
{
    double left = -locks_seconds(wait->deadline_ns);
    char age[TABLE_NUMBER_SIZE];

    text[0] = 0;
    if (!(wait->flags & HEALD_WAIT_DEADLINE))
        return text;
    if (wait->deadline_ns && left >= 0)
        snprintf(text, THREAD_TEXT_SIZE, ", deadline in %s", table_age(left, age));
    else
        snprintf(text, THREAD_TEXT_SIZE, ", with a deadline");
    return text;
}

/* What it runs, as far as there is room in a line. */
static void print_command(const struct heald_thread_info *thread)
{
    char text[THREAD_COMMAND_SIZE];

    if (!*thread_command(thread, text))
        return;
    size_t shown = utf8_fit(text, COMMAND_SHOWN);
    printf("        %.*s%s\n", (int)shown, text, text[shown] ? "..." : "");
}

/* A lock whose holder died is what the reader looks for. */
static void print_state(const struct snapshot_object *o)
{
    bool is_bad =
        o->state.condition == HEALD_OBJECT_ORPHANED || o->state.condition == HEALD_OBJECT_LOST;

    printf("    %s%s%s", is_bad ? terminal_alert() : "",
           heald_object_condition_name(o->state.condition), is_bad ? terminal_plain() : "");
}

static void print_holder(const struct snapshot_object *o, const struct heald_participant_info *p,
                         unsigned number)
{
    char text[THREAD_TEXT_SIZE];
    const char *mode = locks_mode(o);

    if (o->info.type == HEALD_OBJECT_SEM)
        printf("    permit held");
    else
        print_state(o);
    printf(" by %s%s%s", thread_text(&p->thread, text), *mode ? " " : "", mode);
    print_how_long(&o->state.holders[number]);
    if (*site_text(&o->sites[number]))
        printf(", taken at %s", site_text(&o->sites[number]));
    printf("\n");
    print_command(&p->thread);
}

static void print_holders(const struct snapshot_region *r, const struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;
    char text[THREAD_TEXT_SIZE];
    unsigned shown = 0;

    for (unsigned i = 0; o->info.type != HEALD_OBJECT_BARRIER && i < s->holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, s, i);
        if (p && ++shown)
            print_holder(o, p, i);
    }
    if (o->info.type == HEALD_OBJECT_BARRIER && s->condition == HEALD_OBJECT_HELD)
        printf("    %u of %u arrived\n", s->max - s->free, s->max);
    else if (o->info.type == HEALD_OBJECT_MUTEX && s->condition == HEALD_OBJECT_HELD && !shown)
        printf("    passed to the first waiter, which has not acquired it yet\n");
    else if (o->info.type != HEALD_OBJECT_COND && !shown) {
        print_state(o);
        printf("\n");
    }
    for (unsigned i = 0; i < s->last_count; i++)
        printf("%s%s%s", i ? ", " : "    last held by ", snapshot_past(r, &s->last[i], text),
               i + 1 == s->last_count ? "\n" : "");
}

static void print_wait(const struct heald_participant_info *p, const struct heald_wait_info *wait,
                       const struct snapshot_site *site)
{
    char text[THREAD_TEXT_SIZE], age[TABLE_NUMBER_SIZE];

    printf("%s %s", thread_text(&p->thread, text), locks_purpose(wait));
    if (wait->since_ns)
        printf(", for %s", table_age(locks_seconds(wait->since_ns), age));
    printf("%s%s", wait->flags & HEALD_WAIT_IN_LOOP ? ", in a loop" : "", until(wait, text));
    if (*site_text(site))
        printf(", at %s", site_text(site));
    printf("\n");
    print_command(&p->thread);
}

static void print_waits(const struct snapshot_region *r, const struct snapshot_object *o)
{
    for (unsigned i = 0; i < o->wait_count; i++) {
        printf("    waiter %u of %u: ", i + 1, o->wait_count);
        print_wait(&r->participants[o->waits[i].participant], o->waits[i].wait, &o->waits[i].site);
    }
}

/* An empty output would leave open whether the command looked at all. */
static void note_nothing(const struct locks *l)
{
    if (l->snapshot->region_count)
        fprintf(stderr, "heald locks: no lock with a name or a waiter %s\n",
                l->is_all ? "exists" : "is held or waited for");
    else if (!l->snapshot->is_of_names)
        fprintf(stderr, "heald locks: no region exists\n");
}

static void print_locks(const struct locks *l)
{
    char text[LOCKS_NAME_SIZE];
    unsigned shown = 0;

    for (unsigned i = 0; i < l->snapshot->region_count; i++) {
        const struct snapshot_region *r = &l->snapshot->regions[i];
        if (r->error && !l->snapshot->is_of_names)
            shown += printf("%s: %s\n", r->shown, r->why) > 0;
        for (unsigned k = 0; k < r->object_count; k++) {
            const struct snapshot_object *o = &r->objects[k];
            if (!locks_is_shown(l, o))
                continue;
            shown += printf("%s  %s\n", r->shown, locks_name(o, text)) > 0;
            print_holders(r, o);
            print_waits(r, o);
        }
    }
    if (!shown && !l->files.count)
        note_nothing(l);
}

/* One edge: why it is there. */
static void print_edge(const struct graph_wait *w)
{
    char object[LOCKS_NAME_SIZE], text[THREAD_TEXT_SIZE];

    printf("%s %s %s%s", w->region->shown, locks_name(w->object, object), locks_purpose(w->wait),
           until(w->wait, text));
    if (*site_text(w->site))
        printf(", at %s", site_text(w->site));
}

static void print_circle(const struct graph *g, const unsigned circle[], unsigned n)
{
    char text[THREAD_TEXT_SIZE];

    for (unsigned i = 0; i < n; i++) {
        unsigned next = circle[(i + 1) % n];
        const struct graph_wait *w = graph_between(g, circle[i], next);
        const char *mode = w ? locks_mode(w->object) : "";
        printf("    %s waits for ", thread_text(&g->participants[circle[i]].thread, text));
        if (w)
            print_edge(w);
        printf(", held by %s%s%s\n", thread_text(&g->participants[next].thread, text),
               *mode ? " " : "", mode);
    }
}

static void print_circles(const struct locks *l, enum graph_kind kind)
{
    unsigned cursor = 0, length;
    bool is_deadlock = kind == GRAPH_DEADLOCK;

    while ((length = graph_circle(l->graph, kind, &cursor, l->circle))) {
        if (is_deadlock)
            printf("%sDEADLOCK%s\n", terminal_alert(), terminal_plain());
        else
            printf("cycle of waits that ends at a deadline\n");
        print_circle(l->graph, l->circle, length);
    }
}

void locks_print_text(const struct locks *l)
{
    print_locks(l);
    file_locks_print(&l->files);
    print_circles(l, GRAPH_DEADLOCK);
    print_circles(l, GRAPH_ENDING);
}
