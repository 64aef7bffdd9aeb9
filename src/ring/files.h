/*
 * ring/files.h: files that a ring has in places of its own, without a descriptor: close(2) does not
 * end them, a child of fork(2) has no copy, no number is taken, and to give one back drops no
 * record lock of the process. The thread that owns the ring, which is hidden (heald__ring_hide()).
 */
#ifndef HEALD_SRC_RING_FILES_H
#define HEALD_SRC_RING_FILES_H

#include "ring/ring.h"

enum { HEALD_RING_FILES = 1024 };

/* Zeroed: none yet. */
struct heald_ring_files {
    int count; /* places; 0: not asked for yet; -1: the kernel gives none */
    uint64_t taken[HEALD_RING_FILES / 64];
};

/* A place for the file of a descriptor: its number, for IOSQE_FIXED_FILE; -errno: there is none. */
int heald__ring_file_add(struct heald_ring *r, struct heald_ring_files *files, int fd);
void heald__ring_file_remove(struct heald_ring *r, struct heald_ring_files *files, int place);

#endif
