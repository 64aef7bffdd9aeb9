/*
 * net/varlink.c: see varlink.h. Pure; any thread.
 *
 * The reply comes from another process. It is read once, from the beginning to the end, by a cursor
 * that never passes the end, with a bound on the depth. Where it is not JSON, or says other things
 * than the interface has, it is a surprise, and nothing of it is used. Members that are not known
 * are skipped: later versions have more of them.
 */
#include "net/varlink.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8, KEY_ROOM = 64, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

struct cursor {
    const char *at, *end;
    int depth;
    bool bad;
};

/* What a reply says. */
struct reply {
    char error[KEY_ROOM];
    int64_t rcode;
    int family; /* that was asked for */
    uint16_t port;
    int count; /* -1: there is no list of addresses */
    struct heald_addr *addrs;
};

/* An element of the list of addresses. */
struct element {
    int64_t ifindex, family;
    unsigned length;
    unsigned char bytes[16];
};

size_t heald__varlink_request(char buf[VARLINK_REQUEST], const char *host, int family)
{
    char which[32] = "";

    for (const char *p = host; *p; p++)
        if (*p <= ' ' || *p == '"' || *p == '\\' || (unsigned char)*p > '~')
            return 0;
    if (family)
        snprintf(which, sizeof which, "\"family\":%d,", family);
    int n = snprintf(buf, VARLINK_REQUEST,
                     "{\"method\":\"io.systemd.Resolve.ResolveHostname\",\"parameters\":{"
                     "\"name\":\"%s\",%s\"flags\":0}}",
                     host, which);
    return n > 0 && n < VARLINK_REQUEST ? (size_t)n + 1 : 0;
}

static void fail(struct cursor *c)
{
    c->bad = true;
    c->at = c->end;
}

/* The next character that is no space; 0 at the end. */
static char peek(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
    return c->at < c->end ? *c->at : 0;
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != wanted || c->bad)
        return false;
    c->at++;
    return true;
}

static void expect(struct cursor *c, char wanted)
{
    if (!take(c, wanted))
        fail(c);
}

/* One character of a string, or of an escape in it, for which any other will do. */
static char string_char(struct cursor *c)
{
    char ch = *c->at++;

    if ((unsigned char)ch < ' ')
        fail(c);
    if (ch != '\\' || c->bad)
        return ch;
    if (c->at == c->end) {
        fail(c);
        return 0;
    }
    if (*c->at++ == 'u') {
        if (c->end - c->at < 4)
            fail(c);
        else
            c->at += 4;
    }
    return '?';
}

/* A string. What does not fit is cut, and is equal to nothing that we know. */
static void read_string(struct cursor *c, char buf[KEY_ROOM])
{
    size_t n = 0;

    expect(c, '"');
    while (c->at < c->end && *c->at != '"') {
        char ch = string_char(c);
        if (n + 1 < KEY_ROOM)
            buf[n++] = ch;
    }
    buf[n] = 0;
    if (c->at < c->end)
        c->at++;
    else
        fail(c);
}

/* A number: the value if it is an integer from 0 to 2^31 - 1, or -1. */
static int64_t read_number(struct cursor *c)
{
    int64_t value = 0;
    const char *from = (peek(c), c->at);

    for (; c->at < c->end && *c->at && strchr("+-.0123456789eE", *c->at); c->at++) {
        if (*c->at < '0' || *c->at > '9')
            value = -1;
        else if (value >= 0)
            value = value * 10 + (*c->at - '0');
        if (value > INT32_MAX)
            value = -1;
    }
    if (c->at == from)
        fail(c);
    return value;
}

static void skip_value(struct cursor *c);

typedef void each_fn(struct cursor *c, const char *key, void *ctx);

/* Calls each() for every member of an object, or (key NULL) element of an array, which reads its
 * value. */
static void read_all(struct cursor *c, char open, char close, each_fn *each, void *ctx)
{
    char key[KEY_ROOM];

    expect(c, open);
    if (++c->depth > DEPTH_MAX)
        fail(c);
    if (take(c, close)) {
        c->depth--;
        return;
    }
    do {
        if (open == '{') {
            read_string(c, key);
            expect(c, ':');
        }
        if (!c->bad)
            each(c, open == '{' ? key : NULL, ctx);
    } while (take(c, ','));
    expect(c, close);
    c->depth--;
}

static void skip_each(struct cursor *c, const char *key, void *ctx)
{
    (void)key;
    (void)ctx;
    skip_value(c);
}

static void skip_word(struct cursor *c)
{
    static const char *const words[] = {"true", "false", "null"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(c->end - c->at) >= n && memcmp(c->at, words[i], n) == 0) {
            c->at += n;
            return;
        }
    }
    fail(c);
}

static void skip_value(struct cursor *c)
{
    char text[KEY_ROOM], first = peek(c);

    if (first == '{')
        read_all(c, '{', '}', skip_each, NULL);
    else if (first == '[')
        read_all(c, '[', ']', skip_each, NULL);
    else if (first == '"')
        read_string(c, text);
    else if (first == '-' || (first >= '0' && first <= '9'))
        read_number(c);
    else
        skip_word(c);
}

static void read_byte(struct cursor *c, const char *key, void *ctx)
{
    struct element *e = ctx;
    int64_t byte = read_number(c);

    (void)key;
    if (byte < 0 || byte > UINT8_MAX || e->length == sizeof e->bytes)
        fail(c);
    else
        e->bytes[e->length++] = (unsigned char)byte;
}

