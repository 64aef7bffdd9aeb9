/* progress.h: how far a copy is, on a line of standard error that is written anew. */
#ifndef HEALD_CMD_PROGRESS_H
#define HEALD_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_shown;
    uint64_t bytes, total; /* total 0: not known */
    int64_t began_ns, shown_ns;
};

/* Shows nothing unless standard error is a terminal and `wanted`. */
void progress_begin(struct progress *p, bool wanted, uint64_t total);

/* So many bytes more; shows them now and then. */
void progress_add(struct progress *p, uint64_t bytes);

/* The last line stays. */
void progress_end(struct progress *p);

#endif
