/* ls.c: `heald ls`: the regions of this host and what lies in them. */
#include "census.h"
#include "commands.h"
#include "json.h"

#include <heald/heald.h>

#include <stdio.h>

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
    .arguments_max = CENSUS_NAMES_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path. By default all regions with names like /name are listed, and "
        "the shared memory and semaphores of POSIX programs in the same directory. An object is "
        "listed if it has a name or a waiter. The command locks and changes nothing.",
};

static void print_holders(const struct census_region *r, const struct heald_object_state *s)
{
    char text[PERSON_SIZE];

    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = census_holder(r, s, i);
        if (p)
            printf("%s%s", i ? ", " : "  by ", person_text(&p->thread, text));
    }
}

static void print_object(const struct census_region *r, const struct census_object *o)
{
    const struct heald_object_state *s = &o->state;
    char name[HEALD_NAME_MAX + 3], at[32];

    snprintf(name, sizeof name, "\"%s\"", o->info.name);
    person_mask(name);
    snprintf(at, sizeof at, "+0x%llx", (unsigned long long)o->info.offset);
    printf("  %-8s %-20s %8zu bytes  ", heald_object_type_name(o->info.type),
           o->info.name[0] ? name : at, o->info.size);
    if (o->info.type == HEALD_OBJECT_SEM && s->most)
        printf("%u of %u free", s->free, s->most);
    else if (o->info.type == HEALD_OBJECT_SEM)
        printf("value %u", s->free);
    else if (o->info.type == HEALD_OBJECT_BARRIER && s->condition == HEALD_OBJECT_HELD)
        printf("%u of %u have come", s->holder_count, s->most);
    else if (o->info.type != HEALD_OBJECT_DATA && o->info.type != HEALD_OBJECT_COND)
        printf("%s", heald_object_condition_name(s->condition));
    print_holders(r, s);
    if (o->wait_count)
        printf("  %u wait%s", o->wait_count, o->wait_count == 1 ? "s" : "");
    printf("\n");
}

static unsigned living(const struct census_region *r)
{
    unsigned count = 0;

    for (unsigned i = 0; i < r->person_count; i++)
        count += !r->people[i].is_gone;
    return count;
}

static void print_region(const struct census_region *r)
{
    char text[PERSON_SIZE];

    if (r->error) {
        printf("%s: %s\n", r->shown, r->why);
        return;
    }
    printf("%s  %llu KiB, %u of %u participants, %s; made by %s%s\n", r->shown,
           (unsigned long long)r->stats.size / 1024, living(r), r->stats.most,
           r->is_open ? "in use" : "nobody has it open", census_creator(r, text),
           r->info.is_traced ? "; traced" : "");
    for (unsigned i = 0; i < r->object_count; i++)
        print_object(r, &r->objects[i]);
}

static void print_text(const struct census *c)
{
    for (unsigned i = 0; i < c->region_count; i++)
        if (!c->regions[i].error || !c->is_of_names)
            print_region(&c->regions[i]);
    if (c->leftover_count)
        printf("POSIX, not heald's:\n");
    for (unsigned i = 0; i < c->leftover_count; i++)
        printf("  %-4s %-24s %8lld bytes  user %u\n", c->leftovers[i].is_sem ? "sem" : "shm",
               c->leftovers[i].shown, (long long)c->leftovers[i].size,
               (unsigned)c->leftovers[i].owner);
    if (!c->region_count && !c->is_of_names)
        printf("no regions\n");
}

static void put_object(struct json *j, const struct census_region *r, const struct census_object *o)
{
    const struct heald_object_state *s = &o->state;

    json_object(j, NULL);
    json_text(j, "name", o->info.name);
    json_text(j, "type", heald_object_type_name(o->info.type));
    json_unsigned(j, "offset", o->info.offset);
    json_unsigned(j, "size", o->info.size);
    json_text(j, "state", heald_object_condition_name(s->condition));
    if (o->info.type == HEALD_OBJECT_SEM || o->info.type == HEALD_OBJECT_BARRIER) {
        json_unsigned(j, "free", s->free);
        json_unsigned(j, "max", s->most);
    }
    json_array(j, "holders");
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct heald_participant_info *p = census_holder(r, s, i);
        if (!p)
            continue;
        json_object(j, NULL);
        json_integer(j, "pid", p->thread.pid);
        json_unsigned(j, "thread", p->thread.thread);
        json_close(j);
    }
    json_close(j);
    json_unsigned(j, "waiters", o->wait_count);
    json_close(j);
}

static void put_region(struct json *j, const struct census_region *r)
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
    json_unsigned(j, "participants_max", r->stats.most);
    json_boolean(j, "in_use", r->is_open);
    json_boolean(j, "traced", r->info.is_traced);
    json_integer(j, "creator", r->info.creator.pid);
    json_boolean(j, "creator_ended", r->info.creator_is_gone);
    json_array(j, "objects");
    for (unsigned i = 0; i < r->object_count; i++)
        put_object(j, r, &r->objects[i]);
    json_close(j);
    json_close(j);
}

static void print_json(const struct census *c)
{
    struct json j;

    json_begin(&j, stdout);
    json_array(&j, "regions");
    for (unsigned i = 0; i < c->region_count; i++)
        put_region(&j, &c->regions[i]);
    json_close(&j);
    json_array(&j, "posix");
    for (unsigned i = 0; i < c->leftover_count; i++) {
        const struct census_leftover *l = &c->leftovers[i];
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
    const char *names[CENSUS_NAMES_MAX];
    struct ls_options o = {0};
    struct census c;
    unsigned count;
    int status = census_parse(command, argc, argv, &o, names, &count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    bool all = census_take(&c, command, names, count, false);
    if (o.is_json)
        print_json(&c);
    else
        print_text(&c);
    census_free(&c);
    return all ? 0 : EXIT_ERROR;
}
