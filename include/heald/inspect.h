/*
 * heald/inspect.h: which threads are attached to a region, hold objects in it, and wait for them,
 * where and since when. For tools: nothing is locked or changed, so it works while the program
 * hangs, on a region that is opened with HEALD_REGION_READ_ONLY, by any thread, participant or not.
 * A region of which it is not known that nobody truncates its file is looked at with
 * HEALD_REGION_SNAPSHOT.
 *
 * The results are a snapshot of some moment of the call; parts of it may be of different moments.
 *
 * Times are never later than the call. They are not known where they were taken from another clock:
 * of another time name space, or before the machine was started.
 */
#ifndef HEALD_INSPECT_H
#define HEALD_INSPECT_H

#include <heald/object.h>
#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads that are known by these numbers: of the PID name space in which they attached. */
struct heald_thread_info {
    pid_t pid;
    uint64_t thread; /* as the system numbers threads */
    int is_here;     /* the numbers mean something in the caller's PID name space */
};

enum { HEALD_WAITS_SHOWN = 4 };

struct heald_wait_info {
    uint64_t offset; /* of the object: heald_at() */
    enum heald_object_type type;
    unsigned flags;      /* enum heald_wait_flag */
    int64_t since_ns;    /* of the caller's monotonic clock; 0: not known, see above */
    uint64_t ticket;     /* the order of coming: smaller than those of all who came later */
    int64_t deadline_ns; /* of the same clock; HEALD_FOREVER: none; 0: not known */
    uint64_t site; /* where it waits, or the callback of the op: an address in its program; 0 */
};

struct heald_participant_info {
    struct heald_thread_info thread;
    unsigned slot;
    int is_gone; /* it has ended, and no other has noticed yet */
    unsigned wait_count;
    struct heald_wait_info waits[HEALD_WAITS_SHOWN];
};

/* Lists who is attached: *cursor is 0 at first. 1: *ret_info is one; 0: that was all. */
HEALD_API int heald_participant_next(const struct heald_region *region, unsigned *cursor,
                                     struct heald_participant_info *ret_info);

enum heald_object_condition {
    HEALD_OBJECT_FREE,     /* a newcomer need not wait */
    HEALD_OBJECT_HELD,     /* a newcomer must wait, for the holders or for a signal */
    HEALD_OBJECT_ORPHANED, /* its holder has died; the next one gets -EOWNERDEAD */
    HEALD_OBJECT_LOST,     /* given up permanently, or a broken barrier */
    HEALD_OBJECT_DONE,     /* of once */
    HEALD_OBJECT_UNKNOWN   /* data, or corrupt */
};

/* "free", "held", …; NULL: no such condition. */
HEALD_API const char *heald_object_condition_name(enum heald_object_condition condition);

enum { HEALD_HOLDERS_SHOWN = 64, HEALD_LAST_SHOWN = 4 };

/* Since when and where it has the object. */
struct heald_holder_info {
    unsigned slot;    /* see heald_participant_info */
    int at_least;     /* it may have it for longer: somebody who had to wait noted the time */
    int64_t since_ns; /* exactly in a region with `trace`, else to some milliseconds; 0: not known,
                         as of one that found the object free and for whom nobody has waited */
    uint64_t site;    /* an address in its program, or the callback of the op; 0: not known. Of
                         mutexes always; of others only the last of some that it has */
};

struct heald_object_state {
    enum heald_object_condition condition;
    unsigned holder_count; /* living holders; of a barrier, those that have come or are about to.
                              At most HEALD_HOLDERS_SHOWN are in holders */
    struct heald_holder_info holders[HEALD_HOLDERS_SHOWN];
    int is_writing;      /* the holder of a read-write lock writes */
    unsigned free, max; /* permits of a semaphore that are free, and in all; max 0: it only
                           counts. Of a barrier: arrivals that are missing, and in all */
    /* Of a mutex: */
    unsigned last_count;
    struct heald_thread_info last[HEALD_LAST_SHOWN]; /* who locked it, the latest first; their
                                                        is_here is not known and 0 */
};

/* Reads the state of the object at an offset. 0; -EINVAL: it does not lie in the region, or there
 * is no such type. Of a snapshot also -EBADMSG: its file ends before; -ENOMEM; -errno of
 * pread(2). */
HEALD_API int heald_object_inspect(const struct heald_region *region, uint64_t offset,
                                   enum heald_object_type type,
                                   struct heald_object_state *ret_state);

/* Who made it, and how. */
struct heald_region_info {
    struct heald_thread_info creator; /* the thread is 0 */
    int creator_is_gone;              /* 0: there, or not known */
    int is_traced;
};

/* Any thread. */
HEALD_API void heald_region_inspect(const struct heald_region *region,
                                    struct heald_region_info *ret_info);

/* The directory in which the regions with names like "/name" are files. */
HEALD_API const char *heald_region_directory(void);

#ifdef __cplusplus
}
#endif
#endif
