/* aio_program.h: which file a program's name means, and whether a library can be preloaded into it.
 */
#ifndef HEALD_CMD_AIO_PROGRAM_H
#define HEALD_CMD_AIO_PROGRAM_H

#include <limits.h>

/* The exit statuses of env(1). */

struct aio_program {
    char path[PATH_MAX];
    char asan[128]; /* the library of AddressSanitizer that it is linked with; "": with none */
    char why[2 * PATH_MAX + 128]; /* why it cannot be, a line without its end */
};

/*
 * Finds the program as execvp(3) would, and looks whether the dynamic linker will load `library`,
 * the path of a file, into it: into the last interpreter, where the program is a script. Returns 0
 * with `path` and `asan` set, or an exit status with `why` set.
 */
int aio_program_find(struct aio_program *p, const char *name, const char *library);

/* Whether the file is a shared library: NULL, or why not. */
const char *aio_library_check(const char *path);

#endif
