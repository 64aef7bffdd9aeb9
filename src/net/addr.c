/* net/addr.c: addresses from text and back. Pure but for if_nametoindex(3). Thread-safe. */
#include <heald/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_MAX = 65535, HOST_ROOM = INET6_ADDRSTRLEN + IF_NAMESIZE };

static int parse_port(const char *text, uint16_t *ret_port)
{
    unsigned long port = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (unsigned long)(*text - '0');
        if (port > PORT_MAX)
            return -EINVAL;
    }
    *ret_port = htons((uint16_t)port);
    return 0;
}

static int parse_ipv4(const char *host, uint16_t port, struct heald_addr *ret_addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};

    if (strcmp(host, "*") == 0)
        in.sin_addr.s_addr = htonl(INADDR_ANY);
    else if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return -EINVAL;
    memset(ret_addr, 0, sizeof *ret_addr);
    memcpy(&ret_addr->u, &in, sizeof in);
    ret_addr->len = sizeof in;
    return 0;
}

/* host is what stood between the brackets, and may end in %interface. */
static int parse_ipv6(char *host, uint16_t port, struct heald_addr *ret_addr)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};
    char *scope = strchr(host, '%');

    if (scope)
        *scope++ = 0;
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1 || (scope && !*scope))
        return -EINVAL;
    if (scope && !(in6.sin6_scope_id = if_nametoindex(scope)))
        return -ENODEV;
    memset(ret_addr, 0, sizeof *ret_addr);
    memcpy(&ret_addr->u, &in6, sizeof in6);
    ret_addr->len = sizeof in6;
    return 0;
}

static int parse_inet(const char *text, struct heald_addr *ret_addr)
{
    char host[HOST_ROOM];
    uint16_t port;
    bool v6 = text[0] == '[';
    const char *end = v6 ? strchr(text, ']') : strrchr(text, ':');

    if (!end || (v6 && end[1] != ':'))
        return -EINVAL;
    int err = parse_port(end + (v6 ? 2 : 1), &port);
    size_t n = (size_t)(end - text) - v6;
    if (err || n >= sizeof host)
        return -EINVAL;
    memcpy(host, text + v6, n);
    host[n] = 0;
    return v6 ? parse_ipv6(host, port, ret_addr) : parse_ipv4(host, port, ret_addr);
}

/* A path, or with '@' in front a name without a file, whose length is exactly that of the text. */
static int parse_path(const char *path, bool fifo, struct heald_addr *ret_addr)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    bool abstract = path[0] == '@' && !fifo;

    if (!n || (abstract && n == 1))
        return -EINVAL;
    if (n >= sizeof un.sun_path)
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, n);
    if (abstract)
        un.sun_path[0] = 0;
    memset(ret_addr, 0, sizeof *ret_addr);
    ret_addr->u.un = un;
    ret_addr->len = fifo ? 0 : (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    return 0;
}

int heald_addr_parse(const char *text, struct heald_addr *ret_addr)
{
    if (!text)
        return -EINVAL;
    if (strncmp(text, "unix:", 5) == 0)
        return parse_path(text + 5, false, ret_addr);
    if (strncmp(text, "fifo:", 5) == 0)
        return parse_path(text + 5, true, ret_addr);
    return parse_inet(text, ret_addr);
}

static const char *why_port(const char *port)
{
    uint16_t parsed;

    if (!*port)
        return "no number of a port behind the colon";
    if (parse_port(port, &parsed) == 0)
        return NULL;
    return port[strspn(port, "0123456789")] ? "the port is not a number"
                                            : "the port is above 65535";
}

static const char *why_inet(const char *text)
{
    bool v6 = text[0] == '[';
    const char *end = v6 ? strchr(text, ']') : strrchr(text, ':'), *why;

    if (!end)
        return v6 ? "no ] behind the address" : "no port: HOST:PORT, or unix:PATH";
    if (v6 && end[1] != ':')
        return "no port: [ADDRESS]:PORT";
    if ((why = why_port(end + (v6 ? 2 : 1))))
        return why;
    return v6 ? "no IPv6 address in the brackets"
              : "the host is not numeric; names are looked up by heald_prep_lookup()";
}

const char *heald_addr_why(const char *text)
{
    struct heald_addr addr;

    if (!text)
        return "no address";
    if (heald_addr_parse(text, &addr) != -EINVAL)
        return NULL;
    if (strncmp(text, "unix:", 5) == 0 || strncmp(text, "fifo:", 5) == 0)
        return "no path";
    return why_inet(text);
}

static int format_ipv6(const struct heald_addr *addr, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN], scope[IF_NAMESIZE] = "";
    struct sockaddr_in6 in6;

    memcpy(&in6, &addr->u, sizeof in6);
    inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
    bool scoped = in6.sin6_scope_id && if_indextoname(in6.sin6_scope_id, scope);
    return snprintf(buf, size, "[%s%s%s]:%u", host, scoped ? "%" : "", scope, ntohs(in6.sin6_port));
}

static int format_ipv4(const struct heald_addr *addr, char *buf, size_t size)
{
    char host[INET_ADDRSTRLEN];
    struct sockaddr_in in;

    memcpy(&in, &addr->u, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    return snprintf(buf, size, "%s:%u", host, ntohs(in.sin_port));
}

static int format_unix(const struct heald_addr *addr, char *buf, size_t size)
{
    size_t before = offsetof(struct sockaddr_un, sun_path);
    size_t n = addr->len > before ? addr->len - before : 0;
    const char *path = addr->u.un.sun_path;

    if (!n)
        return snprintf(buf, size, "unix:"); /* a socket without a name */
    if (path[0])
        return snprintf(buf, size, "unix:%.*s", (int)n, path);
    return snprintf(buf, size, "unix:@%.*s", (int)n - 1, path + 1);
}

int heald_addr_format(const struct heald_addr *addr, char *buf, size_t size)
{
    if (!addr->len)
        return snprintf(buf, size, "fifo:%.*s", (int)sizeof addr->u.un.sun_path,
                        addr->u.un.sun_path);
    switch (addr->u.sa.sa_family) {
    case AF_INET: return format_ipv4(addr, buf, size);
    case AF_INET6: return format_ipv6(addr, buf, size);
    case AF_UNIX: return format_unix(addr, buf, size);
    default: return -EAFNOSUPPORT;
    }
}
