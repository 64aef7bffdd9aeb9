/*
 * file/directory.c: the entries of a directory in the buffer of a heald_prep_readdir(). Pure; any
 * thread. The bytes are the caller's, who may have changed them: they are checked before they are
 * believed.
 */
#include "platform/sys.h"

#include <heald/path.h>

#include <errno.h>
#include <string.h>

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

int heald_dirent_next(const void *buf, size_t len, size_t *at, struct heald_dirent *ret_entry)
{
    while (*at < len) {
        const char *bytes = (const char *)buf + *at, *name = bytes + HEALD_DIRENT_NAME;
        struct heald_dirent_head head;
        size_t left = len - *at;

        if (left <= HEALD_DIRENT_NAME)
            return -EINVAL;
        memcpy(&head, bytes, HEALD_DIRENT_NAME);
        if (head.size <= HEALD_DIRENT_NAME || head.size > left ||
            !memchr(name, 0, head.size - HEALD_DIRENT_NAME))
            return -EINVAL;
        *at += head.size;
        ret_entry->position = head.position;
        if (is_dot(name))
            continue;
        ret_entry->ino = head.ino;
        ret_entry->name = name;
        ret_entry->type = (enum heald_file_type)head.type;
        return 1;
    }
    return *at == len ? 0 : -EINVAL;
}
