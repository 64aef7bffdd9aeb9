/*
 * message/service.h: a service as it lies in a region: a queue of requests, and for each client
 * some mails, each for the reply of a call.
 *
 * A mail is a cell (cell.h) whose lap is the number of the call:
 *
 *   FREE -> AWAITED(number) -> WRITING(number, server) -> DONE(number) -> FREE
 *
 * Only its client makes it awaited, and free again; a server claims it before it writes, so no
 * reply is written into the mail of another call. A client that gives up a call whose reply is
 * being written leaves that mail, until it is done or its server has died: until then the server
 * may write there. So a mail is lost meanwhile for each server that is stopped there, as a server
 * writes one reply at a time.
 *
 * Beside it a second word says whether the request was received:
 *
 *   FULL(number) -> TAKEN(number, server) -> TAKEN(number, another server, if the first has died)
 *
 * With that change a receive takes effect. A server that is killed before has not received the
 * request, whose message then goes to another as if it had never been taken. One that is stopped
 * before, and is late, changes nothing: the word names the call, not only the mail.
 */
#ifndef HEALD_SRC_MESSAGE_SERVICE_H
#define HEALD_SRC_MESSAGE_SERVICE_H

#include <heald/service.h>

#include "message/queue.h"

/* In front of a request, in its message. */
struct service_head {
    uint32_t client, mail, number, unused;
};

struct service_mail {
    uint64_t taken; /* atomic: a word as of a cell: which server has received the request */
    int32_t error;  /* atomic: what the call returns */
    uint32_t unused;
};

/* The cell of a mail lies behind it, and the reply behind that. */
static inline struct queue_cell *mail_cell(struct service_mail *mail)
{
    return (struct queue_cell *)(void *)(mail + 1);
}

struct service_client {
    alignas(64) uint64_t owner; /* atomic: the id of the participant, as in sync/cells.h */
    uint32_t bell;              /* an event count: a reply */
    uint32_t next;              /* atomic: the number of the next call */
};

/* What follows from the options of a service. */
struct service_shape {
    uint32_t capacity, clients, calls, request_max, reply_max, flags;
    size_t requests_size, mail_size;
    uint64_t size, check;
};

/* The options are complete. False: no service has such numbers. */
bool heald__service_shape(struct service_shape *ret, const struct heald_service_options *o);

struct service {
    alignas(64) uint32_t capacity;
    uint32_t clients, calls, request_max, reply_max, flags;
    uint64_t check; /* of the above */
    uint64_t unused[4];
};

/* Has a server received the request of that call? `taken` of its mail. */
static inline bool mail_was_taken(uint64_t taken, uint32_t number)
{
    return cell_state(taken) == CELL_TAKEN && cell_ahead(taken, number) == 0;
}

/* What follows from how a service was made; in private memory. */
struct service_view {
    struct service *s;
    struct heald_participant *me;
    struct heald_queue *requests;
    char *clients, *mails;
    uint32_t client_count, calls, request_max, reply_max, flags;
    size_t mail_size;
};

/* 0; -ESTALE, -EBADMSG. */
int heald__service_view(struct service_view *ret, const struct heald_service *service,
                        struct heald_participant *me);

static inline struct service_client *service_client(const struct service_view *v, unsigned index)
{
    return (struct service_client *)(void *)(v->clients + index * sizeof(struct service_client));
}

static inline struct service_mail *service_mail(const struct service_view *v, unsigned client,
                                                unsigned mail)
{
    size_t number = (size_t)client * v->calls + mail;
    return (struct service_mail *)(void *)(v->mails + number * v->mail_size);
}

#endif
