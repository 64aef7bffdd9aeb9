/*
 * heald/queue.h: a bounded queue of messages in a region.
 *
 * Any number of participants send and receive. A message is a sequence of bytes of at most
 * `message_max`, and is copied into the queue and out of it, or is written and read in place
 * (heald_queue_reserve(), heald_queue_peek()). Messages of one priority are received in the order
 * in which their slots were reserved; those of a higher priority are received first.
 *
 * Deaths. A sender that dies before it has committed a message has not sent it; the queue goes on.
 * A message whose receiver died before it released it is given to another receiver, behind messages
 * that were received meanwhile (at least once); with HEALD_QUEUE_AT_MOST_ONCE it is dropped.
 *
 * A sender that is stopped between reserve and commit holds up the receivers of its priority behind
 * that message. A receiver that is stopped between peek and release holds up senders as soon as its
 * slot would be used again. They hold up no call with a deadline, and no try.
 *
 * A participant that waits is woken by what it waits for. It tries again every 50 ms as well, which
 * matters in these cases only:
 *   - a second participant died while it recorded the death of the first
 *   - a participant died within heald_queue_close() or heald_queue_return()
 *   - the first sender joined after the receiver began to wait, and died
 *   - several receivers had messages, and one of them died
 *   - several senders were sending with different priorities, and one of them died
 *   - with HEALD_QUEUE_AT_MOST_ONCE a receiver died, and a sender waited for room
 *
 * `me` is as in heald/mutex.h. None of these functions is async-signal-safe. Except where it says
 * so, none blocks. Each function with `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the queue is corrupt
 */
#ifndef HEALD_QUEUE_H
#define HEALD_QUEUE_H

#include <heald/object.h>

#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_QUEUE_CAPACITY_MAX = 1 << 20,    /* messages of one priority */
    HEALD_QUEUE_MESSAGE_MAX = 1 << 28,     /* bytes of a message */
    HEALD_QUEUE_SENDERS_MAX = 64,          /* participants that have joined */
    HEALD_QUEUE_PRIORITIES_MAX = 32,       /* 0 is the lowest */
    HEALD_QUEUE_CAPACITY_DEFAULT = 64,     /* messages */
    HEALD_QUEUE_MESSAGE_MAX_DEFAULT = 1008 /* bytes: with its head a slot has 1024 */
};

/* Flags of heald_queue_options. */
enum {
    HEALD_QUEUE_ONE_SENDER = 1,   /* the first participant that sends is the only one, until it
                                     ends or detaches */
    HEALD_QUEUE_ONE_RECEIVER = 2, /* the same of receivers. A queue with both, one priority, and
                                     not AT_MOST_ONCE has a form without compare-and-swap, in which
                                     no message is marked as redelivered */
    HEALD_QUEUE_AT_MOST_ONCE = 4, /* a message whose receiver died is dropped */
    HEALD_QUEUE_VARIABLE = 16,    /* only in that form: a message occupies as many units of 64 bytes
                                     as it needs, with a head of 16, and `capacity` is in units;
                                     message_max takes half of them at most: capacity * 32 - 16 */
    HEALD_QUEUE_DROP_OLDEST = 8   /* a send to a full queue drops the oldest message of that
                                     priority, and waits only if a receiver has that; not with both
                                     of the first two */
};

/* A member that is 0 has its default. */
struct heald_queue_options {
    unsigned capacity;   /* messages of each priority, or units; rounded up to a power of two */
    unsigned priorities; /* default 1 */
    size_t message_max;  /* bytes of the longest message */
    unsigned flags;
    struct heald_why *ret_why; /* an output of heald_queue_open(), may be NULL: on failure the
                                  member that is wrong or differs, or another reason */
};

/* Lies in a region, aligned to 8 bytes. All members are private. */
struct heald_queue;

/* Returns the bytes that a queue occupies, or 0 if an option is out of range. `options` may be
 * NULL: then each member has its default. Any thread. */
HEALD_API size_t heald_queue_size(const struct heald_queue_options *options);

/*
 * Initializes a queue in memory of a region of at least heald_queue_size() bytes. The caller
 * ensures that no other participant uses it yet. `options` may be NULL, as above.
 *
 *   0         done
 *   -EINVAL   an option is out of range, or the memory is not aligned
 */
HEALD_API int heald_queue_init(struct heald_queue *queue,
                               const struct heald_queue_options *options);

