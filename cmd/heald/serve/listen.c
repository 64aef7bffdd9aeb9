/* listen.c: see listen.h. Pure but for if_nametoindex(3), which heald_addr_parse() calls. */
#include "serve/listen.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && !text[digits] && digits <= 5 && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* Why heald_addr_parse() refuses a text that names a port at the end. */
static const char *check_host(const char *text, const char *colon)
{
    static const char numeric[] = "0123456789.:[]%*";

    if (text[0] == '[' && strchr(text, '%'))
        return "not an IPv6 address, or there is no such interface";
    if (text[0] == '[')
        return "not an IPv6 address";
    if (memchr(text, ':', (size_t)(colon - text)))
        return "an IPv6 address is written in brackets: [::1]:80";
    if (colon == text)
        return "not an address";
    if (strspn(text, numeric) < (size_t)(colon - text))
        return "host names other than localhost are not supported";
    return "not an IPv4 address";
}

/* Why heald_addr_parse() refuses a text. */
static const char *explain(const char *text)
{
    const char *colon = strrchr(text, ':');

    if (strncmp(text, "unix:", 5) == 0)
        return text[5] && text[5] != '@' ? "the path of the socket is too long"
                                         : "the path or name of the socket is empty or too long";
    if (!colon || (text[0] == '[' && text[strlen(text) - 1] == ']'))
        return "no port; use ADDRESS:PORT or unix:/PATH";
    if (!is_port(colon + 1))
        return "the port is not a number from 0 to 65535";
    return check_host(text, colon);
}

/* What is before the port of :PORT and localhost:PORT; -1: it is none of these. */
static int this_machine(const char *text)
{
    const char *colon = strchr(text, ':');
    size_t host = colon ? (size_t)(colon - text) : 0;

    if (!colon || (host && (host != 9 || strncasecmp(text, "localhost", host) != 0)))
        return -1;
    return strchr(colon + 1, ':') || !is_port(colon + 1) ? -1 : (int)host;
}

const char *listen_address(const struct server_config *config, char *ret_text, size_t size)
{
    struct heald_addr addr;

    int host = this_machine(config->listen);
    if (host >= 0 && config->port != SERVER_NO_PORT) {
        snprintf(ret_text, size, "%.*s:%d", host, config->listen, (int)config->port);
        return NULL;
    }
    if (host < 0 && heald_addr_parse(config->listen, &addr) < 0)
        return explain(config->listen);
    if (host >= 0) {
        snprintf(ret_text, size, "%s", config->listen);
        return NULL;
    }
    if (addr.len == 0)
        return "a FIFO cannot be listened at";
    if (config->port == SERVER_NO_PORT) {
        snprintf(ret_text, size, "%s", config->listen);
        return NULL;
    }
    if (addr.u.sa.sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)&addr.u.storage)->sin_port = htons((uint16_t)config->port);
    else if (addr.u.sa.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&addr.u.storage)->sin6_port = htons((uint16_t)config->port);
    else
        return "--port does not apply to a UNIX-domain socket";
    return heald_addr_format(&addr, ret_text, size) < 0 ? "not an address" : NULL;
}
