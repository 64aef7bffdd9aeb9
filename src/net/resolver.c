/*
 * net/resolver.c: the choice of who is asked for names. resolved is, if the C library would ask it
 * first: if the line `hosts:` of nsswitch.conf names it, and before it only what resolved answers
 * in the same way (/etc/hosts, the own host name, local containers). Any thread.
 */
#include "net/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET   "unix:/run/systemd/resolve/io.systemd.Resolve"
#define NSSWITCH "/etc/nsswitch.conf"

enum { LINE_ROOM = 512 };

static bool is_word(const char *at, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(at, word, n) == 0;
}

bool heald__resolver_in_line(const char *line)
{
    static const char space[] = " \t\r\n";
    const char *at = line + strspn(line, space);

    if (strncmp(at, "hosts:", 6) != 0)
        return false;
    for (at += 6; *(at += strspn(at, space));) {
        size_t n = strcspn(at, " \t\r\n[");
        if (is_word(at, n, "resolve"))
            return true;
        if (!is_word(at, n, "files") && !is_word(at, n, "myhostname") &&
            !is_word(at, n, "mymachines"))
            return false;
        at += n;
    }
    return false;
}

static bool is_in_nsswitch(void)
{
    FILE *file = fopen(NSSWITCH, "re");
    char line[LINE_ROOM];
    bool found = false;

    while (file && !found && fgets(line, sizeof line, file))
        found = heald__resolver_in_line(line);
    if (file)
        fclose(file);
    return found;
}

/* A program with the rights of another user is not told by its caller whom to ask. */
static const char *wish(void)
{
    bool is_trusted = getuid() == geteuid() && getgid() == getegid();
    const char *text = is_trusted ? getenv("HEALD_RESOLVER") : NULL;

    return text ? text : "";
}

bool heald__resolver_is_resolved(struct heald_addr *ret_addr)
{
    static const char name[] = "resolved";
    const char *text = wish();
    size_t n = sizeof name - 1;

    if (strcmp(text, "libc") == 0)
        return false;
    if (strncmp(text, name, n) == 0 && text[n] == ':')
        return heald_addr_parse(text + n + 1, ret_addr) == 0 && ret_addr->len;
    if (strcmp(text, name) != 0 && !is_in_nsswitch())
        return false;
    return heald_addr_parse(SOCKET, ret_addr) == 0;
}
