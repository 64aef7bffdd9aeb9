/* bridge.c: `heald bridge`: its command line. */
#include "bridge/bridge.h"

#include "commands.h"

#include <stdlib.h>
#include <string.h>

static const struct option options[] = {
    {0, "--server", OPTION_TEXT, offsetof(struct bridge_options, server), 0, 0, "URL",
     "the server (default: NATS_URL, or nats://127.0.0.1:4222); several, with commas between them"},
    {0, "--creds", OPTION_TEXT, offsetof(struct bridge_options, credentials), 0, 0, "FILE",
     "credentials of a user (default: NATS_CREDS)"},
    {0, "--stream", OPTION_TEXT, offsetof(struct bridge_options, stream), 0, 0, "STREAM",
     "the stream to read from; or the one that must store what is sent"},
    {0, "--durable", OPTION_TEXT, offsetof(struct bridge_options, durable), 0, 0, "NAME",
     "the consumer of the stream; created if it does not exist"},
    {0, "--create", OPTION_FLAG, offsetof(struct bridge_options, creates), 0, 0, NULL,
     "create the stream, of this subject, if it does not exist"},
    {0, "--queue", OPTION_TEXT, offsetof(struct bridge_options, group), 0, 0, "GROUP",
     "of a subject of core NATS: share its messages with the others of this group"},
    {0, "--window", OPTION_COUNT, offsetof(struct bridge_options, window), 1, 65536, "N",
     "messages without an acknowledgement, or of a fetch, at most (default: 256)"},
    {0, "--ack-wait", OPTION_SECONDS, offsetof(struct bridge_options, ack_wait_ns), 0, 1000000000,
     "SECONDS",
     "after which a consumer that is created delivers again what was not acknowledged (default: "
     "that of the server, 30)"},
    {0, "--capacity", OPTION_COUNT, offsetof(struct bridge_options, capacity), 1,
     HEALD_QUEUE_CAPACITY_MAX, "N",
     "messages in a queue or topic that is created (default: 64, or 16)"},
    {0, "--size", OPTION_COUNT, offsetof(struct bridge_options, message_max), 1,
     HEALD_QUEUE_MESSAGE_MAX, "BYTES",
     "longest message of a queue or topic that is created (default: 1008)"},
    {'S', "--stats", OPTION_SECONDS, offsetof(struct bridge_options, stats_ns), 0, 1000000000,
     "SECONDS", "print what was counted, every so often and at the end, to standard error"},
    {'j', "--json", OPTION_FLAG, offsetof(struct bridge_options, is_json), 0, 0, NULL,
     "print that as lines of JSON, to standard output"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_bridge = {
    .name = "bridge",
    .run = run,
    .summary = "forward messages between shared memory and a NATS server",
    .arguments = "SOURCE TARGET",
    .arguments_max = 2,
    .options = options,
    .details =
        "One of SOURCE and TARGET is queue:NAME[:QUEUE] or topic:NAME[:TOPIC], as in heald-send(1) "
        "and heald-pub(1); the other is nats:SUBJECT, at most once, or jetstream:SUBJECT, at least "
        "once. A source jetstream:SUBJECT needs --stream and --durable. The bridge connects again "
        "indefinitely; SIGTERM ends it after what is in flight.\n"
        "Exit status: 0 a signal ended it, or all of a queue that was closed was forwarded; 2 an "
        "error.",
};

static const struct {
    const char *prefix;
    enum bridge_kind kind;
} kinds[] = {
    {"queue:", BRIDGE_QUEUE},
    {"topic:", BRIDGE_TOPIC},
    {"nats:", BRIDGE_CORE},
    {"jetstream:", BRIDGE_JETSTREAM},
};

static bool is_shared(const struct bridge_end *end)
{
    return end->kind == BRIDGE_QUEUE || end->kind == BRIDGE_TOPIC;
}

static int parse_end(const struct command *command, const char *word, struct bridge_end *ret)
{
    if (!word)
        return options_refuse(command, "a source and a target are required; see heald bridge "
                                       "--help");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(word, kinds[i].prefix, length) != 0 || !word[length])
            continue;
        *ret = (struct bridge_end){.kind = kinds[i].kind, .word = word, .name = word + length};
        return OPTIONS_GO_ON;
    }
    return options_refuse(command,
                          "%s: not one of queue:NAME, topic:NAME, nats:SUBJECT, "
                          "jetstream:SUBJECT",
                          options_shown(word));
}

/* Tokens between dots, none of them empty or with a space; of a source also * and > */
static bool is_subject(const char *subject, bool may_match)
{
    char last = '.';

    for (const char *c = subject; *c; last = *c++) {
        bool is_wild = *c == '*' || *c == '>';
        if ((unsigned char)*c <= ' ' || *c == 127 || (last == '.' && *c == '.') ||
            (is_wild && !may_match))
            return false;
    }
    return last != '.';
}

static int check_ends(const struct bridge_plan *p)
{
    const struct bridge_options *o = p->options;
    const struct bridge_end *remote = p->is_outward ? &p->target : &p->source;

    if (is_shared(&p->source) == is_shared(&p->target))
        return options_refuse(p->command, "one of source and target is in shared memory, the other "
                                          "is a subject");
    if (!is_subject(remote->name, !p->is_outward))
        return options_refuse(p->command, "%s: not a subject%s", remote->word,
                              p->is_outward ? " to publish to" : "");
    if (p->source.kind == BRIDGE_JETSTREAM && (!o->stream || !o->durable))
        return options_refuse(p->command, "%s: --stream and --durable are required",
                              p->source.word);
    if (o->creates && !o->stream)
        return options_refuse(p->command, "--create: --stream is required");
    return OPTIONS_GO_ON;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    struct bridge_options o = {.window = 256};
    struct bridge_plan p = {.command = command, .options = &o};
    const char *words[2] = {NULL, NULL};
    int status = options_parse(command, argc, argv, &o, words);

    (void)program;
    if (status == OPTIONS_GO_ON)
        status = parse_end(command, words[0], &p.source);
    if (status == OPTIONS_GO_ON)
        status = parse_end(command, words[1], &p.target);
    p.is_outward = is_shared(&p.source);
    if (status == OPTIONS_GO_ON)
        status = check_ends(&p);
    if (status != OPTIONS_GO_ON)
        return status;
    if (!o.server)
        o.server = getenv("NATS_URL");
    if (!o.credentials)
        o.credentials = getenv("NATS_CREDS");
    return bridge_run(&p);
}
