/*
 * access_log.h: a line for each request, in the common log format, written without stopping the
 * loop.
 */
#ifndef HEALD_CMD_ACCESS_LOG_H
#define HEALD_CMD_ACCESS_LOG_H

#include <heald/heald.h>

#include <stdbool.h>
#include <stdint.h>

enum { ACCESS_LOG_HALF = 64 * 1024 };

/* Lines gather in one half while the other is being written. Zero it once. */
struct access_log {
    struct heald_op write;
    struct heald_op timer; /* so that a line does not wait for others */
    struct heald_loop *loop;
    const char *path; /* NULL: none, or standard output */
    int fd;           /* -1: nothing is logged */
    int next_fd;      /* -1, or the file reopened, for when the write in flight has completed */
    bool is_writing;
    bool is_timed;
    bool is_stopped;
    unsigned filling; /* which half */
    size_t written;   /* of the other one */
    uint64_t dropped; /* lines that found both halves full */
    size_t len[2];
    char half[2][ACCESS_LOG_HALF];
};

struct access_entry {
    const char *peer;
    const char *date;
    const char *method; /* NULL: there was none */
    const char *target;
    size_t target_len;
    unsigned major, minor;
    unsigned status;
    uint64_t bytes; /* of the body that were sent */
};

/*
 * path: NULL for none, "-" for standard output, else a file that is appended to, whose name must
 * outlive the log. 0 or -errno.
 */
int access_log_open(struct access_log *log, struct heald_loop *loop, const char *path);

/*
 * Opens the file anew, which another program has renamed: lines that are added from now on go to
 * the new one, and so may some that were added while a write was in flight. On failure the old file
 * stays in use, and stderr says why. Also resumes a log that ended with an error.
 */
void access_log_reopen(struct access_log *log);

void access_log_add(struct access_log *log, const struct access_entry *entry);

/* Ends its ops, so that the loop can end. */
void access_log_stop(struct access_log *log);

/* After the loop: writes what is left, waiting a second at most for a reader that does not read. */
void access_log_close(struct access_log *log);

#endif
