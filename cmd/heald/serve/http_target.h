/* http_target.h: from the target of a request to a path in the directory that is served. */
#ifndef HEALD_CMD_HTTP_TARGET_H
#define HEALD_CMD_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decodes "/a%20b/c?query" or "http://host/a%20b/c" into the relative path "a b/c": no empty
 * component, no "." and no "..", no slash at either end; *ret_is_directory says that the target
 * ended with a slash. The path is never longer than the target: ret_path has room for len + 1.
 *
 * Returns 0; 400 for an invalid target (not a path, an invalid host, a bad escape, a NUL, a
 * component ".."); 404 for an escaped slash, which no file name has. ret_path is a string in any
 * case.
 */
unsigned http_target_path(const char *target, size_t len, char *ret_path, bool *ret_is_directory);

/*
 * Whether a decoded path names a dot-file: one of its components begins with a point. The directory
 * ".well-known" (RFC 8615) at its start is none; the rest of such a path is looked at.
 */
bool http_target_is_hidden(const char *path);

/* The query of a target with its question mark, or "". */
const char *http_target_query(const char *target);

#endif
