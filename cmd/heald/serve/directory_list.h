/* directory_list.h: the page that `serve --list` gives for a directory without an index. */
#ifndef HEALD_CMD_DIRECTORY_LIST_H
#define HEALD_CMD_DIRECTORY_LIST_H

#include "serve/text.h"

/*
 * Writes a page with the names in an open directory, sorted. Those that begin with a dot are left
 * out unless has_dot_files, and what does not fit is replaced by a note. Blocks while the directory
 * is read: there is no operation for that. 0 or -errno.
 */
int directory_list(int fd, const char *path, bool has_dot_files, struct text *page);

#endif
