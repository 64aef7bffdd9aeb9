/* ls.c: `heald ls`: the regions of this host and what lies in them. */
#include "commands.h"
#include "json.h"
#include "serve/text.h"
#include "snapshot.h"
#include "table.h"

#include <heald/heald.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

enum { DETAILS_SIZE = 1024 };

struct ls_options {
    bool is_json;
};

static const struct option options[] = {
    {'j', "--json", OPTION_FLAG, offsetof(struct ls_options, is_json), 0, 0, NULL, "print JSON"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_ls = {
    .name = "ls",
    .run = run,
    .summary = "list shared memory regions and their objects",
    .arguments = "[NAME...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path. By default all regions with names like /name are listed, and "
        "the shared memory and semaphores of POSIX programs in the same directory. An object is "
        "listed if it has a name or a waiter. The command locks and changes nothing.",
};

static unsigned living(const struct snapshot_region *r)
{
    unsigned count = 0;

    for (unsigned i = 0; i < r->participant_count; i++)
        count += !r->participants[i].is_gone;
    return count;
}

/* ", 1 message", ", 2 messages". */
static void add_count(struct text *t, uint64_t count, const char *noun)
{
    text_addf(t, ", %llu %s%s", (unsigned long long)count, noun, count == 1 ? "" : "s");
}

static void describe_queue(struct text *t, const struct heald_object_state *s)
{
    add_count(t, s->messages, "message");
    text_addf(t, ", %u of %u slots free", s->free, s->max);
    if (s->priorities > 1)
        text_addf(t, ", %u priorities", s->priorities);
    text_addf(t, ", %llu sent", (unsigned long long)s->sent);
    if (s->dropped)
        text_addf(t, ", %llu dropped", (unsigned long long)s->dropped);
}

static void describe_service(struct text *t, const struct heald_object_state *s)
{
    add_count(t, s->messages, "request");
    text_addf(t, " waiting, %u of %u slots free, %llu sent", s->free, s->max,
              (unsigned long long)s->sent);
    add_count(t, s->clients, "client");
}

static void describe_topic(struct text *t, const struct snapshot_region *r,
                           const struct heald_object_state *s)
{
    const struct heald_participant_info *slowest = snapshot_slowest(r, s);
    char who[THREAD_TEXT_SIZE];

    text_addf(t, ", %u of %u chunks free, %llu published", s->free, s->max,
              (unsigned long long)s->sent);
    add_count(t, s->subscribers, "subscriber");
    if (s->messages)
        text_addf(t, ", the slowest %llu behind%s%s", (unsigned long long)s->messages,
                  slowest ? ": " : "", slowest ? thread_text(&slowest->thread, who) : "");
    if (s->lost)
        text_addf(t, ", %llu lost", (unsigned long long)s->lost);
}

static void describe_bridge(struct text *t, const struct snapshot_region *r,
                            const struct bridge_counts *c)
{
    const char *state = !snapshot_bridge_runs(r, c) ? "ended"
                        : c->connected              ? "connected"
                                                    : "not connected";

    text_addf(t, ", bridge %s NATS, process %llu, %s", c->is_outward ? "to" : "from",
              (unsigned long long)c->process, state);
    text_addf(t, ", %llu forwarded, %llu dropped, %llu behind", (unsigned long long)c->forwarded,
              (unsigned long long)c->dropped, (unsigned long long)c->behind);
    if (c->reconnects)
        add_count(t, c->reconnects, "reconnect");
}

/* What is true of an object beside its state. */
static void describe_object(struct text *t, const struct snapshot_region *r,
                            const struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;
    unsigned shown = 0;

    if (o->info.type == HEALD_OBJECT_SEM && s->max)
        text_addf(t, ", %u of %u permits free", s->free, s->max);
    else if (o->info.type == HEALD_OBJECT_SEM)
        text_addf(t, ", value %u", s->free);
    else if (o->info.type == HEALD_OBJECT_BARRIER && s->condition == HEALD_OBJECT_HELD)
        text_addf(t, ", %u of %u arrived", s->max - s->free, s->max);
    else if (o->info.type == HEALD_OBJECT_QUEUE)
        describe_queue(t, s);
    else if (o->info.type == HEALD_OBJECT_SERVICE)
        describe_service(t, s);
    else if (o->info.type == HEALD_OBJECT_TOPIC)
        describe_topic(t, r, s);
    else if (o->is_bridge)
        describe_bridge(t, r, &o->bridge);
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, s, i);
        char participant[THREAD_TEXT_SIZE];
        if (p)
            text_addf(t, "%s%s", shown++ ? " and " : ", held by ",
                      thread_text(&p->thread, participant));
    }
    if (o->wait_count)
        text_addf(t, ", %u waiter%s", o->wait_count, o->wait_count == 1 ? "" : "s");
}

