/*
 * heald/object.h: named objects of a region.
 *
 * A region with a heap has a directory of names. heald_object_open() finds or creates an object in
 * the heap (heald/heap.h). heald_object_name() names an object in the data of the program, so that
 * other processes find it and tools show it. A name has 1 to HEALD_NAME_MAX bytes, none of them 0
 * or '/'.
 *
 * A call with a participant is made on its thread. It may block while other participants use the
 * heap. It is crash-safe: a name refers to a complete object or does not exist. None is
 * async-signal-safe. Each of them returns, besides the errors below:
 *
 *   -EINVAL         the name is empty or contains '/', or the type is invalid
 *   -ENAMETOOLONG   the name is too long
 *   -ENOSYS         the region has no heap
 *   -ESTALE         `me` is detached, or belongs to the parent of this process
 *   -EBADMSG        the heap or the directory is corrupt
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
    HEALD_OBJECT_DATA, /* data of the program; heald does not interpret it */
    HEALD_OBJECT_MUTEX,
    HEALD_OBJECT_COND,
    HEALD_OBJECT_SEM,
    HEALD_OBJECT_RWLOCK,
    HEALD_OBJECT_BARRIER,
    HEALD_OBJECT_ONCE,
    HEALD_OBJECT_QUEUE,
    HEALD_OBJECT_SERVICE,
    HEALD_OBJECT_TOPIC
};

/* Bits of heald_wait_info.flags (heald/inspect.h). */
enum heald_wait_flag {
    HEALD_WAIT_DEADLINE = 1, /* the wait has a deadline */
    HEALD_WAIT_IN_LOOP = 2,  /* an op waits, not a thread */
    HEALD_WAIT_TO_READ = 4,  /* it waits to read (read-write lock), to receive or to take */
    HEALD_WAIT_TO_WRITE = 8  /* it waits to write (read-write lock), to send or publish */
};

/* Returns the name of a type, such as "data" or "mutex", or NULL if there is no such type. The
 * string is static. Any thread. */
HEALD_API const char *heald_object_type_name(enum heald_object_type type);

/* What heald_object_open() finds or creates. */
struct heald_object_options {
    enum heald_object_type type;
    size_t size; /* bytes; 0: the size of the type. Data needs a size, semaphores HEALD_SEM_SIZE();
                    read-write locks and barriers may have HEALD_RWLOCK_SIZE(),
                    HEALD_BARRIER_SIZE() */
    /* Initializes zeroed memory before any other process sees it. Returns 0, or -errno, which ends
     * the creation. NULL: the object is all zeroes, which is not valid for a semaphore, a barrier
     * or a read-write lock of another size. Must call no function of heald except heald_*_init()
     * and heald_*_init_sized(). */
    int (*init)(void *object, size_t size, void *ctx);
    void *ctx; /* passed to init */
};

/*
 * Finds the object with a name, or creates it. *ret_made, if not NULL, is 1 if it was created.
 * `options` has at least a type.
 *
 *   0             *ret_object is its address in this process
 *   -EINVAL       an option is out of range, or options is NULL
 *   -EPROTOTYPE   the object exists, with another type or a smaller size
 *   -ENFILE       the directory is full
 *   -ENOMEM       the heap is full
 *   -ENOSPC       the heap must grow, and the file system has no space
 *   -errno        the error that init returned
 */
HEALD_API int heald_object_open(struct heald_participant *me, const char *name,
                                const struct heald_object_options *options, void **ret_object,
                                int *ret_made);

/*
 * Finds the object with a name. A `size` of 0 is the size of the type.
 *
 *   0             *ret_object is its address in this process
 *   -ENOENT       there is no such name
 *   -EPROTOTYPE   it has another type or a smaller size
 */
HEALD_API int heald_object_find(struct heald_participant *me, const char *name,
                                enum heald_object_type type, size_t size, void **ret_object);

/*
 * Names an object that lies in the region already.
 *
 *   0         named
 *   -EINVAL   the object does not lie in the region, is not aligned to 8, or has no size
 *   -EEXIST   the name exists
 *   -ENFILE   the directory is full
 */
HEALD_API int heald_object_name(struct heald_participant *me, const char *name,
                                enum heald_object_type type, void *object, size_t size);

/*
 * Removes a name. If heald_object_open() created the object it is freed, and must not be used
 * afterwards. -ENOENT: there is no such name.
 */
HEALD_API int heald_object_remove(struct heald_participant *me, const char *name);

/* An entry of a directory. */
struct heald_object_info {
    char name[HEALD_NAME_MAX + 1];
    enum heald_object_type type;
    uint64_t offset; /* for heald_at(); 0: the name was removed */
    size_t size;
};

/*
 * Lists the directory. *cursor is 0 at first. Returns 1 and fills *ret_info, or 0 after the last
 * entry. Skips corrupt entries. Takes no lock and does not block. Any thread; the caller need not
 * be a participant.
 */
HEALD_API int heald_object_next(const struct heald_region *region, unsigned *cursor,
                                struct heald_object_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
