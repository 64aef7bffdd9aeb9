/* file_locks.c: see file_locks.h. What is read from /proc is anybody's text. */
#include "file_locks.h"

#include "snapshot.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = 256, PATH_SIZE = 320, FILE_PATH_SIZE = 4096 };
enum { SETLKW = 38 /* F_OFD_SETLKW, on every processor */ };

static bool set_type(struct file_lock *lock, const char *type)
{
    const char *name = strcmp(type, "OFDLCK") == 0 ? "OFD" : type;
    size_t i = 0;

    for (; name[i] && i + 1 < sizeof lock->type; i++)
        lock->type[i] = (char)tolower((unsigned char)name[i]);
    return i;
}

/* A line of /proc/locks, or of the fdinfo of a descriptor. *ret_pid: -1: it is not known. */
static bool parse(const char *line, struct file_lock *ret_lock, long *ret_pid)
{
    char type[16], mode[16], end[32];
    unsigned long long inode, start;
    const char *text = strchr(line, ':');

    *ret_lock = (struct file_lock){.waits = strstr(line, "->") != NULL};
    if (text)
        text += strspn(text, ": ->");
    if (!text ||
        sscanf(text, "%15s %*s %15s %ld %23[^: ]", type, mode, ret_pid, ret_lock->device) != 4)
        return false;
    const char *device = strstr(text, ret_lock->device);
    char minor[12];
    if (sscanf(device, "%*[^:]:%11[^:]:%llu %llu %31s", minor, &inode, &start, end) != 4)
        return false;
    size_t n = strlen(ret_lock->device);
    snprintf(ret_lock->device + n, sizeof ret_lock->device - n, ":%s", minor);
    ret_lock->is_write = strcmp(mode, "READ") != 0;
    ret_lock->inode = inode;
    ret_lock->start = start;
    ret_lock->end = isdigit((unsigned char)*end) ? strtoull(end, NULL, 10) : FILE_LOCK_TO_END;
    return set_type(ret_lock, type);
}

static void add_process(struct file_lock *lock, long pid, long thread)
{
    for (unsigned i = 0; i < lock->process_count; i++)
        if ((long)lock->processes[i].pid == pid)
            return;
    lock->processes = snapshot_grow(lock->processes, lock->process_count, sizeof *lock->processes);
    lock->processes[lock->process_count++] =
        (struct heald_thread_info){.pid = (pid_t)pid, .thread = (uint64_t)thread, .is_here = true};
}

static bool read_list(struct file_locks *l)
{
    char line[LINE_SIZE];
    struct file_lock lock;
    long pid;
    FILE *f = fopen("/proc/locks", "re");

    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        if (!parse(line, &lock, &pid))
            continue;
        l->locks = snapshot_grow(l->locks, l->count, sizeof *l->locks);
        l->locks[l->count] = lock;
        if (pid > 0)
            add_process(&l->locks[l->count], pid, pid);
        l->count++;
    }
    fclose(f);
    return true;
}

static bool is_same(const struct file_lock *a, const struct file_lock *b)
{
    return a->inode == b->inode && a->start == b->start && a->end == b->end &&
           a->is_write == b->is_write && strcmp(a->type, b->type) == 0 &&
           strcmp(a->device, b->device) == 0;
}

static bool has_process(const struct file_lock *lock, long pid)
{
    for (unsigned i = 0; i < lock->process_count; i++)
        if ((long)lock->processes[i].pid == pid)
            return true;
    return false;
}

