/* sub.c: `heald sub`: prints the samples of a topic. */
#include "channel.h"
#include "commands.h"
#include "json.h"
#include "message_text.h"
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct sub_options {
    unsigned count, history;
    int64_t timeout_ns;
    bool is_trying, is_json, is_terminated, is_binary, is_rate, is_latest, blocks;
};

static const struct option options[] = {
    {'N', "--count", OPTION_COUNT, offsetof(struct sub_options, count), 1, UINT_MAX, "N",
     "end after N samples; with --rate after N lines"},
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct sub_options, timeout_ns), 0, 1000000000,
     "SECONDS",
     "wait at most this long for the topic, and for each sample (default: indefinitely)"},
    {'n', "--nonblock", OPTION_FLAG, offsetof(struct sub_options, is_trying), 0, 0, NULL,
     "print the samples that are there and end"},
    {'H', "--history", OPTION_COUNT, offsetof(struct sub_options, history), 1,
     HEALD_TOPIC_CAPACITY_MAX, "N", "begin with the last N samples, as far as they are there"},
    {0, "--latest", OPTION_FLAG, offsetof(struct sub_options, is_latest), 0, 0, NULL,
     "skip all but the latest sample"},
    {'B', "--block", OPTION_FLAG, offsetof(struct sub_options, blocks), 0, 0, NULL,
     "publishers wait for this process (default: it loses the oldest samples)"},
    {'0', "--null", OPTION_FLAG, offsetof(struct sub_options, is_terminated), 0, 0, NULL,
     "end each sample with a null byte instead of a line break"},
    {'b', "--binary", OPTION_FLAG, offsetof(struct sub_options, is_binary), 0, 0, NULL,
     "print the bytes alone; to a terminal as hexadecimal numbers"},
    {0, "--rate", OPTION_FLAG, offsetof(struct sub_options, is_rate), 0, 0, NULL,
     "print how many samples there are in each second instead of the samples"},
    {'j', "--json", OPTION_FLAG, offsetof(struct sub_options, is_json), 0, 0, NULL,
     "print a line of JSON for each sample, or with --rate for each second"},
    {0},
};

static int run_sub(const struct command *command, const char *program, int argc, char **argv);

const struct command command_sub = {
    .name = "sub",
    .run = run_sub,
    .summary = "print the samples of a topic in shared memory",
    .arguments = "NAME[:TOPIC]",
    .arguments_max = 1,
    .options = options,
    .details = "NAME is /name or file:/path, and TOPIC the name of a topic in that region "
               "(default: topic). The command waits for one that does not exist. How many samples "
               "were lost is said on standard error.\n"
               "Exit status: 0 N samples came, or with -n one at least; 1 no sample, or no topic, "
               "came in time; 2 an error.",
};

/* What came since the last line of --rate. */
struct rate {
    uint64_t samples, bytes, lost;
    int64_t began_ns;
};

struct subscriber {
    struct channel channel;
    const struct sub_options *options;
    struct heald_topic_subscriber topic;
    struct rate rate;
    unsigned printed; /* samples, or lines of --rate */
    uint64_t lost;    /* that were not said on stderr yet */
    int64_t said_ns;  /* when it was last said */
    int64_t until_ns; /* the end of the wait for a sample */
};

static int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static void say_lost(struct subscriber *s)
{
    if (s->lost)
        options_refuse(s->channel.command, "%s: %llu sample%s lost", s->channel.name,
                       (unsigned long long)s->lost, s->lost == 1 ? "" : "s");
    s->lost = 0;
    s->said_ns = now();
}

/* At most once a second. With --latest they were not wanted. */
static void count_lost(struct subscriber *s, uint64_t lost)
{
    if (!lost || s->options->is_json || s->options->is_latest)
        return;
    s->lost += lost;
    if (!s->said_ns || now() - s->said_ns >= HEALD_SEC)
        say_lost(s);
}

static void print_json(const struct heald_topic_sample *sample)
{
    struct json j;

    json_begin(&j, stdout);
    json_unsigned(&j, "sequence", sample->sequence);
    json_unsigned(&j, "lost", sample->lost);
    json_unsigned(&j, "size", sample->size);
    json_data(&j, sample->data, sample->size);
    json_end(&j);
}

static void print_sample(struct subscriber *s, const struct heald_topic_sample *sample)
{
    const struct sub_options *o = s->options;

    if (o->is_json)
        print_json(sample);
    else
        message_print(sample->data, sample->size,
                      o->is_binary       ? MESSAGE_BYTES
                      : o->is_terminated ? MESSAGE_TERMINATED
                                         : MESSAGE_LINE);
    count_lost(s, sample->lost);
    s->printed++;
}

static void print_rate(struct subscriber *s)
{
    const struct rate *r = &s->rate;
    double seconds = (double)(now() - r->began_ns) / (double)HEALD_SEC;
    char size[TABLE_NUMBER_SIZE];
    struct json j;

    if (s->options->is_json) {
        json_begin(&j, stdout);
        json_seconds(&j, "interval_s", seconds);
        json_unsigned(&j, "samples", r->samples);
        json_unsigned(&j, "bytes", r->bytes);
        json_unsigned(&j, "lost", r->lost);
        json_end(&j);
    } else {
        printf("%.0f samples/s, %s/s, %llu lost\n", (double)r->samples / seconds,
               table_size((uint64_t)((double)r->bytes / seconds), size),
               (unsigned long long)r->lost);
    }
    fflush(stdout);
    s->rate = (struct rate){.began_ns = now()};
    s->printed++;
}

