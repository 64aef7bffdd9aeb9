/* refusal.h: why a region cannot be opened, for people. */
#ifndef HEALD_CMD_REFUSAL_H
#define HEALD_CMD_REFUSAL_H

enum { REFUSAL_SIZE = 256 };

/*
 * The text of an error of heald_region_open(), with `why` (NULL: none) of its ret_why; where access
 * was refused, whose the region is and what to do. In `text`, which it returns.
 */
char *refusal_text(const char *name, int err, const char *why, char text[REFUSAL_SIZE]);

#endif
