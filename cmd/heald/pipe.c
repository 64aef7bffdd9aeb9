/*
 * pipe.c: `heald pipe`: standard input of one process becomes standard output of another, by a
 * queue. Both read and write in the memory of the queue. The sender joins the queue, so that the
 * receiver hears of its death, and closes it at the end of its input.
 */
#include "channel.h"
#include "commands.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORTION = 64 * 1024, PORTIONS = 64 };

struct pipe_options {
    bool sends, receives, is_quiet;
    unsigned mebibytes;
};

static const struct option options[] = {
    {'s', "--send", OPTION_FLAG, offsetof(struct pipe_options, sends), 0, 0, NULL,
     "send standard input (default: if standard output is a terminal)"},
    {'r', "--receive", OPTION_FLAG, offsetof(struct pipe_options, receives), 0, 0, NULL,
     "receive to standard output (default: if standard input is a terminal)"},
    {0, "--size", OPTION_COUNT, offsetof(struct pipe_options, mebibytes), 1, 1 << 30, "MIB",
     "how much there will be, for the progress (default: the size of a file)"},
    {'q', "--quiet", OPTION_FLAG, offsetof(struct pipe_options, is_quiet), 0, 0, NULL,
     "show no progress"},
    {0},
};

static int run_pipe(const struct command *command, const char *program, int argc, char **argv);

const struct command command_pipe = {
    .name = "pipe",
    .run = run_pipe,
    .summary = "copy standard input to the standard output of another process",
    .arguments = "NAME[:QUEUE]",
    .arguments_max = 1,
    .options = options,
    .details =
        "NAME is /name or file:/path, and QUEUE the name of a queue in that region (default: "
        "pipe). Whichever of the two processes comes first creates them; the receiver removes "
        "the queue at the end, and the region if nothing else is in it. If standard error is a "
        "terminal it shows the progress.\n"
        "Exit status: 0 all was copied; 2 an error, or the sender was killed.",
};

struct copy {
    struct channel channel;
    struct progress progress;
    bool is_cut; /* the sender was killed: its stream has ended */
};

/* The portion that was read into a slot goes. 0, or an error. */
static int send_portion(struct copy *c, struct heald_queue_slot *slot, ssize_t n)
{
    struct channel *ch = &c->channel;

    if (n > 0) {
        progress_add(&c->progress, (uint64_t)n);
        return heald_queue_commit(slot, ch->me, (size_t)n);
    }
    return heald_queue_abandon(slot, ch->me);
}

static int send_all(struct copy *c)
{
    struct channel *ch = &c->channel;
    struct heald_queue_slot slot;
    struct heald_queue_info info;
    ssize_t n = 1;
    int err = heald_queue_describe(ch->queue, ch->me, &info);

    if (!err && info.sent)
        return options_refuse(ch->command, "%s: what another process sent is in it", ch->name);
    if (!err)
        err = heald_queue_join(ch->queue, ch->me);

    while (!err && n > 0) {
        err = heald_queue_reserve(ch->queue, ch->me, 0, &slot, HEALD_FOREVER);
        if (err)
            break;
        do
            n = read(STDIN_FILENO, slot.data, slot.size);
        while (n < 0 && errno == EINTR);
        int read_err = errno;
        err = send_portion(c, &slot, n);
        if (n < 0)
            return options_refuse(ch->command, "cannot read standard input: %s",
                                  strerror(read_err));
    }
    if (!err)
        err = heald_queue_close(ch->queue, ch->me);
    if (err == -EPERM)
        return options_refuse(ch->command, "%s: another process sends", ch->name);
    return err ? channel_complain(ch, err) : 0;
}

static int write_all(const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(STDOUT_FILENO, data, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int receive_all(struct copy *c)
{
    struct channel *ch = &c->channel;
    struct heald_queue_slot slot;
    int err;

    while ((err = heald_queue_peek(ch->queue, ch->me, &slot, HEALD_FOREVER)) == 0) {
        progress_add(&c->progress, slot.size);
        if ((err = write_all(slot.data, slot.size)))
            return options_refuse(ch->command, "cannot write to standard output: %s",
                                  heald_strerror(err));
        heald_queue_release(&slot, ch->me);
    }
    if (err == -ENODATA)
        return 0;
    if (err == -EPERM)
        return options_refuse(ch->command, "%s: another process receives", ch->name);
    c->is_cut = err == -EPIPE;
    if (c->is_cut)
        return options_refuse(ch->command, "%s: the sender ended before its input", ch->name);
    return channel_complain(ch, err);
}

/* Of a file, how long it is. */
static uint64_t size_of_input(const struct pipe_options *o)
{
    struct stat st;

    if (o->mebibytes)
        return (uint64_t)o->mebibytes << 20;
    return o->sends && fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
                                                                            : 0;
}

static int choose_direction(const struct command *command, struct pipe_options *o)
{
    bool sends = isatty(STDOUT_FILENO), receives = isatty(STDIN_FILENO);

    if (o->sends && o->receives)
        return options_refuse(command, "--send and --receive exclude each other");
    if (o->sends || o->receives)
        return OPTIONS_GO_ON;
    if (sends == receives)
        return options_refuse(command, "--send or --receive is required here");
    o->sends = sends;
    o->receives = receives;
    return OPTIONS_GO_ON;
}

static int run_pipe(const struct command *command, const char *program, int argc, char **argv)
{
    static const struct heald_queue_options queue = {.capacity = PORTIONS,
                                                     .message_max = PORTION - 16,
                                                     .flags = HEALD_QUEUE_ONE_SENDER |
                                                              HEALD_QUEUE_ONE_RECEIVER};
    static const struct channel_plan plan = {
        .type = HEALD_OBJECT_QUEUE, .usual = "pipe", .options = &queue};
    struct pipe_options o = {0};
    const char *name = NULL;
    struct copy c = {0};
    int status = options_parse(command, argc, argv, &o, &name);

    (void)program;
    if (status == OPTIONS_GO_ON && !name)
        status = options_refuse(command, "a name is required; see heald pipe --help");
    if (status == OPTIONS_GO_ON)
        status = choose_direction(command, &o);
    if (status != OPTIONS_GO_ON)
        return status;
    status = channel_open(&c.channel, command, name, &plan);
    if (status)
        return status;
    progress_begin(&c.progress, !o.is_quiet, size_of_input(&o));
    status = o.sends ? send_all(&c) : receive_all(&c);
    progress_end(&c.progress);
    channel_remove(&c.channel, o.receives && (!status || c.is_cut));
    return status;
}
