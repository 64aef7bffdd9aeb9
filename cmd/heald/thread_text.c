/* thread_text.c: see thread_text.h. What is read from /proc is anybody's text. */
#include "thread_text.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 96, LINE_SIZE = 256 };

/* A terminal that is not for UTF-8 takes the bytes from 0x80 to 0x9f for control characters. */
char *mask_controls(char *text)
{
    for (char *p = text; *p;) {
        unsigned char c = (unsigned char)*p;
        size_t n = utf8_length(p);
        if (!n || c < 0x20 || c == 0x7f)
            *p = '?';
        /* The same once more, in UTF-8. */
        else if (c == 0xc2 && (unsigned char)p[1] < 0xa0)
            p[0] = p[1] = '?';
        p += n ? n : 1;
    }
    return text;
}

/* As many bytes of a file as there is room for, and a 0. How many. */
static size_t read_file(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;

    text[n] = 0;
    if (f)
        fclose(f);
    return n;
}

/* The line NSpid of /proc/self/status has the numbers of this process in the name space of that
 * /proc and in those below: one alone, and that getpid(), where it is of this process's. No such
 * line: the kernel has no name spaces, or is before Linux 4.1. */
static bool is_proc_ours(void)
{
    char line[LINE_SIZE];
    bool is_ours = true;
    FILE *f = fopen("/proc/self/status", "re");

    while (f && fgets(line, sizeof line, f)) {
        char *end;
        if (strncmp(line, "NSpid:", 6) != 0)
            continue;
        is_ours = strtol(line + 6, &end, 10) == (long)getpid() && !strchr("\t ", *end);
        break;
    }
    if (f)
        fclose(f);
    return is_ours;
}

bool thread_is_known(const struct heald_thread_info *thread)
{
    return thread->is_here && is_proc_ours();
}

static int print_number(const struct heald_thread_info *thread, char text[THREAD_TEXT_SIZE])
{
    long pid = (long)thread->pid;
    bool is_main = !thread->thread || thread->thread == (uint64_t)pid;

    return is_main ? snprintf(text, THREAD_TEXT_SIZE, "%ld", pid)
                   : snprintf(text, THREAD_TEXT_SIZE, "%ld/%llu", pid,
                              (unsigned long long)thread->thread);
}

char *thread_text_alone(const struct heald_thread_info *thread, const char *why,
                        char text[THREAD_TEXT_SIZE])
{
    int n = print_number(thread, text);

    snprintf(text + n, THREAD_TEXT_SIZE - (size_t)n, " (%s)", why);
    return text;
}

/* What a file of /proc says of it. As read_file(). */
static size_t read_of_thread(const struct heald_thread_info *thread, const char *file, char *text,
                             size_t size)
{
    char path[PATH_SIZE];
    /* Where the system numbers no threads, it is another name of it: then the process's name. */
    bool is_number = thread->thread && thread->thread <= INT32_MAX;
    uint64_t id = is_number ? thread->thread : (uint64_t)thread->pid;

    snprintf(path, sizeof path, "/proc/%ld/task/%llu/%s", (long)thread->pid, (unsigned long long)id,
             file);
    return read_file(path, text, size);
}

/* The state follows the name, which may contain parentheses. */
static bool is_stopped(const struct heald_thread_info *thread)
{
    char text[LINE_SIZE];
    const char *end = read_of_thread(thread, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;

    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

bool thread_is_stopped(const struct heald_thread_info *thread)
{
    return thread_is_known(thread) && is_stopped(thread);
}

char *thread_text(const struct heald_thread_info *thread, char text[THREAD_TEXT_SIZE])
{
    char name[64];

    if (!thread_is_known(thread))
        return thread_text_alone(thread, "of another PID name space", text);
    size_t n = read_of_thread(thread, "comm", name, sizeof name - sizeof ", stopped");
    if (n && name[n - 1] == '\n')
        name[--n] = 0;
    mask_controls(name);
    if (n && is_stopped(thread))
        snprintf(name + n, sizeof name - n, ", stopped");
    return thread_text_alone(thread, n ? name : "ended", text);
}

char *thread_command(const struct heald_thread_info *thread, char text[THREAD_COMMAND_SIZE])
{
    char path[PATH_SIZE];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)thread->pid);
    if (thread_is_known(thread))
        n = read_file(path, text, THREAD_COMMAND_SIZE);
    /* Each argument ends with a 0, the last one as well. */
    while (n && !text[n - 1])
        n--;
    for (size_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = ' ';
    text[n] = 0;
    return mask_controls(text);
}
