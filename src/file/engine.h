/*
 * file/engine.h: how file operations are done: the table of an engine.
 *
 * An engine takes ops of the kinds read, write, readv, writev (regular files, or with an offset),
 * and those of the group FILE of op/kinds.h; but of the latter only what takes() says, if it has
 * that: the engine `threads` does the others in its stead. One that `waits` also takes accept,
 * connect, and reads and writes of what is not a file. It completes each exactly once through the
 * sink. It uses op->aux while it has an op; op->link belongs to the loop. All calls are made on the
 * loop's thread.
 */
#ifndef HEALD_SRC_FILE_ENGINE_H
#define HEALD_SRC_FILE_ENGINE_H

#include "base/alloc.h"
#include "op/sink.h"
#include "platform/sys.h"

struct heald_pool;
struct heald_engine_ops;

struct heald_engine {
    const struct heald_engine_ops *ops;
    const struct heald_sys *sys;
    const struct heald_allocator *alloc;
    struct heald_sink *sink;
    unsigned entries; /* of a ring */
    bool edge;        /* changes of fd are reported: it need not be drained */
    int fd;           /* set by open: -1, or readable when flush() has something to harvest */
    void *priv;

    /* The loop's pool, opened when first asked for: 0 and *ret_pool, or -errno. */
    int (*pool)(struct heald_engine *engine, struct heald_pool **ret_pool);
    int64_t (*now)(struct heald_engine *engine); /* heald_now() of the loop */
};

struct heald_engine_ops {
    const char *name;
    const char *about;
    bool waits;
    int (*open)(struct heald_engine *e);
    void (*close)(struct heald_engine *e);
    /* Does it do this op? NULL: all of them. */
    bool (*takes)(const struct heald_engine *e, const struct heald_op *op);
    /* Takes an op. It may finish it before it returns. Failure is a result of the op, not of this
     * call. */
    void (*submit)(struct heald_engine *e, struct heald_op *op);
    /* Asks for the end of an op that it has (not of one of a pool). */
    void (*cancel)(struct heald_engine *e, struct heald_op *op);
    /* An engine that waits: the callback of a multishot op has run; brings the next completion of
     * it, if there is one already. */
    bool (*next)(struct heald_engine *e, struct heald_op *op);
    /* Before the loop waits, and when fd is readable: submits what was gathered, completes what is
     * done. 0; 1: not all could be submitted, call again soon; -errno. */
    int (*flush)(struct heald_engine *e);
};

extern const struct heald_engine_ops heald__engine_uring, heald__engine_threads, heald__engine_sync;

/* Does one file operation to its end, on the calling thread, and returns its result; attempt: a
 * signal may end it before that, with -EINTR. */
int64_t heald__file_perform(const struct heald_sys *sys, const struct heald_op *op);
int64_t heald__file_attempt(const struct heald_sys *sys, const struct heald_op *op);

/* Sends a part of a file; it never waits for the socket (-EAGAIN). Without `waits` it does not wait
 * for the disk, either: SYS_ELSEWHERE where it would. Any thread. */
int64_t heald__file_send(const struct heald_sys *sys, const struct heald_op *op, bool waits);

#endif
