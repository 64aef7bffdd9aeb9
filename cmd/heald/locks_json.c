/* locks_json.c: `heald locks --json`. */
#include "json.h"
#include "locks.h"

#include <stdio.h>
#include <string.h>

/* Its number, name space and command line, without the closing brace. */
static void print_thread(const struct heald_thread_info *t, bool is_here)
{
    char command[PERSON_COMMAND_SIZE];

    printf("{\"pid\": %ld, \"thread\": %llu, \"here\": %s, \"command\": ", (long)t->pid,
           (unsigned long long)t->thread, is_here ? "true" : "false");
    json_string(person_command(t, command));
}

static void print_seconds(int64_t since_ns)
{
    if (since_ns)
        printf("%.6f", locks_seconds(since_ns));
    else
        printf("null");
}

static const char *boolean(bool is)
{
    return is ? "true" : "false";
}

static void print_name(const struct census_region *r, const struct census_object *o)
{
    printf("\"region\": ");
    json_string(r->name);
    printf(", \"name\": ");
    json_string(o->info.name);
    printf(", \"type\": \"%s\", \"offset\": %llu", heald_object_type_name(o->info.type),
           (unsigned long long)o->info.offset);
}

/* "read" or "write", of "to read" and "to write". */
static void print_mode(const char *text)
{
    if (strncmp(text, "to read", 7) == 0 || strncmp(text, "to write", 8) == 0)
        printf("\"%s\"", text + 3);
    else
        printf("null");
}

static void print_site(const struct census_site *site)
{
    printf(", \"site\": ");
    json_string(site->address);
    printf(", \"source\": ");
    json_string(site->source);
}

/* Where and until when, and to do what. */
static void print_wait(const struct heald_wait_info *wait, const struct census_site *site)
{
    bool has_deadline = wait->flags & HEALD_WAIT_DEADLINE;

    printf("\"mode\": ");
    print_mode(locks_purpose(wait));
    printf(", \"in_loop\": %s, \"deadline\": %s, \"deadline_s\": ",
           boolean(wait->flags & HEALD_WAIT_IN_LOOP), boolean(has_deadline));
    if (has_deadline && wait->deadline_ns)
        printf("%.6f", -locks_seconds(wait->deadline_ns));
    else
        printf("null");
    print_site(site);
}

static void print_holders(const struct census_region *r, const struct census_object *o)
{
    const struct heald_object_state *s = &o->state;

    printf(", \"holders\": [");
    for (unsigned i = 0, n = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = census_holder(r, s, i);
        if (!p)
            continue;
        printf("%s", n++ ? ", " : "");
        print_thread(&p->thread, p->thread.is_here);
        print_site(&o->sites[i]);
        printf(", \"mode\": ");
        print_mode(locks_mode(o));
        printf(", \"held_s\": ");
        print_seconds(s->holders[i].since_ns);
        printf(", \"at_least\": %s}", boolean(s->holders[i].at_least));
    }
    printf("]");
}

static void print_last(const struct census_region *r, const struct heald_object_state *s)
{
    printf(", \"last\": [");
    for (unsigned i = 0; i < s->last_count; i++) {
        const struct heald_participant_info *p = census_find(r, &s->last[i]);
        printf("%s", i ? ", " : "");
        print_thread(p ? &p->thread : &s->last[i], p && p->thread.is_here);
        printf("}");
    }
    printf("]");
}

static void print_waiters(const struct census_region *r, const struct census_object *o)
{
    printf(", \"waiters\": [");
    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct census_wait *w = &o->waits[i];
        const struct heald_thread_info *thread = &r->people[w->person].thread;
        printf("%s", i ? ", " : "");
        print_thread(thread, thread->is_here);
        printf(", \"place\": %u, \"waited_s\": ", i + 1);
        print_seconds(w->wait->since_ns);
        printf(", ");
        print_wait(w->wait, &w->site);
        printf("}");
    }
    printf("]");
}

static void print_lock(const struct census_region *r, const struct census_object *o)
{
    printf("{");
    print_name(r, o);
    printf(", \"state\": \"%s\"", heald_object_condition_name(o->state.condition));
    print_holders(r, o);
    print_last(r, &o->state);
    print_waiters(r, o);
    printf("}");
}

/* Each of the circle, and what it waits for, which the next one holds. */
static void print_circle(const struct graph *g, const unsigned circle[], unsigned n)
{
    printf("[");
    for (unsigned i = 0; i < n; i++) {
        const struct heald_thread_info *thread = &g->people[circle[i]].thread;
        const struct graph_wait *w = graph_between(g, circle[i], circle[(i + 1) % n]);
        printf("%s", i ? ", " : "");
        print_thread(thread, thread->is_here);
        if (w) {
            printf(", \"waits_for\": {");
            print_name(w->region, w->object);
            printf(", ");
            print_wait(w->wait, w->site);
            printf("}");
        }
        printf("}");
    }
    printf("]");
}

static void print_circles(const struct locks *l, enum graph_kind kind)
{
    unsigned cursor = 0, length, count = 0;

    while ((length = graph_circle(l->graph, kind, &cursor, l->circle))) {
        printf("%s", count++ ? ", " : "");
        print_circle(l->graph, l->circle, length);
    }
}

void locks_print_json(const struct locks *l)
{
    const struct census *c = l->census;
    unsigned shown = 0;

    printf("{\"locks\": [");
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++) {
            if (!locks_is_shown(l, &c->regions[i].objects[k]))
                continue;
            printf("%s", shown++ ? ", " : "");
            print_lock(&c->regions[i], &c->regions[i].objects[k]);
        }
    printf("], \"deadlocks\": [");
    print_circles(l, GRAPH_DEADLOCK);
    printf("], \"ending\": [");
    print_circles(l, GRAPH_ENDING);
    printf("]}\n");
}
