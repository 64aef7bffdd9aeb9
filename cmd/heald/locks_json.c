/* locks_json.c: `heald locks --json`; heald-locks(1) describes the members. */
#include "json.h"
#include "locks.h"

#include <string.h>

/* The members of a process or thread. */
static void put_thread(struct json *j, const struct heald_thread_info *t, bool is_here)
{
    char command[THREAD_COMMAND_SIZE];

    json_integer(j, "pid", t->pid);
    json_unsigned(j, "thread", t->thread);
    json_boolean(j, "same_pid_namespace", is_here);
    json_text(j, "command", thread_command(t, command));
}

static void put_seconds(struct json *j, const char *name, int64_t since_ns)
{
    if (since_ns)
        json_seconds(j, name, locks_seconds(since_ns));
    else
        json_null(j, name);
}

static void put_object(struct json *j, const struct snapshot_region *r,
                       const struct snapshot_object *o)
{
    json_text(j, "region", r->name);
    json_text(j, "name", o->info.name);
    json_text(j, "type", heald_object_type_name(o->info.type));
    json_unsigned(j, "offset", o->info.offset);
}

/* "read" or "write", of "to read" and "to write". */
static void put_mode(struct json *j, const char *text)
{
    bool is_mode = strcmp(text, "to read") == 0 || strcmp(text, "to write") == 0;
    json_text(j, "mode", is_mode ? text + 3 : NULL);
}

static void put_site(struct json *j, const struct snapshot_site *site)
{
    json_text(j, "site", site->address);
    json_text(j, "source", site->source);
}

/* Where and until when, and to do what. */
static void put_wait(struct json *j, const struct heald_wait_info *wait,
                     const struct snapshot_site *site)
{
    bool has_deadline = wait->flags & HEALD_WAIT_DEADLINE;

    put_mode(j, locks_purpose(wait));
    json_boolean(j, "in_loop", wait->flags & HEALD_WAIT_IN_LOOP);
    json_boolean(j, "deadline", has_deadline);
    if (has_deadline && wait->deadline_ns)
        json_seconds(j, "deadline_s", -locks_seconds(wait->deadline_ns));
    else
        json_null(j, "deadline_s");
    put_site(j, site);
}

static void put_holders(struct json *j, const struct snapshot_region *r,
                        const struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;

    json_array(j, "holders");
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, s, i);
        if (!p)
            continue;
        json_object(j, NULL);
        put_thread(j, &p->thread, p->thread.is_here);
        put_site(j, &o->sites[i]);
        put_mode(j, locks_mode(o));
        put_seconds(j, "held_s", s->holders[i].since_ns);
        json_boolean(j, "held_at_least", s->holders[i].at_least);
        json_close(j);
    }
    json_close(j);
}

static void put_last(struct json *j, const struct snapshot_region *r,
                     const struct heald_object_state *s)
{
    json_array(j, "last_holders");
    for (unsigned i = 0; i < s->last_count; i++) {
        const struct heald_participant_info *p = snapshot_find(r, &s->last[i]);
        json_object(j, NULL);
        put_thread(j, p ? &p->thread : &s->last[i], p && p->thread.is_here);
        json_close(j);
    }
    json_close(j);
}

static void put_waiters(struct json *j, const struct snapshot_region *r,
                        const struct snapshot_object *o)
{
    json_array(j, "waiters");
    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct snapshot_wait *w = &o->waits[i];
        const struct heald_thread_info *thread = &r->participants[w->participant].thread;
        json_object(j, NULL);
        put_thread(j, thread, thread->is_here);
        json_unsigned(j, "position", i + 1);
        put_seconds(j, "waited_s", w->wait->since_ns);
        put_wait(j, w->wait, &w->site);
        json_close(j);
    }
    json_close(j);
}

static void put_lock(struct json *j, const struct snapshot_region *r,
                     const struct snapshot_object *o)
{
    json_object(j, NULL);
    put_object(j, r, o);
    json_text(j, "state", heald_object_condition_name(o->state.condition));
    put_holders(j, r, o);
    put_last(j, r, &o->state);
    put_waiters(j, r, o);
    json_close(j);
}

/* Each member of the cycle, and what it waits for, which the next one holds. */
static void put_cycle(struct json *j, const struct graph *g, const unsigned circle[], unsigned n)
{
    json_array(j, NULL);
    for (unsigned i = 0; i < n; i++) {
        const struct heald_thread_info *thread = &g->participants[circle[i]].thread;
        const struct graph_wait *w = graph_between(g, circle[i], circle[(i + 1) % n]);
        json_object(j, NULL);
        put_thread(j, thread, thread->is_here);
        if (w) {
            json_object(j, "waits_for");
            put_object(j, w->region, w->object);
            put_wait(j, w->wait, w->site);
            json_close(j);
        }
        json_close(j);
    }
    json_close(j);
}

static void put_cycles(struct json *j, const struct locks *l, const char *name,
                       enum graph_kind kind)
{
    unsigned cursor = 0, length;

    json_array(j, name);
    while ((length = graph_circle(l->graph, kind, &cursor, l->circle)))
        put_cycle(j, l->graph, l->circle, length);
    json_close(j);
}

static void put_errors(struct json *j, const struct snapshot *c)
{
    json_array(j, "errors");
    for (unsigned i = 0; i < c->region_count; i++) {
        if (!c->regions[i].error)
            continue;
        json_object(j, NULL);
        json_text(j, "region", c->regions[i].name);
        json_integer(j, "error", c->regions[i].error);
        json_text(j, "why", c->regions[i].why);
        json_close(j);
    }
    json_close(j);
}

void locks_print_json(const struct locks *l)
{
    const struct snapshot *c = l->snapshot;
    struct json j;

    json_begin(&j, stdout);
    json_array(&j, "locks");
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++)
            if (locks_is_shown(l, &c->regions[i].objects[k]))
                put_lock(&j, &c->regions[i], &c->regions[i].objects[k]);
    json_close(&j);
    put_cycles(&j, l, "deadlocks", GRAPH_DEADLOCK);
    put_cycles(&j, l, "expiring", GRAPH_ENDING);
    file_locks_put(&j, &l->files);
    put_errors(&j, c);
    json_end(&j);
}
