/*
 * heald/region.h: memory that processes share, and the participants that use it.
 *
 * A region is one of:
 *
 *   "/name"        a file in the system's directory of shared memory
 *   "file:/path"   a file anywhere; it outlives a restart of the machine
 *   a memfd        has no name; a process passes its descriptor on
 *
 * A region contains the data of the program. With a heap it also contains allocated memory
 * (heald/heap.h) and named objects (heald/object.h), and grows in place: addresses do not change.
 *
 * A region is complete before it has its name: no process opens an incomplete one. When a process
 * opens a region that no other has open, which flock(2) shows, it removes the participants that the
 * file still lists, for example after a restart. Data that the system had not written out is lost,
 * as with any file.
 *
 * A thread that uses the objects of a region (heald/mutex.h and others) is a participant. It holds
 * a lifeline, a lock that the kernel releases when the thread ends, by return, exec or SIGKILL.
 * What it held is then held by nobody. A child of fork(2) is no participant until it attaches.
 *
 * The participants of a region trust each other. A process that can write to a region can make the
 * others wait, crash, or run code of its choice, because the C library keeps pointers in the
 * lifelines.
 *
 * Limits: a thread can be attached about 2000 times at once. If a thread other than the first of
 * its process calls exec, only processes in the same PID name space detect it. A function that does
 * not block (..._try...) detects an exec in about one of 64 calls of its thread that find the other
 * in the way: to detect it takes a system call.
 *
 * Unless its comment says otherwise, a function does not block and may be called from any thread.
 * None is async-signal-safe.
 */
#ifndef HEALD_REGION_H
#define HEALD_REGION_H

#include <heald/base.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_region;      /* a region that this process has open */
struct heald_participant; /* a thread that is attached to a region */

/* Flags of heald_region_open(). */
enum {
    HEALD_REGION_CREATE = 1,     /* create the region if it does not exist */
    HEALD_REGION_EXCLUSIVE = 2,  /* with CREATE: fail with -EEXIST if it exists */
    HEALD_REGION_ANY_OWNER = 4,  /* also open a region of another user; without this flag only of
                                    the caller and of root */
    HEALD_REGION_READ_ONLY = 8,  /* open for reading: no change, no heald_attach() */
    HEALD_REGION_TEMPORARY = 16, /* unlink it in heald_region_close(), if no other process has it
                                    open; a child of fork(2) counts only while it is attached. If
                                    the last process ends without the call, or opened the region
                                    without this flag, the region remains */
    HEALD_REGION_SNAPSHOT = 32   /* with READ_ONLY: do not map the region. heald_object_next() and
                                    heald/inspect.h read a copy, so a truncated file is an error and
                                    not SIGBUS. Participants and names are those at the open; each
                                    inspection reads its object. heald_region_data() and heald_at()
                                    return NULL */
};

/* Options of a new region. A member that is 0 or NULL has its default. An open of a region that
 * exists applies only ret_why: compare heald_region_size() with what the program needs. */
struct heald_region_options {
    size_t size;           /* bytes of data; default 64 KiB */
    unsigned participants; /* maximum number of participants; default 64, at most 4096 */
    mode_t mode;           /* permissions, less the umask; default 0600 */
    size_t heap;           /* initial bytes of heap, raised to 16 KiB; default: no heap */
    size_t heap_max;       /* maximum bytes of heap; default 64 MiB, or `heap` if that is more */
    unsigned names;        /* maximum number of names, with a heap; default 64, at most 65536 */
    int trace;             /* 1: record how long mutexes are held, and report locks that are taken
                              in both orders (heald_region_on_inversion()); locking takes longer */
    /* Fills the zeroed data before any other process sees it. Returns 0, or -errno, which ends the
     * creation. */
    int (*init)(void *data, size_t size, void *ctx);
    void *ctx; /* passed to init and setup */
    /* Runs after init, before the region has its name. Creates objects (heald_object_open()), so
     * that every process finds them; attaches for that, and may stay attached. Returns 0, or
     * -errno, which ends the creation; it is not attached then. */
    int (*setup)(struct heald_region *region, void *ctx);
    /* An output, also of an open: a static text with the check that failed, if the file is not a
     * region, of another version or corrupt; otherwise NULL. */
    const char **ret_why;
};

