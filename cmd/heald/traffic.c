/* traffic.c: see traffic.h. */
#include "traffic.h"

#include "json.h"
#include "serve/text.h"
#include "table.h"

#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_of(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(snapshot_grow(NULL, 0, size), text, size);
}

static void note_stopped(struct traffic_row *row, const struct heald_participant_info *p)
{
    if (!p || !thread_is_stopped(&p->thread))
        return;
    for (unsigned i = 0; i < row->stopped_count; i++)
        if (row->stopped[i] == p->thread.pid)
            return;
    if (row->stopped_count < sizeof row->stopped / sizeof row->stopped[0])
        row->stopped[row->stopped_count++] = p->thread.pid;
}

static void add_person(struct text *t, const char *what, const struct heald_participant_info *p)
{
    char who[THREAD_TEXT_SIZE];

    text_addf(t, "%s%s %s", t->len ? ", " : "", what, thread_text(&p->thread, who));
}

/* Who uses it, and who holds it up. */
static void describe(struct traffic_row *row, const struct snapshot_region *r,
                     const struct heald_participant_info *slowest)
{
    const struct heald_object_state *s = &row->state;
    struct text t;

    text_init(&t, row->details, sizeof row->details);
    if (s->condition == HEALD_OBJECT_DONE)
        text_add(&t, "closed");
    if (row->type == HEALD_OBJECT_TOPIC)
        text_addf(&t, "%u subscriber%s", s->subscribers, s->subscribers == 1 ? "" : "s");
    if (row->type == HEALD_OBJECT_SERVICE)
        text_addf(&t, "%s%u client%s", t.len ? ", " : "", s->clients, s->clients == 1 ? "" : "s");
    if (slowest)
        add_person(&t, "the slowest", slowest);
    note_stopped(row, slowest);
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, s, i);
        if (p)
            add_person(&t, "held by", p);
        note_stopped(row, p);
    }
}

/* What it has forwarded counts as sent, and what is behind waits. */
static void describe_bridge(struct traffic_row *row, const struct snapshot_region *r,
                            const struct bridge_counts *c)
{
    bool runs = snapshot_bridge_runs(r, c);

    row->is_bridge = true;
    row->state = (struct heald_object_state){.sent = c->forwarded, .messages = c->behind};
    row->dropped = c->dropped;
    snprintf(row->details, sizeof row->details, "%s NATS, process %llu, %s",
             c->is_outward ? "to" : "from", (unsigned long long)c->process,
             !runs          ? "ended"
             : c->connected ? "connected"
                            : "not connected");
}

static const char *type_of(const struct traffic_row *row)
{
    return row->is_bridge ? "bridge" : heald_object_type_name(row->type);
}

static void add_row(struct traffic *t, const struct snapshot_region *r,
                    const struct snapshot_object *o)
{
    const struct heald_participant_info *slowest = snapshot_slowest(r, &o->state);

    t->rows = snapshot_grow(t->rows, t->count, sizeof *t->rows);
    struct traffic_row *row = &t->rows[t->count++];
    row->region = copy_of(r->name);
    row->name = copy_of(o->info.name);
    row->offset = o->info.offset;
    row->type = o->info.type;
    row->state = o->state;
    row->dropped = row->type == HEALD_OBJECT_TOPIC ? o->state.lost : o->state.dropped;
    row->slowest = slowest ? slowest->thread.pid : 0;
    if (o->is_bridge)
        describe_bridge(row, r, &o->bridge);
    else
        describe(row, r, slowest);
}

static const struct traffic_row *find_row(const struct traffic *t, const struct traffic_row *row)
{
    for (unsigned i = 0; i < t->count; i++)
        if (t->rows[i].offset == row->offset && t->rows[i].type == row->type &&
            strcmp(t->rows[i].region, row->region) == 0)
            return &t->rows[i];
    return NULL;
}

/* One that has sent less than before is another one. Of what its subscribers have lost a topic
 * forgets the part of those that leave. */
static void add_rates(struct traffic_row *row, const struct traffic *before, double seconds)
{
    const struct traffic_row *was = find_row(before, row);

    if (!was || row->state.sent < was->state.sent || seconds <= 0)
        return;
    row->has_rates = true;
    row->sent_rate = (double)(row->state.sent - was->state.sent) / seconds;
    if (row->dropped > was->dropped)
        row->dropped_rate = (double)(row->dropped - was->dropped) / seconds;
}

