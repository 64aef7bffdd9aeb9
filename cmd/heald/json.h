/*
 * json.h: writes one JSON object, piece by piece. Each piece has the name of a member, or NULL in
 * an array; commas and braces come by themselves.
 */
#ifndef HEALD_CMD_JSON_H
#define HEALD_CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The version of what the commands print, which each page describes. It changes when a member is
 * removed or changes its meaning; a new member does not change it. */
enum { JSON_VERSION = 1 };

enum { JSON_DEPTH_MAX = 8 };

struct json {
    FILE *to;
    unsigned depth;
    bool has_more[JSON_DEPTH_MAX]; /* at each depth: something has been written there */
    char ends[JSON_DEPTH_MAX];     /* what closes it */
};

/* The object itself, with its version as the first member; json_end() ends the line as well. */
void json_begin(struct json *j, FILE *to);
void json_end(struct json *j);

void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_close(struct json *j); /* the innermost object or array */

/* A text may be anybody's: it comes out escaped, with bytes that are not UTF-8 replaced by U+FFFD.
 * NULL: null. */
void json_text(struct json *j, const char *name, const char *text);
/* Bytes: as the text "data" if they are UTF-8 without a null byte, else as "base64" (RFC 4648). */
void json_data(struct json *j, const void *data, size_t size);
void json_integer(struct json *j, const char *name, int64_t value);
void json_unsigned(struct json *j, const char *name, uint64_t value);
void json_seconds(struct json *j, const char *name, double value); /* to microseconds */
void json_boolean(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

#endif