/*
 * Opens a region, or creates it. `options` may be NULL: then each member has its default. Blocks as
 * long as the file system does. *ret_region is untouched on failure.
 *
 *   0                  *ret_region is the region; the caller closes it
 *   -EINVAL            name is neither "/name" nor "file:/path"; a "/name" has no further slash and
 *                      does not begin with "/."
 *   -EINVAL            an option is out of range, or the flags contradict each other
 *   -ENAMETOOLONG      the name is too long
 *   -ENOENT, -EEXIST   the region does not exist, or exists
 *   -EACCES            the permissions of the file
 *   -EPERM             the region belongs to another user
 *   -ENOSPC            the file system has no space
 *   -ENOEXEC           the file is not a region
 *   -EPROTONOSUPPORT   another version of heald or of the C library created it
 *   -EBADMSG           the region is corrupt
 *   -ENOSYS            the system has no robust mutexes
 *   -EAGAIN            other processes create and unlink it repeatedly
 *   -ENOMEM, other -errno
 *                      an error of the system, of init or of setup
 */
HEALD_API int heald_region_open(struct heald_region **ret_region, const char *name, int flags,
                                const struct heald_region_options *options);

/*
 * Creates a region without a name. Its file is sealed: it cannot shrink, nor grow unless heap_max
 * is above `heap`, nor become executable (Linux 6.3), and no seal can be added. `options` may be
 * NULL: then each member has its default. Fails as heald_region_open(), and:
 *
 *   -ENOSYS   the system has no memfd_create(2)
 *   -ENOSPC   the size exceeds the memory of the machine
 */
HEALD_API int heald_region_create_memfd(struct heald_region **ret_region,
                                        const struct heald_region_options *options);

/*
 * Opens the region that a descriptor refers to, of whatever owner. The descriptor stays with the
 * caller. Fails as heald_region_open(), and with -EBADF.
 */
HEALD_API int heald_region_open_fd(struct heald_region **ret_region, int fd);

/* What heald_region_open_sealed() and heald_region_recv() accept. */
struct heald_region_limits {
    uint64_t size_max;    /* bytes of the whole region, with what it may grow to; not 0 */
    int may_grow;         /* 1: accept a region whose heap grows */
    const char **ret_why; /* an output, may be NULL: a static text with the check that failed, or
                             NULL */
};

/*
 * As heald_region_open_fd(), for a descriptor that came from another process. Checks, before it
 * maps anything, that the descriptor is a memfd as heald_region_create_memfd() makes them: sealed,
 * so that it can neither shrink nor grow nor be sealed further, and not larger than size_max. So
 * no access to the region raises SIGBUS, whatever the other process does with the file.
 *
 * A region whose heap grows is not sealed against growth, and is accepted with may_grow only. Its
 * maximum is mapped, and pages that the file does not have yet raise SIGBUS: heald uses them only
 * after the heap has grown, but the other process can write that it has.
 *
 * It is the file that is checked. The participants of a region trust each other all the same: the
 * other process can write to it at any time. The descriptor stays with the caller. Does not block.
 *
 *   0            *ret_region is the region; the caller closes it
 *   -EINVAL      limits is NULL, size_max is 0, or may_grow is neither 0 nor 1
 *   -EPROTOTYPE  the descriptor is no memfd: a pipe, a socket, a file
 *   -EPERM       it is not sealed so; or it is sealed against writing
 *   -EFBIG       it is larger than size_max, or may become so
 *   -ENOEXEC, -EPROTONOSUPPORT, -EBADMSG
 *                it is not a region: see heald_region_open()
 *   -EBADF, -EMFILE, -ENOMEM
 *                as heald_region_open_fd()
 *   -ENOSYS      the system has no memfd_create(2)
 */
HEALD_API int heald_region_open_sealed(struct heald_region **ret_region, int fd,
                                       const struct heald_region_limits *limits);

/*
 * Pass a region over a connected Unix socket `fd`, as one byte with the descriptor of the region,
 * and receive one. Neither waits: await the socket with heald_prep_poll(). A program that sends
 * other data over the socket knows from its own protocol that a region comes next.
 *
 * heald_region_send: the region stays open here, and may be closed at once.
 *
 *   0        sent
 *   -EAGAIN  the socket is full
 *   -EPIPE, -ECONNRESET, -ENOTSOCK, -EBADF and others
 *            as sendmsg(2); there is no SIGPIPE
 *
 * heald_region_recv: fails as heald_region_open_sealed() with the descriptor that came, which it
 * closes. The message has been received then. Besides:
 *
 *   0            *ret_region is the region; the caller closes it
 *   -EAGAIN      there is no message yet
 *   -ECONNRESET  the peer has closed
 *   -EPROTO      the message is not of heald_region_send(), or has not exactly one descriptor; all
 *                that came are closed
 */
HEALD_API int heald_region_send(int fd, const struct heald_region *region);
HEALD_API int heald_region_recv(int fd, const struct heald_region_limits *limits,
                                struct heald_region **ret_region);

