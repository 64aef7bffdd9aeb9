/*
 * aio_program.c: see aio_program.h.
 *
 * A preload that cannot work is silent: a static program does not read LD_PRELOAD, and
 * for one that gains privileges the dynamic linker ignores it. So it is looked at beforehand.
 * Between the look and the start the file may change; then the check has no effect.
 */
#include "aio_program.h"
#include "aio_needed.h"
#include "options.h"

#include <heald/base.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    LINE_MAX_READ = 256, /* as much of a script's first line as the kernel reads */
    SCRIPTS_MAX = 5      /* and so many interpreters that are scripts themselves */
};

static int refuse(struct aio_program *p, int status, const char *name, const char *why)
{
    snprintf(p->why, sizeof p->why, "%s: %s", name, why);
    return status;
}

/* 0, or an errno. */
static int try_path(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return errno;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) ? errno : 0;
}

/* Each directory of PATH in turn. A file that exists and may not be run is remembered. 0, or an
 * errno. */
static int search(struct aio_program *p, const char *name)
{
    char standard[256];
    const char *at = getenv("PATH");
    int err = ENOENT;

    if (!at) {
        size_t len = confstr(_CS_PATH, standard, sizeof standard);
        at = len && len <= sizeof standard ? standard : "/bin:/usr/bin";
    }
    for (;; at++) {
        size_t len = strcspn(at, ":");
        int n = snprintf(p->path, sizeof p->path, "%.*s%s%s",
                         (int)(len < PATH_MAX ? len : PATH_MAX), at, len ? "/" : "", name);
        int failed = n < (int)sizeof p->path ? try_path(p->path) : ENAMETOOLONG;
        if (!failed)
            return 0;
        if (failed == EACCES || failed == ENAMETOOLONG)
            err = failed;
        at += len;
        if (!*at)
            return err;
    }
}

static int find(struct aio_program *p, const char *name)
{
    int err;

    if (!*name)
        err = ENOENT;
    else if (!strchr(name, '/'))
        err = search(p, name);
    else if (snprintf(p->path, sizeof p->path, "%s", name) >= (int)sizeof p->path)
        err = ENAMETOOLONG;
    else
        err = try_path(p->path);
    if (!err)
        return 0;
    return refuse(p, err == ENOENT || err == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_RUN,
                  options_shown(name), heald_strerror(-err));
}

/* Whether starting the file changes who we are: the dynamic linker then ignores LD_PRELOAD. */
static const char *gains(const char *path)
{
    struct stat st;
    struct statvfs fs;
    char caps[64];

    if (stat(path, &st) || (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOSUID) ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return NULL;
    if (st.st_mode & S_ISUID && st.st_uid != getuid())
        return "set-user-ID, so the dynamic linker ignores LD_PRELOAD";
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
        return "set-group-ID, so the dynamic linker ignores LD_PRELOAD";
    if (getuid() != 0 && getxattr(path, "security.capability", caps, sizeof caps) > 0)
        return "has file capabilities, so the dynamic linker ignores LD_PRELOAD";
    return NULL;
}

static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

static bool read_elf(int fd, Elf64_Ehdr *elf)
{
    return read_at(fd, elf, sizeof *elf, 0) && memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0;
}

/* The dynamic linker that the file asks for, "" where it asks for none. */
static void read_interpreter(int fd, const Elf64_Ehdr *elf, char *buf, size_t size)
{
    Elf64_Phdr ph;

    *buf = '\0';
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        if (!read_at(fd, &ph, sizeof ph, elf->e_phoff + (uint64_t)i * sizeof ph))
            return;
        if (ph.p_type != PT_INTERP)
            continue;
        ssize_t n = pread(fd, buf, ph.p_filesz < size ? ph.p_filesz : size - 1, (off_t)ph.p_offset);
        buf[n > 0 ? n : 0] = '\0';
        return;
    }
}

