/*
 * session.c: see session.h, and `bridge_run`.
 *
 * libnats has threads of its own: one that reads, one that flushes, one for timers, one for
 * callbacks. All signals that end the bridge are blocked before they start, and stay pending: the
 * bridge asks for them (sigpending(2)), as it must look up from its waits for the statistics
 * anyway. The callbacks of the connection write to what the mutex guards, and nothing else.
 */
#include "bridge/session.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RECONNECT_MIN_MS = 100,
    RECONNECT_MAX_MS = 2000,
    WRITE_MS = 5000, /* a server that reads nothing for so long is left */
    PING_MS = 5000,
    PINGS_OUT = 2,
    API_MS = 2000, /* for an answer of JetStream's API */
    SERVERS_MAX = 16
};

static const char *text_of(natsStatus status)
{
    return natsStatus_GetText(status);
}

const char *session_error_text(natsStatus status)
{
    natsStatus last = NATS_OK;
    const char *text = nats_GetLastError(&last), *place;

    if (last != status || !text || !*text)
        return text_of(status);
    /* "(conn.c:733): ", of libnats. */
    place = *text == '(' ? strstr(text, "): ") : NULL;
    return place ? place + 3 : text;
}

void session_complain(struct bridge *b, const char *format, ...)
{
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    char text[512];
    va_list args;

    if (b->said_ns && now - b->said_ns < HEALD_SEC) {
        b->unsaid++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (b->unsaid)
        options_refuse(b->plan->command, "%s (and %llu others since the last message)", text,
                       (unsigned long long)b->unsaid);
    else
        options_refuse(b->plan->command, "%s", text);
    b->said_ns = now;
    b->unsaid = 0;
}

void session_complain_nats(struct bridge *b, const char *what, natsStatus status, jsErrCode code)
{
    if (code)
        session_complain(b, "%s: %s (code %d)", what, session_error_text(status), (int)code);
    else
        session_complain(b, "%s: %s", what, session_error_text(status));
}

bool session_is_connected(const struct bridge *b)
{
    return natsConnection_Status(b->nc) == NATS_CONN_STATUS_CONNECTED;
}

static void look_at_signals(struct bridge *b)
{
    sigset_t pending;

    if (!b->has_ended && sigpending(&pending) == 0)
        b->has_ended = sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT);
}

static void print_stats(struct bridge *b)
{
    struct json j;

    if (!b->plan->options->is_json) {
        fprintf(stderr, "heald bridge: ");
        counts_print(stderr, &b->counts);
        return;
    }
    json_begin(&j, stdout);
    counts_put(&j, &b->counts);
    json_end(&j);
    fflush(stdout);
}

static void look_at_connection(struct bridge *b)
{
    bool is_connected = session_is_connected(b);
    char error[BRIDGE_ERROR_SIZE];

    pthread_mutex_lock(&b->mutex);
    memcpy(error, b->error, sizeof error);
    b->error[0] = 0;
    b->counts.reconnects = b->reconnects;
    pthread_mutex_unlock(&b->mutex);
    if (*error)
        session_complain(b, "%s", error);
    if (is_connected != b->was_connected)
        options_refuse(b->plan->command, "%s",
                       is_connected ? "connected" : "not connected; trying again");
    b->was_connected = is_connected;
    b->counts.connected = is_connected;
}

/* That takes time in proportion to the capacity of a queue: of all time, a hundredth. */
static void look_behind(struct bridge *b, int64_t now)
{
    if (now < b->behind_ns)
        return;
    b->counts.behind = bridge_behind(b);
    b->behind_ns = now + 100 * (heald_clock_now(HEALD_CLOCK_MONOTONIC) - now);
}

