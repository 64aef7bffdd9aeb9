/*
 * heald/object.h: the directory of a region: objects that have a name.
 *
 * An object is found, or made, under its name; its memory comes from the region's heap
 * (heald/heap.h). One that lies in a struct of the program's own can be given a name as well, so
 * that others find it and the tools show it. Names are bytes, all but 0 and '/'; there is room for
 * as many as heald_region_options.names says.
 *
 * Calls with a participant are for its thread, may block for as long as others work in the heap,
 * and are crash-safe: a name stands for a whole object or is not there. None is safe in a signal
 * handler.
 */
#ifndef HEALD_OBJECT_H
#define HEALD_OBJECT_H

#include <heald/base.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_region;
struct heald_participant;

enum { HEALD_NAME_MAX = 47 }; /* bytes in a name */

enum heald_object_type {
    HEALD_OBJECT_DATA, /* the program's own; heald does not look into it */
    HEALD_OBJECT_MUTEX,
    HEALD_OBJECT_COND,
    HEALD_OBJECT_SEM,
    HEALD_OBJECT_RWLOCK,
    HEALD_OBJECT_BARRIER,
    HEALD_OBJECT_ONCE
};

/* How one waits for an object (heald/inspect.h). */
enum heald_wait_flag {
    HEALD_WAIT_DEADLINE = 1, /* until a deadline */
    HEALD_WAIT_IN_LOOP = 2,  /* an op does, not a thread */
    HEALD_WAIT_TO_READ = 4,  /* of a read-write lock: to read */
    HEALD_WAIT_TO_WRITE = 8  /* … to write */
};

/* "data", "mutex", …; NULL: no such type. */
HEALD_API const char *heald_object_type_name(enum heald_object_type type);

struct heald_object_options {
    enum heald_object_type type;
    size_t size; /* 0: that of the type; needed for data and for semaphores (HEALD_SEM_SIZE()); of
                    read-write locks and barriers also HEALD_RWLOCK_SIZE(), HEALD_BARRIER_SIZE() */
    /* Makes it of zeroed memory, before anybody else can see it: 0 or -errno, which ends the
     * making. May be NULL where zeroes will do: not for semaphores, barriers, and read-write locks
     * of another size than that of the type. Must not call anything of heald but heald_…_init(),
     * heald_…_init_sized(). */
    int (*init)(void *object, size_t size, void *ctx);
    void *ctx;
};

/*
 * Finds the object of a name, or makes it. 0: *ret_object is it, in this process; *ret_made, if not
 * NULL, whether it was made. -EINVAL: an option is out of range, or the name empty or with a '/';
 * -ENAMETOOLONG; -EPROTOTYPE: it is there, of another type or smaller; -ENFILE: the directory is
 * full; -ENOMEM: the heap is full; -ENOSYS: the region was made without a heap; -ESTALE: see
 * heald_mutex_lock(); -EBADMSG: the region is corrupt; what init returned.
 */
HEALD_API int heald_object_open(struct heald_participant *me, const char *name,
                                const struct heald_object_options *options, void **ret_object,
                                int *ret_made);

/* Finds it, and never makes it: -ENOENT. `type` and `size` as above. */
HEALD_API int heald_object_find(struct heald_participant *me, const char *name,
                                enum heald_object_type type, size_t size, void **ret_object);

/* Gives a name to what lies in the region's data already. -EINVAL: it does not; -EEXIST: the name
 * is another's; otherwise as heald_object_open(). */
HEALD_API int heald_object_name(struct heald_participant *me, const char *name,
                                enum heald_object_type type, void *object, size_t size);

/* Removes the name, and frees the object if heald_object_open() made it: nobody may use it any
 * more. -ENOENT. */
HEALD_API int heald_object_remove(struct heald_participant *me, const char *name);

/* One name of a directory. */
struct heald_object_info {
    char name[HEALD_NAME_MAX + 1];
    enum heald_object_type type;
    uint64_t offset; /* heald_at() finds it; 0: the name is gone */
    size_t size;
};

/* Lists the directory: *cursor is 0 at first. 1: *ret_info is one; 0: that was all. Any thread,
 * participant or not; takes no lock. What is corrupt is left out. */
HEALD_API int heald_object_next(const struct heald_region *region, unsigned *cursor,
                                struct heald_object_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
