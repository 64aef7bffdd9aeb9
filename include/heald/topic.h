/*
 * heald/topic.h: publish and subscribe in a region, without copies.
 *
 * A topic has chunks of one size and a ring of the last samples. A publisher borrows a chunk (a
 * loan), writes to it, and publishes it: each subscriber can take it from then on. A subscriber
 * reads a sample in place and holds it until it releases it. Any number of participants publish;
 * each subscriber has its own position, and a policy for the case that it does not keep up. No
 * process serves the others.
 *
 * A chunk is reused when it is no longer among the samples of the ring, no subscriber holds it, and
 * it is on no loan. So a topic needs as many chunks as the ring has samples, and one for each loan
 * and each sample that is held longer than it is in the ring.
 *
 * Deaths. A publisher that dies before it has published a sample has not published it, and its
 * loans return. What a subscriber held that dies is released. Nothing must be repaired: loans and
 * holds name a participant, and those of one that is gone do not count.
 *
 * A publisher that is stopped within heald_topic_publish() holds up subscribers in front of its
 * sample, and publishers one ring later. One that is stopped elsewhere holds up nobody. A
 * subscriber that is stopped keeps the chunks that it holds, and with HEALD_TOPIC_BLOCK holds up
 * publishers as soon as it is a ring behind. They hold up no call with a deadline, and no try.
 *
 * A participant that waits is woken by what it waits for. It tries again every 50 ms as well, which
 * matters in these cases only:
 *   - a second participant died while it recorded the death of the first
 *   - it waits for a chunk, several participants have one or look for one, and one of them died
 *   - with HEALD_TOPIC_LATEST: several publishers were publishing, and one of them died
 *
 * A subscriber writes to the topic: its position and what it holds. So it needs the region for
 * writing, and there are no subscribers in one that was opened with HEALD_REGION_READ_ONLY. Nothing
 * but their type protects samples from being written to by subscribers. A program that wants this
 * maps the region a second time, for reading, and reads the samples there.
 *
 * `me` is as in heald/mutex.h. None of these functions is async-signal-safe. Except where it says
 * so, none blocks. Each function with `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the topic is corrupt
 */
#ifndef HEALD_TOPIC_H
#define HEALD_TOPIC_H

#include <heald/object.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_TOPIC_CAPACITY_MAX = 1 << 15,    /* samples; also of the history */
    HEALD_TOPIC_CHUNKS_MAX = 1 << 20,      /* chunks */
    HEALD_TOPIC_SAMPLE_MAX = 1 << 28,      /* bytes of a sample */
    HEALD_TOPIC_ALIGN_MAX = 4096,          /* bytes */
    HEALD_TOPIC_SUBSCRIBERS_MAX = 1 << 10, /* subscribers at a time */
    HEALD_TOPIC_HOLDS_MAX = 16,            /* samples that a subscriber holds */
    HEALD_TOPIC_VERSION_MAX = 63,          /* bytes of a version */
    HEALD_TOPIC_CAPACITY_DEFAULT = 16,
    HEALD_TOPIC_SPARE_DEFAULT = 16, /* chunks beyond those of the ring */
    HEALD_TOPIC_SUBSCRIBERS_DEFAULT = 16,
    HEALD_TOPIC_HOLDS_DEFAULT = 8
};

/* What the samples are. Two programs agree if all of this is the same. */
struct heald_topic_type {
    size_t size;         /* bytes of a sample; 0: they differ */
    size_t align;        /* a power of two; 0: 64 */
    const char *version; /* any text of the program; NULL: "" */
};

/* A member that is 0 has its default. */
struct heald_topic_options {
    struct heald_topic_type type;
    size_t sample_max;    /* bytes of the longest sample; default: type.size */
    unsigned capacity;    /* how many samples a subscriber may be behind */
    unsigned history;     /* how many samples a new subscriber can have of those before it */
    unsigned chunks;      /* default: the ring, which has capacity + history samples, rounded up
                                 to a power of two, and HEALD_TOPIC_SPARE_DEFAULT */
    unsigned subscribers; /* at a time */
    unsigned holds;       /* of a subscriber, at a time */
    struct heald_why *ret_why; /* an output of heald_topic_open(), may be NULL: on failure the
                                  member that is wrong or differs, or another reason */
};

/* Lies in a region, aligned to 8 bytes. All members are private. */
struct heald_topic;

