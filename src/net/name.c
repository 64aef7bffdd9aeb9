/*
 * net/name.c: look-ups of names. What is numeric, `localhost` and paths are answered here, and
 * everything else is asked of the C library: so that a program that uses addresses starts no
 * thread, and all others get the answers of the rest of the system. Thread-safe.
 */
#include "net/name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PORT_MAX = 65535 };

int heald__name_port(const char *service, uint16_t *ret_port)
{
    unsigned long port = 0;
    size_t digits = strspn(service ? service : "0", "0123456789");

    if (!service) {
        *ret_port = 0;
        return 0;
    }
    if (!digits || service[digits])
        return *service ? -ENOENT : -EINVAL;
    for (; *service; service++)
        if ((port = port * 10 + (unsigned long)(*service - '0')) > PORT_MAX)
            return -EINVAL;
    *ret_port = htons((uint16_t)port);
    return 0;
}

static void set_ipv4(struct heald_addr *ret_addr, uint32_t address, uint16_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(address)};

    memset(ret_addr, 0, sizeof *ret_addr);
    memcpy(&ret_addr->u, &in, sizeof in);
    ret_addr->len = sizeof in;
}

static void set_ipv6(struct heald_addr *ret_addr, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = *address};

    memset(ret_addr, 0, sizeof *ret_addr);
    memcpy(&ret_addr->u, &in6, sizeof in6);
    ret_addr->len = sizeof in6;
}

/* The loopback addresses, or those that stand for every address. */
static int this_machine(const struct heald_query *q, uint16_t port, bool every,
                        struct heald_addr *ret_addrs)
{
    static const struct in6_addr any = IN6ADDR_ANY_INIT, loopback = IN6ADDR_LOOPBACK_INIT;
    int n = 0;

    if (q->family != AF_INET)
        set_ipv6(&ret_addrs[n++], every ? &any : &loopback, port);
    if (q->family != AF_INET6)
        set_ipv4(&ret_addrs[n++], every ? INADDR_ANY : INADDR_LOOPBACK, port);
    return n;
}

/* RFC 6761, 6.3: it and what is below it never leave the machine. */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t n = strlen(host), len = sizeof name - 1;

    n -= n && host[n - 1] == '.';
    if (n < len || strncasecmp(host + n - len, name, len) != 0)
        return false;
    return n == len || host[n - len - 1] == '.';
}

/* A numeric host: 1, or -errno; 0: it is a name. */
static int numeric(const struct heald_query *q, const char *service, struct heald_addr *ret_addr)
{
    char text[NAME_MAX_HOST + NAME_MAX_SERVICE + 4];
    bool v6 = strchr(q->host, ':') != NULL;

    snprintf(text, sizeof text, v6 ? "[%s]:%s" : "%s:%s", q->host, service);
    int err = heald_addr_parse(text, ret_addr);
    if (err)
        return v6 ? err : 0; /* no name has a colon */
    return q->family && q->family != ret_addr->u.sa.sa_family ? -EAFNOSUPPORT : 1;
}

static bool is_path(const char *host)
{
    return strncmp(host, "unix:", 5) == 0 || strncmp(host, "fifo:", 5) == 0;
}

/* The host is there. The port of a service by name is asked for with it. */
static int host_now(const struct heald_query *q, bool has_port, uint16_t port,
                    struct heald_addr *ret_addrs)
{
    char digits[NAME_MAX_SERVICE];

    if (strcmp(q->host, "*") == 0)
        return has_port ? this_machine(q, port, true, ret_addrs) : 0;
    if (is_localhost(q->host))
        return has_port ? this_machine(q, port, false, ret_addrs) : 0;
    snprintf(digits, sizeof digits, "%u", ntohs(port));
    int n = numeric(q, digits, ret_addrs);
    return n > 0 && !has_port ? 0 : n;
}

static int check_lengths(const struct heald_query *q)
{
    if (q->host && strlen(q->host) > NAME_MAX_HOST)
        return -ENAMETOOLONG;
    if (q->service && strlen(q->service) >= NAME_MAX_SERVICE)
        return -ENAMETOOLONG;
    return q->host && !*q->host ? -HEALD_ENONAME : 0;
}

int heald__name_now(const struct heald_query *q, struct heald_addr ret_addrs[NAME_NOW_ADDRS])
{
    uint16_t port = 0;
    int n = check_lengths(q);

    if (n)
        return n;
    if (q->host && is_path(q->host)) {
        n = heald_addr_parse(q->host, ret_addrs);
        return n ? n : 1;
    }
    int err = heald__name_port(q->service, &port);
    if (err == -EINVAL)
        return err;
    if (q->host)
        n = host_now(q, !err, port, ret_addrs);
    else if (!err)
        n = this_machine(q, port, q->flags & HEALD_LOOKUP_PASSIVE, ret_addrs);
    return !n && q->flags & HEALD_LOOKUP_NUMERIC ? -HEALD_ENONAME : n;
}

static int code_of(int eai, int err)
{
    switch (eai) {
    case 0: return 0;
    case EAI_AGAIN: return -HEALD_ENAMESERVER;
    case EAI_FAIL: return -HEALD_ENAMEFAIL;
    case EAI_SERVICE:
    case EAI_SOCKTYPE: return -HEALD_ESERVICE;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_FAMILY: return -EAFNOSUPPORT;
    case EAI_BADFLAGS: return -EINVAL;
    /* -EAGAIN and -EINTR ask for a repetition, which is not for the caller to make at once. */
    case EAI_SYSTEM: return err <= 0 || err == EAGAIN || err == EINTR ? -HEALD_ENAMEFAIL : -err;
    default: return -HEALD_ENONAME; /* EAI_NONAME, and what some systems tell from it */
    }
}

