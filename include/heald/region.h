/*
 * heald/region.h: memory that processes share, and the register of who is attached to it.
 *
 * A region is a file in the system's directory of shared memory ("/name"), a file anywhere
 * ("file:/path", which outlives everybody), or a memfd without a name, passed on by descriptor. It
 * is made whole before it gets its name: nobody ever sees half a region. What lies in it and is
 * found wrong is -EBADMSG, what is not a region at all -ENOEXEC.
 *
 * What lies in it: the program's own data, and if it has a heap, allocated memory (heald/heap.h)
 * and objects with names (heald/object.h). With its heap the region grows, in place: addresses stay
 * as they are, in every process.
 *
 * A region in a file is found again after everybody has gone, even after the machine was switched
 * off: the first to open it, which an flock(2) tells, clears away those who were attached. (What
 * was not written out by then is lost, as of any file.)
 *
 * A thread that uses the objects in a region (heald/mutex.h and its kin) is a participant. It holds
 * a lifeline that the kernel lets go of when the thread ends, by return, exec or SIGKILL; what it
 * held is then known to be nobody's. A process forked off is no participant until it attaches.
 *
 * The participants of one region trust each other with everything: whoever can write to it can make
 * the others wait, crash, or run code of its choice, for the C library keeps pointers in their
 * lifelines.
 *
 * Limits: that a thread other than the first of its process calls exec is found out within the same
 * PID name space only; a thread may be attached about 2000 times at once.
 */
#ifndef HEALD_REGION_H
#define HEALD_REGION_H

#include <heald/base.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_region;      /* a region, as this process has it mapped */
struct heald_participant; /* a thread that is attached to it */

enum {
    HEALD_REGION_CREATE = 1,     /* make it if it is not there */
    HEALD_REGION_EXCLUSIVE = 2,  /* … and refuse if it is: -EEXIST */
    HEALD_REGION_ANY_OWNER = 4,  /* also one that another user made; else -EPERM, but for root's */
    HEALD_REGION_READ_ONLY = 8,  /* to look at it: nothing in it can be changed, nobody attached */
    HEALD_REGION_TEMPORARY = 16, /* unlinked when the last process closes it; a child of fork(2)
                                    counts only while it is attached */
    HEALD_REGION_SNAPSHOT = 32   /* with READ_ONLY: not mapped. heald_object_next() and the calls of
                                    heald/inspect.h read a copy, so that a file that is truncated
                                    meanwhile is an error and not SIGBUS. Who is attached and what
                                    has a name is as it was at the open; an object is read at each
                                    look. heald_region_data() and heald_at() are NULL */
};

/* All zero is a good choice. Used by whoever makes the region. */
struct heald_region_options {
    size_t size;           /* of the data; 0: 64 KiB */
    unsigned participants; /* how many threads may be attached at a time; 0: 64, at most 4096 */
    mode_t mode;           /* permissions, less the umask; 0: 0600 */
    size_t heap;           /* bytes of heap to begin with, at least 16 KiB; 0: it has none */
    size_t heap_max;       /* as large as that may grow; 0: 64 MiB, or `heap` if that is more */
    unsigned names;        /* room in the directory, if there is a heap; 0: 64, at most 65536 */
    int trace;             /* 1: record for how long mutexes are held, and report wrong orders of
                              locking (heald_region_on_inversion()); locking takes longer */
    /* Fills in the data, zeroed until then, before anybody else can see it. 0 or -errno, which ends
     * the making. */
    int (*init)(void *data, size_t size, void *ctx);
    void *ctx;
    /* After that, and before the region has its name: makes the objects that are to be in it
     * (heald_object_open()), so that whoever opens it finds them. It attaches for that, and may
     * stay attached. 0; or -errno, which ends the making, and then nobody is attached. */
    int (*setup)(struct heald_region *region, void *ctx);
    /* If not NULL: when it is no region, of another version or corrupt, a constant text that says
     * which check it did not pass; else NULL. Used by whoever opens it, too. */
    const char **ret_why;
};

/*
 * Opens the region of a name, or makes it. Blocks for as long as the file system takes;
 * thread-safe. -EINVAL: a name that is neither "/name" nor "file:/path", or an option out of range;
 * -ENAMETOOLONG; -ENOENT; -EEXIST; -EACCES; -EPERM: another user's; -ENOSPC: no room for it;
 * -ENOEXEC: not a region;
 * -EPROTONOSUPPORT: made by another version of heald or of the C library; -EBADMSG: corrupt;
 * -ENOSYS: the system has no robust mutexes; -ENOMEM.
 */
HEALD_API int heald_region_open(struct heald_region **ret_region, const char *name, int flags,
                                const struct heald_region_options *options);

