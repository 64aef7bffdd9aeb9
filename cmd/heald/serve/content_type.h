/* content_type.h: the media type of a file, from its name. */
#ifndef HEALD_CMD_CONTENT_TYPE_H
#define HEALD_CMD_CONTENT_TYPE_H

/* Never NULL: what is not known is "application/octet-stream". The string is static. */
const char *content_type(const char *path);

#endif
