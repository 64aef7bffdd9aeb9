/* refusal.c: see refusal.h. */
#include "refusal.h"

#include <heald/heald.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* The file of a region. */
static int stat_region(const char *name, struct stat *ret_stat)
{
    char path[PATH_SIZE];
    int n = strncmp(name, "file:", 5) == 0
                ? snprintf(path, sizeof path, "%s", name + 5)
                : snprintf(path, sizeof path, "%s%s", heald_region_directory(), name);

    return n < PATH_SIZE ? lstat(path, ret_stat) : -1;
}

/* -EPERM is heald's own: it attaches to no region of another user, also not as root, because a
 * process that can write to it can run code here. */
static void explain(const struct stat *st, int err, char text[REFUSAL_SIZE])
{
    const struct passwd *owner = getpwuid(st->st_uid);
    const char *name = owner ? owner->pw_name : "?";

    snprintf(text, REFUSAL_SIZE, "%s: it belongs to user %s (%lu), mode %03o; run this as %s%s",
             heald_strerror(err), name, (unsigned long)st->st_uid, (unsigned)st->st_mode & 0777,
             owner ? name : "that user", err == -EACCES && st->st_uid ? " or root" : "");
}

char *refusal_text(const char *name, int err, const char *why, char text[REFUSAL_SIZE])
{
    struct stat st;

    if (err == -EINVAL && !why && strncmp(name, "file:", 5) != 0)
        snprintf(text, REFUSAL_SIZE,
                 "not a name of a region; use /NAME, without another slash or a leading dot, or "
                 "file:/PATH");
    else if (err != -EACCES && err != -EPERM)
        snprintf(text, REFUSAL_SIZE, "%s%s%s", heald_strerror(err), why ? ": " : "",
                 why ? why : "");
    else if (stat_region(name, &st) < 0)
        snprintf(text, REFUSAL_SIZE, "%s: a directory above it is not accessible to this user",
                 heald_strerror(err));
    else
        explain(&st, err, text);
    return text;
}