void session_tick(struct bridge *b)
{
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC), every = b->plan->options->stats_ns;

    if (now < b->tick_ns)
        return;
    b->tick_ns = now + BRIDGE_TICK_NS;
    look_at_signals(b);
    look_at_connection(b);
    bool is_due = every && now >= b->stats_ns;
    if (!is_due && !b->shown)
        return;
    look_behind(b, now);
    if (b->shown)
        counts_show(b->shown, &b->counts);
    if (!is_due)
        return;
    b->stats_ns = now + every;
    print_stats(b);
}

static void on_reconnected(natsConnection *nc, void *ctx)
{
    struct bridge *b = ctx;

    (void)nc;
    pthread_mutex_lock(&b->mutex);
    b->reconnects++;
    pthread_mutex_unlock(&b->mutex);
}

/* Only so that libnats goes on to connect; the bridge looks itself. */
static void on_connected(natsConnection *nc, void *ctx)
{
    (void)nc;
    (void)ctx;
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *ctx)
{
    struct bridge *b = ctx;
    const char *text = NULL;

    (void)sub;
    /* What a slow subscription loses is counted. */
    if (status == NATS_SLOW_CONSUMER)
        return;
    natsConnection_GetLastError(nc, &text);
    pthread_mutex_lock(&b->mutex);
    snprintf(b->error, sizeof b->error, "%s", text && *text ? text : text_of(status));
    pthread_mutex_unlock(&b->mutex);
}

static int64_t reconnect_delay(natsConnection *nc, int attempts, void *ctx)
{
    int64_t delay = RECONNECT_MIN_MS;

    (void)nc;
    for (int i = 1; i < attempts && delay < RECONNECT_MAX_MS; i++)
        delay *= 2;
    /* Many bridges that lost a server do not come back at once. */
    return delay + (int64_t)((uintptr_t)ctx / 64 + (unsigned)getpid()) % (delay / 2);
}

static natsStatus set_servers(natsOptions *o, const char *list)
{
    const char *servers[SERVERS_MAX];
    char *copy = strdup(list), *rest = copy, *one;
    natsStatus s = NATS_NO_MEMORY;
    int count = 0;

    while (rest && (one = strsep(&rest, ",")) && count < SERVERS_MAX)
        servers[count++] = one;
    if (copy)
        s = natsOptions_SetServers(o, servers, count);
    free(copy);
    return s;
}

static natsStatus set_options(natsOptions *o, struct bridge *b)
{
    const struct bridge_options *given = b->plan->options;
    const char *list = given->server && *given->server ? given->server : "nats://127.0.0.1:4222";
    natsStatus s = set_servers(o, list);

    if (s == NATS_OK && given->credentials)
        s = natsOptions_SetUserCredentialsFromFiles(o, given->credentials, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, "heald bridge");
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, INT_MAX);
    if (s == NATS_OK)
        s = natsOptions_SetCustomReconnectDelay(o, reconnect_delay, b);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectedCB(o, on_reconnected, b);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, on_error, b);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, WRITE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_MS);
    return s == NATS_OK ? natsOptions_SetMaxPingsOut(o, PINGS_OUT) : s;
}

/* libnats goes on to connect if it is told to, but then does not say what failed: the first attempt
 * is without. */
static natsStatus connect_or_go_on(struct bridge *b, natsOptions *o)
{
    natsStatus s = natsConnection_Connect(&b->nc, o);
    char why[BRIDGE_ERROR_SIZE];

    if (s == NATS_OK)
        return s;
    snprintf(why, sizeof why, "%s", session_error_text(s));
    s = natsOptions_SetRetryOnFailedConnect(o, true, on_connected, NULL);
    if (s == NATS_OK)
        s = natsConnection_Connect(&b->nc, o);
    if (s != NATS_NOT_YET_CONNECTED)
        return s;
    options_refuse(b->plan->command, "not connected: %s; trying again", why);
    return NATS_OK;
}

