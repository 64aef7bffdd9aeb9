/*
 * fetch.h: fetches files from a server over many connections, and compares what comes with the
 * files.
 */
#ifndef HEALD_CMD_FETCH_H
#define HEALD_CMD_FETCH_H

#include <heald/heald.h>

#include <stdbool.h>

enum { FETCH_NAME = 256, FETCH_PROBLEM = 400 };

/* A file as it must come. */
struct fetch_file {
    char name[FETCH_NAME];
    char request[3 * FETCH_NAME + 64];
    size_t request_len;
    char *data;
    size_t len;
};

struct fetch_plan {
    struct heald_addr addr;
    const struct fetch_file *files;
    unsigned file_count;
    unsigned connections;
    int64_t duration_ns;
};

struct fetch_result {
    uint64_t requests; /* that came as they should */
    uint64_t bytes;    /* of their bodies */
    uint64_t errors;
    int64_t elapsed_ns;
    char problem[FETCH_PROBLEM]; /* of the first error */
};

/*
 * Reads the regular files in a directory, as far as they are small and `max` allows. Returns how
 * many, or -errno; the caller frees them with fetch_free().
 */
int fetch_load(const char *directory, struct fetch_file *files, unsigned max);
void fetch_free(struct fetch_file *files, unsigned count);

/*
 * Runs the loop until the time is over and the last response has come. 0, or -errno if it could not
 * begin.
 */
int fetch_run(struct heald_loop *loop, const struct fetch_plan *plan,
              struct fetch_result *ret_result);

#endif