static void find_path(struct file_lock *lock, long pid, const char *fd)
{
    char name[PATH_SIZE], path[FILE_PATH_SIZE];

    snprintf(name, sizeof name, "/proc/%ld/fd/%s", pid, fd);
    ssize_t n = lock->path ? -1 : readlink(name, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = 0;
    lock->path = strdup(path);
}

/* A process has a descriptor whose open file has this lock. Two open files may have the same one:
 * of the locks that are alike, it is the first that is not this process's yet. */
static void note_holder(struct file_locks *l, const struct file_lock *found, long pid,
                        const char *fd)
{
    struct file_lock *alike = NULL;

    for (unsigned i = 0; i < l->count; i++) {
        struct file_lock *lock = &l->locks[i];
        if (lock->waits || !is_same(lock, found))
            continue;
        if (has_process(lock, pid)) {
            find_path(lock, pid, fd);
            return;
        }
        if (!alike || (alike->process_count && !lock->process_count))
            alike = lock;
    }
    if (!alike)
        return;
    add_process(alike, pid, pid);
    find_path(alike, pid, fd);
}

static void read_descriptor(struct file_locks *l, long pid, const char *fd)
{
    char name[PATH_SIZE], line[LINE_SIZE];
    struct file_lock lock;
    long unused;

    snprintf(name, sizeof name, "/proc/%ld/fdinfo/%s", pid, fd);
    FILE *f = fopen(name, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "lock:", 5) == 0 && parse(line + 5, &lock, &unused))
            note_holder(l, &lock, pid, fd);
    if (f)
        fclose(f);
}

/* Calls it with each entry of a directory whose name is a number. */
static void each(struct file_locks *l, const char *directory, long pid,
                 void (*fn)(struct file_locks *l, long pid, const char *name))
{
    DIR *dir = opendir(directory);

    for (struct dirent *d; dir && (d = readdir(dir));)
        if (isdigit((unsigned char)d->d_name[0]))
            fn(l, pid, d->d_name);
    if (dir)
        closedir(dir);
}

/* Calls it with each entry of a directory of a process whose name is a number. */
static void each_of(struct file_locks *l, const char *process, const char *directory,
                    void (*fn)(struct file_locks *l, long pid, const char *name))
{
    char path[PATH_SIZE];
    long pid = strtol(process, NULL, 10);

    snprintf(path, sizeof path, "/proc/%ld/%s", pid, directory);
    each(l, path, pid, fn);
}

static void read_process(struct file_locks *l, long none, const char *name)
{
    (void)none;
    each_of(l, name, "fdinfo", read_descriptor);
}

/* The first wait for a lock of this file whose process is not known. */
static struct file_lock *unknown_wait(struct file_locks *l, uint64_t inode)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->locks[i].waits && !l->locks[i].process_count && l->locks[i].inode == inode)
            return &l->locks[i];
    return NULL;
}

/* Is a thread in a call that waits for such a lock? */
static void read_thread(struct file_locks *l, long pid, const char *thread)
{
    char name[PATH_SIZE], line[LINE_SIZE] = "";
    unsigned long long fd, how;
    struct file_lock *lock;
    struct stat st;

    snprintf(name, sizeof name, "/proc/%ld/task/%s/syscall", pid, thread);
    FILE *f = fopen(name, "re");
    bool is_call = f && fgets(line, sizeof line, f) &&
                   sscanf(line, "%*d %llx %llx", &fd, &how) == 2 && how == SETLKW;
    if (f)
        fclose(f);
    if (!is_call)
        return;
    snprintf(name, sizeof name, "/proc/%ld/fd/%llu", pid, fd);
    if (stat(name, &st) == 0 && (lock = unknown_wait(l, (uint64_t)st.st_ino)))
        add_process(lock, pid, strtol(thread, NULL, 10));
}

static void read_threads(struct file_locks *l, long none, const char *name)
{
    (void)none;
    each_of(l, name, "task", read_thread);
}

static bool is_any_wait_unknown(const struct file_locks *l)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->locks[i].waits && !l->locks[i].process_count)
            return true;
    return false;
}

bool file_locks_take(struct file_locks *l)
{
    *l = (struct file_locks){0};
    if (!read_list(l))
        return false;
    if (l->count)
        each(l, "/proc", 0, read_process);
    if (is_any_wait_unknown(l))
        each(l, "/proc", 0, read_threads);
    return true;
}

void file_locks_free(struct file_locks *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        free(l->locks[i].path);
        free(l->locks[i].processes);
    }
    free(l->locks);
}

unsigned file_locks_waits(const struct file_locks *l, unsigned lock)
{
    unsigned n = 0;

    while (lock + n + 1 < l->count && l->locks[lock + n + 1].waits)
        n++;
    return n;
}
