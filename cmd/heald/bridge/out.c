/*
 * out.c: from a queue or topic to the server. See session.h.
 *
 * At least once (a queue, JetStream): a message is peeked, not received; published with an id that
 * is the same at each delivery (heald_queue_identify() and the sequence of its slot), so that the
 * stream drops it if it comes again; and released when the server has acknowledged that it is
 * stored. Whoever dies in between, the message is in the queue, or in the stream, or in both.
 *
 * Several are in flight, a window, as the way to the server and back takes longer than a message.
 * js_PublishMsgAsync() is made for that: libnats matches acknowledgements with messages and finds
 * those that do not come, and a thread of libnats reports each one, once. It only puts that into an
 * array, which has room for the whole window, and posts an op to the loop: slots belong to the
 * thread that peeked, and one wait must be for both, the next message of the queue and the next
 * acknowledgement. That is what a loop is for. Publishing itself blocks only while the socket is
 * full, and not beyond its write deadline.
 *
 * Nothing is taken while there is no connection: a queue fills, and its senders wait; of a topic
 * the oldest samples are lost, and counted. What was in flight is sent again when libnats finds
 * that its acknowledgement is late, in an order that may be another one.
 *
 * At most once (core): a message is released when it is in the buffer of the connection.
 */
#include "bridge/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACK_MS = 2000, FLUSH_MS = 1000, ID_SIZE = 64, TEXT_SIZE = 160 };

#define END_NS (5 * HEALD_SEC) /* for what is in flight, at the end */

enum flight_state {
    FLIGHT_FREE,
    FLIGHT_WAITING, /* to be published, or published again */
    FLIGHT_SENT     /* libnats has the message */
};

/* A message on its way. */
struct flight {
    enum flight_state state;
    bool is_again;                /* it was published before */
    struct heald_queue_slot slot; /* of a queue */
    uint64_t sequence;
    natsMsg *msg; /* the bridge's while it waits; otherwise what on_ack() is called with */
};

/* What became of a message: written by a thread of libnats. */
struct verdict {
    natsMsg *msg; /* the bridge's again */
    natsStatus status;
    jsErrCode code;
    bool is_duplicate;
    char text[TEXT_SIZE];
};

struct outward {
    struct bridge *b;
    struct heald_loop *loop;
    struct heald_op next, post;
    struct heald_queue_slot slot;     /* of `next` */
    struct heald_topic_sample sample; /* of `next` */
    bool is_awaited, is_over,
        is_late; /* `next` is pending; the source has ended; resends are due */
    bool is_ending;
    int status;
    uint64_t id; /* of the queue, and of this boot of the machine */
    /* A ring: what is below `head` is done, and so may be some of those above. */
    struct flight *flights;
    uint64_t head, tail, window;
    /* The hand-over: guarded by the mutex. */
    pthread_mutex_t mutex;
    struct verdict *verdicts, *judged; /* the second is the loop's; they change places */
    unsigned verdict_count;
    bool is_posted;
};

static void on_verdicts(struct heald_op *op);
static void on_next(struct heald_op *op);

static struct flight *flight_at(const struct outward *o, uint64_t number)
{
    return &o->flights[number % o->window];
}

/* Called by libnats, once for each message that it had. There are never more than the window. */
static void on_ack(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *err, void *ctx)
{
    struct outward *o = ctx;
    struct verdict v = {.msg = msg, .is_duplicate = ack && ack->Duplicate};

    (void)js;
    if (err) {
        v.status = err->Err ? err->Err : NATS_ERR;
        v.code = err->ErrCode;
        snprintf(v.text, sizeof v.text, "%s",
                 err->ErrText ? err->ErrText : natsStatus_GetText(v.status));
    }
    pthread_mutex_lock(&o->mutex);
    o->verdicts[o->verdict_count++] = v;
    bool must_post = !o->is_posted;
    o->is_posted = true;
    if (must_post)
        heald_loop_post(o->loop, &o->post, on_verdicts);
    pthread_mutex_unlock(&o->mutex);
}

static void fail(struct outward *o, int status)
{
    o->is_over = true;
    o->status = status;
}