/* Returns the bytes that a topic occupies, or 0 if an option is out of range, or options is NULL: a
 * topic has no default type. Any thread. */
HEALD_API size_t heald_topic_size(const struct heald_topic_options *options);

/*
 * Initializes a topic in memory of a region of at least heald_topic_size() bytes. The caller
 * ensures that no other participant uses it yet.
 *
 *   0         done
 *   -EINVAL   an option is out of range, there are not more chunks than samples in the ring, or the
 *             memory is not aligned
 */
HEALD_API int heald_topic_init(struct heald_topic *topic,
                               const struct heald_topic_options *options);

/*
 * Finds the topic with a name in the heap of the region, or creates it. May block while other
 * participants use the heap.
 *
 * Of a topic that exists the type must be that of the options, and so must each other member that
 * is not 0. With `options` NULL a topic that exists is opened whatever its options are, and none is
 * created, as a topic has no default type.
 *
 *   0             *ret_topic is the topic
 *   -EINVAL       an option is out of range, or there are not more chunks than samples in the ring:
 *                 *options->ret_why says which
 *   -ENOENT       options is NULL, and there is no such topic
 *   -EPROTOTYPE   the name is that of something else, or a member differs: the same
 *   -errno        an error of heald_object_open()
 */
HEALD_API int heald_topic_open(struct heald_participant *me, const char *name,
                               const struct heald_topic_options *options,
                               struct heald_topic **ret_topic);

/* A chunk on loan. It belongs to the thread that is `me`, until it is published, returned or given
 * to another thread, or that thread ends. */
struct heald_topic_loan {
    void *data;  /* in the region, aligned as the type says */
    size_t size; /* bytes that there is room for */
    /* Private: */
    struct heald_topic *topic;
    uint64_t word;
    uint32_t chunk, bytes;
};

/*
 * Borrows a chunk. What is in it is what was there before. heald_topic_loan() blocks while all
 * chunks are in use, until `deadline_ns` (absolute, monotonic; HEALD_FOREVER).
 *
 *   0            *ret_loan is the caller's
 *   -EAGAIN      (tryloan) all chunks are in use
 *   -ETIMEDOUT   (loan) the deadline has passed
 */
HEALD_API int heald_topic_loan(struct heald_topic *topic, struct heald_participant *me,
                               struct heald_topic_loan *ret_loan, int64_t deadline_ns);
HEALD_API int heald_topic_tryloan(struct heald_topic *topic, struct heald_participant *me,
                                  struct heald_topic_loan *ret_loan);

/*
 * Publishes the sample of `size` bytes that was written to a loan. heald_topic_publish() blocks
 * while a subscriber with HEALD_TOPIC_BLOCK is a ring behind.
 *
 *   0            published; the chunk is the caller's no more
 *   -EMSGSIZE    size is above sample_max, or is not that of the type
 *   -EINVAL      the loan is not the caller's
 *   -EAGAIN      (trypublish) a subscriber is a ring behind, or a sample that another participant
 *                is publishing is; the loan is still the caller's
 *   -ETIMEDOUT   (publish) the deadline has passed; the loan is still the caller's
 */
HEALD_API int heald_topic_publish(struct heald_topic_loan *loan, struct heald_participant *me,
                                  size_t size, int64_t deadline_ns);
HEALD_API int heald_topic_trypublish(struct heald_topic_loan *loan, struct heald_participant *me,
                                     size_t size);

/* Returns a loan without publishing it. 0; -EINVAL: it is not the caller's. */
HEALD_API int heald_topic_return(struct heald_topic_loan *loan, struct heald_participant *me);

/*
 * Makes a loan that of another thread, which is the participant `to` of the same region, and may
 * publish or return it from then on. The caller passes *loan on to that thread.
 *
 *   0         done
 *   -EINVAL   the loan is not the caller's, or `to` is not of this region
 *   -ESRCH    `to` is detached
 */
HEALD_API int heald_topic_give(struct heald_topic_loan *loan, struct heald_participant *me,
                               struct heald_participant *to);

/* What happens when a subscriber does not keep up. */
enum heald_topic_policy {
    HEALD_TOPIC_DROP_OLDEST, /* it loses the oldest samples, and gets how many */
    HEALD_TOPIC_BLOCK,       /* publishers wait for it */
    HEALD_TOPIC_LATEST       /* it takes the latest sample each time, and skips those before */
};

/* A member that is 0 has its default. */
struct heald_topic_subscription {
    enum heald_topic_policy policy;
    unsigned history; /* so many of the last samples first, as far as they are there */
};