/* Makes one without a name that cannot shrink, nor grow but by its heap. -ENOSYS where there is no
 * memfd_create(2); otherwise as heald_region_open(). */
HEALD_API int heald_region_create_memfd(struct heald_region **ret_region,
                                        const struct heald_region_options *options);

/* Opens the region behind a descriptor, which stays the caller's. Errors as heald_region_open();
 * -EBADF. */
HEALD_API int heald_region_open_fd(struct heald_region **ret_region, int fd);

/*
 * Unmaps it. -EBUSY while a participant of this process is attached, or an op of it waits in a
 * loop. Nobody may use what lies in it from then on. The region itself stays, under its name, until
 * heald_region_unlink() and the end of its last user. -EINVAL: NULL.
 */
HEALD_API int heald_region_close(struct heald_region *region);

/* Unlinks the region. Processes that have it open keep it. -ENOENT, -EACCES, -EINVAL; -ENOEXEC:
 * that is no region. */
HEALD_API int heald_region_unlink(const char *name);

/*
 * Unlinks the region if no process has it open, which the kernel knows; with
 * `dry_run` it only says whether it would. -EBUSY: somebody has; otherwise as above.
 */
HEALD_API int heald_region_unlink_unused(const char *name, int dry_run);

/* A descriptor of the region, to pass on (heald_fd_msg_send()); it belongs to the region. */
HEALD_API int heald_region_fd(const struct heald_region *region);

/* The data, aligned as for any type. At another address in each process: keep offsets in it, not
 * pointers (heald_offset()). */
HEALD_API void *heald_region_data(const struct heald_region *region);
HEALD_API size_t heald_region_size(const struct heald_region *region);

/* The address of an offset in this process; NULL: 0, or not in the region. Any thread. */
HEALD_API void *heald_at(const struct heald_region *region, uint64_t offset);

/* The offset of an address; 0: not in the region. */
HEALD_API uint64_t heald_offset(const struct heald_region *region, const void *address);

/*
 * Makes the calling thread a participant until heald_detach() or its end. Does not wait; finds and
 * recovers the slots of dead threads. -EUSERS: all slots are taken by living threads; -EACCES: it
 * was opened to be read only; -EBADMSG; -ENOMEM. The handle is for the thread that made it alone. A
 * child of fork(2) that uses its parent's gets -ESTALE.
 *
 * Each call makes a handle that was none before, so that an old one is never taken for a new one.
 * 64 bytes of address space are used up by each until the region is closed, and no memory.
 */
HEALD_API int heald_attach(struct heald_region *region, struct heald_participant **ret_me);

/*
 * Ends it, on the thread that attached. What it still held is treated as if it had died. From then
 * on every call with the handle returns -ESTALE, until the region is closed, whoever attaches next.
 * So does an op that was prepared before and is submitted after; one that waits completes with it.
 * Nothing happens if it is NULL, stale already, or the parent's in a child of fork(2).
 */
HEALD_API void heald_detach(struct heald_participant *me);

/* What a region tells of itself. */
struct heald_region_stats {
    unsigned participants;     /* attached now, with dead threads that were not found yet */
    unsigned participants_max; /* how many there can be */
    uint64_t deaths;           /* found so far */
    uint64_t size;             /* bytes of the whole region, as it is now */
    uint64_t size_max;         /* as large as it may become */
};

/* Any thread, participant or not. */
HEALD_API void heald_region_stats(struct heald_region *region,
                                  struct heald_region_stats *ret_stats);

/* Two locks are taken in both orders, so that two threads that do so at once may wait for each
 * other indefinitely. Offsets: see heald_at(); sites are addresses in the program that called. */
struct heald_inversion {
    uint64_t held, wanted; /* the caller has the first and asks for the second */
    uint64_t site;         /* and asks here */
    uint64_t other_site;   /* where one who had `wanted` asked for the next lock on the way
                              to `held` */
    pid_t other_pid;
    uint64_t other_thread;
};

/*
 * In a region made with `trace`: fn is called, by the thread that is about to lock a mutex or a
 * read-write lock and before it waits, the first time that this process or any other takes two
 * locks in an order that contradicts the one seen before, whether or not anybody hangs. It may do
 * anything but lock. NULL: a line on standard error, which is what happens without this call.
 *
 * An op in a loop counts when it is submitted, with what its participant holds then; a try is not
 * told, but what it got is held. A lock that is made anew (heald_mutex_init(), zeroed memory) has
 * no order yet, and one that is freed is forgotten. The orders of 64 locks in the first 32 GiB are
 * recorded, of 16 held at once by one participant. Before anybody attaches.
 */
HEALD_API void heald_region_on_inversion(struct heald_region *region,
                                         void (*fn)(const struct heald_inversion *inversion,
                                                    void *ctx),
                                         void *ctx);

#ifdef __cplusplus
}
#endif
#endif