static bool is_known(const struct heald_answer *a, const struct addrinfo *info)
{
    for (unsigned i = 0; i < a->count; i++)
        if (a->addrs[i].len == info->ai_addrlen &&
            memcmp(&a->addrs[i].u, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    return false;
}

static void take_all(const struct heald_allocator *alloc, const struct addrinfo *list,
                     struct heald_answer *ret_answer)
{
    struct heald_addr *addrs;
    unsigned room = 1;

    for (const struct addrinfo *info = list; info && room < NAME_MAX_ADDRS; info = info->ai_next)
        room++;
    if (!(addrs = alloc_new(alloc, room * sizeof *addrs)))
        ret_answer->err = -ENOMEM;
    ret_answer->addrs = addrs;
    ret_answer->room = room;
    for (; addrs && list && ret_answer->count < room; list = list->ai_next) {
        if (list->ai_addrlen > sizeof addrs->u || is_known(ret_answer, list))
            continue;
        struct heald_addr *addr = &addrs[ret_answer->count++];
        addr->len = list->ai_addrlen;
        memcpy(&addr->u, list->ai_addr, list->ai_addrlen);
    }
    if (addrs && !ret_answer->count)
        ret_answer->err = -HEALD_ENONAME;
}

void heald__name_ask(const struct heald_sys *sys, const struct heald_allocator *alloc,
                     const struct heald_query *q, struct heald_answer *ret_answer)
{
    bool every = q->host && strcmp(q->host, "*") == 0;
    struct addrinfo *list = NULL, hints = {.ai_family = q->family,
                                           .ai_socktype = q->type ? q->type : SOCK_STREAM};

    if (every || q->flags & HEALD_LOOKUP_PASSIVE)
        hints.ai_flags = AI_PASSIVE;
    *ret_answer = (struct heald_answer){0};
    int eai = sys->resolve(every ? NULL : q->host, q->service, &hints, &list);
    ret_answer->err = code_of(eai, errno);
    ret_answer->eai = eai;
    if (!eai)
        take_all(alloc, list, ret_answer);
    if (list)
        freeaddrinfo(list);
}

static bool is_link_local(const struct heald_addr *addr)
{
    struct sockaddr_in6 in6;

    memcpy(&in6, &addr->u, sizeof in6);
    return addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
}

bool heald__name_reachable(const struct heald_addr *addr)
{
    int fd = heald__plat_socket(addr->u.sa.sa_family, SOCK_DGRAM);
    struct heald_addr from;

    if (fd < 0)
        return false;
    /* Of a datagram socket it looks up the route, and the address that goes with it. */
    bool reachable = connect(fd, &addr->u.sa, addr->len) == 0 && heald_local_addr(fd, &from) == 0 &&
                     (is_link_local(addr) || !is_link_local(&from));
    close(fd);
    return reachable;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool heald__name_same(const struct heald_query *a, const struct heald_query *b)
{
    return a->family == b->family && a->type == b->type && a->flags == b->flags &&
           same_text(a->host, b->host) && same_text(a->service, b->service);
}

/* A part of a text: false, if it does not fit. */
static bool keep(char *buf, size_t size, const char *from, const char *to)
{
    size_t n = (size_t)(to - from);

    if (n >= size)
        return false;
    memcpy(buf, from, n);
    buf[n] = 0;
    return true;
}

/* The colon before the service, or NULL. */
static const char *service_at(const char *text)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : strrchr(text, ':');

    if (!end || (text[0] == '[' && end[1] != ':'))
        return NULL;
    /* Of an address without brackets no colon is that of the service. */
    if (text[0] != '[' && memchr(text, ':', (size_t)(end - text)))
        return NULL;
    return text[0] == '[' ? end + 1 : end;
}

int heald__name_split(const char *text, struct heald_name_text *ret)
{
    *ret = (struct heald_name_text){.has_host = true};
    if (is_path(text))
        return keep(ret->host, sizeof ret->host, text, text + strlen(text)) ? 0 : -ENAMETOOLONG;
    const char *colon = service_at(text);
    if (!colon || !colon[1])
        return -EINVAL;
    bool v6 = text[0] == '[';
    ret->has_host = colon != text;
    ret->has_service = true;
    bool fits = keep(ret->host, sizeof ret->host, text + v6, colon - v6) &&
                keep(ret->service, sizeof ret->service, colon + 1, colon + strlen(colon));
    return fits ? 0 : -ENAMETOOLONG;
}

int heald__name_here(const char *text, struct heald_addr ret_addrs[NAME_NOW_ADDRS])
{
    struct heald_name_text t;

    if (heald__name_split(text, &t) != 0 || !t.has_service)
        return -EINVAL;
    const struct heald_query q = {.host = t.has_host ? t.host : NULL,
                                  .service = t.service,
                                  .flags = HEALD_LOOKUP_PASSIVE | HEALD_LOOKUP_NUMERIC};
    if (t.has_host && !is_localhost(t.host))
        return -EINVAL;
    int n = heald__name_now(&q, ret_addrs);
    if (n == NAME_NOW_ADDRS && t.has_host) {
        /* What clients of localhost try first is either; more of them speak IPv4 alone. */
        const struct heald_addr six = ret_addrs[0];
        ret_addrs[0] = ret_addrs[1];
        ret_addrs[1] = six;
    }
    return n < 0 ? -EINVAL : n;
}
