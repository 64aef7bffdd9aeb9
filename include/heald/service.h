/*
 * heald/service.h: requests and replies between participants of a region.
 *
 * A service has a queue of requests, which any number of servers share, and a place for the replies
 * of each client. A client calls, and waits for the reply of its call; it may have several calls at
 * a time. Each request is received by one server.
 *
 * Deaths. A request whose server died before it replied is given to another server (at least once).
 * In a service with HEALD_SERVICE_AT_MOST_ONCE it is not: the call fails with -EOWNERDEAD, within
 * 50 ms. A server that dies within heald_service_receive() has received the request or has not; if
 * not, no server has begun it, and another one receives it in either case. A reply to a client that
 * has died, or gave up, is dropped.
 *
 * A server that is stopped holds up the calls that it has received, and `capacity` requests later
 * all calls that are sent then, as a request keeps its slot in the queue until the reply. One that
 * is stopped within heald_service_reply() or heald_service_fail() may still write to the place of
 * that reply. If its call is given up, the client can have one call fewer pending, for each such
 * server, until that goes on or dies; so it may get -ENOBUFS while none of its calls is pending. A
 * client that is stopped within heald_service_call(), while it puts its request into the queue,
 * holds up servers behind that request. Elsewhere it holds up nobody. They hold up no call with a
 * deadline.
 *
 * `me` is as in heald/mutex.h. None of these functions is async-signal-safe. Each function returns,
 * besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the service is corrupt
 */
#ifndef HEALD_SERVICE_H
#define HEALD_SERVICE_H

#include <heald/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_SERVICE_AT_MOST_ONCE = 1, /* a flag: a request is never given to a second server */
    HEALD_SERVICE_CLIENTS_MAX = 4096,
    HEALD_SERVICE_CALLS_MAX = 64 /* of a client at a time */
};

/* A member that is 0 has its default. */
struct heald_service_options {
    unsigned capacity;  /* requests that wait; default 64; rounded up to a power of two */
    unsigned clients;   /* that are open at a time; default 16 */
    unsigned calls;     /* of each client at a time; default 4 */
    size_t request_max; /* bytes; default 1000 */
    size_t reply_max;   /* bytes; default 1000 */
    unsigned flags;
    struct heald_why *ret_why; /* an output of heald_service_open(), may be NULL: on failure the
                                  member that is wrong or differs, or another reason */
};

/* Lies in a region, aligned to 8 bytes. All members are private. */
struct heald_service;

/* Returns the bytes that a service occupies, or 0 if an option is out of range. `options` may be
 * NULL, here and below: then each member has its default. Any thread. */
HEALD_API size_t heald_service_size(const struct heald_service_options *options);

/* Initializes a service in memory of a region; as heald_queue_init(). */
HEALD_API int heald_service_init(struct heald_service *service,
                                 const struct heald_service_options *options);

/*
 * Finds the service with a name in the heap of the region, or creates it; as heald_queue_open().
 * Of a service that exists the flags must be those of the options, and so must each other member
 * that is not 0. With `options` NULL a service that exists is opened whatever its options are, and
 * one that does not is created with the defaults. heald_object_find() creates none;
 * heald_service_describe() says what the sizes are.
 */
HEALD_API int heald_service_open(struct heald_participant *me, const char *name,
                                 const struct heald_service_options *options,
                                 struct heald_service **ret_service);

/* A client of a service. Belongs to the thread that is `me`. All members are private. */
struct heald_service_client {
    struct heald_service *service;
    struct heald_participant *me;
    unsigned index;
    uint64_t pending; /* a bit for each call */
};

/*
 * Opens a client. Does not block.
 *
 *   0         the caller closes it
 *   -EUSERS   so many clients are open as the service has places for
 */
HEALD_API int heald_service_client_open(struct heald_service *service, struct heald_participant *me,
                                        struct heald_service_client *ret_client);