static void finish(struct outward *o, struct flight *f)
{
    struct bridge *b = o->b;

    if (b->channel.queue)
        heald_queue_release(&f->slot, b->channel.me);
    natsMsg_Destroy(f->state == FLIGHT_WAITING ? f->msg : NULL);
    *f = (struct flight){0};
    while (o->head != o->tail && flight_at(o, o->head)->state == FLIGHT_FREE)
        o->head++;
}

static void drop(struct outward *o, struct flight *f, const char *why)
{
    o->b->counts.dropped++;
    session_complain(o->b, "message %" PRIu64 " is dropped: %s", f->sequence, why);
    finish(o, f);
}

static natsStatus publish_stored(const struct outward *o, struct flight *f)
{
    struct bridge *b = o->b;
    char id[ID_SIZE];
    jsPubOptions how;
    natsMsg *msg = f->msg;
    natsStatus s = jsPubOptions_Init(&how);

    snprintf(id, sizeof id, "%016" PRIx64 "-%u:%" PRIu64, o->id, f->slot.priority, f->sequence);
    how.MsgId = id;
    how.MaxWait = ACK_MS;
    how.ExpectStream = b->plan->options->stream;
    if (s == NATS_OK)
        s = js_PublishMsgAsync(b->js, &msg, &how);
    if (s == NATS_OK) {
        b->counts.resent += f->is_again;
        f->is_again = true;
        f->state = FLIGHT_SENT;
    }
    return s;
}

/* False: not now. */
static bool publish(struct outward *o, struct flight *f)
{
    struct bridge *b = o->b;
    bool is_core = b->plan->target.kind == BRIDGE_CORE;
    natsStatus s = is_core ? natsConnection_PublishMsg(b->nc, f->msg) : publish_stored(o, f);

    if (s == NATS_MAX_PAYLOAD) {
        drop(o, f, "it is longer than the server allows");
        return true;
    }
    if (s != NATS_OK) {
        session_complain_nats(b, "cannot publish", s, 0);
        o->is_late = true;
        return false;
    }
    if (is_core) {
        b->counts.forwarded++;
        finish(o, f);
    }
    return true;
}

/* A message or sample of the source has its place. */
static bool admit(struct outward *o, const void *data, size_t size)
{
    struct bridge *b = o->b;
    bool is_queue = b->channel.queue;
    struct flight *f = flight_at(o, o->tail);
    natsMsg *msg = NULL;

    if (natsMsg_Create(&msg, b->plan->target.name, NULL, data, (int)size) != NATS_OK) {
        fail(o, options_refuse(b->plan->command, "cannot allocate memory"));
        if (is_queue)
            heald_queue_return(&o->slot, b->channel.me);
        return false;
    }
    *f = (struct flight){.state = FLIGHT_WAITING,
                         .slot = o->slot,
                         .sequence = is_queue ? o->slot.sequence : o->sample.sequence,
                         .msg = msg};
    if (!is_queue) {
        f->slot = (struct heald_queue_slot){0};
        b->counts.dropped += o->sample.lost;
        heald_topic_release(&o->sample, b->channel.me);
    }
    b->counts.redelivered += is_queue && o->slot.redelivered;
    o->tail++;
    return publish(o, f);
}

static bool admit_next(struct outward *o)
{
    return o->b->channel.queue ? admit(o, o->slot.data, o->slot.size)
                               : admit(o, o->sample.data, o->sample.size);
}

/* Why there is no next message. */
static void note_end(struct outward *o, int err)
{
    struct bridge *b = o->b;

    if (!err || err == -EAGAIN || err == -ETIMEDOUT || err == -ECANCELED || err == -EPIPE)
        return;
    if (err == -ENODATA)
        o->is_over = true;
    else if (err == -EPERM)
        fail(o, options_refuse(b->plan->command, "%s: another process receives", b->channel.name));
    else
        fail(o, channel_complain(&b->channel, err));
}

static int try_next(struct outward *o)
{
    struct channel *c = &o->b->channel;

    return c->queue ? heald_queue_peek(c->queue, c->me, &o->slot, 0)
                    : heald_topic_trytake(&o->b->subscriber, c->me, &o->sample);
}

