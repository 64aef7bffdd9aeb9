/*
 * snapshot.h: all regions of this host, the objects in them, who is attached and who waits, as they
 * are at one moment. Nothing of it is locked or changed.
 */
#ifndef HEALD_CMD_SNAPSHOT_H
#define HEALD_CMD_SNAPSHOT_H

#include "bridge/counts.h"
#include "options.h"
#include "thread_text.h"

#include <heald/inspect.h>

#include <stdbool.h>
#include <sys/types.h>

enum { SNAPSHOT_SITE_SIZE = 300 };

/* A place in the program of a process: site_find_all() fills it in. */
struct snapshot_site {
    char address[SNAPSHOT_SITE_SIZE]; /* "program+0x1234", for addr2line(1); "": not known */
    char source[SNAPSHOT_SITE_SIZE]; /* "function (file.c:42)"; "": there is no debug information */
};

struct snapshot_wait {
    unsigned participant; /* of the region's */
    const struct heald_wait_info *wait;
    struct snapshot_site site;
};

/* An object that has a name or a waiter. */
struct snapshot_object {
    struct heald_object_info info; /* name "": it has none */
    struct heald_object_state state;
    bool is_bridge; /* it is what a bridge has counted: */
    struct bridge_counts bridge;
    struct snapshot_site *sites; /* where each of state.holders took it */
    unsigned wait_count;
    struct snapshot_wait *waits; /* in the order of arrival */
};

struct snapshot_region {
    char *name, *shown; /* the same, masked */
    int error;          /* 0, or it cannot be opened: */
    char *why;          /* refusal_text() */
    struct heald_region_info info;
    struct heald_region_stats stats;
    int use; /* 0: no process has it open; -EBUSY: one has; another error: it is not known */
    unsigned participant_count, object_count;
    struct heald_participant_info *participants;
    struct snapshot_object *objects;
};

/* What POSIX programs left in the same directory: "shm" or "sem". */
struct snapshot_leftover {
    char *name, *shown;
    bool is_sem;
    off_t size;
    uid_t owner;
};

struct snapshot {
    bool is_of_names; /* that were given: what is wrong with one was said on stderr */
    unsigned region_count, leftover_count;
    struct snapshot_region *regions;
    struct snapshot_leftover *leftovers;
};

/*
 * The regions of these names, or with none all with names like "/name", and the other files in
 * their directory. with_leftovers: a name may be that of such a file. Prints on stderr what is
 * wrong with a name. False: there was such a name, or this process lacks descriptors or memory.
 */
bool snapshot_take(struct snapshot *c, const struct command *command, const char *const names[],
                   unsigned count, bool with_leftovers);
void snapshot_free(struct snapshot *c);

/* Does an error say that this process lacks descriptors or memory? Then it is not the object's. */
bool snapshot_is_shortage(int err);

/* The options of a command whose arguments are such names: what options_parse() says. *ret_names is
 * to be freed if that is OPTIONS_GO_ON. */
int snapshot_parse(const struct command *command, int argc, char **argv, void *options,
                   const char ***ret_names, unsigned *ret_count);

/* Room for one more, zeroed, at the end of an array; ends the program where there is none. */
void *snapshot_grow(void *array, unsigned count, size_t size);

/* The participant that is attached by these numbers; NULL: none. */
const struct heald_participant_info *snapshot_find(const struct snapshot_region *r,
                                                   const struct heald_thread_info *thread);

/* One whose name space is not known (heald_object_state.last), as thread_text(): with a name only
 * if it is attached still, since another process may have its number by now. */
char *snapshot_past(const struct snapshot_region *r, const struct heald_thread_info *thread,
                    char text[THREAD_TEXT_SIZE]);

/* Who made the region. */
char *snapshot_creator(const struct snapshot_region *r, char text[THREAD_TEXT_SIZE]);

/* The holder of an object with this number; NULL: it has gone meanwhile, or is not shown. */
const struct heald_participant_info *snapshot_holder(const struct snapshot_region *r,
                                                     const struct heald_object_state *state,
                                                     unsigned number);

/* The subscriber of a topic that is furthest behind; NULL: none is, or it has gone meanwhile. */
const struct heald_participant_info *snapshot_slowest(const struct snapshot_region *r,
                                                      const struct heald_object_state *state);

/* Is it a queue, a service or a topic? */
bool snapshot_has_messages(const struct snapshot_object *o);

/* Does the bridge run? One that was killed has left its counts. */
bool snapshot_bridge_runs(const struct snapshot_region *r, const struct bridge_counts *c);

#endif
