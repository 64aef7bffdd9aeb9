/*
 * in.c: from the server to a queue or topic. See session.h.
 *
 * At least once (JetStream): a pull consumer. The bridge asks for no more messages than the queue
 * has room for, commits each one, and acknowledges it then. A bridge that dies in between has a
 * message in the queue that is not acknowledged: the server delivers it again to the next one, and
 * it is there twice. While the queue is full the rest of a batch is kept alive, so that the server
 * does not give it to another bridge.
 *
 * At most once (core): what the server pushes waits in libnats, a window at most; what comes beyond
 * is lost, and counted.
 *
 * One thread, by calls that wait for a moment and look up: a fetch, or a send. The bridge waits for
 * one thing at a time, so it needs no loop.
 */
#include "bridge/session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 500, ACK_PENDING_MIN = 1000, PENDING_BYTES = 64 << 20 };

#define WAIT_NS  (200 * HEALD_MS)
#define ALIVE_NS (1 * HEALD_SEC)

struct inward {
    struct bridge *b;
    natsSubscription *sub;
    unsigned window;  /* of a fetch */
    int64_t lost;     /* by this subscription, as far as it was counted */
    int64_t alive_ns; /* when the batch is to be kept alive next */
    natsMsgList batch;
    int at;        /* those before are done */
    unsigned room; /* in the queue, when the bridge last looked, less what it has sent since */
    int status;
    bool is_over;
};

