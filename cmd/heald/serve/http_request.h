/*
 * http_request.h: from the bytes of a connection to requests, and what to make of each. Pure: no
 * I/O, no clock, no memory but the struct's; fuzz/http_request.c feeds it.
 */
#ifndef HEALD_CMD_HTTP_REQUEST_H
#define HEALD_CMD_HTTP_REQUEST_H

#include "serve/http_head.h"

#include <llhttp.h>

enum {
    HTTP_FIELD_MAX = 32, /* of the name of a field that we look at */
    HTTP_VALUE_MAX = 256 /* of its value; a longer one counts as empty, of Host it is an error */
};

/* The fields that matter here. */
enum http_field {
    HTTP_HOST,
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_RANGE,
    HTTP_RANGE,
    HTTP_FIELDS
};

struct http_request {
    unsigned status;    /* 0: the file at `path` is meant; otherwise what to answer */
    const char *method; /* NULL: it did not come so far */
    uint8_t major, minor;
    bool is_head;
    bool keep_alive;
    bool is_directory; /* the target ended with a slash */
    uint8_t count[HTTP_FIELDS];
    size_t target_len;
    char target[HTTP_TARGET_MAX + 1];
    char path[HTTP_TARGET_MAX + 1];              /* decoded; relative to the directory */
    char value[HTTP_FIELDS][HTTP_VALUE_MAX + 1]; /* "" when not sent */
};

struct http_parser {
    struct http_head head;
    llhttp_t machine;
    size_t field_len;
    char field[HTTP_FIELD_MAX + 1];
    bool is_complete;
    enum http_field at; /* HTTP_FIELDS: a field that does not matter */
    size_t value_len;
    struct http_request request;
};

/* Once for each connection. The settings must outlive the parser: see http_parser_settings(). */
void http_parser_settings(llhttp_settings_t *ret_settings);
void http_parser_init(struct http_parser *parser, const llhttp_settings_t *settings);

/* For the next request on the connection. */
void http_parser_next(struct http_parser *parser);

/*
 * Takes bytes up to the end of one request; *ret_used says how many, the rest is the next one's.
 * True: the request is complete, good or bad. After a bad one that cannot be told from what
 * follows, keep_alive is false. The answer does not depend on the portions in which the bytes
 * arrive.
 */
bool http_parser_feed(struct http_parser *parser, const char *data, size_t len, size_t *ret_used);

/* Whether bytes of a request have come, and it is not complete. */
bool http_parser_is_inside(const struct http_parser *parser);

#endif