/* A subscriber. It belongs to the thread that is `me`. All members are private. */
struct heald_topic_subscriber {
    struct heald_topic *topic;
    uint64_t owner;
    uint32_t index;
};

/*
 * Subscribes to a topic: from now on, or from some samples before. A thread may have several
 * subscribers. A subscriber ends with its thread. `subscription` may be NULL: then it drops
 * the oldest samples, and has no history.
 *
 *   0         *ret_subscriber is the caller's
 *   -EINVAL   there is no such policy, or the history is above that of the topic
 *   -EUSERS   the topic has as many subscribers as it can have
 */
HEALD_API int heald_topic_subscribe(struct heald_topic *topic, struct heald_participant *me,
                                    const struct heald_topic_subscription *subscription,
                                    struct heald_topic_subscriber *ret_subscriber);

/* Ends a subscriber, and releases what it holds. 0; -EINVAL: it is not the caller's. */
HEALD_API int heald_topic_unsubscribe(struct heald_topic_subscriber *subscriber,
                                      struct heald_participant *me);

/* A sample that a subscriber holds. */
struct heald_topic_sample {
    const void *data;  /* in the region; does not change while it is held */
    size_t size;       /* bytes */
    uint64_t sequence; /* its number in the topic, from 0 on. Some numbers have no sample: their
                          publisher died */
    uint64_t lost;     /* numbers between the last sample that was taken and this one */
    /* Private: */
    struct heald_topic_subscriber subscriber;
    uint64_t hold;
    uint32_t place;
};

/*
 * Takes the next sample; with HEALD_TOPIC_LATEST the latest. The caller holds it until it releases
 * it, and reads it in place. heald_topic_take() blocks until there is one.
 *
 *   0            *ret_sample is the caller's
 *   -EINVAL      the subscriber is not the caller's
 *   -ENOBUFS     it holds as many samples as it can
 *   -EAGAIN      (trytake) there is no new sample, or the next one is being published
 *   -ETIMEDOUT   (take) the deadline has passed
 */
HEALD_API int heald_topic_take(const struct heald_topic_subscriber *subscriber,
                               struct heald_participant *me, struct heald_topic_sample *ret_sample,
                               int64_t deadline_ns);
HEALD_API int heald_topic_trytake(const struct heald_topic_subscriber *subscriber,
                                  struct heald_participant *me,
                                  struct heald_topic_sample *ret_sample);

/* Releases a sample: it must not be read any more. 0; -EINVAL: the caller does not hold it. */
HEALD_API int heald_topic_release(struct heald_topic_sample *sample, struct heald_participant *me);

/* What can be waited for. */
enum heald_topic_event {
    HEALD_TOPIC_SUBSCRIBED = 1, /* there is a subscriber */
    HEALD_TOPIC_UNSUBSCRIBED    /* there is none */
};

/*
 * Blocks until it is so; 0 at once if it is. A subscriber that is gone does not count.
 *
 *   0            it is so, or was a moment ago
 *   -EINVAL      there is no such event
 *   -ETIMEDOUT   the deadline has passed
 */
HEALD_API int heald_topic_wait(struct heald_topic *topic, struct heald_participant *me,
                               enum heald_topic_event event, int64_t deadline_ns);

/* What a topic is doing. The numbers are read one after another while others use the topic. */
struct heald_topic_info {
    struct heald_topic_options options; /* as they are, with the defaults */
    char version[HEALD_TOPIC_VERSION_MAX + 1];
    unsigned ring;        /* samples that the ring has room for */
    uint64_t published;   /* numbers that were given to samples, since the topic was initialized */
    unsigned loaned;      /* chunks that are on loan */
    unsigned left;        /* of those, to participants that are gone; they are reused on demand */
    unsigned held;        /* samples that subscribers hold */
    unsigned subscribers; /* that there are */
    unsigned blocking;    /* of those, with HEALD_TOPIC_BLOCK */
    uint64_t lost;        /* samples that the subscribers that there are have lost */
    uint64_t lag;         /* how many samples the slowest of them is behind */
    int64_t slowest;      /* the process of that; 0: there is none */
};

/* Describes a topic. options.type.version points to ret_info->version, and options.ret_why is NULL.
 * Returns 0. */
HEALD_API int heald_topic_describe(struct heald_topic *topic, struct heald_participant *me,
                                   struct heald_topic_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