static int64_t now_ns(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

/* What came too fast for core NATS. */
static void count_lost(struct inward *in)
{
    int64_t lost = 0;

    if (natsSubscription_GetDropped(in->sub, &lost) != NATS_OK || lost < in->lost)
        return;
    in->b->counts.dropped += (uint64_t)(lost - in->lost);
    in->lost = lost;
}

static void look_up(struct inward *in)
{
    if (in->sub && in->b->plan->source.kind == BRIDGE_CORE)
        count_lost(in);
    session_tick(in->b);
    if (in->b->has_ended)
        in->is_over = true;
}

static void fail(struct inward *in, int status)
{
    in->is_over = true;
    in->status = status;
}

static void keep_batch_alive(struct inward *in)
{
    if (now_ns() < in->alive_ns)
        return;
    for (int i = in->at; i < in->batch.Count; i++)
        if (in->batch.Msgs[i])
            natsMsg_InProgress(in->batch.Msgs[i], NULL);
    in->alive_ns = now_ns() + ALIVE_NS;
}

static int send_to_queue(struct channel *c, const natsMsg *msg)
{
    return heald_queue_send(c->queue, c->me, natsMsg_GetData(msg),
                            (size_t)natsMsg_GetDataLength(msg), 0, now_ns() + WAIT_NS);
}

static int send_to_topic(struct channel *c, const natsMsg *msg)
{
    struct heald_topic_loan loan;
    size_t size = (size_t)natsMsg_GetDataLength(msg);
    int64_t deadline_ns = now_ns() + WAIT_NS;
    int err = heald_topic_loan(c->topic, c->me, &loan, deadline_ns);

    if (err)
        return err;
    if (size > loan.size)
        err = -EMSGSIZE;
    if (!err && size)
        memcpy(loan.data, natsMsg_GetData(msg), size);
    if (!err)
        err = heald_topic_publish(&loan, c->me, size, deadline_ns);
    if (err)
        heald_topic_return(&loan, c->me);
    return err;
}

/* Commits a message, however long that takes. 0; -EMSGSIZE; -ECANCELED: the bridge ends. */
static int commit(struct inward *in, const natsMsg *msg)
{
    struct channel *c = &in->b->channel;
    int err;

    while (!in->is_over) {
        err = c->queue ? send_to_queue(c, msg) : send_to_topic(c, msg);
        if (!err || err == -EMSGSIZE)
            return err;
        if (err == -EPIPE)
            fail(in, options_refuse(in->b->plan->command, "%s: the queue is closed", c->name));
        else if (err == -EPERM)
            fail(in, options_refuse(in->b->plan->command, "%s: another process sends", c->name));
        else if (err != -ETIMEDOUT)
            fail(in, channel_complain(c, err));
        look_up(in);
        keep_batch_alive(in);
    }
    return -ECANCELED;
}

/* Counts what became of it. False: the bridge ends. */
static bool deliver(struct inward *in, const natsMsg *msg)
{
    struct bridge *b = in->b;
    int err = commit(in, msg);

    if (err == -ECANCELED)
        return false;
    if (!err) {
        b->counts.forwarded++;
        return true;
    }
    b->counts.dropped++;
    session_complain(b, "a message of %d bytes is dropped: the %s takes none of this length",
                     natsMsg_GetDataLength(msg), b->channel.queue ? "queue" : "topic");
    return true;
}

/* What the server says of a message beside its data. */
static void note_delivery(struct inward *in, natsMsg *msg)
{
    jsMsgMetaData *about = NULL;

    if (natsMsg_GetMetaData(&about, msg) != NATS_OK)
        return;
    in->b->counts.redelivered += about->NumDelivered > 1;
    in->b->counts.behind = about->NumPending;
    jsMsgMetaData_Destroy(about);
}

/* A message that is too long is not to be delivered again. */
static void deliver_batch(struct inward *in)
{
    struct bridge *b = in->b;

    in->alive_ns = now_ns() + ALIVE_NS;
    for (in->at = 0; in->at < in->batch.Count; in->at++) {
        natsMsg *msg = in->batch.Msgs[in->at];
        uint64_t dropped = b->counts.dropped;
        b->counts.in_flight = (uint64_t)(in->batch.Count - in->at);
        note_delivery(in, msg);
        if (!deliver(in, msg))
            natsMsg_Nak(msg, NULL);
        else if (b->counts.dropped != dropped)
            natsMsg_Term(msg, NULL);
        else
            natsMsg_Ack(msg, NULL);
        look_up(in);
    }
    b->counts.in_flight = 0;
}

/* How many messages the queue has room for. That takes time in proportion to its capacity. */
static unsigned count_room(const struct channel *c)
{
    struct heald_queue_info info;

    if (!c->queue || heald_queue_describe(c->queue, c->me, &info) ||
        info.options.flags & HEALD_QUEUE_DROP_OLDEST)
        return UINT_MAX;
    unsigned used = info.depth + info.sending + info.receiving;
    return used < info.options.capacity ? info.options.capacity - used : 0;
}

/* How many messages to ask for; 0: the queue is full. */
static int room(struct inward *in)
{
    if (in->room < in->window)
        in->room = count_room(&in->b->channel);
    return (int)(in->room < in->window ? in->room : in->window);
}

/* Waits until a full queue has room, or for a moment. */
static void await_room(struct inward *in)
{
    struct channel *c = &in->b->channel;
    struct heald_queue_slot slot;
    int err = heald_queue_reserve(c->queue, c->me, 0, &slot, now_ns() + WAIT_NS);

    if (!err)
        heald_queue_abandon(&slot, c->me);
    else if (err != -ETIMEDOUT)
        fail(in, channel_complain(c, err));
}

static void close_subscription(struct inward *in)
{
    if (in->sub)
        count_lost(in);
    natsSubscription_Destroy(in->sub);
    in->sub = NULL;
    in->lost = 0;
}

/* Fetches a batch and delivers it. */
static natsStatus fetch(struct inward *in)
{
    int count = room(in);
    jsErrCode code = 0;

    if (!count) {
        await_room(in);
        return NATS_OK;
    }
    natsStatus s = natsSubscription_Fetch(&in->batch, in->sub, count, WAIT_MS, &code);
    if (s == NATS_OK) {
        in->room -= (unsigned)in->batch.Count;
        deliver_batch(in);
    } else if (s == NATS_TIMEOUT) {
        in->b->counts.behind = 0;
    }
    natsMsgList_Destroy(&in->batch);
    return s == NATS_TIMEOUT ? NATS_OK : s;
}

static natsStatus receive_core(struct inward *in)
{
    struct bridge *b = in->b;
    natsMsg *msg = NULL;
    uint64_t waiting = 0;
    natsStatus s = natsSubscription_NextMsg(&msg, in->sub, WAIT_MS);

    natsSubscription_QueuedMsgs(in->sub, &waiting);
    b->counts.behind = waiting;
    if (s == NATS_OK)
        deliver(in, msg);
    natsMsg_Destroy(msg);
    return s == NATS_TIMEOUT || s == NATS_SLOW_CONSUMER ? NATS_OK : s;
}

/* The consumer, which outlives its bridges: it is theirs together, if there are several. */
static natsStatus ensure_consumer(struct inward *in, jsErrCode *ret_code)
{
    const struct bridge_plan *p = in->b->plan;
    const struct bridge_options *o = p->options;
    jsConsumerInfo *info = NULL;
    jsConsumerConfig config;
    natsStatus s = js_GetConsumerInfo(&info, in->b->js, o->stream, o->durable, NULL, ret_code);

    if (s == NATS_NOT_FOUND && *ret_code != JSStreamNotFoundErr &&
        (s = jsConsumerConfig_Init(&config)) == NATS_OK) {
        config.Durable = o->durable;
        config.FilterSubject = p->source.name;
        config.AckPolicy = js_AckExplicit;
        config.AckWait = o->ack_wait_ns;
        /* Several bridges with a batch each. */
        config.MaxAckPending = ACK_PENDING_MIN > 4 * o->window ? ACK_PENDING_MIN : 4 * o->window;
        *ret_code = 0;
        s = js_AddConsumer(&info, in->b->js, o->stream, &config, NULL, ret_code);
    }
    /* A fetch of more than the server gives out without acknowledgements waits for the rest. */
    if (s == NATS_OK && info && info->Config && info->Config->MaxAckPending > 0 &&
        info->Config->MaxAckPending < in->window)
        in->window = (unsigned)info->Config->MaxAckPending;
    jsConsumerInfo_Destroy(info);
    return s;
}

static natsStatus subscribe(struct inward *in, jsErrCode *ret_code)
{
    const struct bridge_plan *p = in->b->plan;
    const struct bridge_options *o = p->options;
    jsSubOptions how;
    natsStatus s;

    if (p->source.kind == BRIDGE_CORE) {
        s = o->group
                ? natsConnection_QueueSubscribeSync(&in->sub, in->b->nc, p->source.name, o->group)
                : natsConnection_SubscribeSync(&in->sub, in->b->nc, p->source.name);
        return s == NATS_OK
                   ? natsSubscription_SetPendingLimits(in->sub, (int)o->window, PENDING_BYTES)
                   : s;
    }
    s = ensure_consumer(in, ret_code);
    if (s == NATS_OK)
        s = jsSubOptions_Init(&how);
    if (s != NATS_OK)
        return s;
    how.Stream = o->stream;
    how.Consumer = o->durable;
    return js_PullSubscribe(&in->sub, in->b->js, p->source.name, o->durable, NULL, &how, ret_code);
}

/* 0: not now. */
static bool open_subscription(struct inward *in)
{
    const struct bridge_plan *p = in->b->plan;
    jsErrCode code = 0;

    if (p->options->creates && !session_create_stream(in->b))
        return false;
    natsStatus s = subscribe(in, &code);
    if (s == NATS_OK)
        return true;
    session_complain_nats(in->b, p->source.word, s, code);
    close_subscription(in);
    return false;
}

static void step(struct inward *in)
{
    struct bridge *b = in->b;
    natsStatus s = NATS_ERR;

    if (!session_is_connected(b) || (!in->sub && !open_subscription(in))) {
        usleep(BRIDGE_TICK_NS / HEALD_US);
        return;
    }
    s = b->plan->source.kind == BRIDGE_CORE ? receive_core(in) : fetch(in);
    if (s == NATS_OK)
        return;
    if (session_is_connected(b))
        session_complain_nats(b, b->plan->source.word, s, 0);
    close_subscription(in);
}

int bridge_inward(struct bridge *b)
{
    struct inward in = {.b = b, .window = b->plan->options->window};

    in.status = session_connect(b, NULL, NULL);
    if (in.status)
        return in.status;
    while (!in.is_over) {
        look_up(&in);
        step(&in);
    }
    close_subscription(&in);
    session_disconnect(b);
    return in.status;
}

uint64_t bridge_behind(struct bridge *b)
{
    const struct channel *c = &b->channel;
    struct heald_queue_info queue;
    struct heald_topic_info topic;

    if (!b->plan->is_outward)
        return b->counts.behind;
    if (c->queue)
        return heald_queue_describe(c->queue, c->me, &queue) ? 0 : queue.depth;
    return heald_topic_describe(c->topic, c->me, &topic) ? 0 : topic.lag;
}
