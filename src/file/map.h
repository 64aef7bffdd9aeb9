/* file/map.h: a mapped file over a given table of calls, for tests that replace it. */
#ifndef HEALD_SRC_FILE_MAP_H
#define HEALD_SRC_FILE_MAP_H

#include "platform/sys.h"

#include <heald/map.h>

/* heald_map_open() over `sys`, which must outlive the map. */
int heald__map_open_over(struct heald_map *map, const struct heald_sys *sys, int fd, int64_t offset,
                         size_t size, unsigned flags);

#endif