int session_connect(struct bridge *b, jsPubAckHandler on_ack, void *ctx)
{
    natsOptions *o = NULL;
    jsOptions js;
    natsStatus s = natsOptions_Create(&o);

    if (s == NATS_OK)
        s = set_options(o, b);
    if (s == NATS_OK)
        s = connect_or_go_on(b, o);
    natsOptions_Destroy(o);
    if (s == NATS_OK)
        s = jsOptions_Init(&js);
    if (s == NATS_OK) {
        js.Wait = API_MS;
        js.PublishAsync.MaxPending = 2 * (int64_t)b->plan->options->window;
        js.PublishAsync.AckHandler = on_ack;
        js.PublishAsync.AckHandlerClosure = ctx;
        s = natsConnection_JetStream(&b->js, b->nc, &js);
    }
    if (s != NATS_OK)
        return options_refuse(b->plan->command, "cannot connect: %s", session_error_text(s));
    return 0;
}

void session_disconnect(struct bridge *b)
{
    natsConnection_Close(b->nc);
    jsCtx_Destroy(b->js);
    natsConnection_Destroy(b->nc);
    /* Its threads end: no callback runs any more. */
    nats_CloseAndWait(0);
}

bool session_create_stream(struct bridge *b)
{
    const struct bridge_plan *p = b->plan;
    const char *subject = p->is_outward ? p->target.name : p->source.name;
    jsStreamInfo *info = NULL;
    jsStreamConfig config;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, b->js, p->options->stream, NULL, &code);

    if (s == NATS_NOT_FOUND && (s = jsStreamConfig_Init(&config)) == NATS_OK) {
        config.Name = p->options->stream;
        config.Subjects = &subject;
        config.SubjectsLen = 1;
        s = js_AddStream(&info, b->js, &config, NULL, &code);
    }
    jsStreamInfo_Destroy(info);
    if (s != NATS_OK)
        session_complain_nats(b, p->options->stream, s, code);
    return s == NATS_OK;
}

static int open_channel(struct bridge *b)
{
    const struct bridge_options *o = b->plan->options;
    const struct bridge_end *end = b->plan->is_outward ? &b->plan->source : &b->plan->target;
    const struct heald_queue_options queue = {.capacity = o->capacity,
                                              .message_max = o->message_max};
    const struct heald_topic_options topic = {
        .sample_max = o->message_max ? o->message_max : HEALD_QUEUE_MESSAGE_MAX_DEFAULT,
        .capacity = o->capacity};
    bool is_queue = end->kind == BRIDGE_QUEUE;
    const struct channel_plan plan = {.type = is_queue ? HEALD_OBJECT_QUEUE : HEALD_OBJECT_TOPIC,
                                      .usual = is_queue ? "queue" : "topic",
                                      .options =
                                          is_queue ? (const void *)&queue : (const void *)&topic};

    return channel_open(&b->channel, b->plan->command, end->name, &plan);
}

/* The name of the object that the channel is. */
static const char *object_of(const struct bridge *b)
{
    const char *behind = b->channel.name + strlen(b->channel.region_name);
    return *behind ? behind + 1 : b->channel.queue ? "queue" : "topic";
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int bridge_run(const struct bridge_plan *plan)
{
    struct bridge b = {.plan = plan, .mutex = PTHREAD_MUTEX_INITIALIZER};
    int status;

    block_signals();
    status = open_channel(&b);
    if (status)
        return status;
    b.counts = (struct bridge_counts){.magic = BRIDGE_COUNTS_MAGIC,
                                      .process = (uint64_t)getpid(),
                                      .is_outward = plan->is_outward};
    b.shown = counts_open(b.channel.me, object_of(&b));
    if (plan->options->stats_ns)
        b.stats_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + plan->options->stats_ns;
    status = plan->is_outward ? bridge_outward(&b) : bridge_inward(&b);
    b.counts.connected = b.counts.in_flight = 0;
    b.counts.behind = bridge_behind(&b);
    if (b.shown)
        counts_show(b.shown, &b.counts);
    if (plan->options->stats_ns || plan->options->is_json)
        print_stats(&b);
    channel_close(&b.channel);
    return status;
}
