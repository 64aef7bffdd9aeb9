/* utf8.h: is it UTF-8? Pure. */
#ifndef HEALD_CMD_UTF8_H
#define HEALD_CMD_UTF8_H

#include <stddef.h>

/* The bytes of the character that a text begins with (RFC 3629); 0: that is none, or the end. */
size_t utf8_length(const char *text);

/* The bytes of the text, or of as many whole characters as fit in `max` bytes. A byte that begins
 * no character counts as one. */
size_t utf8_fit(const char *text, size_t max);

#endif
