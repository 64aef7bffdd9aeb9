/* site.c: see site.h. By /proc/PID/maps, whose names are anybody's text. */
#include "site.h"

#include "person.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

char *site_text(const struct heald_thread_info *thread, uint64_t site, char text[SITE_SIZE])
{
    char path[64], line[LINE_SIZE];

    text[0] = 0;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)thread->pid);
    FILE *f = site && person_is_known(thread) ? fopen(path, "re") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        unsigned long long from, to, offset;
        int at = 0;
        if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %n", &from, &to, &offset, &at) < 3 ||
            site < from || site >= to || !at)
            continue;
        const char *file = strrchr(line + at, '/');
        line[strcspn(line, "\n")] = 0;
        snprintf(text, SITE_SIZE, "%s+0x%llx", file ? file + 1 : "?",
                 (unsigned long long)site - from + offset);
        break;
    }
    if (f)
        fclose(f);
    return person_mask(text);
}
