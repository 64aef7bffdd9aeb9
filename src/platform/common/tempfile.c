/* platform/common/tempfile.c: temporary files, by POSIX alone. These block, so they belong to an
 * engine. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RANDOM_CHARS = 6, ATTEMPTS = 100, TEMP_FLAGS = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* Fills in the last characters. 0 or -errno. */
static int randomize(char *end)
{
    uint64_t random;
    int err = heald__plat_random(&random, sizeof random);

    for (int i = 0; !err && i < RANDOM_CHARS; i++) {
        end[i - RANDOM_CHARS] = letters[random % (sizeof letters - 1)];
        random /= sizeof letters - 1;
    }
    return err;
}

int heald__plat_tempfile(int dirfd, const char *pattern, int flags, char *ret_path)
{
    size_t n = strlen(pattern);
    char path[PATH_MAX];
    int fd, err;

    if (n >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, pattern, n + 1);
    for (int left = ATTEMPTS;; left--) {
        if ((err = randomize(path + n)))
            return err;
        fd = openat(dirfd, path, TEMP_FLAGS | flags, 0600);
        if (fd >= 0)
            break;
        if (errno != EEXIST || !left)
            return -errno;
    }
    memcpy(ret_path, path, n + 1);
    return fd;
}

int heald__plat_tempfile_unlinked(int dirfd, const char *directory, int flags)
{
    char pattern[PATH_MAX], path[PATH_MAX];
    int n = snprintf(pattern, sizeof pattern, "%s/.heald-XXXXXX", directory);

    if (!*directory)
        return -ENOENT;
    if (n < 0 || (size_t)n >= sizeof pattern)
        return -ENAMETOOLONG;
    int fd = heald__plat_tempfile(dirfd, pattern, flags, path);
    if (fd >= 0)
        unlinkat(dirfd, path, 0);
    return fd;
}
