/*
 * test/conformance/reuse.h: what the reuse_* cases share: objects of all types, one of which gets
 * the number of another that was closed.
 */
#ifndef HEALD_TEST_REUSE_H
#define HEALD_TEST_REUSE_H

#include "conformance/conformance.h"

enum reuse_type {
    REUSE_TCP,
    REUSE_STREAM, /* Unix */
    REUSE_DGRAM,  /* Unix */
    REUSE_UDP,
    REUSE_PIPE_IN,
    REUSE_PIPE_OUT,
    REUSE_OLD_TYPES, /* those that ops wait on */
    REUSE_FILE = REUSE_OLD_TYPES,
    REUSE_TYPES
};

/* A descriptor, and the other end of it: of a file, a second descriptor that is open on it. */
struct reuse_end {
    int fd, peer;
    bool reads, writes; /* which of a fresh read and a fresh write it takes */
};

/* The ways to close a descriptor; the last is heald_forget(), then close(2). */
enum reuse_how { REUSE_CLOSE, REUSE_CLOSE_OP, REUSE_FORGET, REUSE_HOWS };

/* The moments to do it at. */
enum reuse_when { REUSE_SUBMITTED, REUSE_ARMED, REUSE_DUE, REUSE_CANCELLED };

extern const char *const reuse_type_names[], *const reuse_how_names[], *const reuse_when_names[];

void reuse_open(struct reuse_end *end, enum reuse_type type);

/* The same with the number `fd`, which must be free; "new!" waits to be read from what can be read.
 */
void reuse_take(struct reuse_end *end, enum reuse_type type, int fd);

/* Gives the object `fd` the number `number`, which must be free. */
void reuse_move(int fd, int number);

bool reuse_is_open(int fd);

/* Closes the descriptor; `close_op` is for REUSE_CLOSE_OP, and fn(close_op) runs when it has
 * completed. True: the number is free now. */
bool reuse_close(struct heald_loop *loop, int fd, enum reuse_how how, struct heald_op *close_op,
                 heald_fn *fn);

/* Reads until nothing is left, of which the first `size` bytes are kept. Returns how many. */
size_t reuse_drain(int fd, char *text, size_t size);

/* Reads to the end of a stream whose other side is closed, and sets *ret_has to whether `c` was in
 * it. Returns how many bytes, or -1: no end came in two seconds. */
ssize_t reuse_drain_to_end(int fd, char c, bool *ret_has);

/* Turns the loop until *count is not 0: false after two seconds. */
bool reuse_await(struct heald_loop *loop, const int *count);

#endif
