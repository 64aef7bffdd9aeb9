/* channel.h: the queue in a region that `heald send`, `recv` and `pipe` use. */
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
    struct heald_queue *queue;
};

/*
 * Opens the queue with a name, "NAME" or "NAME:QUEUE", where QUEUE is `usual` if none is named;
 * with `creates` it makes the region and the queue if they do not exist. 0, or the exit status
 * after a line on stderr.
 */
int channel_open(struct channel *c, const struct command *command, const char *name,
                 const char *usual, const struct heald_queue_options *options, bool creates);
void channel_close(struct channel *c);

/* Closes it; with `ends` removes the queue; and removes the region if nothing is in it then, and
 * nobody has it open. */
void channel_remove(struct channel *c, bool ends);

/* A line on stderr with what failed; EXIT_ERROR. */
int channel_complain(const struct channel *c, int err);

/* The absolute time at which a wait ends. */
int64_t channel_deadline(bool is_trying, int64_t timeout_ns);

#endif
