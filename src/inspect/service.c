/*
 * inspect/service.c: see service.h. Reads only, each word by itself: the numbers are those of
 * several moments.
 */
#include "inspect/service.h"

#include "inspect/source.h"
#include "message/service.h"

#define HALF(s, member) source_half(s, offsetof(struct service, member))

bool heald__inspect_service(const struct heald_region *region, uint64_t offset, uint64_t room,
                            struct service_census *census)
{
    uint64_t skipped = -offset & 63;
    struct source s = {.region = region, .at = offset + skipped};
    struct service_shape shape;

    if (room < skipped + sizeof(struct service))
        return false;
    struct heald_service_options o = {.capacity = HALF(&s, capacity),
                                      .clients = HALF(&s, clients),
                                      .calls = HALF(&s, calls),
                                      .request_max = HALF(&s, request_max),
                                      .reply_max = HALF(&s, reply_max),
                                      .flags = HALF(&s, flags)};
    if (!o.capacity || !heald__service_shape(&shape, &o) ||
        shape.check != source_word(&s, offsetof(struct service, check)) ||
        shape.size > room - skipped)
        return false;
    census->requests = skipped + sizeof(struct service);
    uint64_t clients = sizeof(struct service) + shape.requests_size;
    for (unsigned i = 0; i < o.clients; i++) {
        uint64_t at = clients + i * sizeof(struct service_client);
        uint64_t owner = source_word(&s, at + offsetof(struct service_client, owner));
        census->clients += owner && census->lives(census->ctx, region_id(owner));
    }
    return true;
}
