/*
 * reply.c: `heald reply`: serves a service with a program, which is run for each request.
 *
 * The request is in a file without a name, so that the program need not read it while this process
 * writes it. It has the request until it has replied: if it is killed another server gets it, and
 * the kernel kills the program.
 */
#include "channel.h"
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 4000 };

struct reply_options {
    unsigned count, request_max, reply_max, capacity, clients;
    int64_t timeout_ns;
    bool is_at_most_once;
};

static const struct option options[] = {
    {'N', "--count", OPTION_COUNT, offsetof(struct reply_options, count), 1, UINT_MAX, "N",
     "end after N requests"},
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct reply_options, timeout_ns), 0, 1000000000,
     "SECONDS", "wait at most this long for a request (default: indefinitely)"},
    {0, "--size", OPTION_COUNT, offsetof(struct reply_options, request_max), 1,
     HEALD_QUEUE_MESSAGE_MAX / 2, "BYTES",
     "longest request of a service that is created (default: 4000)"},
    {0, "--reply-size", OPTION_COUNT, offsetof(struct reply_options, reply_max), 1,
     HEALD_QUEUE_MESSAGE_MAX / 2, "BYTES", "longest reply of such a service (default: 4000)"},
    {0, "--capacity", OPTION_COUNT, offsetof(struct reply_options, capacity), 1,
     HEALD_QUEUE_CAPACITY_MAX, "N", "requests that wait in such a service (default: 64)"},
    {0, "--clients", OPTION_COUNT, offsetof(struct reply_options, clients), 1,
     HEALD_SERVICE_CLIENTS_MAX, "N", "clients of such a service at a time (default: 16)"},
    {0, "--at-most-once", OPTION_FLAG, offsetof(struct reply_options, is_at_most_once), 0, 0, NULL,
     "no other server of such a service gets the request of one that died"},
    {0},
};

static int run_reply(const struct command *command, const char *program, int argc, char **argv);

const struct command command_reply = {
    .name = "reply",
    .run = run_reply,
    .summary = "run a command for each request to a service",
    .arguments = "NAME[:SERVICE] [--] COMMAND [ARG...]",
    .arguments_max = UINT_MAX,
    .words_from = 2,
    .options = options,
    .details =
        "NAME is /name or file:/path, and SERVICE the name of a service in that region (default: "
        "service). Both are created if they do not exist. COMMAND has the request as its standard "
        "input, and its standard output is the reply. If its exit status is not 0 the call fails. "
        "Several processes share the requests.\n"
        "Exit status: 0 N requests were served, or the service was closed; 1 no request came in "
        "time; 2 an error; 126 COMMAND cannot be run; 127 COMMAND is not found.",
};

struct server {
    struct channel channel;
    const struct reply_options *options;
    const char **words; /* the command */
    char *reply;
    size_t reply_max, reply_size;
    unsigned served;
};

/* A file with the request, at its beginning; NULL. */
static FILE *request_file(const struct heald_request *request)
{
    FILE *file = tmpfile();

    if (!file)
        return NULL;
    if (fwrite(request->data, 1, request->size, file) == request->size && fflush(file) == 0 &&
        lseek(fileno(file), 0, SEEK_SET) == 0)
        return file;
    fclose(file);
    return NULL;
}

static int start_command(const struct server *s, int input, struct heald_child *ret_child)
{
    struct heald_spawn spawn = {.file = s->words[0],
                                .argv = (char *const *)(uintptr_t)s->words,
                                .stdio = {HEALD_STDIO_FD(input), HEALD_STDIO_PIPE},
                                .keep_ignored = 1,
                                .death_signal = SIGKILL};
    int err = heald_spawn(&spawn, ret_child);

    /* Not every system has it. */
    if (err == -ENOSYS) {
        spawn.death_signal = 0;
        err = heald_spawn(&spawn, ret_child);
    }
    return err;
}

/* What the command prints, to its end; what is too long is read and left out. 0; -EMSGSIZE. */
static int read_output(struct server *s, int fd)
{
    char rest[4096];
    bool is_cut = false;
    ssize_t n;

    s->reply_size = 0;
    do {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        size_t room = s->reply_max - s->reply_size;
        n = room ? read(fd, s->reply + s->reply_size, room) : read(fd, rest, sizeof rest);
        if (n > 0 && room)
            s->reply_size += (size_t)n;
        is_cut = is_cut || (n > 0 && !room);
        if (n < 0 && errno == EAGAIN)
            poll(&poll_fd, 1, -1);
    } while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
    return n < 0 ? -errno : is_cut ? -EMSGSIZE : 0;
}

