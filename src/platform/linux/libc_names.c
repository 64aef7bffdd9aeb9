/*
 * platform/linux/libc_names.c: what glibc does under the names that the drop-in for POSIX AIO
 * interposes, by names that nobody interposes. See descriptor.h.
 */
#include "platform/descriptor.h"

#include <dlfcn.h>
#include <stdio.h>

int __close(int fd);
int __dup2(int from, int to);
int _IO_fclose(FILE *file);

int heald__plat_libc_close(int fd)
{
    return __close(fd);
}

int heald__plat_libc_fclose(FILE *file)
{
    return _IO_fclose(file);
}

/* It has no other name; found each time, for it opens a file. */
FILE *heald__plat_libc_freopen(const char *path, const char *mode, FILE *file)
{
    FILE *(*next)(const char *, const char *, FILE *);

    *(void **)&next = dlsym(RTLD_NEXT, "freopen");
    return next(path, mode, file);
}

int heald__plat_libc_dup2(int from, int to)
{
    return __dup2(from, to);
}
