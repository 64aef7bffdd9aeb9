/* inspect/service.h: a service, looked at from outside: in the region, or in a snapshot. */
#ifndef HEALD_SRC_INSPECT_SERVICE_H
#define HEALD_SRC_INSPECT_SERVICE_H

#include "region/region.h"

struct service_census {
    uint64_t requests; /* where the queue of its requests is, from the service on */
    unsigned clients;  /* that are open */
    bool (*lives)(void *ctx, uint64_t id);
    void *ctx;
};

/* The service at an offset of which so many bytes lie in the region. False: it is no service. */
bool heald__inspect_service(const struct heald_region *region, uint64_t offset, uint64_t room,
                            struct service_census *census);

#endif
