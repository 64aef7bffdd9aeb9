/*
 * net/sort.c: destination address selection (RFC 6724, section 6), as far as it does not need to
 * know the state of interfaces: rules 1, 2, 5, 6, 8, and 10 (otherwise the order stays). The source
 * address of a destination is that of a datagram socket that is connected to it. Any thread.
 */
#include "net/sort.h"

#include "platform/sys.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { SORT_MAX = 64, SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

/* What the rules compare. */
struct dest {
    struct heald_addr addr;
    bool is_usable, scope_matches, label_matches;
    int precedence, scope;
};

/* An address as IPv6, those of IPv4 mapped. */
static struct in6_addr as_ipv6(const struct heald_addr *addr)
{
    struct in6_addr ip = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}};
    struct sockaddr_in6 in6;
    struct sockaddr_in in;

    if (addr->u.sa.sa_family == AF_INET6) {
        memcpy(&in6, &addr->u, sizeof in6);
        return in6.sin6_addr;
    }
    memcpy(&in, &addr->u, sizeof in);
    memcpy(&ip.s6_addr[12], &in.sin_addr, sizeof in.sin_addr);
    return ip;
}

static int scope_of(const struct in6_addr *ip)
{
    const uint8_t *b = ip->s6_addr;

    if (IN6_IS_ADDR_MULTICAST(ip))
        return b[1] & 0xf;
    if (IN6_IS_ADDR_V4MAPPED(ip))
        return b[12] == 127 || (b[12] == 169 && b[13] == 254) ? SCOPE_LINK : SCOPE_GLOBAL;
    if (IN6_IS_ADDR_LOOPBACK(ip) || IN6_IS_ADDR_LINKLOCAL(ip))
        return SCOPE_LINK;
    return IN6_IS_ADDR_SITELOCAL(ip) ? SCOPE_SITE : SCOPE_GLOBAL;
}

static bool has_prefix(const struct in6_addr *ip, const uint8_t *prefix, int bits)
{
    int bytes = bits / 8, rest = bits % 8;

    if (memcmp(ip->s6_addr, prefix, (size_t)bytes) != 0)
        return false;
    return !rest || (ip->s6_addr[bytes] ^ prefix[bytes]) >> (8 - rest) == 0;
}

/* The default policy table, section 2.1, the longest prefixes first. */
static void policy_of(const struct in6_addr *ip, int *ret_precedence, int *ret_label)
{
    static const struct {
        uint8_t prefix[16];
        int bits, precedence, label;
    } rows[] = {{{[15] = 1}, 128, 50, 0},
                {{[10] = 0xff, [11] = 0xff}, 96, 35, 4},
                {{0}, 96, 1, 3},
                {{0x20, 0x01, 0, 0}, 32, 5, 5},
                {{0x20, 0x02}, 16, 30, 2},
                {{0x3f, 0xfe}, 16, 1, 12},
                {{0xfe, 0xc0}, 10, 1, 11},
                {{0xfc}, 7, 3, 13},
                {{0}, 0, 40, 1}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (has_prefix(ip, rows[i].prefix, rows[i].bits)) {
            *ret_precedence = rows[i].precedence;
            *ret_label = rows[i].label;
            return;
        }
}

/* The address that the system would send from: false, there is none. */
static bool source_of(const struct heald_addr *addr, struct heald_addr *ret_source)
{
    int fd = heald__plat_socket(addr->u.sa.sa_family, SOCK_DGRAM);

    if (fd < 0)
        return false;
    bool found = connect(fd, &addr->u.sa, addr->len) == 0 && heald_local_addr(fd, ret_source) == 0;
    close(fd);
    return found;
}

static void describe(struct dest *d)
{
    struct in6_addr to = as_ipv6(&d->addr), from;
    struct heald_addr source;
    int label = 0, source_label = 0, unused;

    policy_of(&to, &d->precedence, &label);
    d->scope = scope_of(&to);
    d->is_usable = source_of(&d->addr, &source);
    if (!d->is_usable)
        return;
    from = as_ipv6(&source);
    policy_of(&from, &unused, &source_label);
    d->scope_matches = scope_of(&from) == d->scope;
    d->label_matches = source_label == label;
}

/* Is `a` to be tried before `b`, which stands before it? */
static bool is_better(const struct dest *a, const struct dest *b)
{
    if (a->is_usable != b->is_usable)
        return a->is_usable;
    if (a->scope_matches != b->scope_matches)
        return a->scope_matches;
    if (a->label_matches != b->label_matches)
        return a->label_matches;
    if (a->precedence != b->precedence)
        return a->precedence > b->precedence;
    return a->scope < b->scope;
}

void heald__sort_addrs(struct heald_addr addrs[], unsigned count)
{
    struct dest dests[SORT_MAX];
    unsigned n = count < SORT_MAX ? count : SORT_MAX;

    for (unsigned i = 0; i < n; i++) {
        struct dest d = {.addr = addrs[i]};
        unsigned at = i;
        describe(&d);
        for (; at && is_better(&d, &dests[at - 1]); at--)
            dests[at] = dests[at - 1];
        dests[at] = d;
    }
    for (unsigned i = 0; i < n; i++)
        addrs[i] = dests[i].addr;
}
