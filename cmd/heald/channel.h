/* channel.h: the queue, topic or service in a region that a command uses. */
#ifndef HEALD_CMD_CHANNEL_H
#define HEALD_CMD_CHANNEL_H

#include "options.h"

#include <heald/heald.h>

struct channel {
    const struct command *command;
    const char *name; /* as it was given */
    char region_name[256];
    struct heald_region *region;
    struct heald_participant *me;
    enum heald_object_type type;
    struct heald_queue *queue; /* what of these three it is; the others are NULL */
    struct heald_topic *topic;
    struct heald_service *service;
    char other[HEALD_NAME_MAX + 1]; /* the name of another object of the type; "": none is known */
};

/* What a channel is opened as. */
struct channel_plan {
    enum heald_object_type type;
    const char *usual; /* its name, if none is given */
    /* The struct heald_queue_options, heald_topic_options or heald_service_options of one that does
     * not exist; NULL: none is created. */
    const void *options;
    int64_t deadline_ns; /* how long to wait for one that does not exist, where none is created */
};

/*
 * Opens the channel with a name, "NAME" or "NAME:OBJECT". One that exists is opened whatever its
 * options are. 0, or the exit status after a line on stderr: EXIT_NO, it did not come to exist in
 * time.
 */
int channel_open(struct channel *c, const struct command *command, const char *name,
                 const struct channel_plan *plan);
void channel_close(struct channel *c);

/* Closes it; with `ends` removes the object; and removes the region if nothing is in it then, and
 * nobody has it open. With `ends` it waits for that for at most 0.5 s. */
void channel_remove(struct channel *c, bool ends);

/* A line on stderr with what failed; EXIT_ERROR. */
int channel_complain(const struct channel *c, int err);

/* The same: a message is longer than it may be; `what` is its name with this object. is_input: it
 * was read from standard input, as far as one byte more than the limit. */
int channel_refuse_size(const struct channel *c, const char *what, size_t size, size_t limit,
                        bool is_input);

/* The absolute time at which a wait ends. */
int64_t channel_deadline(bool is_trying, int64_t timeout_ns);

/*
 * Reads standard input into memory to free: to its end (end: EOF), or to a byte `end`, which is
 * left out. Stops behind `max` bytes: then *ret_size is max + 1. 0; OPTIONS_GO_ON: there is nothing
 * more; or the exit status after a line on stderr.
 */
int channel_read_input(const struct command *command, int end, size_t max, char **ret_data,
                       size_t *ret_size);

#endif
