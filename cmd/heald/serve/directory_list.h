/* folder_list.h: the page that `serve --list` gives for a folder without an index. */
#ifndef HEALD_CMD_FOLDER_LIST_H
#define HEALD_CMD_FOLDER_LIST_H

#include "serve/text.h"

/*
 * Writes a page with the names in an open folder, sorted. Those that begin with a point are left
 * out unless has_dot_files, and what does not fit is replaced by a note. Blocks while the folder is
 * read: there is no operation for that. 0 or -errno.
 */
int folder_list(int fd, const char *path, bool has_dot_files, struct text *page);

#endif
