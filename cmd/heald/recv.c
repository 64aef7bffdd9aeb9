/* recv.c: `heald recv`: prints the messages of a queue. */
#include "channel.h"
#include "commands.h"
#include "json.h"
#include "message_text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct recv_options {
    unsigned count;
    int64_t timeout_ns;
    bool is_trying, is_json, is_terminated;
};

static const struct option options[] = {
    {'N', "--count", OPTION_COUNT, offsetof(struct recv_options, count), 1, UINT_MAX, "N",
     "end after N messages"},
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct recv_options, timeout_ns), 0, 1000000000,
     "SECONDS",
     "wait at most this long for the queue, and for each message (default: indefinitely)"},
    {'n', "--nonblock", OPTION_FLAG, offsetof(struct recv_options, is_trying), 0, 0, NULL,
     "print the messages that are there and end"},
    {'0', "--null", OPTION_FLAG, offsetof(struct recv_options, is_terminated), 0, 0, NULL,
     "end each message with a null byte instead of a line break"},
    {'j', "--json", OPTION_FLAG, offsetof(struct recv_options, is_json), 0, 0, NULL,
     "print a line of JSON for each message"},
    {0},
};

static int run_recv(const struct command *command, const char *program, int argc, char **argv);

const struct command command_recv = {
    .name = "recv",
    .run = run_recv,
    .summary = "receive messages from a queue in shared memory",
    .arguments = "NAME[:QUEUE]",
    .arguments_max = 1,
    .options = options,
    .details =
        "NAME is /name or file:/path, and QUEUE the name of a queue in that region (default: "
        "queue). The command waits for one that does not exist. Each message is printed, and then "
        "released: one that could not be printed is received again.\n"
        "Exit status: 0 the queue was closed, or N messages came, or with -n one at least; 1 "
        "no message, or no queue, came in time; 2 an error.",
};

struct receiver {
    struct channel channel;
    const struct recv_options *options;
    unsigned received;
};

static void print_json(const struct heald_queue_slot *slot)
{
    struct json j;

    json_begin(&j, stdout);
    json_unsigned(&j, "size", slot->size);
    json_unsigned(&j, "priority", slot->priority);
    json_boolean(&j, "redelivered", slot->redelivered);
    json_data(&j, slot->data, slot->size);
    json_end(&j);
}

/* Printed, and in the hands of the system: 0, EXIT_ERROR; main() says why. */
static int print(const struct receiver *r, const struct heald_queue_slot *slot)
{
    if (r->options->is_json)
        print_json(slot);
    else
        message_print(slot->data, slot->size,
                      r->options->is_terminated ? MESSAGE_TERMINATED : MESSAGE_LINE);
    return fflush(stdout) || ferror(stdout) ? EXIT_ERROR : 0;
}

/* Goes on: true. Else *ret_status. */
static bool receive(struct receiver *r, int *ret_status)
{
    const struct recv_options *o = r->options;
    struct channel *c = &r->channel;
    struct heald_queue_slot slot;
    int err =
        heald_queue_peek(c->queue, c->me, &slot, channel_deadline(o->is_trying, o->timeout_ns));

    *ret_status = 0;
    if (err == -ENODATA || (err == -ETIMEDOUT && o->is_trying && r->received))
        return false;
    if (err == -ETIMEDOUT) {
        *ret_status = EXIT_NO;
        return false;
    }
    if (err) {
        *ret_status = channel_complain(c, err);
        return false;
    }
    *ret_status = print(r, &slot);
    if (*ret_status) {
        heald_queue_return(&slot, c->me);
        return false;
    }
    heald_queue_release(&slot, c->me);
    return ++r->received != o->count;
}

static int run_recv(const struct command *command, const char *program, int argc, char **argv)
{
    struct recv_options o = {.timeout_ns = HEALD_FOREVER};
    struct receiver r = {.options = &o};
    const char *name = NULL;
    int status = options_parse(command, argc, argv, &o, &name);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (!name)
        return options_refuse(command, "a name is required; see heald recv --help");
    const struct channel_plan plan = {.type = HEALD_OBJECT_QUEUE,
                                      .usual = "queue",
                                      .deadline_ns = channel_deadline(o.is_trying, o.timeout_ns)};
    status = channel_open(&r.channel, command, name, &plan);
    if (status)
        return status;
    while (receive(&r, &status))
        continue;
    channel_close(&r.channel);
    return status;
}
