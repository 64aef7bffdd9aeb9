/* pub.c: `heald pub`: publishes samples to a topic. */
#include "channel.h"
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_MAX = 1024, CAPACITY = 64, HISTORY = 16 };

struct pub_options {
    unsigned sample_max, capacity, history, chunks, subscribers;
    int64_t timeout_ns;
    bool is_trying, waits, is_terminated, is_binary;
};

static const struct option options[] = {
    {'W', "--wait", OPTION_FLAG, offsetof(struct pub_options, waits), 0, 0, NULL,
     "before the first sample, wait until there is a subscriber"},
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct pub_options, timeout_ns), 0, 1000000000,
     "SECONDS", "wait at most this long each time (default: indefinitely)"},
    {'n', "--nonblock", OPTION_FLAG, offsetof(struct pub_options, is_trying), 0, 0, NULL,
     "do not wait for subscribers that are behind"},
    {'0', "--null", OPTION_FLAG, offsetof(struct pub_options, is_terminated), 0, 0, NULL,
     "samples in standard input end with a null byte instead of a line break"},
    {'b', "--binary", OPTION_FLAG, offsetof(struct pub_options, is_binary), 0, 0, NULL,
     "standard input is samples of the size of the topic's type; without such a size, one sample"},
    {0, "--size", OPTION_COUNT, offsetof(struct pub_options, sample_max), 1, HEALD_TOPIC_SAMPLE_MAX,
     "BYTES", "longest sample of a topic that is created (default: 1024)"},
    {0, "--capacity", OPTION_COUNT, offsetof(struct pub_options, capacity), 1,
     HEALD_TOPIC_CAPACITY_MAX, "N",
     "samples that a subscriber of such a topic may be behind (default: 64)"},
    {0, "--history", OPTION_COUNT, offsetof(struct pub_options, history), 0,
     HEALD_TOPIC_CAPACITY_MAX, "N",
     "samples that a new subscriber of such a topic may have of those before it (default: 16)"},
    {0, "--chunks", OPTION_COUNT, offsetof(struct pub_options, chunks), 1, HEALD_TOPIC_CHUNKS_MAX,
     "N", "chunks of such a topic (default: 16 more than its ring of samples)"},
    {0, "--subscribers", OPTION_COUNT, offsetof(struct pub_options, subscribers), 1,
     HEALD_TOPIC_SUBSCRIBERS_MAX, "N", "subscribers of such a topic at a time (default: 16)"},
    {0},
};

static int run_pub(const struct command *command, const char *program, int argc, char **argv);

const struct command command_pub = {
    .name = "pub",
    .run = run_pub,
    .summary = "publish samples to a topic in shared memory",
    .arguments = "NAME[:TOPIC] [MESSAGE...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details = "NAME is /name or file:/path, and TOPIC the name of a topic in that region "
               "(default: topic). Both are created if they do not exist. Each MESSAGE is a sample. "
               "Without MESSAGE each line of standard input is one.\n"
               "Exit status: 0 all were published; 1 there was no subscriber, or no room, in time; "
               "2 an error.",
};

struct publisher {
    struct channel channel;
    const struct pub_options *options;
    size_t sample_max, type_size;
    bool is_input; /* the samples come from standard input */
};

static int refuse(const struct publisher *p, const char *why)
{
    options_refuse(p->channel.command, "%s: %s", p->channel.name, why);
    return EXIT_NO;
}

static int64_t deadline_of(const struct publisher *p)
{
    return channel_deadline(p->options->is_trying, p->options->timeout_ns);
}

static int check_size(const struct publisher *p, size_t size)
{
    if (p->type_size && size != p->type_size && size <= p->sample_max)
        return options_refuse(p->channel.command,
                              "%s: a sample has %zu bytes; the type of the topic has %zu",
                              p->channel.name, size, p->type_size);
    if (size > p->sample_max)
        return channel_refuse_size(&p->channel, "sample", size, p->sample_max, p->is_input);
    return 0;
}

/* 0, or the exit status. */
static int publish(const struct publisher *p, const char *data, size_t size)
{
    const struct channel *c = &p->channel;
    struct heald_topic_loan loan;
    int status = check_size(p, size);

    if (status)
        return status;
    int err = heald_topic_loan(c->topic, c->me, &loan, deadline_of(p));
    if (err == -ETIMEDOUT)
        return refuse(p, "all chunks are in use");
    if (err)
        return channel_complain(c, err);
    if (size)
        memcpy(loan.data, data, size);
    err = heald_topic_publish(&loan, c->me, size, deadline_of(p));
    if (!err)
        return 0;
    heald_topic_return(&loan, c->me);
    return err == -ETIMEDOUT ? refuse(p, "a subscriber is too far behind")
                             : channel_complain(c, err);
}