static void read_part(struct cursor *c, const char *key, void *ctx)
{
    struct element *e = ctx;

    if (strcmp(key, "ifindex") == 0 && peek(c) != 'n')
        e->ifindex = read_number(c);
    else if (strcmp(key, "family") == 0)
        e->family = read_number(c);
    else if (strcmp(key, "address") == 0)
        read_all(c, '[', ']', read_byte, e);
    else
        skip_value(c);
}

static void set_ipv4(struct heald_addr *addr, const struct element *e, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};

    memcpy(&in.sin_addr, e->bytes, sizeof in.sin_addr);
    memset(addr, 0, sizeof *addr);
    memcpy(&addr->u, &in, sizeof in);
    addr->len = sizeof in;
}

/* The interface matters for addresses that are valid on one of them alone. */
static void set_ipv6(struct heald_addr *addr, const struct element *e, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};

    memcpy(&in6.sin6_addr, e->bytes, sizeof in6.sin6_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
        in6.sin6_scope_id = (uint32_t)(e->ifindex > 0 ? e->ifindex : 0);
    memset(addr, 0, sizeof *addr);
    memcpy(&addr->u, &in6, sizeof in6);
    addr->len = sizeof in6;
}

static bool is_known(const struct reply *r, const struct heald_addr *addr)
{
    const void *sought = &addr->u;

    for (int i = 0; i < r->count; i++) {
        const void *known = &r->addrs[i].u; /* zeroed before it was filled in */
        if (r->addrs[i].len == addr->len && memcmp(known, sought, addr->len) == 0)
            return true;
    }
    return false;
}

static void read_address(struct cursor *c, const char *key, void *ctx)
{
    struct reply *r = ctx;
    struct element e = {0};

    (void)key;
    read_all(c, '{', '}', read_part, &e);
    bool four = e.family == AF_INET && e.length == 4, six = e.family == AF_INET6 && e.length == 16;
    if ((!four && !six) || (r->family && e.family != r->family) || e.ifindex < 0) {
        fail(c);
        return;
    }
    if (r->count == VARLINK_ADDRS)
        return;
    struct heald_addr *addr = &r->addrs[r->count];
    if (four)
        set_ipv4(addr, &e, r->port);
    else
        set_ipv6(addr, &e, r->port);
    r->count += !is_known(r, addr);
}

static void read_parameter(struct cursor *c, const char *key, void *ctx)
{
    struct reply *r = ctx;

    if (strcmp(key, "addresses") == 0) {
        r->count = 0;
        read_all(c, '[', ']', read_address, r);
    } else if (strcmp(key, "rcode") == 0) {
        r->rcode = read_number(c);
    } else {
        skip_value(c);
    }
}

static void read_top(struct cursor *c, const char *key, void *ctx)
{
    struct reply *r = ctx;

    if (strcmp(key, "error") == 0)
        read_string(c, r->error);
    else if (strcmp(key, "parameters") == 0 && peek(c) == '{')
        read_all(c, '{', '}', read_parameter, r);
    else
        skip_value(c);
}

static int code_of(const struct reply *r)
{
    static const char prefix[] = "io.systemd.Resolve.";
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"NoNameServers", -HEALD_ENAMESERVER},
                 {"QueryTimedOut", -HEALD_ENAMESERVER},
                 {"MaxAttemptsReached", -HEALD_ENAMESERVER},
                 {"QueryAborted", -HEALD_ENAMESERVER},
                 {"NoSuchResourceRecord", -HEALD_ENONAME},
                 {"InvalidReply", -HEALD_ENAMEFAIL},
                 {"ResourceRecordTypeUnsupported", -HEALD_ENAMEFAIL},
                 {"DNSSECValidationFailed", -HEALD_ENAMEFAIL},
                 {"NoTrustAnchor", -HEALD_ENAMEFAIL},
                 {"CNAMELoop", -HEALD_ENAMEFAIL},
                 {"NetworkDown", -ENETDOWN}};

    if (strncmp(r->error, prefix, sizeof prefix - 1) != 0)
        return VARLINK_SURPRISE;
    const char *name = r->error + sizeof prefix - 1;
    if (strcmp(name, "DNSError") == 0) {
        if (r->rcode == RCODE_NXDOMAIN)
            return -HEALD_ENONAME;
        return r->rcode == RCODE_SERVFAIL ? -HEALD_ENAMESERVER : -HEALD_ENAMEFAIL;
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(name, codes[i].name) == 0)
            return codes[i].code;
    return VARLINK_SURPRISE;
}

int heald__varlink_reply(const char *text, size_t len, int family, uint16_t port,
                         struct heald_addr ret_addrs[VARLINK_ADDRS])
{
    struct cursor c = {.at = text, .end = text + len};
    struct reply r = {.family = family, .port = port, .count = -1, .addrs = ret_addrs};

    read_all(&c, '{', '}', read_top, &r);
    if (peek(&c) || c.at != c.end)
        fail(&c);
    if (c.bad)
        return VARLINK_SURPRISE;
    if (r.error[0])
        return code_of(&r);
    if (r.count < 0)
        return VARLINK_SURPRISE;
    return r.count ? r.count : -HEALD_ENONAME;
}
