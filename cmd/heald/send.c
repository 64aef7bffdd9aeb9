/* send.c: `heald send`: puts messages into a queue. */
#include "channel.h"
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct send_options {
    unsigned capacity, message_max, priority, priorities;
    int64_t timeout_ns;
    bool is_trying, ends;
};

static const struct option options[] = {
    {0, "--priority", OPTION_COUNT, offsetof(struct send_options, priority), 0,
     HEALD_QUEUE_PRIORITIES_MAX - 1, "N", "priority of the messages (default: 0, the lowest)"},
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct send_options, timeout_ns), 0, 1000000000,
     "SECONDS", "wait at most this long for room for a message (default: indefinitely)"},
    {'n', "--nonblock", OPTION_FLAG, offsetof(struct send_options, is_trying), 0, 0, NULL,
     "do not wait for room"},
    {0, "--close", OPTION_FLAG, offsetof(struct send_options, ends), 0, 0, NULL,
     "close the queue afterwards"},
    {0, "--capacity", OPTION_COUNT, offsetof(struct send_options, capacity), 1,
     HEALD_QUEUE_CAPACITY_MAX, "N", "messages in a queue that is created (default: 64)"},
    {0, "--size", OPTION_COUNT, offsetof(struct send_options, message_max), 1,
     HEALD_QUEUE_MESSAGE_MAX, "BYTES",
     "longest message of a queue that is created (default: 1008)"},
    {0, "--priorities", OPTION_COUNT, offsetof(struct send_options, priorities), 1,
     HEALD_QUEUE_PRIORITIES_MAX, "N",
     "priorities of a queue that is created (default: as many as --priority needs)"},
    {0},
};

static int run_send(const struct command *command, const char *program, int argc, char **argv);

const struct command command_send = {
    .name = "send",
    .run = run_send,
    .summary = "send messages to a queue in shared memory",
    .arguments = "NAME[:QUEUE] [MESSAGE...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "NAME is /name or file:/path, and QUEUE the name of a queue in that region (default: "
        "queue). Both are created if they do not exist. Without MESSAGE each line of "
        "standard input is a message.\n"
        "Exit status: 0 all were sent; 1 there was no room in time; 2 an error.",
};

struct sender {
    struct channel channel;
    const struct send_options *options;
    struct heald_queue_options queue; /* as it is */
    bool is_input;                    /* the messages are lines of standard input */
};

/* What failed, on stderr: the exit status. */
static int explain(const struct sender *s, size_t size, int err)
{
    const struct channel *c = &s->channel;

    switch (err) {
    case -EMSGSIZE:
        return channel_refuse_size(c, "message", size, s->queue.message_max, s->is_input);
    case -EINVAL:
        return options_refuse(c->command, "%s: --priority %u: the highest of the queue is %u",
                              c->name, s->options->priority, s->queue.priorities - 1);
    case -EPIPE: return options_refuse(c->command, "%s: the queue is closed", c->name);
    case -ETIMEDOUT:
        options_refuse(c->command, "%s: the queue is full, with %u message%s%s", c->name,
                       s->queue.capacity, s->queue.capacity == 1 ? "" : "s",
                       s->queue.priorities > 1 ? " of that priority" : "");
        return EXIT_NO;
    default: return channel_complain(c, err);
    }
}

/* 0, or the exit status. */
static int send_one(const struct sender *s, const char *data, size_t size)
{
    const struct send_options *o = s->options;
    const struct channel *c = &s->channel;
    int err = heald_queue_send(c->queue, c->me, data, size, o->priority,
                               channel_deadline(o->is_trying, o->timeout_ns));

    return err ? explain(s, size, err) : 0;
}

static int send_lines(const struct sender *s)
{
    char *line;
    size_t size;
    int status = 0;

    while (!status) {
        status = channel_read_input(s->channel.command, '\n', s->queue.message_max, &line, &size);
        if (status)
            return status == OPTIONS_GO_ON ? 0 : status;
        status = send_one(s, line, size);
        free(line);
    }
    return status;
}

static int send_all(struct sender *s, const char **messages)
{
    const struct channel *c = &s->channel;
    struct heald_queue_info info;
    int err = heald_queue_describe(c->queue, c->me, &info), status = 0;

    if (err)
        return channel_complain(c, err);
    s->queue = info.options;
    s->is_input = !*messages;
    if (s->is_input)
        status = send_lines(s);
    for (; !status && *messages; messages++)
        status = send_one(s, *messages, strlen(*messages));
    return status;
}

static int run_send(const struct command *command, const char *program, int argc, char **argv)
{
    struct send_options o = {.timeout_ns = HEALD_FOREVER};
    struct sender s = {.options = &o};
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    int status = words ? options_parse(command, argc, argv, &o, words) : EXIT_ERROR;

    (void)program;
    if (status == OPTIONS_GO_ON && !words[0])
        status = options_refuse(command, "a name is required; see heald send --help");
    if (status != OPTIONS_GO_ON) {
        free(words);
        return status;
    }
    struct heald_queue_options q = {
        .capacity = o.capacity, .message_max = o.message_max, .priorities = o.priorities};
    if (!o.priorities)
        q.priorities = o.priority + 1;
    const struct channel_plan plan = {.type = HEALD_OBJECT_QUEUE, .usual = "queue", .options = &q};
    status = channel_open(&s.channel, command, words[0], &plan);
    if (!status) {
        status = send_all(&s, words + 1);
        if (!status && o.ends)
            heald_queue_close(s.channel.queue, s.channel.me);
        channel_close(&s.channel);
    }
    free(words);
    return status;
}
