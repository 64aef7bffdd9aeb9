/*
 * census.h: all regions of this host, what lies in them, who is attached and who waits, as they are
 * at one moment; nothing of it is locked or changed.
 */
#ifndef HEALD_CMD_CENSUS_H
#define HEALD_CMD_CENSUS_H

#include "options.h"
#include "person.h"

#include <heald/inspect.h>

#include <stdbool.h>
#include <sys/types.h>

enum { CENSUS_NAMES_MAX = 64 };

enum { CENSUS_SITE_SIZE = 300 };

/* A place in the program of a process: site_find_all() fills it in. */
struct census_site {
    char address[CENSUS_SITE_SIZE]; /* "program+0x1234", for addr2line(1); "": not known */
    char source[CENSUS_SITE_SIZE];  /* "function (file.c:42)"; "": there is no debug information */
};

struct census_wait {
    unsigned person; /* of the region's */
    const struct heald_wait_info *wait;
    struct census_site site;
};

/* Something that has a name, or that somebody waits for. */
struct census_object {
    struct heald_object_info info; /* name "": it has none */
    struct heald_object_state state;
    struct census_site *sites; /* where each of state.holders took it */
    unsigned wait_count;
    struct census_wait *waits; /* who came first is first */
};

struct census_region {
    char *name, *shown;          /* the same, masked */
    struct heald_region *region; /* NULL: it cannot be opened: error and why */
    int error;
    char *why; /* refusal_text() */
    struct heald_region_info info;
    struct heald_region_stats stats;
    bool is_open; /* some process has it open */
    unsigned person_count, object_count;
    struct heald_participant_info *people;
    struct census_object *objects;
};

/* What POSIX programs left in the same folder: "shm" or "sem". */
struct census_leftover {
    char *name, *shown;
    bool is_sem;
    off_t size;
    uid_t owner;
};

struct census {
    bool is_of_names; /* that were given: what is wrong with one was said on stderr */
    unsigned region_count, leftover_count;
    struct census_region *regions;
    struct census_leftover *leftovers;
};

/*
 * The regions of these names, or with none all with names like "/name", and then what else lies in
 * their folder. with_leftovers: a name may be that of something else there. Says on stderr what is
 * wrong with a name; false: there was one.
 */
bool census_take(struct census *c, const struct command *command, const char *const names[],
                 unsigned count, bool with_leftovers);
void census_free(struct census *c);

/* The options of a command whose arguments are such names: what options_parse() says. */
int census_parse(const struct command *command, int argc, char **argv, void *options,
                 const char *ret_names[CENSUS_NAMES_MAX], unsigned *ret_count);

/* Room for one more, zeroed, at the end of an array; ends the program where there is none. */
void *census_grow(void *array, unsigned count, size_t size);

/* The participant that is attached by these numbers; NULL: none. */
const struct heald_participant_info *census_find(const struct census_region *r,
                                                 const struct heald_thread_info *thread);

/* One whose name space is not known (heald_object_state.last), as person_text(): with a name only
 * if it is attached still, since another process may have its number by now. */
char *census_past(const struct census_region *r, const struct heald_thread_info *thread,
                  char text[PERSON_SIZE]);

/* Who made the region. */
char *census_creator(const struct census_region *r, char text[PERSON_SIZE]);

/* The holder of an object with this number; NULL: it has gone meanwhile, or is not shown. */
const struct heald_participant_info *census_holder(const struct census_region *r,
                                                   const struct heald_object_state *state,
                                                   unsigned number);

#endif