/* NULL: its details say all. */
static const char *state_of(const struct snapshot_object *o)
{
    bool has_none = o->info.type == HEALD_OBJECT_DATA || o->info.type == HEALD_OBJECT_COND;
    return has_none ? "" : heald_object_condition_name(o->state.condition);
}

static void add_object(struct table *t, const struct snapshot_region *r,
                       const struct snapshot_object *o)
{
    char name[HEALD_NAME_MAX + 32], details[DETAILS_SIZE], size[TABLE_NUMBER_SIZE];
    struct text text;

    if (o->info.name[0])
        snprintf(name, sizeof name, "%s", o->info.name);
    else
        snprintf(name, sizeof name, "+0x%llx", (unsigned long long)o->info.offset);
    text_init(&text, details, sizeof details);
    describe_object(&text, r, o);
    table_add(t, "  %s", mask_controls(name));
    table_add(t, "%s", heald_object_type_name(o->info.type));
    table_add(t, "%s", o->info.size ? table_size(o->info.size, size) : "");
    table_add(t, "%s", state_of(o));
    table_add(t, "%s", details + (*details ? 2 : 0));
}

static const char *use_of(const struct snapshot_region *r)
{
    return r->error ? "error" : !r->use ? "unused" : r->use == -EBUSY ? "in use" : "unknown";
}

static void add_region(struct table *t, const struct snapshot_region *r)
{
    char text[THREAD_TEXT_SIZE], size[TABLE_NUMBER_SIZE];

    table_add(t, "%s", r->shown);
    table_add(t, "region");
    table_add(t, "%s", r->error ? "" : table_size(r->stats.size, size));
    table_add(t, "%s", use_of(r));
    if (r->error)
        table_add(t, "%s", r->why);
    else
        table_add(t, "%u of %u participants, created by %s%s", living(r), r->stats.participants_max,
                  snapshot_creator(r, text), r->info.is_traced ? ", traced" : "");
    for (unsigned i = 0; i < r->object_count; i++)
        add_object(t, r, &r->objects[i]);
}

static void add_leftover(struct table *t, const struct snapshot_leftover *l)
{
    char size[TABLE_NUMBER_SIZE];
    const struct passwd *owner = getpwuid(l->owner);

    table_add(t, "%s", l->shown);
    table_add(t, "posix %s", l->is_sem ? "sem" : "shm");
    table_add(t, "%s", table_size((uint64_t)l->size, size));
    table_add(t, "%s", "");
    table_add(t, "owner %s (%lu)", owner ? owner->pw_name : "?", (unsigned long)l->owner);
}

static void print_text(const struct snapshot *c)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"TYPE", false}, {"SIZE", true}, {"STATE", false}, {"DETAILS", false}};
    struct table t = {.columns = columns, .count = sizeof columns / sizeof columns[0]};

    for (unsigned i = 0; i < c->region_count; i++)
        if (!c->regions[i].error || !c->is_of_names)
            add_region(&t, &c->regions[i]);
    for (unsigned i = 0; i < c->leftover_count; i++)
        add_leftover(&t, &c->leftovers[i]);
    table_print(&t);
}

static void put_thread(struct json *j, const char *name, const struct heald_thread_info *thread)
{
    json_object(j, name);
    json_integer(j, "pid", thread->pid);
    json_unsigned(j, "thread", thread->thread);
    json_boolean(j, "stopped", thread_is_stopped(thread));
    json_close(j);
}