/*
 * Unmaps a region. No thread may access it afterwards. The region itself exists until it is
 * unlinked and no process has it open.
 *
 *   0         closed
 *   -EBUSY    a participant of this process is attached, or one of its ops is pending in a loop
 *   -EINVAL   region is NULL
 */
HEALD_API int heald_region_close(struct heald_region *region);

/*
 * Unlinks a region. Processes that have it open keep it. Blocks as long as the file system does.
 *
 *   0                  unlinked
 *   -EINVAL            see heald_region_open()
 *   -ENOENT, -EACCES   the file does not exist, or the permissions
 *   -ENOEXEC           the file is not a region
 */
HEALD_API int heald_region_unlink(const char *name);

/*
 * As heald_region_unlink(), but -EBUSY if a process has the region open, which the kernel knows.
 * With `dry_run` it returns the same and unlinks nothing.
 */
HEALD_API int heald_region_unlink_unused(const char *name, int dry_run);

/* Returns the descriptor of a region, to pass it on with heald_fd_msg_send(). It belongs to the
 * region. */
HEALD_API int heald_region_fd(const struct heald_region *region);

/* Return the address of the data in this process, aligned for any type, and its size in bytes. The
 * address differs between processes: store offsets in the data, not pointers. */
HEALD_API void *heald_region_data(const struct heald_region *region);
HEALD_API size_t heald_region_size(const struct heald_region *region);

/* Returns the address of an offset in this process; NULL: the offset is 0 or not in the region. */
HEALD_API void *heald_at(const struct heald_region *region, uint64_t offset);

/* Returns the offset of an address, or 0 if the address is not in the region. */
HEALD_API uint64_t heald_offset(const struct heald_region *region, const void *address);

/*
 * Makes the calling thread a participant, until heald_detach() or its end. Finds dead participants
 * and recovers their slots. Only the calling thread may use the handle. In a child of fork(2) the
 * handle of its parent returns -ESTALE.
 *
 *   0          *ret_me is the participant; heald_region_close() frees it
 *   -EUSERS    living threads have all slots
 *   -EACCES    the region is open for reading
 *   -EBADMSG   the region is corrupt
 *   -ENOMEM    no memory
 *
 * Each call makes a new handle, so an old handle is never mistaken for a new one. A handle uses 64
 * bytes of address space, and no memory, until the region is closed.
 */
HEALD_API int heald_attach(struct heald_region *region, struct heald_participant **ret_me);

/*
 * Detaches the calling thread. What it still holds is treated as if it had died. Until the region
 * is closed every call with the handle returns -ESTALE, also after another thread has attached. A
 * pending op of the participant completes with -ESTALE; so does one that is submitted later. Has no
 * effect if `me` is NULL, detached already, or in a child of fork(2) the handle of its parent.
 * After heald_region_close() a handle is invalid memory.
 */
HEALD_API void heald_detach(struct heald_participant *me);

/* Counters of a region. */
struct heald_region_stats {
    unsigned participants;     /* attached now, with dead threads that nobody has found yet */
    unsigned participants_max; /* the limit */
    uint64_t deaths;           /* dead participants that were found */
    uint64_t size;             /* bytes of the whole region now */
    uint64_t size_max;         /* the maximum of that */
};

/* Copies the counters to *ret_stats. The caller need not be a participant. */
HEALD_API void heald_region_stats(struct heald_region *region,
                                  struct heald_region_stats *ret_stats);

/* Two locks that are taken in both orders: two threads that do so at once can deadlock. */
struct heald_inversion {
    uint64_t held, wanted; /* offsets: the caller holds the first and locks the second */
    uint64_t site;         /* an address in the program: where it does so */
    uint64_t other_site;   /* where a thread that held `wanted` locked the next lock on the path to
                              `held` */
    pid_t other_pid;       /* that thread */
    uint64_t other_thread;
};

/*
 * Sets the function that reports locks taken in both orders, in a region with `trace`. It runs the
 * first time that this happens in any process, whether or not a thread hangs: in the thread that
 * locks, before it waits. It must not lock. NULL, the default, writes a line to standard error. Set
 * it before any thread attaches.
 *
 * It covers mutexes and read-write locks. An op counts when it is submitted, with what its
 * participant holds then. A try is not reported, but the lock that it gets is held. A lock that is
 * initialized again, or that was freed, has no order. heald records the order of 64 locks in the
 * first 32 GiB, and of 16 locks that one participant holds at once.
 */
HEALD_API void heald_region_on_inversion(struct heald_region *region,
                                         void (*fn)(const struct heald_inversion *inversion,
                                                    void *ctx),
                                         void *ctx);

#ifdef __cplusplus
}
#endif
#endif