/* Why a library with the head `lib` is not loaded into this program; NULL where it is. */
static const char *check_elf(int fd, const Elf64_Ehdr *elf, const Elf64_Ehdr *lib)
{
    char interpreter[PATH_MAX];

    if (elf->e_ident[EI_CLASS] != lib->e_ident[EI_CLASS])
        return "a program for 32 bits, and the library for 64";
    if (elf->e_ident[EI_DATA] != lib->e_ident[EI_DATA] || elf->e_machine != lib->e_machine)
        return "for another kind of processor than the library";
    read_interpreter(fd, elf, interpreter, sizeof interpreter);
    if (!*interpreter)
        return "statically linked: no dynamic linker loads the library";
    if (strstr(interpreter, "/ld-musl"))
        return "linked with musl, and the library needs glibc";
    return NULL;
}

/* The interpreter of a script's first line; false: it names none. */
static bool script_interpreter(const char *line, char *ret_path, size_t size)
{
    const char *at = line + 2 + strspn(line + 2, " \t");
    size_t len = strcspn(at, " \t\n");

    if (!len || len >= size)
        return false;
    memcpy(ret_path, at, len);
    ret_path[len] = '\0';
    return true;
}

/*
 * One file: 0 when it is fine or must not be read, EXIT_NOT_RUN with the reason, -1 when it is a
 * script, with the interpreter in `ret_next`. execvp(3) gives what is neither to sh.
 */
static int look(struct aio_program *p, const char *path, const Elf64_Ehdr *lib, char *ret_next,
                size_t size)
{
    char line[LINE_MAX_READ + 1] = "";
    Elf64_Ehdr elf;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return 0;
    if (read_elf(fd, &elf)) {
        why = check_elf(fd, &elf, lib);
        if (!why)
            why = gains(path);
        aio_needed_asan(fd, p->asan, sizeof p->asan);
        close(fd);
        return why ? refuse(p, EXIT_NOT_RUN, path, why) : 0;
    }
    ssize_t n = pread(fd, line, LINE_MAX_READ, 0);
    close(fd);
    if (n >= 2 && line[0] == '#' && line[1] == '!') {
        if (!script_interpreter(line, ret_next, size))
            return refuse(p, EXIT_NOT_RUN, path, "its first line names no interpreter");
    } else {
        snprintf(ret_next, size, "/bin/sh");
    }
    return -1;
}

static int follow_interpreters(struct aio_program *p, const Elf64_Ehdr *lib)
{
    char path[PATH_MAX], next[LINE_MAX_READ + 1];

    snprintf(path, sizeof path, "%s", p->path);
    for (int i = 0; i <= SCRIPTS_MAX; i++) {
        int status = look(p, path, lib, next, sizeof next);
        if (status >= 0)
            return status;
        int err = try_path(next);
        if (err) {
            snprintf(p->why, sizeof p->why, "%s: its interpreter %s: %s", path, next,
                     heald_strerror(-err));
            return EXIT_NOT_RUN;
        }
        snprintf(path, sizeof path, "%s", next);
    }
    return refuse(p, EXIT_NOT_RUN, p->path,
                  "its interpreter is a script, whose interpreter is one, "
                  "and so on");
}

const char *aio_library_check(const char *path)
{
    Elf64_Ehdr elf;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return heald_strerror(-errno);
    if (!read_elf(fd, &elf) || elf.e_type != ET_DYN)
        why = "not a shared library";
    else if (elf.e_ident[EI_CLASS] != ELFCLASS64)
        why = "not for 64 bits";
    close(fd);
    return why;
}

int aio_program_find(struct aio_program *p, const char *name, const char *library)
{
    Elf64_Ehdr lib;
    int status = find(p, name), fd;

    p->asan[0] = '\0';
    if (status)
        return status;
    fd = open(library, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || !read_elf(fd, &lib))
        status = refuse(p, EXIT_NOT_RUN, library, "cannot be read any more");
    else
        status = follow_interpreters(p, &lib);
    if (fd >= 0)
        close(fd);
    return status;
}