/* With --rate a wait ends when the next line is due. */
static int64_t deadline_of(const struct subscriber *s)
{
    int64_t due_ns = s->rate.began_ns + HEALD_SEC;

    return s->options->is_rate && due_ns < s->until_ns ? due_ns : s->until_ns;
}

/* What was printed is in the hands of the system before the wait, but not before each sample: a
 * subscriber that is slow loses some. */
static int take(struct subscriber *s, struct heald_topic_sample *ret_sample)
{
    struct heald_participant *me = s->channel.me;
    int err = heald_topic_trytake(&s->topic, me, ret_sample);

    if (err != -EAGAIN)
        return err;
    if (fflush(stdout))
        return 0;
    return heald_topic_take(&s->topic, me, ret_sample, deadline_of(s));
}

static void count_or_print(struct subscriber *s, struct heald_topic_sample *sample)
{
    const struct sub_options *o = s->options;

    if (o->is_rate) {
        s->rate.samples++;
        s->rate.bytes += sample->size;
        s->rate.lost += sample->lost;
    } else {
        print_sample(s, sample);
    }
    heald_topic_release(sample, s->channel.me);
    s->until_ns = channel_deadline(o->is_trying, o->timeout_ns);
}

/* Goes on: true. Else *ret_status. */
static bool step(struct subscriber *s, int *ret_status)
{
    const struct sub_options *o = s->options;
    struct heald_topic_sample sample = {0};
    int err = take(s, &sample);

    *ret_status = ferror(stdout) ? EXIT_ERROR : 0;
    if (*ret_status)
        return false;
    if (!err)
        count_or_print(s, &sample);
    if (err && err != -ETIMEDOUT)
        *ret_status = channel_complain(&s->channel, err);
    else if (err && now() >= s->until_ns)
        *ret_status = o->is_trying && s->printed ? 0 : EXIT_NO;
    else if (o->is_rate && now() - s->rate.began_ns >= HEALD_SEC)
        print_rate(s);
    return (!err || (err == -ETIMEDOUT && now() < s->until_ns)) &&
           (!o->count || s->printed < o->count);
}

static int subscribe(struct subscriber *s)
{
    const struct sub_options *o = s->options;
    const struct channel *c = &s->channel;
    struct heald_topic_subscription how = {.history = o->history};
    struct heald_topic_info info;
    int err = heald_topic_describe(c->topic, c->me, &info);

    how.policy = o->blocks      ? HEALD_TOPIC_BLOCK
                 : o->is_latest ? HEALD_TOPIC_LATEST
                                : HEALD_TOPIC_DROP_OLDEST;
    if (!err && o->history > info.options.history)
        return options_refuse(c->command, "--history %u: the topic keeps %u for new subscribers",
                              o->history, info.options.history);
    if (!err)
        err = heald_topic_subscribe(c->topic, c->me, &how, &s->topic);
    if (err == -EUSERS)
        return options_refuse(c->command, "%s: the topic has its %u subscribers already", c->name,
                              info.options.subscribers);
    return err ? channel_complain(c, err) : 0;
}

static int check(const struct command *command, const struct sub_options *o, const char *name)
{
    if (!name)
        return options_refuse(command, "a name is required; see heald sub --help");
    if (o->is_latest && o->blocks)
        return options_refuse(command, "--latest and --block: mutually exclusive");
    if (o->is_terminated + o->is_binary + o->is_json > 1)
        return options_refuse(command, "--null, --binary and --json: mutually exclusive");
    if (o->is_rate && (o->is_terminated || o->is_binary || o->is_trying))
        return options_refuse(command, "--rate: excludes --null, --binary and --nonblock");
    return OPTIONS_GO_ON;
}

static int run_sub(const struct command *command, const char *program, int argc, char **argv)
{
    struct sub_options o = {.timeout_ns = HEALD_FOREVER};
    struct subscriber s = {.options = &o};
    const char *name = NULL;
    int status = options_parse(command, argc, argv, &o, &name);

    (void)program;
    if (status == OPTIONS_GO_ON)
        status = check(command, &o, name);
    if (status != OPTIONS_GO_ON)
        return status;
    const struct channel_plan plan = {.type = HEALD_OBJECT_TOPIC,
                                      .usual = "topic",
                                      .deadline_ns = channel_deadline(o.is_trying, o.timeout_ns)};
    status = channel_open(&s.channel, command, name, &plan);
    if (status)
        return status;
    status = subscribe(&s);
    s.rate.began_ns = now();
    s.until_ns = channel_deadline(o.is_trying, o.timeout_ns);
    while (!status && step(&s, &status))
        continue;
    say_lost(&s);
    channel_close(&s.channel);
    return status;
}