/*
 * Finds the queue with a name in the heap of the region, or creates it. May block while other
 * participants use the heap.
 *
 * Of a queue that exists the flags must be those of the options, and so must each other member
 * that is not 0. With `options` NULL a queue that exists is opened whatever its options are, and
 * one that does not is created with the defaults. heald_object_find() creates none;
 * heald_queue_describe() says what the options are.
 *
 * A queue that was closed stays closed. When no participant uses it any more heald_object_remove()
 * removes it, and this call creates another one.
 *
 *   0             *ret_queue is the queue
 *   -EINVAL       an option is out of range
 *   -EPROTOTYPE   the name is that of something else, or of a queue with other options:
 *                 *options->ret_why says which
 *   -ENOSYS       the region has no heap (heald_region_options)
 *   -ENOMEM       the heap is full: heap_max is less than what heald_queue_size() says
 *   -errno        another error of heald_object_open()
 */
HEALD_API int heald_queue_open(struct heald_participant *me, const char *name,
                               const struct heald_queue_options *options,
                               struct heald_queue **ret_queue);

/*
 * Sends a message: copies `size` bytes to the queue. `data` may be NULL if size is 0.
 * heald_queue_send() blocks while the queue is full, until `deadline_ns` (absolute, monotonic;
 * HEALD_FOREVER).
 *
 *   0            sent
 *   -EMSGSIZE    size is above message_max
 *   -EINVAL      the queue has no such priority
 *   -EPIPE       the queue is closed
 *   -EPERM       (ONE_SENDER) another participant is the sender
 *   -EAGAIN      (trysend) the queue is full; with DROP_OLDEST also a receiver has the oldest
 *                message
 *   -ETIMEDOUT   (send) the deadline has passed
 */
HEALD_API int heald_queue_send(struct heald_queue *queue, struct heald_participant *me,
                               const void *data, size_t size, unsigned priority,
                               int64_t deadline_ns);
HEALD_API int heald_queue_trysend(struct heald_queue *queue, struct heald_participant *me,
                                  const void *data, size_t size, unsigned priority);

/*
 * Receives a message: copies it to `buf`, which has `size` bytes. Stores its priority to
 * *ret_priority unless that is NULL. heald_queue_recv() blocks while the queue is empty.
 *
 *   >= 0         the bytes of the message
 *   -EMSGSIZE    the message is longer than size; it stays in the queue
 *   -EINVAL      buf is NULL, and size is not 0
 *   -ENODATA     the queue is closed, and empty
 *   -EPIPE       the last sender that had joined has gone, and the queue is empty
 *   -EPERM       (ONE_RECEIVER) another participant is the receiver
 *   -EAGAIN      (tryrecv) the queue is empty, or the next message is being sent
 *   -ETIMEDOUT   (recv) the deadline has passed
 */
HEALD_API ssize_t heald_queue_recv(struct heald_queue *queue, struct heald_participant *me,
                                   void *buf, size_t size, unsigned *ret_priority,
                                   int64_t deadline_ns);
HEALD_API ssize_t heald_queue_tryrecv(struct heald_queue *queue, struct heald_participant *me,
                                      void *buf, size_t size, unsigned *ret_priority);

/*
 * Sends messages of one priority, one for each element of `messages` and at most 64 of them, and
 * wakes who waits once or twice. Waits only until there is room for the first one. Fails as
 * heald_queue_send(); -EINVAL: count is 0. Returns how many were sent, from the first on.
 */
HEALD_API int heald_queue_send_many(struct heald_queue *queue, struct heald_participant *me,
                                    const struct iovec messages[], int count, unsigned priority,
                                    int64_t deadline_ns);

/*
 * Receives messages, each to the next element of `messages`, whose iov_len becomes the bytes of the
 * message. Waits only until there is the first one. Returns how many were received; a message that
 * is too long for its element ends the series, and is an error if it is the first. Fails as
 * heald_queue_recv(); -EINVAL: count is 0.
 */
HEALD_API int heald_queue_recv_many(struct heald_queue *queue, struct heald_participant *me,
                                    struct iovec messages[], int count, int64_t deadline_ns);

/* A slot of a queue that the caller has: to write a message in, or to read one. */
struct heald_queue_slot {
    void *data;        /* in the region */
    size_t size;       /* bytes: what the slot can hold, or what the message has */
    unsigned priority; /* of the message */
    int redelivered;   /* 1: a receiver had the message before, and died or returned it; or, very
                          rarely, may have: one was stopped while it found another such message */
    uint64_t sequence; /* the number of the message among those of its priority, from 0 on: the
                          same at each delivery. Some numbers have no message: their sender died,
                          or, with VARIABLE, a message took several */
    /* Private: */
    struct heald_queue *queue;
    uint64_t word;
};

/*
 * Reserves a slot for a message of up to message_max bytes. Fails as heald_queue_send(). The slot
 * belongs to the thread that is `me` until it commits or abandons it; if it dies before, nothing
 * was sent. In a queue with one sender and one receiver there is one such slot at a time, and a
 * second reserve returns it again. heald_queue_tryreserve() does not block (-EAGAIN).
 */