/* Of a queue, a service or a topic. */
static void put_messages(struct json *j, const struct snapshot_region *r,
                         const struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;
    const struct heald_participant_info *slowest = snapshot_slowest(r, s);

    json_unsigned(j, "messages", s->messages);
    json_unsigned(j, "sent", s->sent);
    json_unsigned(j, "capacity", s->capacity);
    if (o->info.type == HEALD_OBJECT_QUEUE) {
        json_unsigned(j, "priorities", s->priorities);
        json_unsigned(j, "dropped", s->dropped);
    } else if (o->info.type == HEALD_OBJECT_TOPIC) {
        json_unsigned(j, "subscribers", s->subscribers);
        json_unsigned(j, "lost", s->lost);
    } else {
        json_unsigned(j, "clients", s->clients);
    }
    if (slowest)
        put_thread(j, "slowest", &slowest->thread);
}

static void put_object(struct json *j, const struct snapshot_region *r,
                       const struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;

    json_object(j, NULL);
    json_text(j, "name", o->info.name);
    json_text(j, "type", heald_object_type_name(o->info.type));
    json_unsigned(j, "offset", o->info.offset);
    json_unsigned(j, "size", o->info.size);
    json_text(j, "state", heald_object_condition_name(s->condition));
    if (o->info.type == HEALD_OBJECT_SEM || o->info.type == HEALD_OBJECT_BARRIER ||
        snapshot_has_messages(o)) {
        json_unsigned(j, "free", s->free);
        json_unsigned(j, "max", s->max);
    }
    if (snapshot_has_messages(o))
        put_messages(j, r, o);
    if (o->is_bridge) {
        json_object(j, "bridge");
        json_boolean(j, "running", snapshot_bridge_runs(r, &o->bridge));
        counts_put(j, &o->bridge);
        json_close(j);
    }
    json_array(j, "holders");
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, s, i);
        if (!p)
            continue;
        put_thread(j, NULL, &p->thread);
    }
    json_close(j);
    json_unsigned(j, "waiters", o->wait_count);
    json_close(j);
}

static void put_region(struct json *j, const struct snapshot_region *r)
{
    json_object(j, NULL);
    json_text(j, "name", r->name);
    if (r->error) {
        json_integer(j, "error", r->error);
        json_text(j, "why", r->why);
        json_close(j);
        return;
    }
    json_unsigned(j, "size", r->stats.size);
    json_unsigned(j, "participants", living(r));
    json_unsigned(j, "participants_max", r->stats.participants_max);
    if (!r->use || r->use == -EBUSY)
        json_boolean(j, "in_use", r->use);
    else
        json_null(j, "in_use");
    json_boolean(j, "traced", r->info.is_traced);
    json_integer(j, "creator", r->info.creator.pid);
    json_boolean(j, "creator_ended", r->info.creator_is_gone);
    json_array(j, "objects");
    for (unsigned i = 0; i < r->object_count; i++)
        put_object(j, r, &r->objects[i]);
    json_close(j);
    json_close(j);
}

static void print_json(const struct snapshot *c)
{
    struct json j;

    json_begin(&j, stdout);
    json_array(&j, "regions");
    for (unsigned i = 0; i < c->region_count; i++)
        put_region(&j, &c->regions[i]);
    json_close(&j);
    json_array(&j, "posix");
    for (unsigned i = 0; i < c->leftover_count; i++) {
        const struct snapshot_leftover *l = &c->leftovers[i];
        json_object(&j, NULL);
        json_text(&j, "name", l->name);
        json_text(&j, "kind", l->is_sem ? "sem" : "shm");
        json_integer(&j, "size", l->size);
        json_unsigned(&j, "owner", l->owner);
        json_close(&j);
    }
    json_close(&j);
    json_end(&j);
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    const char **names;
    struct ls_options o = {0};
    struct snapshot c;
    unsigned count;
    int status = snapshot_parse(command, argc, argv, &o, &names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    bool all = snapshot_take(&c, command, names, count, false);
    if (o.is_json)
        print_json(&c);
    else
        print_text(&c);
    snapshot_free(&c);
    free(names);
    return all ? 0 : EXIT_ERROR;
}