/* The fastest first, then by name. */
static int compare(const void *a, const void *b)
{
    const struct traffic_row *x = a, *y = b;
    int by_region = strcmp(x->region, y->region);

    if (x->sent_rate != y->sent_rate)
        return x->sent_rate < y->sent_rate ? 1 : -1;
    return by_region ? by_region : strcmp(x->name, y->name);
}

void traffic_take(struct traffic *t, const struct snapshot *c, const struct traffic *before)
{
    *t = (struct traffic){.taken_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC)};
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++)
            if (snapshot_has_messages(&c->regions[i].objects[k]) ||
                c->regions[i].objects[k].is_bridge)
                add_row(t, &c->regions[i], &c->regions[i].objects[k]);
    if (before)
        t->interval_s = (double)(t->taken_ns - before->taken_ns) / (double)HEALD_SEC;
    for (unsigned i = 0; before && i < t->count; i++)
        add_rates(&t->rows[i], before, t->interval_s);
    if (t->count)
        qsort(t->rows, t->count, sizeof *t->rows, compare);
}

void traffic_free(struct traffic *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        free(t->rows[i].region);
        free(t->rows[i].name);
    }
    free(t->rows);
    *t = (struct traffic){0};
}

static void add_rate(struct table *table, const struct traffic_row *row, double rate)
{
    if (row->has_rates)
        table_add(table, "%.*f", rate > 0 && rate < 9.95 ? 1 : 0, rate);
    else
        table_add(table, "-");
}

static void print_row(struct table *table, const struct traffic_row *row)
{
    char name[HEALD_NAME_MAX + 1], *region = mask_controls(copy_of(row->region));

    snprintf(name, sizeof name, "%s", row->name);
    mask_controls(name);
    if (*name)
        table_add(table, "%s:%s", region, name);
    else
        table_add(table, "%s+0x%llx", region, (unsigned long long)row->offset);
    free(region);
    table_add(table, "%s", type_of(row));
    add_rate(table, row, row->sent_rate);
    add_rate(table, row, row->dropped_rate);
    table_add(table, "%llu", (unsigned long long)row->state.messages);
    if (row->is_bridge)
        table_add(table, "-");
    else
        table_add(table, "%u", row->state.capacity);
    table_add(table, "%s", row->details);
}

void traffic_print(const struct traffic *t, unsigned max, bool is_clipped)
{
    static const struct table_column columns[] = {
        {"NAME", false},   {"TYPE", false},    {"MSG/S", true},   {"DROP/S", true},
        {"WAITING", true}, {"CAPACITY", true}, {"DETAILS", false}};
    struct table table = {
        .columns = columns, .count = sizeof columns / sizeof columns[0], .is_clipped = is_clipped};

    for (unsigned i = 0; i < t->count && i < max; i++)
        print_row(&table, &t->rows[i]);
    table_print(&table);
}

static void put_rate(struct json *j, const char *name, const struct traffic_row *row, double rate)
{
    if (row->has_rates)
        json_seconds(j, name, rate);
    else
        json_null(j, name);
}

static void put_row(struct json *j, const struct traffic_row *row)
{
    json_object(j, NULL);
    json_text(j, "region", row->region);
    json_text(j, "name", row->name);
    json_unsigned(j, "offset", row->offset);
    json_text(j, "type", type_of(row));
    put_rate(j, "sent_rate", row, row->sent_rate);
    put_rate(j, "dropped_rate", row, row->dropped_rate);
    json_unsigned(j, "sent", row->state.sent);
    json_unsigned(j, "dropped", row->dropped);
    json_unsigned(j, "messages", row->state.messages);
    json_unsigned(j, "capacity", row->state.capacity);
    if (row->type == HEALD_OBJECT_TOPIC)
        json_unsigned(j, "subscribers", row->state.subscribers);
    if (row->type == HEALD_OBJECT_SERVICE)
        json_unsigned(j, "clients", row->state.clients);
    if (row->slowest)
        json_integer(j, "slowest", row->slowest);
    json_array(j, "stopped");
    for (unsigned i = 0; i < row->stopped_count; i++)
        json_integer(j, NULL, row->stopped[i]);
    json_close(j);
    json_close(j);
}

void traffic_print_json(const struct traffic *t)
{
    struct json j;

    json_begin(&j, stdout);
    json_seconds(&j, "interval_s", t->interval_s);
    json_array(&j, "objects");
    for (unsigned i = 0; i < t->count; i++)
        put_row(&j, &t->rows[i]);
    json_close(&j);
    json_end(&j);
}
