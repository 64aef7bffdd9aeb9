/*
 * channel.c: see channel.h. The region has a heap of just the object and room for names. A command
 * that sends, publishes or serves makes it, and so does each side of a pipe. One that receives,
 * subscribes or calls does not know how they make it, and waits until they have.
 */
#include "channel.h"

#include "refusal.h"
#include "table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PARTICIPANTS = 256, HEAP_SPARE = 64 * 1024, PAUSE_MS = 50 };

/* Memory of an object that a command makes, all of which is allocated at once. */
enum { OBJECT_MAX = 1 << 30 };

/* The last colon, unless it is that of "file:". */
static int split(struct channel *c, const struct channel_plan *plan, const char **ret_object)
{
    const char *name = c->name, *colon = strrchr(name, ':');

    if (colon == name + 4 && strncmp(name, "file:", 5) == 0)
        colon = NULL;
    size_t length = colon ? (size_t)(colon - name) : strlen(name);

    *ret_object = colon ? colon + 1 : plan->usual;
    if (!length || length >= sizeof c->region_name)
        return options_refuse(c->command, "%s: the name of the region is empty or too long",
                              options_shown(name));
    if (!**ret_object || strlen(*ret_object) > HEALD_NAME_MAX || strchr(*ret_object, '/'))
        return options_refuse(c->command, "%s: the name of the %s has 1 to %d bytes, none a slash",
                              options_shown(name), heald_object_type_name(plan->type),
                              HEALD_NAME_MAX);
    memcpy(c->region_name, name, length);
    return 0;
}

static int refuse_region(const struct channel *c, int err, const char *why)
{
    char text[REFUSAL_SIZE];

    return options_refuse(c->command, "%s: %s", options_shown(c->name),
                          refusal_text(c->region_name, err, why, text));
}

int channel_complain(const struct channel *c, int err)
{
    return options_refuse(c->command, "%s: %s", options_shown(c->name), heald_strerror(err));
}

int channel_refuse_size(const struct channel *c, const char *what, size_t size, size_t limit,
                        bool is_input)
{
    return options_refuse(c->command,
                          "%s: a %s of %s%zu bytes is too long: the limit of the %s is %zu",
                          options_shown(c->name), what, is_input ? "at least " : "", size,
                          heald_object_type_name(c->type), limit);
}

static size_t size_of(const struct channel_plan *plan)
{
    if (plan->type == HEALD_OBJECT_TOPIC)
        return heald_topic_size(plan->options);
    if (plan->type == HEALD_OBJECT_SERVICE)
        return heald_service_size(plan->options);
    return heald_queue_size(plan->options);
}

/* A size of 0 is one that no process has room for. */
static int refuse_large(const struct channel *c, const struct channel_plan *plan, size_t size)
{
    const char *type = heald_object_type_name(plan->type);
    char is[TABLE_NUMBER_SIZE], max[TABLE_NUMBER_SIZE];

    return options_refuse(c->command, "%s: a %s of these sizes needs %s of memory; the limit is %s",
                          options_shown(c->name), type,
                          size ? table_size(size, is) : "more than all",
                          table_size(OBJECT_MAX, max));
}

/* 0; -ENOENT: it does not exist, and is not created; or the exit status. */
static int open_region(struct channel *c, const struct channel_plan *plan)
{
    const char *why = NULL;
    size_t size = plan->options ? size_of(plan) : 0;
    struct heald_region_options o = {.participants = PARTICIPANTS,
                                     .size = 64,
                                     .heap = size + HEAP_SPARE,
                                     .heap_max = 2 * size + (64 << 20),
                                     .ret_why = &why};

    if (plan->options && (!size || size > OBJECT_MAX))
        return refuse_large(c, plan, size);
    int err =
        heald_region_open(&c->region, c->region_name, plan->options ? HEALD_REGION_CREATE : 0, &o);
    if (!err && (err = heald_attach(c->region, &c->me)))
        heald_region_close(c->region);
    if (err == -ENOENT && !plan->options)
        return err;
    return err ? refuse_region(c, err, why) : 0;
}

static int find(struct channel *c, const struct channel_plan *plan, const char *name)
{
    void *object = NULL;
    int err = heald_object_find(c->me, name, plan->type, 0, &object);

    if (err)
        return err;
    c->queue = plan->type == HEALD_OBJECT_QUEUE ? object : NULL;
    c->topic = plan->type == HEALD_OBJECT_TOPIC ? object : NULL;
    c->service = plan->type == HEALD_OBJECT_SERVICE ? object : NULL;
    return 0;
}

static int create(struct channel *c, const struct channel_plan *plan, const char *name)
{
    if (plan->type == HEALD_OBJECT_TOPIC)
        return heald_topic_open(c->me, name, plan->options, &c->topic);
    if (plan->type == HEALD_OBJECT_SERVICE)
        return heald_service_open(c->me, name, plan->options, &c->service);
    return heald_queue_open(c->me, name, plan->options, &c->queue);
}

/* The name may be misspelt. In a script it is as it was meant. */
static void say_made(const struct channel *c, const struct channel_plan *plan, const char *name)
{
    if (isatty(STDERR_FILENO))
        options_refuse(c->command, "%s: made the %s \"%s\"", options_shown(c->name),
                       heald_object_type_name(plan->type), name);
}

