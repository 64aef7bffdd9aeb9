/* call.c: `heald call`: sends a request to a service and prints the reply. */
#include "channel.h"
#include "commands.h"
#include "message_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call_options {
    int64_t timeout_ns;
    bool is_binary;
};

static const struct option options[] = {
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct call_options, timeout_ns), 0, 1000000000,
     "SECONDS",
     "wait at most this long for the service, and then for the reply (default: indefinitely)"},
    {'b', "--binary", OPTION_FLAG, offsetof(struct call_options, is_binary), 0, 0, NULL,
     "print the bytes of the reply alone, without a line break; to a terminal as hexadecimal "
     "numbers"},
    {0},
};

static int run_call(const struct command *command, const char *program, int argc, char **argv);

const struct command command_call = {
    .name = "call",
    .run = run_call,
    .summary = "send a request to a service in shared memory",
    .arguments = "NAME[:SERVICE] [REQUEST]",
    .arguments_max = 2,
    .options = options,
    .details = "NAME is /name or file:/path, and SERVICE the name of a service in that region "
               "(default: service). The command waits for one that does not exist. Without REQUEST "
               "standard input is the request. The reply is printed.\n"
               "Exit status: 0 there is a reply; 1 none came in time, and no server had received "
               "the request; 2 an error; 3 the server replied with an error; 4 a server had "
               "received the request, and died or did not reply in time: it may have been served.",
};

/* What failed, on stderr: the exit status. */
static int explain(const struct channel *c, const struct heald_call *call, int err)
{
    const struct command *command = c->command;

    if (call->was_taken && err == -EOWNERDEAD) {
        options_refuse(command, "%s: the server died, and may have served the request", c->name);
        return EXIT_UNKNOWN;
    }
    if (call->was_taken && err == -ETIMEDOUT) {
        options_refuse(command, "%s: no reply in time from the server that has the request",
                       c->name);
        return EXIT_UNKNOWN;
    }
    if (err == -ETIMEDOUT) {
        options_refuse(command, "%s: no server received the request in time", c->name);
        return EXIT_NO;
    }
    if (err == -EPIPE && !call->was_taken)
        return options_refuse(command, "%s: the service is closed", c->name);
    if (!call->was_taken || err == -EBADMSG || err == -ESTALE)
        return channel_complain(c, err);
    options_refuse(command, "%s: the server replied with an error: %s", c->name,
                   heald_strerror(err));
    return EXIT_REPLIED;
}

static int call_with(const struct channel *c, struct heald_call *call, int64_t deadline_ns)
{
    struct heald_service_client client;
    int err = heald_service_client_open(c->service, c->me, &client);

    if (err == -EUSERS)
        return options_refuse(c->command, "%s: the service has as many clients as it can have",
                              c->name);
    if (err)
        return channel_complain(c, err);
    err = heald_service_call(&client, call, deadline_ns);
    int status = err ? explain(c, call, err) : 0;
    heald_service_client_close(&client);
    return status;
}

/* What is to be printed is in call->reply then. */
static int call_for(const struct channel *c, struct heald_call *call, size_t reply_max,
                    int64_t deadline_ns)
{
    call->reply_size = reply_max;
    call->reply = malloc(reply_max);
    if (!call->reply)
        return options_refuse(c->command, "cannot allocate memory");
    return call_with(c, call, deadline_ns);
}

/* The time for the reply begins when the request has been read. */
static int call_and_print(const struct channel *c, const struct call_options *o,
                          const char *request)
{
    struct heald_call call = {.request = request, .request_size = request ? strlen(request) : 0};
    struct heald_service_info info;
    char *input = NULL;
    int err = heald_service_describe(c->service, c->me, &info);

    if (err)
        return channel_complain(c, err);
    int status = request ? 0
                         : channel_read_input(c->command, EOF, info.options.request_max, &input,
                                              &call.request_size);
    if (status)
        return status;
    call.request = request ? request : input;
    if (call.request_size > info.options.request_max) {
        free(input);
        return channel_refuse_size(c, "request", call.request_size, info.options.request_max,
                                   !request);
    }
    status = call_for(c, &call, info.options.reply_max, channel_deadline(false, o->timeout_ns));
    if (!status)
        message_print(call.reply, call.reply_size, o->is_binary ? MESSAGE_BYTES : MESSAGE_LINE);
    free(call.reply);
    free(input);
    return status;
}

static int run_call(const struct command *command, const char *program, int argc, char **argv)
{
    struct call_options o = {.timeout_ns = HEALD_FOREVER};
    const char *words[2] = {0};
    struct channel c;
    int status = options_parse(command, argc, argv, &o, words);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (!words[0])
        return options_refuse(command, "a name is required; see heald call --help");
    const struct channel_plan plan = {.type = HEALD_OBJECT_SERVICE,
                                      .usual = "service",
                                      .deadline_ns = channel_deadline(false, o.timeout_ns)};
    status = channel_open(&c, command, words[0], &plan);
    if (status)
        return status;
    status = call_and_print(&c, &o, words[1]);
    channel_close(&c);
    return status;
}
