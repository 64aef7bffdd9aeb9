/* test/conformance/resolver.c: see resolver.h. Threads of the library call in here. */
#include "conformance/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

struct resolver resolver;

int resolver_get(const int *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void add(int *word, int by)
{
    __atomic_fetch_add(word, by, __ATOMIC_ACQ_REL);
}

void resolver_wait(const int *word, int value)
{
    int64_t end = now() + 10 * harness_slow() * HEALD_SEC;

    while (resolver_get(word) < value) {
        must(now() < end);
        usleep(100);
    }
}

void resolver_go(void)
{
    add(&resolver.go, 1);
}

/* One address more at the end of a list. */
static void append(struct addrinfo **list, const struct heald_addr *addr)
{
    struct addrinfo *info = calloc(1, sizeof *info + sizeof addr->u);

    while (*list)
        list = &(*list)->ai_next;
    info->ai_family = addr->u.sa.sa_family;
    info->ai_addrlen = addr->len;
    info->ai_addr = (struct sockaddr *)(void *)(info + 1);
    memcpy(info->ai_addr, &addr->u, addr->len);
    *list = info;
}

static void append_ipv4(struct addrinfo **list, unsigned last, const char *service)
{
    struct heald_addr addr;
    char text[64];

    snprintf(text, sizeof text, "192.0.2.%u:%s", last, service ? service : "0");
    if (heald_addr_parse(text, &addr) != 0) {
        snprintf(text, sizeof text, "192.0.2.%u:80", last);
        heald_addr_parse(text, &addr);
    }
    append(list, &addr);
}

static int set_addresses(int family, struct addrinfo **list)
{
    int v6 = family == AF_INET6;

    usleep((useconds_t)resolver.delay_ms[v6] * 1000);
    if (resolver.error[v6])
        return resolver.error[v6];
    for (unsigned i = 0; i < resolver.count; i++)
        if (!family || resolver.addrs[i].u.sa.sa_family == family)
            append(list, &resolver.addrs[i]);
    return *list ? 0 : EAI_NONAME;
}

static int fails_with(const char *host)
{
    static const struct {
        const char *host;
        int eai, err;
    } errors[] = {{"none.test", EAI_NONAME, 0},     {"again.test", EAI_AGAIN, 0},
                  {"fail.test", EAI_FAIL, 0},       {"service.test", EAI_SERVICE, 0},
                  {"family.test", EAI_FAMILY, 0},   {"memory.test", EAI_MEMORY, 0},
                  {"system.test", EAI_SYSTEM, EIO}, {"busy.test", EAI_SYSTEM, EAGAIN}};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(host, errors[i].host) == 0) {
            errno = errors[i].err;
            return errors[i].eai;
        }
    return 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_list)
{
    const char *name = host ? host : "";
    int count = strcmp(name, "many.test") == 0 ? 100 : strcmp(name, "twice.test") == 0 ? 3 : 1;
    int err = fails_with(name);

    add(&resolver.calls, 1);
    *ret_list = NULL;
    if (strncmp(name, "hang", 4) == 0) {
        add(&resolver.hanging, 1);
        resolver_wait(&resolver.go, 1);
    }
    if (strcmp(name, "slow.test") == 0)
        usleep(20000);
    if (strlen(name) > 3 && strcmp(name + strlen(name) - 3, ".at") == 0)
        return set_addresses(hints->ai_family, ret_list);
    for (int i = 0; !err && i < count; i++)
        append_ipv4(ret_list, count == 3 ? 1 : (unsigned)i + 1, service);
    return err;
}

void freeaddrinfo(struct addrinfo *list)
{
    for (struct addrinfo *next; list; list = next) {
        next = list->ai_next;
        free(list);
    }
}

void query_start(struct heald_loop *loop, struct query *q, const char *host, const char *service)
{
    q->lookup.max = QUERY_ADDRS;
    q->lookup.ret_addrs = q->addrs;
    ck_assert_int_eq(heald_prep_lookup(&q->p.op, &q->lookup, host, service), 0);
    probe_start(loop, &q->p);
}

int64_t query_do(struct heald_loop *loop, struct query *q, const char *host, const char *service)
{
    query_start(loop, q, host, service);
    return probe_end(&q->p);
}
