/* counts.c: see counts.h. */
#include "bridge/counts.h"

#include <heald/heald.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void counts_put(struct json *j, const struct bridge_counts *c)
{
    json_unsigned(j, "pid", c->process);
    json_text(j, "direction", c->is_outward ? "out" : "in");
    json_boolean(j, "connected", c->connected);
    json_unsigned(j, "forwarded", c->forwarded);
    json_unsigned(j, "redelivered", c->redelivered);
    json_unsigned(j, "duplicates", c->duplicates);
    json_unsigned(j, "resent", c->resent);
    json_unsigned(j, "dropped", c->dropped);
    json_unsigned(j, "behind", c->behind);
    json_unsigned(j, "in_flight", c->in_flight);
    json_unsigned(j, "reconnects", c->reconnects);
}

void counts_print(FILE *to, const struct bridge_counts *c)
{
    fprintf(to,
            "%s: %" PRIu64 " forwarded, %" PRIu64 " redelivered, %" PRIu64 " duplicates, %" PRIu64
            " resent, %" PRIu64 " dropped, %" PRIu64 " behind, %" PRIu64 " in flight, %" PRIu64
            " reconnects\n",
            c->connected ? "connected" : "not connected", c->forwarded, c->redelivered,
            c->duplicates, c->resent, c->dropped, c->behind, c->in_flight, c->reconnects);
}

bool counts_read(const struct heald_region *region, const struct heald_object_info *info,
                 struct bridge_counts *ret)
{
    return info->type == HEALD_OBJECT_DATA && info->size == sizeof *ret &&
           strncmp(info->name, BRIDGE_COUNTS_PREFIX, sizeof BRIDGE_COUNTS_PREFIX - 1) == 0 &&
           heald_object_read(region, info->offset, ret, sizeof *ret) == 0 &&
           ret->magic == BRIDGE_COUNTS_MAGIC;
}

struct bridge_counts *counts_open(struct heald_participant *me, const char *object)
{
    const struct heald_object_options how = {.type = HEALD_OBJECT_DATA,
                                             .size = sizeof(struct bridge_counts)};
    char name[HEALD_NAME_MAX + 1];
    void *found = NULL;

    snprintf(name, sizeof name, BRIDGE_COUNTS_PREFIX "%.*s",
             (int)(sizeof name - sizeof BRIDGE_COUNTS_PREFIX), object);
    return heald_object_open(me, name, &how, &found, NULL) ? NULL : found;
}

void counts_show(struct bridge_counts *shown, const struct bridge_counts *c)
{
    uint64_t words[sizeof *c / sizeof(uint64_t)], *to = (uint64_t *)shown;

    memcpy(words, c, sizeof words);
    /* Relaxed: each says nothing of the others. */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        __atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
}
