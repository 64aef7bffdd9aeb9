/*
 * test/aio/types.h: types of descriptors: how one is made, made readable, filled and emptied. A
 * case is written once for all of them; a macro names it for each type.
 */
#ifndef HEALD_TEST_AIO_TYPES_H
#define HEALD_TEST_AIO_TYPES_H

#include "aio/suite.h"

/* Of which a read waits, a write waits, neither does. */
#define TYPES_READ(X) \
    X(terminal)       \
    X(line_terminal)  \
    X(pipe)           \
    X(fifo) X(stream) X(datagram) X(packet) X(tcp) X(eventfd) X(timerfd) X(signalfd) X(inotify)
#define TYPES_WRITTEN(X) \
    X(terminal)          \
    X(line_terminal)     \
    X(stopped_terminal)  \
    X(pipe)              \
    X(fifo)              \
    X(stream) X(datagram) X(packet) X(tcp) X(eventfd)
#define TYPES_READY(X) X(null) X(zero) X(maps) X(shared_memory) X(regular_file)

/* Those of bytes without bounds; those whose reads end when the peer closes its end. */
#define TYPES_OF_BYTES(X) X(terminal) X(line_terminal) X(pipe) X(fifo) X(stream) X(tcp)
#define TYPES_HUNG_UP(X)  X(terminal) X(line_terminal) X(pipe) X(fifo) X(stream) X(packet) X(tcp)

enum { TYPE_CHUNK = 4096 };

struct type {
    void (*make)(int fds[2]);          /* fds[1] is the peer, or a duplicate of fds[0] */
    void (*supply)(const int fds[2]);  /* makes fds[0] readable; errors are ignored */
    void (*fill)(int fd);              /* until a write waits */
    void (*release)(const int fds[2]); /* what a write waits for beside a reader; or NULL */
    size_t size;                       /* of a request */
    bool one_way;                      /* fds[1] is written, fds[0] its peer */
    bool exact;                        /* the room in it is the same each time */
};

#define TYPE_DECLARE(name) extern const struct type type_##name;
TYPES_READ(TYPE_DECLARE)
TYPES_READY(TYPE_DECLARE)
extern const struct type type_stopped_terminal;

/* The ends of a fresh one. */
void terminal_make(int fds[2]); /* the slave, in raw mode, and the master */
void fifo_make(int fds[2]);     /* as a pipe */
void tcp_make(int fds[2]);      /* with small buffers */

/* What is written, and its reader. */
int written_end(const struct type *type, const int fds[2]);
int reading_peer(const struct type *type, const int fds[2]);

/* Waits until a read finds something. */
void wait_readable(int fd);

/* Bytes that a terminal passes on as they are; of an eventfd the number 1, in the first eight. */
void letters_fill(const struct type *type, char *data, size_t size);

/* Reads at the peer's until the request completes. */
void empty_until_done(const struct type *type, const int fds[2], const struct aiocb *cb);

/* What read(2) says of a fresh one that was supplied. */
ssize_t supplied_size(const struct type *type);

/* Does not wait; and the number is not free afterwards: the one that has it. */
void close_soon(int fd);
int close_and_take(int fd);

/* A file is written and read, and another descriptor closed whose request waits: soon. */
void others_go_on(void);

#endif
