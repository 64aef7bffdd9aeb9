/* http_response.h: what to answer: which part of a file, and the head of the response. Pure. */
#ifndef HEALD_CMD_HTTP_RESPONSE_H
#define HEALD_CMD_HTTP_RESPONSE_H

#include "serve/http_request.h"
#include "serve/text.h"

/* What decides about a file; the tag is made of all three. */
struct http_file {
    uint64_t size;
    int64_t mtime;
    uint32_t mtime_nsec;
};

struct http_response {
    unsigned status; /* 200, 304, …; the rest is of the file, or of the text that explains it */
    uint64_t first;  /* the first byte of the file */
    uint64_t length; /* Content-Length */
    bool keep_alive;
    const struct http_file *file; /* NULL: no file stands behind it */
    const char *type;             /* NULL: none */
    const char *location;         /* NULL: none */
};

/* Which part of the file to send, as the conditions and the range of the request have it. */
void http_response_plan(const struct http_request *request, const struct http_file *file,
                        struct http_response *ret_response);

/* Puts the head into the text. `date` is of now; `minor` is the version of the request. */
void http_response_head(const struct http_response *response, const char *date, uint8_t minor,
                        struct text *head);

/*
 * Where a directory's target without its slash leads: "/sub/?x". Made from the decoded path, so
 * that "//host" stays what it is here: a name in this directory, and no other host.
 */
void http_response_location(const struct http_request *request, struct text *location);

/* "Not Found" of 404. */
const char *http_reason(unsigned status);

/* Room for the head without a location, with some to spare. */
enum { HTTP_RESPONSE_HEAD_MAX = 768 };

#endif
