/*
 * channel.c: see channel.h. The region has a heap of just the queue and room for names; whoever
 * comes first makes it.
 */
#include "channel.h"

#include "refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PARTICIPANTS = 256, HEAP_SPARE = 64 * 1024 };

/* The last colon, unless it is that of "file:". */
static int split(struct channel *c, const char *usual, const char **ret_queue)
{
    const char *name = c->name, *colon = strrchr(name, ':');

    if (colon == name + 4 && strncmp(name, "file:", 5) == 0)
        colon = NULL;
    size_t length = colon ? (size_t)(colon - name) : strlen(name);

    *ret_queue = colon ? colon + 1 : usual;
    if (!length || length >= sizeof c->region_name)
        return options_refuse(c->command, "%s: the name of the region is empty or too long",
                              options_shown(name));
    if (!**ret_queue || strlen(*ret_queue) > HEALD_NAME_MAX)
        return options_refuse(c->command, "%s: the name of the queue has 1 to %d bytes",
                              options_shown(name), HEALD_NAME_MAX);
    memcpy(c->region_name, name, length);
    return 0;
}

static int refuse_region(const struct channel *c, int err, const char *why)
{
    char text[REFUSAL_SIZE];

    return options_refuse(c->command, "%s: %s", options_shown(c->name),
                          refusal_text(c->name, err, why, text));
}

int channel_complain(const struct channel *c, int err)
{
    return options_refuse(c->command, "%s: %s", options_shown(c->name), heald_strerror(err));
}

static int open_region(struct channel *c, const char *name,
                       const struct heald_queue_options *options, bool creates)
{
    const char *why = NULL;
    size_t size = heald_queue_size(options);
    struct heald_region_options o = {.participants = PARTICIPANTS,
                                     .size = 64,
                                     .heap = size + HEAP_SPARE,
                                     .heap_max = 2 * size + (64 << 20),
                                     .ret_why = &why};

    if (!size)
        return options_refuse(c->command, "the queue is too large");
    int err = heald_region_open(&c->region, name, creates ? HEALD_REGION_CREATE : 0, &o);
    if (!err && (err = heald_attach(c->region, &c->me)))
        heald_region_close(c->region);
    return err ? refuse_region(c, err, why) : 0;
}

static int open_queue(struct channel *c, const char *queue,
                      const struct heald_queue_options *options, bool creates)
{
    void *object;
    int err = heald_object_find(c->me, queue, HEALD_OBJECT_QUEUE, 0, &object);

    c->queue = object;
    if (err == -ENOENT && creates)
        err = heald_queue_open(c->me, queue, options, &c->queue);
    if (err == -ENOENT)
        return options_refuse(c->command, "%s: there is no queue %s", options_shown(c->name),
                              options_shown(queue));
    return err ? channel_complain(c, err) : 0;
}

int channel_open(struct channel *c, const struct command *command, const char *name,
                 const char *usual, const struct heald_queue_options *options, bool creates)
{
    const char *queue;

    *c = (struct channel){.command = command, .name = name};
    int status = split(c, usual, &queue);
    if (!status)
        status = open_region(c, c->region_name, options, creates);
    if (status)
        return status;
    status = open_queue(c, queue, options, creates);
    if (status)
        channel_close(c);
    return status;
}

void channel_close(struct channel *c)
{
    heald_detach(c->me);
    heald_region_close(c->region);
}

void channel_remove(struct channel *c, bool ends)
{
    struct heald_object_info info;
    bool is_empty = true;

    for (unsigned cursor = 0; heald_object_next(c->region, &cursor, &info);)
        if (ends && info.type == HEALD_OBJECT_QUEUE &&
            heald_at(c->region, info.offset) == (void *)c->queue)
            heald_object_remove(c->me, info.name);
        else
            is_empty = false;
    channel_close(c);
    if (is_empty)
        heald_region_unlink_unused(c->region_name, 0);
}

int64_t channel_deadline(bool is_trying, int64_t timeout_ns)
{
    if (is_trying)
        return 0;
    if (timeout_ns == HEALD_FOREVER)
        return HEALD_FOREVER;
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + timeout_ns;
}
