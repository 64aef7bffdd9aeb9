/*
 * heald/describe.h: what a pending op waits for, as data and as a line of text. For a program that
 * asks why its loop does not end, or lists what it does: heald_loop_list().
 */
#ifndef HEALD_DESCRIBE_H
#define HEALD_DESCRIBE_H

#include <heald/net.h>
#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of a pending op. The strings are static, or belong to the op's owner or the loop:
 * they are valid until the op completes. */
struct heald_op_info {
    const char *kind;       /* heald_op_kind(): "recv", ... */
    const char *state;      /* heald_op_state(): "armed", ... */
    const char *name;       /* op->name, or NULL */
    int64_t since_ns;       /* when it was submitted, on the monotonic clock; 0: not known, because
                          heald_loop_options.since is 0, it was posted, or memory was lacking */
    int64_t deadline_ns;    /* or the time of a timer; HEALD_FOREVER: none */
    int clock;              /* enum heald_clock: of deadline_ns */
    int background;         /* 1: heald_op_background() */
    int fd[2];              /* its descriptor, and the second one of a splice or a copy; -1: none. A
                             path relative to a directory has the descriptor of that */
    const char *path[2];    /* the paths that it names, in the order of its prep; NULL: none */
    const char *host;       /* of a look-up or a connection to a name; NULL: none */
    const char *service;    /* the same */
    const void *object;     /* the lock, condition, word, array of words or map; NULL: none */
    int number;             /* the signal, the process id of a child, or the queue of System V; 0:
                               none */
    struct heald_addr addr; /* what is at the other end of the descriptor now: its peer; where a
                               connect goes; of an accept, where it listens; len 0: none */
};

/*
 * Describes a pending op. Asks the system for the address; does not block. *ret_info is untouched
 * on failure. The loop's thread, for example in the function that heald_loop_list() calls.
 *
 *   0         done
 *   -EINVAL   the op is not pending
 */
HEALD_API int heald_op_describe(const struct heald_op *op, struct heald_op_info *ret_info);

/*
 * Writes the same as one line, without a newline, to `buf` of `size` bytes:
 *
 *   recv "client", fd 7 from 127.0.0.1:5000, armed for 0.4 s, deadline in 3.2 s
 *
 * Bytes of names and paths that are no printable ASCII become `?`. The text is for people, and its
 * form may change. Returns the length of the whole text, as snprintf(3), or -EINVAL as above. The
 * loop's thread.
 */
HEALD_API int heald_op_format(const struct heald_op *op, char *buf, size_t size);

/* Bytes that are enough for the line of any op without long paths and names. */
#define HEALD_OP_TEXT 512

#ifdef __cplusplus
}
#endif
#endif