/* The name that is not there may be misspelt, or left out. */
static void note_other(struct channel *c)
{
    struct heald_object_info info;

    for (unsigned cursor = 0; heald_object_next(c->region, &cursor, &info);)
        if (info.type == c->type)
            snprintf(c->other, sizeof c->other, "%s", info.name);
}

/* 0; -ENOENT: it does not exist, and is not created; or the exit status. */
static int open_object(struct channel *c, const struct channel_plan *plan, const char *name)
{
    const char *type = heald_object_type_name(plan->type);
    int err = find(c, plan, name);

    if (err == -ENOENT && !plan->options) {
        note_other(c);
        return err;
    }
    if (err == -ENOENT) {
        err = create(c, plan, name);
        if (!err)
            say_made(c, plan, name);
    }
    /* Another process made it meanwhile, with other options. */
    if (err == -EPROTOTYPE)
        err = find(c, plan, name);
    if (err == -EPROTOTYPE)
        return options_refuse(c->command, "%s: the object \"%s\" is not a %s",
                              options_shown(c->name), name, type);
    if (err == -ENOSYS)
        return options_refuse(c->command, "%s: the region has no heap, and so no %s",
                              options_shown(c->name), type);
    if (err == -EINVAL)
        return options_refuse(c->command, "%s: the options of the %s contradict each other",
                              options_shown(c->name), type);
    return err ? channel_complain(c, err) : 0;
}

/* As open_object(). */
static int open_both(struct channel *c, const struct channel_plan *plan, const char *name)
{
    int status = open_region(c, plan);

    if (status)
        return status;
    status = open_object(c, plan, name);
    if (status)
        channel_close(c);
    return status;
}

static void say_absent(const struct channel *c, const char *name, const char *end)
{
    bool has_other = *c->other;

    options_refuse(c->command, "%s: there is no %s \"%s\"%s%s%s%s", options_shown(c->name),
                   heald_object_type_name(c->type), name, end, has_other ? " (there is \"" : "",
                   c->other, has_other ? "\")" : "");
}

static int wait_for_it(struct channel *c, const struct channel_plan *plan, const char *name)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    bool is_said = false;
    int status;

    while ((status = open_both(c, plan, name)) == -ENOENT) {
        if (heald_clock_now(HEALD_CLOCK_MONOTONIC) >= plan->deadline_ns) {
            say_absent(c, name, "");
            return EXIT_NO;
        }
        if (!is_said)
            say_absent(c, name, " yet; waiting for it");
        is_said = true;
        nanosleep(&pause, NULL);
    }
    return status;
}

/* Somebody has truncated the file under the mapping. */
static void on_bus_error(int signo)
{
    static const char text[] = "heald: the file of the region was truncated, or cannot be read\n";

    (void)signo;
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(EXIT_ERROR);
}

int channel_open(struct channel *c, const struct command *command, const char *name,
                 const struct channel_plan *plan)
{
    const char *object;

    *c = (struct channel){.command = command, .name = name, .type = plan->type};
    signal(SIGBUS, on_bus_error);
    int status = split(c, plan, &object);
    return status ? status : wait_for_it(c, plan, object);
}

void channel_close(struct channel *c)
{
    heald_detach(c->me);
    heald_region_close(c->region);
}

/*
 * The side that removes the object waits a little for the other one, which may be at its end, too,
 * and have found the object there: then nobody else removes the region. What keeps the region open
 * is not known: where it is a third process the wait is in vain, and that process keeps the region.
 * The other side tries once: its peer waits for it, or has been killed.
 */
static void unlink_soon(const char *name, bool waits)
{
    const struct timespec nap = {.tv_nsec = 5 * HEALD_MS};

    for (int i = 0; heald_region_unlink_unused(name, 0) == -EBUSY && waits && i < 100; i++)
        nanosleep(&nap, NULL);
}

void channel_remove(struct channel *c, bool ends)
{
    struct heald_object_info info;
    const void *object = c->queue   ? (const void *)c->queue
                         : c->topic ? (const void *)c->topic
                                    : (const void *)c->service;
    bool is_empty = true;

    for (unsigned cursor = 0; heald_object_next(c->region, &cursor, &info);)
        if (ends && info.type == c->type && heald_at(c->region, info.offset) == object)
            heald_object_remove(c->me, info.name);
        else
            is_empty = false;
    channel_close(c);
    if (is_empty)
        unlink_soon(c->region_name, ends);
}

int64_t channel_deadline(bool is_trying, int64_t timeout_ns)
{
    if (is_trying)
        return 0;
    if (timeout_ns == HEALD_FOREVER)
        return HEALD_FOREVER;
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + timeout_ns;
}

int channel_read_input(const struct command *command, int end, size_t max, char **ret_data,
                       size_t *ret_size)
{
    size_t room = 0, size = 0;
    char *data = NULL, *more;
    int c = 0;

    while (size <= max && (c = getc_unlocked(stdin)) != end && c != EOF) {
        if (size == room) {
            room = room ? 2 * room : 128;
            more = realloc(data, room);
            if (!more) {
                free(data);
                return options_refuse(command, "cannot allocate memory");
            }
            data = more;
        }
        data[size++] = (char)c;
    }
    *ret_data = data;
    *ret_size = size;
    if (c != EOF || (!ferror(stdin) && (size || end == EOF)))
        return 0;
    free(data);
    return ferror(stdin)
               ? options_refuse(command, "cannot read standard input: %s", heald_strerror(-errno))
               : OPTIONS_GO_ON;
}
