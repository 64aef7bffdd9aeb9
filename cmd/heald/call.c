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
     "SECONDS", "wait at most this long for the reply (default: indefinitely)"},
    {'b', "--binary", OPTION_FLAG, offsetof(struct call_options, is_binary), 0, 0, NULL,
     "print the bytes of the reply alone, without a line break"},
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
    if (err == -EMSGSIZE && !call->was_taken)
        return options_refuse(command, "%s: a request of %zu bytes is too long", c->name,
                              call->request_size);
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
    int err = heald_service_client_open(&client, c->service, c->me);

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

static int call_and_print(const struct channel *c, const struct call_options *o,
                          struct heald_call *call, int64_t deadline_ns)
{
    struct heald_service_info info;
    int err = heald_service_describe(c->service, c->me, &info);

    if (err)
        return channel_complain(c, err);
    call->reply_size = info.options.reply_max;
    call->reply = malloc(call->reply_size);
    if (!call->reply)
        return options_refuse(c->command, "cannot allocate memory");
    int status = call_with(c, call, deadline_ns);
    if (!status)
        message_print(call->reply, call->reply_size, o->is_binary ? MESSAGE_BYTES : MESSAGE_LINE);
    free(call->reply);
    return status;
}

static int run(const struct command *command, const struct call_options *o, const char *name,
               struct heald_call *call)
{
    const struct channel_plan plan = {.type = HEALD_OBJECT_SERVICE,
                                      .usual = "service",
                                      .deadline_ns = channel_deadline(false, o->timeout_ns)};
    struct channel c;
    int status = channel_open(&c, command, name, &plan);

    if (status)
        return status;
    status = call_and_print(&c, o, call, plan.deadline_ns);
    channel_close(&c);
    return status;
}

static int run_call(const struct command *command, const char *program, int argc, char **argv)
{
    struct call_options o = {.timeout_ns = HEALD_FOREVER};
    const char *words[2] = {0};
    char *input = NULL;
    struct heald_call call = {0};
    int status = options_parse(command, argc, argv, &o, words);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    if (!words[0])
        return options_refuse(command, "a name is required; see heald call --help");
    if (words[1])
        call = (struct heald_call){.request = words[1], .request_size = strlen(words[1])};
    else if ((status = channel_read_input(command, &input, &call.request_size)) == 0)
        call.request = input;
    else
        return status;
    status = run(command, &o, words[0], &call);
    free(input);
    return status;
}