static int end_of(const struct server *s, pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    options_refuse(s->channel.command, "%s: %s %d", s->words[0],
                   WIFEXITED(status) ? "exit status" : "ended by signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return -ECANCELED;
}

/* Runs the command: 0, or what the call is to fail with. *ret_started: it could be run. */
static int run_command(struct server *s, const struct heald_request *request, bool *ret_started)
{
    FILE *input = request_file(request);
    struct heald_child child;

    if (!input)
        return -errno;
    int err = start_command(s, fileno(input), &child);
    fclose(input);
    *ret_started = !err;
    if (err)
        return err;
    err = read_output(s, child.stdio[1]);
    close(child.stdio[1]);
    int end = end_of(s, child.pid);
    if (err == -EMSGSIZE && !end)
        options_refuse(s->channel.command, "%s: the reply is longer than %zu bytes", s->words[0],
                       s->reply_max);
    return end ? end : err;
}

/* A client that has given up, or died, is not served. */
static int serve(struct server *s, struct heald_request *request)
{
    struct heald_participant *me = s->channel.me;
    bool is_started = true, is_awaited = heald_request_is_awaited(request, me);
    int err = is_awaited ? run_command(s, request, &is_started) : -ECANCELED;
    int lost = err ? heald_service_fail(request, me, err == -EAGAIN ? -ENOMEM : err)
                   : heald_service_reply(request, me, s->reply, s->reply_size);

    s->served += is_awaited;
    if (lost && lost != -ECANCELED)
        return channel_complain(&s->channel, lost);
    if (is_started)
        return 0;
    options_refuse(s->channel.command, "%s: %s", options_shown(s->words[0]), heald_strerror(err));
    return err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
}

static int serve_all(struct server *s)
{
    struct channel *c = &s->channel;
    struct heald_request request;
    int status = 0;

    while (!status && (!s->options->count || s->served < s->options->count)) {
        int err = heald_service_receive(c->service, c->me, &request,
                                        channel_deadline(false, s->options->timeout_ns));
        if (err == -ENODATA)
            return 0;
        if (err)
            return err == -ETIMEDOUT ? EXIT_NO : channel_complain(c, err);
        status = serve(s, &request);
    }
    return status;
}

static int open_and_serve(struct server *s, const struct command *command, const char *name)
{
    const struct reply_options *o = s->options;
    const struct heald_service_options service = {
        .capacity = o->capacity,
        .clients = o->clients,
        .request_max = o->request_max,
        .reply_max = o->reply_max,
        .flags = o->is_at_most_once ? HEALD_SERVICE_AT_MOST_ONCE : 0};
    const struct channel_plan plan = {
        .type = HEALD_OBJECT_SERVICE, .usual = "service", .options = &service};
    struct heald_service_info info;
    int status = channel_open(&s->channel, command, name, &plan);

    if (status)
        return status;
    int err = heald_service_describe(s->channel.service, s->channel.me, &info);
    s->reply_max = err ? 0 : info.options.reply_max;
    s->reply = malloc(s->reply_max + 1);
    if (err)
        status = channel_complain(&s->channel, err);
    else
        status = s->reply ? serve_all(s) : options_refuse(command, "cannot allocate memory");
    free(s->reply);
    channel_close(&s->channel);
    return status;
}

static int run_reply(const struct command *command, const char *program, int argc, char **argv)
{
    struct reply_options o = {.request_max = SIZE, .reply_max = SIZE, .timeout_ns = HEALD_FOREVER};
    struct server s = {.options = &o};
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    int status = words ? options_parse(command, argc, argv, &o, words) : EXIT_ERROR;

    (void)program;
    if (status == OPTIONS_GO_ON && (!words[0] || !words[1])) {
        status = options_refuse(command, "%s is required: heald reply %s",
                                words[0] ? "a command" : "a name", command->arguments);
    } else if (status == OPTIONS_GO_ON) {
        s.words = words + 1;
        status = open_and_serve(&s, command, words[0]);
    }
    free(words);
    return status;
}
