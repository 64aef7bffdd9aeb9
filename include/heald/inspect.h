/*
 * heald/inspect.h: which threads are attached to a region, and which of them hold objects and wait
 * for them, where and since when. For tools.
 *
 * The functions lock and change nothing and do not block, so they work while a program hangs, and
 * on a region that is open with HEALD_REGION_READ_ONLY. Open a region whose file another process
 * may truncate with HEALD_REGION_SNAPSHOT; then they read the file, and may block for it. Any
 * thread may call them; it need not be a participant. None is async-signal-safe.
 *
 * A result is a snapshot of the time of the call; its parts may be of different moments. Times are
 * never later than the call. A time is not known (0) if it was taken from another clock: in another
 * time name space, or before the machine was started.
 */
#ifndef HEALD_INSPECT_H
#define HEALD_INSPECT_H

#include <heald/object.h>
#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread, with the numbers of the PID name space in which it attached. */
struct heald_thread_info {
    pid_t pid;
    uint64_t thread; /* the number that the system gives to the thread */
    int is_here;     /* 1: this is the PID name space of the caller */
};

enum { HEALD_WAITS_SHOWN = 4 };

/* A wait of a participant. */
struct heald_wait_info {
    uint64_t offset; /* of the object; for heald_at() */
    enum heald_object_type type;
    unsigned flags;      /* enum heald_wait_flag */
    int64_t since_ns;    /* on the caller's monotonic clock; 0: not known */
    uint64_t ticket;     /* the order of arrival: an earlier waiter has a smaller ticket */
    int64_t deadline_ns; /* on the same clock; HEALD_FOREVER: none; 0: not known */
    uint64_t site;       /* an address in its program: where it waits, or the callback of the op;
                            0: not known */
};

/* A participant. */
struct heald_participant_info {
    struct heald_thread_info thread;
    unsigned slot;
    int is_gone; /* 1: it has ended, and no participant has found that yet */
    unsigned wait_count;
    struct heald_wait_info waits[HEALD_WAITS_SHOWN];
};

/* Lists the participants. *cursor is 0 at first. Returns 1 and fills *ret_info, or 0 after the last
 * one. */
HEALD_API int heald_participant_next(const struct heald_region *region, unsigned *cursor,
                                     struct heald_participant_info *ret_info);

/* The condition of an object. */
enum heald_object_condition {
    HEALD_OBJECT_FREE,     /* a new caller does not wait */
    HEALD_OBJECT_HELD,     /* a new caller waits, for the holders or for a signal */
    HEALD_OBJECT_ORPHANED, /* its holder has died; the next participant gets -EOWNERDEAD */
    HEALD_OBJECT_LOST,     /* it was given up, or it is a broken barrier */
    HEALD_OBJECT_DONE,     /* a one-time initialization is done; a queue is closed */
    HEALD_OBJECT_UNKNOWN   /* it is data, or corrupt */
};

/* Returns the name of a condition, such as "free" or "held", or NULL if there is no such condition.
 * The string is static. */
HEALD_API const char *heald_object_condition_name(enum heald_object_condition condition);

enum { HEALD_HOLDERS_SHOWN = 64, HEALD_LAST_SHOWN = 4 };

/* A holder of an object. */
struct heald_holder_info {
    unsigned slot;    /* heald_participant_info.slot */
    int at_least;     /* 1: it may hold it for longer; a participant that had to wait recorded the
                         time */
    int64_t since_ns; /* exact in a region with `trace`, otherwise to some milliseconds; 0: not
                         known, for example if no participant has waited for it */
    uint64_t site;    /* an address in its program: where it acquired the object, or the callback of
                         the op; 0: not known. Always known for mutexes. For the other types only
                         the latest of several acquisitions has it */
};

/* The state of an object. */
struct heald_object_state {
    enum heald_object_condition condition;
    unsigned holder_count; /* living holders, of which at most HEALD_HOLDERS_SHOWN are in holders.
                              Of a barrier: participants that have arrived or are arriving */
    struct heald_holder_info holders[HEALD_HOLDERS_SHOWN];
    int is_writing;     /* 1: the holder of a read-write lock writes */
    unsigned free, max; /* semaphore: free permits, and all; max 0: a counting semaphore. Barrier:
                           missing arrivals, and all. Queue and service: free slots, and all.
                           Topic: chunks that nobody has on loan or holds, and all */
    /* Of a queue, a service (of its requests) and a topic: */
    uint64_t messages;    /* those that wait. Topic: how many samples the slowest subscriber is
                             behind */
    uint64_t sent;        /* messages or samples, since it was initialized */
    unsigned capacity;    /* messages of each priority. Topic: how many samples a subscriber may be
                             behind */
    unsigned priorities;  /* of a queue */
    uint64_t dropped;     /* of a queue: by HEALD_QUEUE_DROP_OLDEST */
    unsigned subscribers; /* of a topic, that there are */
    uint64_t lost;        /* of a topic: samples that those have lost */
    unsigned clients;     /* of a service, that are open */
    int has_slowest;      /* 1: a subscriber of a topic is behind: */
    unsigned slowest;     /* heald_participant_info.slot of the one that is furthest behind */
    /* Of a mutex: */
    unsigned last_count;
    struct heald_thread_info last[HEALD_LAST_SHOWN]; /* the last holders, the latest first; their
                                                        is_here is always 0 */
};

/*
 * Reads the state of the object at an offset.
 *
 *   0          *ret_state is the state
 *   -EINVAL    the offset is not in the region or not aligned to 8, or there is no such type
 *   -EBADMSG   (snapshot) the file was truncated
 *   -ENOMEM    (snapshot) no memory
 *   -errno     (snapshot) an error of pread(2)
 */
HEALD_API int heald_object_inspect(const struct heald_region *region, uint64_t offset,
                                   enum heald_object_type type,
                                   struct heald_object_state *ret_state);

/*
 * Copies the bytes of an object: for data, whose form only the program knows. Each word of 8 bytes
 * is read at once; the words may be of different moments.
 *
 *   0          copied
 *   -EINVAL    the offset and the size are not multiples of 8, or not in the region
 *   -EBADMSG   (snapshot) the file was truncated
 *   -errno     (snapshot) an error of pread(2)
 */
HEALD_API int heald_object_read(const struct heald_region *region, uint64_t offset, void *buf,
                                size_t size);

/* The origin of a region. */
struct heald_region_info {
    struct heald_thread_info creator; /* its `thread` is 0 */
    int creator_is_gone;              /* 1: it has ended; 0: it has not, or this is not known */
    int is_traced;                    /* 1: created with `trace` */
};

/* Fills *ret_info. */
HEALD_API void heald_region_inspect(const struct heald_region *region,
                                    struct heald_region_info *ret_info);

/* Returns the directory that contains the regions with names like "/name". The string is static. */
HEALD_API const char *heald_region_directory(void);

#ifdef __cplusplus
}
#endif
#endif
