/* await/road.c: which road a loop takes. The loop's thread. */
#include "await/road.h"

#include "config.h"

#include <errno.h>
#include <stdlib.h>

#define ROAD_ROW(name) &heald_road_##name,

static const struct heald_road_ops *const roads[] = {HEALD_ROADS(ROAD_ROW) NULL};

int heald_road_open(struct heald_road *road, struct heald_loop *loop)
{
    const char *name = getenv("HEALD_AWAIT");
    int err = -EINVAL;

    for (size_t i = 0; roads[i]; i++) {
        if (name && *name && strcmp(name, roads[i]->name) != 0)
            continue;
        *road = (struct heald_road){.ops = roads[i], .loop = loop};
        err = roads[i]->open(road);
        if (err != -ENOSYS)
            return err;
    }
    return err;
}
