/* text.h: text put together in a buffer of fixed size, with the escapes of what it goes into. */
#ifndef HEALD_CMD_TEXT_H
#define HEALD_CMD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Always ends with a NUL, which len does not count. What does not fit is left out and noted. */
struct text {
    char *buf;
    size_t size;
    size_t len;
    bool is_cut;
};

/* size must not be 0. */
void text_init(struct text *t, char *buf, size_t size);

void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t len);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Percent-encodes all but the unreserved characters of a URL and the slash. */
void text_add_url(struct text *t, const char *s);

/* A query that was percent-encoded already, but for control characters, spaces and non-ASCII. */
void text_add_query(struct text *t, const char *s);

/* For an HTML page: & < > " ' as entities. */
void text_add_html(struct text *t, const char *s);

/* For a quoted field of a log: the quote, the backslash and all but printing ASCII as \xHH. */
void text_add_log(struct text *t, const char *s, size_t len);

#endif