/* Closes a client. 0; -EBUSY: one of its calls is pending in a loop; -EINVAL: it is closed. */
HEALD_API int heald_service_client_close(struct heald_service_client *client);

/* A call. */
struct heald_call {
    const void *request; /* what is sent */
    size_t request_size;
    void *reply;       /* where the reply is copied to; NULL if reply_size is 0 */
    size_t reply_size; /* bytes that there is room for; bytes of the reply */
    int was_taken;     /* after a failure: a server has received the request */
    /* Private: */
    struct heald_service_client *client;
    uint32_t mail, number;
};

/*
 * Calls: sends a request and waits for its reply. Blocks until `deadline_ns` (absolute, monotonic;
 * HEALD_FOREVER). A call that fails after its request was sent is not undone; was_taken says
 * whether a server has begun it.
 *
 *   0             call->reply has the reply
 *   -errno        the error that the server replied (heald_service_fail())
 *   -EMSGSIZE     the request is longer than request_max, or the reply than reply_size; then it is
 *                 lost, and reply_size is its length
 *   -EINVAL       call->request is NULL and request_size is not 0, the same of the reply, or the
 *                 client is closed
 *   -ENOBUFS      the client has as many calls pending as the service allows; or it gave up calls,
 *                 and as many servers are stopped in their replies as it lacks calls (see above)
 *   -EOWNERDEAD   (AT_MOST_ONCE) the server died
 *   -EPIPE        the service is closed
 *   -ETIMEDOUT    the deadline has passed
 */
HEALD_API int heald_service_call(struct heald_service_client *client, struct heald_call *call,
                                 int64_t deadline_ns);

/* A request that a server has received. */
struct heald_request {
    const void *data; /* in the region, until the reply */
    size_t size;
    int redelivered; /* 1: a server had it before, and died; 0 in a service AT_MOST_ONCE */
    /* Private: */
    struct heald_service *service;
    struct heald_queue_slot slot;
    uint32_t client, mail, number;
};

/*
 * Receives a request. It belongs to the thread that is `me` until it replies. Blocks until
 * `deadline_ns`.
 *
 *   0            *ret_request is the request
 *   -ENODATA     the service is closed, and no request waits
 *   -ETIMEDOUT   the deadline has passed
 */
HEALD_API int heald_service_receive(struct heald_service *service, struct heald_participant *me,
                                    struct heald_request *ret_request, int64_t deadline_ns);

/*
 * Reply to a request, and give it away: with `size` bytes, or with an error, which the call
 * returns. Do not block.
 *
 *   0            done
 *   -ECANCELED   done; the client no longer waits, or has died
 *   -EMSGSIZE    size is above reply_max; the request is still the caller's
 *   -EINVAL      the request is not the caller's, or `err` is not a negative error number, or is
 *                -EAGAIN or -EBUSY
 */
HEALD_API int heald_service_reply(struct heald_request *request, struct heald_participant *me,
                                  const void *data, size_t size);
HEALD_API int heald_service_fail(struct heald_request *request, struct heald_participant *me,
                                 int err);

/* Does the client of a request still wait? 1 or 0. For a server that computes for a long time. */
HEALD_API int heald_request_is_awaited(const struct heald_request *request,
                                       struct heald_participant *me);

/* Closes a service for all: as heald_queue_close() of its requests. Calls that were sent are still
 * served. */
HEALD_API int heald_service_close(struct heald_service *service, struct heald_participant *me);

/* What a service is doing. The numbers are read one after another while others use the service. */
struct heald_service_info {
    struct heald_service_options options; /* as they are, with the defaults */
    uint64_t sent;    /* requests that were sent, since the service was initialized */
    unsigned depth;   /* requests that wait for a server */
    unsigned serving; /* requests that servers have */
    unsigned clients; /* that are open; not those of participants that are gone */
    int closed;
};

/* Describes a service. Does not block. Returns 0. */
HEALD_API int heald_service_describe(struct heald_service *service, struct heald_participant *me,
                                     struct heald_service_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