static void await_next(struct outward *o)
{
    struct channel *c = &o->b->channel;
    int err = c->queue ? heald_prep_queue_peek(&o->next, c->queue, c->me, &o->slot)
                       : heald_prep_topic_take(&o->next, &o->b->subscriber, c->me, &o->sample);

    if (!err)
        err = heald_submit(o->loop, &o->next, on_next);
    if (err)
        fail(o, channel_complain(c, err));
    o->is_awaited = !err;
}

static bool may_take(const struct outward *o)
{
    return !o->is_awaited && !o->is_over && !o->is_ending && !o->is_late &&
           o->tail - o->head < o->window && session_is_connected(o->b);
}

/* Takes what there is, of a window at most; then the loop runs. */
static void take(struct outward *o)
{
    int err = 0;

    for (uint64_t left = o->window; left && may_take(o); left--) {
        err = try_next(o);
        if (err)
            break;
        admit_next(o);
    }
    note_end(o, err);
    /* -EPIPE: its senders have gone, and the next one may come; a tick looks for it. */
    if (err != -EPIPE && may_take(o))
        await_next(o);
}

static void on_next(struct heald_op *op)
{
    struct outward *o = heald_container_of(op, struct outward, next);

    o->is_awaited = false;
    if (op->result == 0)
        admit_next(o);
    else
        note_end(o, (int)op->result);
    if (op->result == 0)
        take(o);
}

static struct flight *find_flight(const struct outward *o, const natsMsg *msg)
{
    for (uint64_t i = o->head; i != o->tail; i++) {
        struct flight *f = flight_at(o, i);
        if (f->state == FLIGHT_SENT && f->msg == msg)
            return f;
    }
    return NULL;
}

static void judge(struct outward *o, const struct verdict *v)
{
    struct flight *f = find_flight(o, v->msg);

    if (!f) {
        natsMsg_Destroy(v->msg);
        return;
    }
    f->state = FLIGHT_WAITING;
    if (v->status == NATS_OK) {
        o->b->counts.forwarded++;
        o->b->counts.duplicates += v->is_duplicate;
        finish(o, f);
    } else if (v->code == JSStreamMessageExceedsMaximumErr || v->status == NATS_MAX_PAYLOAD) {
        drop(o, f, v->text);
    } else {
        session_complain(o->b, "message %" PRIu64 " is not stored yet: %s", f->sequence, v->text);
        o->is_late = true;
    }
}

static void on_verdicts(struct heald_op *op)
{
    struct outward *o = heald_container_of(op, struct outward, post);

    pthread_mutex_lock(&o->mutex);
    struct verdict *verdicts = o->verdicts;
    unsigned count = o->verdict_count;
    o->verdicts = o->judged;
    o->judged = verdicts;
    o->verdict_count = 0;
    o->is_posted = false;
    pthread_mutex_unlock(&o->mutex);
    for (unsigned i = 0; i < count; i++)
        judge(o, &verdicts[i]);
    take(o);
}

/* Publishes again what was refused, or was not acknowledged in time. */
static void resend(struct outward *o)
{
    o->is_late = false;
    for (uint64_t i = o->head; i != o->tail && !o->is_late; i++) {
        struct flight *f = flight_at(o, i);
        if (f->state == FLIGHT_WAITING)
            publish(o, f);
    }
}

static uint64_t in_flight(const struct outward *o)
{
    uint64_t count = 0;

    for (uint64_t i = o->head; i != o->tail; i++)
        count += flight_at(o, i)->state != FLIGHT_FREE;
    return count;
}

static void tick(struct outward *o)
{
    o->b->counts.in_flight = in_flight(o);
    session_tick(o->b);
    if (o->is_late && session_is_connected(o->b))
        resend(o);
    take(o);
}

/* Runs the loop until `until_ns`, or nothing is left to do. */
static void turn_until(struct outward *o, bool (*is_done)(struct outward *o), int64_t until_ns)
{
    int64_t now, tick_ns = 0;

    while (!is_done(o) && (now = heald_now(o->loop)) < until_ns) {
        if (now >= tick_ns) {
            tick(o);
            tick_ns = now + BRIDGE_TICK_NS;
        }
        heald_loop_turn(o->loop, tick_ns < until_ns ? tick_ns : until_ns);
    }
}

