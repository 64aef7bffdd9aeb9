/*
 * bridge.h: a bridge between a queue or topic in shared memory and a subject of NATS.
 *
 * bridge.c reads the command line, with and without libnats. server.c has the connection, counts.c
 * what is counted; out.c takes from shared memory, in.c from the server.
 */
#ifndef HEALD_CMD_BRIDGE_H
#define HEALD_CMD_BRIDGE_H

#include "channel.h"

enum bridge_kind { BRIDGE_QUEUE, BRIDGE_TOPIC, BRIDGE_CORE, BRIDGE_JETSTREAM };

struct bridge_end {
    enum bridge_kind kind;
    const char *word; /* as it was given: "queue:/jobs" */
    const char *name; /* what is behind the first colon */
};

struct bridge_options {
    const char *server, *credentials, *stream, *durable, *group;
    unsigned window, capacity, message_max;
    int64_t stats_ns, ack_wait_ns; /* 0: none; the server's */
    bool is_json, creates;
};

struct bridge_plan {
    const struct command *command;
    const struct bridge_options *options;
    struct bridge_end source, target;
    bool is_outward; /* from shared memory to the server */
};

/* Forwards until SIGTERM or SIGINT, or the end of a queue that is closed. The exit status. */
int bridge_run(const struct bridge_plan *plan);

#endif
