/* file_locks_print.c: the locks on files, as text and as JSON; heald-locks(1) describes the
 * members. */
#include "file_locks.h"
#include "json.h"
#include "thread_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_range(const struct file_lock *lock)
{
    printf(lock->is_write ? "to write" : "to read");
    if (lock->start == 0 && lock->end == FILE_LOCK_TO_END)
        return;
    printf(", bytes %llu to ", (unsigned long long)lock->start);
    if (lock->end == FILE_LOCK_TO_END)
        printf("the end");
    else
        printf("%llu", (unsigned long long)lock->end);
}

static void print_process(const struct file_lock *lock, unsigned i)
{
    char text[THREAD_TEXT_SIZE];

    if (i < lock->process_count)
        printf("%s ", thread_text(&lock->processes[i], text));
    else
        printf("a process that is not known ");
}

static void print_command(const struct file_lock *lock, unsigned i)
{
    char text[THREAD_COMMAND_SIZE];

    if (i < lock->process_count && *thread_command(&lock->processes[i], text))
        printf("        %s\n", text);
}

static void print_file(const struct file_lock *lock)
{
    char *path = lock->path ? strdup(lock->path) : NULL;

    if (path)
        printf("%s  %s lock\n", mask_controls(path), lock->type);
    else
        printf("device %s inode %llu  %s lock\n", lock->device, (unsigned long long)lock->inode,
               lock->type);
    free(path);
}

static void print_lock(const struct file_locks *l, unsigned at)
{
    const struct file_lock *lock = &l->locks[at];
    unsigned waits = file_locks_waits(l, at);

    print_file(lock);
    for (unsigned i = 0; i == 0 || i < lock->process_count; i++) {
        printf("    held by ");
        print_process(lock, i);
        print_range(lock);
        printf("\n");
        print_command(lock, i);
    }
    for (unsigned i = 1; i <= waits; i++) {
        printf("    waiter %u of %u: ", i, waits);
        print_process(lock + i, 0);
        print_range(lock + i);
        printf("\n");
        print_command(lock + i, 0);
    }
}

void file_locks_print(const struct file_locks *l)
{
    for (unsigned i = 0; i < l->count; i++)
        if (!l->locks[i].waits)
            print_lock(l, i);
}

static void put_process(struct json *j, const struct file_lock *lock, unsigned i)
{
    static const struct heald_thread_info unknown;
    const struct heald_thread_info *t = i < lock->process_count ? &lock->processes[i] : &unknown;
    char command[THREAD_COMMAND_SIZE];

    json_integer(j, "pid", t->pid);
    json_unsigned(j, "thread", t->thread);
    json_boolean(j, "same_pid_namespace", t->is_here);
    json_text(j, "command", thread_command(t, command));
}

static void put_range(struct json *j, const struct file_lock *lock)
{
    json_text(j, "mode", lock->is_write ? "write" : "read");
    json_unsigned(j, "start", lock->start);
    if (lock->end == FILE_LOCK_TO_END)
        json_null(j, "end");
    else
        json_unsigned(j, "end", lock->end);
}

static void put_lock(struct json *j, const struct file_locks *l, unsigned at)
{
    const struct file_lock *lock = &l->locks[at];
    unsigned waits = file_locks_waits(l, at);

    json_object(j, NULL);
    json_text(j, "path", lock->path);
    json_text(j, "device", lock->device);
    json_unsigned(j, "inode", lock->inode);
    json_text(j, "type", lock->type);
    put_range(j, lock);
    json_array(j, "holders");
    for (unsigned i = 0; i < lock->process_count; i++) {
        json_object(j, NULL);
        put_process(j, lock, i);
        json_close(j);
    }
    json_close(j);
    json_array(j, "waiters");
    for (unsigned i = 1; i <= waits; i++) {
        json_object(j, NULL);
        put_process(j, lock + i, 0);
        put_range(j, lock + i);
        json_close(j);
    }
    json_close(j);
    json_close(j);
}

void file_locks_put(struct json *j, const struct file_locks *l)
{
    json_array(j, "files");
    for (unsigned i = 0; i < l->count; i++)
        if (!l->locks[i].waits)
            put_lock(j, l, i);
    json_close(j);
}
