/* test/shm/files.h: the files that the tests of maps use. They have no name any more. */
#ifndef HEALD_TEST_REGION_FILES_H
#define HEALD_TEST_REGION_FILES_H

#include <heald/heald.h>

size_t page(void);

/* The byte that our files have at an offset; no two neighbouring pages are alike. */
char byte_at(size_t offset);

/* A file of `size` bytes, opened with `flags`. */
int make_file(size_t size, int flags);

/* A map of a whole new file of some pages; returns its descriptor. close_whole() closes both. */
int open_whole(struct heald_map *map, size_t pages, unsigned flags);
void close_whole(struct heald_map *map, int fd);

#endif