static bool is_asked_to_end(struct outward *o)
{
    return o->is_over || o->b->has_ended;
}

static bool is_drained(struct outward *o)
{
    return o->head == o->tail && !o->is_awaited;
}

/* A queue that is closed is drained however long that takes, unless a signal comes. */
static bool is_drained_or_asked(struct outward *o)
{
    return is_drained(o) || o->b->has_ended;
}

static void end(struct outward *o)
{
    struct bridge *b = o->b;

    if (o->is_over && !o->status)
        turn_until(o, is_drained_or_asked, HEALD_FOREVER);
    o->is_ending = true;
    if (o->is_awaited)
        heald_cancel(&o->next);
    turn_until(o, is_drained, heald_now(o->loop) + END_NS);
    if (b->plan->target.kind == BRIDGE_CORE && session_is_connected(b))
        natsConnection_FlushTimeout(b->nc, FLUSH_MS);
    session_tick(b);
    session_disconnect(b);
    /* What was acknowledged last is judged, what was not is the next bridge's. */
    heald_loop_turn(o->loop, 0);
    b->counts.in_flight = 0;
    for (; o->head != o->tail; o->head++) {
        struct flight *f = flight_at(o, o->head);
        if (f->state != FLIGHT_FREE && b->channel.queue)
            heald_queue_return(&f->slot, b->channel.me);
        natsMsg_Destroy(f->state == FLIGHT_WAITING ? f->msg : NULL);
    }
}

/* Another boot is another life of a region in a file: what was not written out may be there again,
 * or may not, and its sequences are used again. */
static uint64_t boot_id(void)
{
    char text[20] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    unsigned high = 0, low = 0;

    if (file && fread(text, 1, sizeof text - 1, file) && sscanf(text, "%8x-%4x", &high, &low) < 2)
        high = low = 0;
    if (file)
        fclose(file);
    return (uint64_t)high << 32 | low;
}

/* 0, or an error. */
static int open_source(struct outward *o)
{
    struct channel *c = &o->b->channel;
    struct heald_queue_info info;

    o->window = o->b->plan->options->window;
    if (c->topic) {
        o->id = (uint64_t)heald_clock_now(HEALD_CLOCK_MONOTONIC) << 20 ^ (uint64_t)getpid();
        return heald_topic_subscribe(c->topic, c->me, NULL, &o->b->subscriber);
    }
    int err = heald_queue_identify(c->queue, c->me, &o->id);
    if (!err)
        err = heald_queue_describe(c->queue, c->me, &info);
    if (err)
        return err;
    /* In such a queue a second peek returns the same message. */
    unsigned one_each = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER;
    if ((info.options.flags & one_each) == one_each)
        o->window = 1;
    o->id ^= boot_id();
    return 0;
}

static int run(struct outward *o)
{
    struct bridge *b = o->b;
    int err = open_source(o);

    if (err)
        return channel_complain(&b->channel, err);
    o->flights = calloc(o->window, sizeof *o->flights);
    o->verdicts = calloc(o->window, sizeof *o->verdicts);
    o->judged = calloc(o->window, sizeof *o->judged);
    if (!o->flights || !o->verdicts || !o->judged || heald_loop_open(&o->loop, NULL))
        return options_refuse(b->plan->command, "cannot open a loop");
    o->status = session_connect(b, on_ack, o);
    if (!o->status) {
        bool must_create = b->plan->options->creates;
        while (must_create && !b->has_ended) {
            session_tick(b);
            must_create = !session_is_connected(b) || !session_create_stream(b);
            if (must_create)
                usleep(BRIDGE_TICK_NS / HEALD_US);
        }
        turn_until(o, is_asked_to_end, HEALD_FOREVER);
        end(o);
    }
    heald_loop_close(o->loop);
    return o->status;
}

int bridge_outward(struct bridge *b)
{
    struct outward o = {.b = b, .mutex = PTHREAD_MUTEX_INITIALIZER};
    int status = run(&o);

    free(o.flights);
    free(o.verdicts);
    free(o.judged);
    return status;
}
