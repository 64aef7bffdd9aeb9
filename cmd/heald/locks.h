/* locks.h: what `heald locks` has found, and the forms in which it is printed. */
#ifndef HEALD_CMD_LOCKS_H
#define HEALD_CMD_LOCKS_H

#include "file_locks.h"
#include "graph.h"
#include "snapshot.h"

#include <heald/heald.h>

struct locks {
    const struct snapshot *snapshot;
    const struct graph *graph;
    unsigned *circle;        /* room for one */
    bool is_all;             /* also what is free */
    struct file_locks files; /* none, if they were not asked for */
};

bool locks_is_shown(const struct locks *l, const struct snapshot_object *o);

enum { LOCKS_NAME_SIZE = 128 };

/* "mutex "name"" or "mutex +0x40"; in `text`, which it returns. */
char *locks_name(const struct snapshot_object *o, char text[LOCKS_NAME_SIZE]);

/* What a wait is for: "to lock it", "to write", …; and how an object is held: "to read", ""; … */
const char *locks_purpose(const struct heald_wait_info *wait);
const char *locks_mode(const struct snapshot_object *o);

void locks_print_text(const struct locks *l);
void locks_print_dot(const struct locks *l);
void locks_print_json(const struct locks *l);

/* Since then, by this process's clock. */
static inline double locks_seconds(int64_t since_ns)
{
    return (double)(heald_clock_now(HEALD_CLOCK_MONOTONIC) - since_ns) / (double)HEALD_SEC;
}

#endif
