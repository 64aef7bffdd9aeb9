/* session.h: a bridge at work: its connection, its channel, what it counts. */
#ifndef HEALD_CMD_BRIDGE_SESSION_H
#define HEALD_CMD_BRIDGE_SESSION_H

#include "bridge/bridge.h"
#include "bridge/counts.h"

#include <nats/nats.h>
#include <pthread.h>

enum { BRIDGE_ERROR_SIZE = 256 };

#define BRIDGE_TICK_NS (100 * HEALD_MS)

struct bridge {
    const struct bridge_plan *plan;
    struct channel channel;
    struct heald_topic_subscriber subscriber; /* of a topic that is the source */
    natsConnection *nc;
    jsCtx *js;
    struct bridge_counts counts;
    struct bridge_counts *shown; /* the copy in the region; NULL: there is no room for it */
    int64_t tick_ns, stats_ns;   /* when these are due */
    int64_t behind_ns;           /* and a look at what is behind */
    int64_t said_ns;             /* when the last message was printed */
    uint64_t unsaid;             /* messages since then that were not */
    bool was_connected;
    bool has_ended; /* it was asked to end */
    /* Between the threads of libnats and the bridge's: */
    pthread_mutex_t mutex;
    char error[BRIDGE_ERROR_SIZE]; /* of the connection; "": none since the last look */
    uint64_t reconnects;
};

/* Opens the connection, which may come later; or closes it. 0, or the exit status. */
int session_connect(struct bridge *b, jsPubAckHandler on_ack, void *ctx);
void session_disconnect(struct bridge *b);

/* The stream of --create. False: not now; it was said why. */
bool session_create_stream(struct bridge *b);

/* To be called often. Once in BRIDGE_TICK_NS it looks for signals, prints what is due, and updates
 * the counts that others see. */
void session_tick(struct bridge *b);

bool session_is_connected(const struct bridge *b);

/* A line on stderr, but no more than one in a second, of errors that may be many. */
void session_complain(struct bridge *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void session_complain_nats(struct bridge *b, const char *what, natsStatus status, jsErrCode code);

/* The text of an error of libnats in this thread. */
const char *session_error_text(natsStatus status);

/* Forward until the end. The exit status. */
int bridge_outward(struct bridge *b);
int bridge_inward(struct bridge *b);

/* How many messages wait in the channel, without those that the bridge has itself. */
uint64_t bridge_behind(struct bridge *b);

#endif