HEALD_API int heald_queue_reserve(struct heald_queue *queue, struct heald_participant *me,
                                  unsigned priority, struct heald_queue_slot *ret_slot,
                                  int64_t deadline_ns);
HEALD_API int heald_queue_tryreserve(struct heald_queue *queue, struct heald_participant *me,
                                     unsigned priority, struct heald_queue_slot *ret_slot);

/*
 * Sends the message of `size` bytes that was written to a slot; or gives the slot up, and nothing
 * is sent.
 *
 *   0           done; the slot is the caller's no more
 *   -EMSGSIZE   size is above message_max; the slot is still the caller's
 *   -EINVAL     the slot is not the caller's
 */
HEALD_API int heald_queue_commit(struct heald_queue_slot *slot, struct heald_participant *me,
                                 size_t size);
HEALD_API int heald_queue_abandon(struct heald_queue_slot *slot, struct heald_participant *me);

/*
 * Takes the next message without copying it. Fails as heald_queue_recv(). Other receivers take
 * those behind it. The slot belongs to the thread that is `me` until it releases or returns it. In
 * a queue with one sender and one receiver a second peek returns the same message.
 * heald_queue_trypeek() does not block (-EAGAIN).
 */
HEALD_API int heald_queue_peek(struct heald_queue *queue, struct heald_participant *me,
                               struct heald_queue_slot *ret_slot, int64_t deadline_ns);
HEALD_API int heald_queue_trypeek(struct heald_queue *queue, struct heald_participant *me,
                                  struct heald_queue_slot *ret_slot);

/*
 * Release a message that was received, and its slot; or return it, to be received again, by the
 * caller or another one.
 *
 *   0         done; the slot is the caller's no more
 *   -EINVAL   the slot is not the caller's
 */
HEALD_API int heald_queue_release(struct heald_queue_slot *slot, struct heald_participant *me);
HEALD_API int heald_queue_return(struct heald_queue_slot *slot, struct heald_participant *me);

/*
 * Closes a queue for all: no more is sent, and receivers receive what is there and then -ENODATA. A
 * slot that was reserved before may still be committed: receivers wait for it, but not in a queue
 * with one sender and one receiver, where that message may come after -ENODATA. Wakes all that
 * wait. 0, also if it was closed already.
 */
HEALD_API int heald_queue_close(struct heald_queue *queue, struct heald_participant *me);

/*
 * Join a queue as a sender, and leave it. A participant that ends, or detaches, has left. Once one
 * has joined, a receiver that finds no message while none is there gets -EPIPE, also if it waits
 * when the last one leaves or dies; and waits again when another one has joined. Until then each
 * receive fails at once. A participant need not join to send: without a join receivers wait for
 * whoever sends next, for example for a sender that is started again.
 *
 *   0           done
 *   -EALREADY   (join) it has joined
 *   -EUSERS     (join) HEALD_QUEUE_SENDERS_MAX have joined
 *   -EPERM      (leave) it has not joined
 */
HEALD_API int heald_queue_join(struct heald_queue *queue, struct heald_participant *me);
HEALD_API int heald_queue_leave(struct heald_queue *queue, struct heald_participant *me);

/* A message of an op: see heald_prep_queue_send() in heald/await.h. */
struct heald_queue_message {
    void *data;        /* to send from, or to receive into */
    size_t size;       /* bytes to send; bytes that there is room for */
    unsigned priority; /* to send with; of what was received */
};

/* What a queue is doing. The numbers are read one after another while others use the queue. */
struct heald_queue_info {
    struct heald_queue_options options; /* as they are, with the defaults */
    uint64_t sent;    /* messages whose slot was reserved, since the queue was initialized */
    uint64_t dropped; /* messages that DROP_OLDEST dropped */
    unsigned depth;   /* messages that wait */
    unsigned sending, receiving; /* slots that senders and receivers have */
    unsigned left;               /* of those, slots of participants that are gone */
    int closed;
};

/*
 * Stores a random number, other than 0, that the queue has as long as it lives: from the first of
 * these calls on, for all participants, until the queue is initialized again. With the priority and
 * the sequence of a slot it names a message, for example to those that drop duplicates.
 *
 *   0        *ret_id is the number
 *   -errno   the system has no random number
 */
HEALD_API int heald_queue_identify(struct heald_queue *queue, struct heald_participant *me,
                                   uint64_t *ret_id);

/* Describes a queue. Returns 0. */
HEALD_API int heald_queue_describe(struct heald_queue *queue, struct heald_participant *me,
                                   struct heald_queue_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