static int publish_lines(const struct publisher *p)
{
    const struct pub_options *o = p->options;
    int end = o->is_binary ? EOF : o->is_terminated ? '\0' : '\n', status;
    size_t size;
    char *line;

    do {
        status = channel_read_input(p->channel.command, end, p->sample_max, &line, &size);
        if (status)
            return status == OPTIONS_GO_ON ? 0 : status;
        status = publish(p, line, size);
        free(line);
    } while (!status && end != EOF);
    return status;
}

static int publish_records(const struct publisher *p)
{
    const struct command *command = p->channel.command;
    char *record = malloc(p->type_size);
    size_t n = 0;
    int status = record ? 0 : options_refuse(command, "cannot allocate memory");

    while (!status && (n = fread(record, 1, p->type_size, stdin)) == p->type_size)
        status = publish(p, record, n);
    free(record);
    if (status)
        return status;
    if (ferror(stdin))
        return options_refuse(command, "cannot read standard input: %s", heald_strerror(-errno));
    return n ? options_refuse(command, "standard input ends within a sample") : 0;
}

static int publish_input(const struct publisher *p)
{
    return p->options->is_binary && p->type_size ? publish_records(p) : publish_lines(p);
}

/* What the topic is like, which need not be as the options say. */
static int begin(struct publisher *p)
{
    struct channel *c = &p->channel;
    struct heald_topic_info info;
    int err = heald_topic_describe(c->topic, c->me, &info);

    if (err)
        return channel_complain(c, err);
    p->sample_max = info.options.sample_max;
    p->type_size = info.options.type.size;
    if (!p->options->waits)
        return 0;
    err = heald_topic_wait(c->topic, c->me, HEALD_TOPIC_SUBSCRIBED, deadline_of(p));
    return err == -ETIMEDOUT ? refuse(p, "there is no subscriber")
           : err             ? channel_complain(c, err)
                             : 0;
}

/* There are more chunks than samples in the ring; else a publisher would wait for itself. */
static int check_chunks(const struct command *command, const struct pub_options *o)
{
    unsigned ring = 1;

    while (ring < o->capacity + o->history)
        ring *= 2;
    if (o->chunks && o->chunks <= ring)
        return options_refuse(command, "--chunks %u: the ring has %u samples, and needs more",
                              o->chunks, ring);
    return 0;
}

static int run(const struct command *command, const struct pub_options *o, const char **words)
{
    const struct heald_topic_options topic = {.sample_max = o->sample_max,
                                              .capacity = o->capacity,
                                              .history = o->history,
                                              .chunks = o->chunks,
                                              .subscribers = o->subscribers};
    const struct channel_plan plan = {
        .type = HEALD_OBJECT_TOPIC, .usual = "topic", .options = &topic};
    struct publisher p = {.options = o, .is_input = !words[1]};
    int status = check_chunks(command, o);

    if (!status)
        status = channel_open(&p.channel, command, words[0], &plan);
    if (status)
        return status;
    status = begin(&p);
    for (size_t i = 1; !status && words[i]; i++)
        status = publish(&p, words[i], strlen(words[i]));
    if (!status && p.is_input)
        status = publish_input(&p);
    channel_close(&p.channel);
    return status;
}

static int run_pub(const struct command *command, const char *program, int argc, char **argv)
{
    struct pub_options o = {.sample_max = SAMPLE_MAX,
                            .capacity = CAPACITY,
                            .history = HISTORY,
                            .timeout_ns = HEALD_FOREVER};
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    int status = words ? options_parse(command, argc, argv, &o, words) : EXIT_ERROR;

    (void)program;
    if (status == OPTIONS_GO_ON && !words[0])
        status = options_refuse(command, "a name is required; see heald pub --help");
    else if (status == OPTIONS_GO_ON && o.is_binary && (words[1] || o.is_terminated))
        status = options_refuse(command, "--binary: excludes --null and a MESSAGE");
    else if (status == OPTIONS_GO_ON)
        status = run(command, &o, words);
    free(words);
    return status;
}
