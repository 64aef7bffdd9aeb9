/*
 * http_head.h: the grammar of a request head, byte by byte: where each line ends, where the head
 * ends, and which bytes a line may hold. Pure.
 */
#ifndef HEALD_CMD_HTTP_HEAD_H
#define HEALD_CMD_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 16 * 1024, /* bytes of a request line and its fields: 431 beyond */
    HTTP_TARGET_MAX = 4096     /* bytes of a target: 414 beyond */
};

/* The next byte belongs there. */
enum http_head_state {
    HEAD_BEGIN,    /* the request line, or an empty line before it */
    HEAD_BEGIN_LF, /* the LF of an empty line before the request line */
    HEAD_METHOD,
    HEAD_TARGET,
    HEAD_VERSION,
    HEAD_LINE_LF, /* the LF of the request line or of a field */
    HEAD_LINE,    /* a field, or the empty line that ends the head */
    HEAD_NAME,
    HEAD_VALUE,
    HEAD_END_LF /* the last byte of the head */
};

/* Zero it for each request. */
struct http_head {
    enum http_head_state state;
    uint32_t len; /* bytes so far */
    uint16_t target_len;
    uint8_t version_len;
    char version[8]; /* "HTTP/1.1" */
};

/* What http_head_feed() returns beside a status. */
enum { HTTP_HEAD_MORE = 0, HTTP_HEAD_COMPLETE = 1 };

/*
 * Checks bytes up to the end of the head. Returns HTTP_HEAD_MORE when all of them are right so far,
 * HTTP_HEAD_COMPLETE behind the last byte of the head, or the status that refuses the next byte:
 * 400, 414, 431, 505. *ret_used is the number of bytes before that point; it does not depend on the
 * portions in which the bytes arrive.
 */
unsigned http_head_feed(struct http_head *head, const char *data, size_t len, size_t *ret_used);

#endif
