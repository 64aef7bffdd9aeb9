/*
 * test/conformance/resolver.h: a fake resolver: this program's own getaddrinfo(3) stands before the
 * C library's, also for the library. What it does is in the name:
 *
 *   fast.test     at once        slow.test      after a while
 *   hang….test    when `go` is set
 *   many.test     100 addresses; twice.test: the same one, three times
 *   none.test, again.test, fail.test, service.test, family.test, memory.test
 *                 that error; system.test: EIO; busy.test: EAGAIN
 *   NAME.at       the addresses that the case has set, in their order
 */
#ifndef HEALD_TEST_RESOLVER_H
#define HEALD_TEST_RESOLVER_H

#include "conformance/conformance.h"

enum { RESOLVER_ADDRS = 8 };

extern struct resolver {
    int calls, hanging, go; /* atomic */
    int delay_ms[2];        /* of IPv4, IPv6, for NAME.at */
    int error[2];           /* EAI_… of IPv4, IPv6; 0 */
    unsigned count;
    struct heald_addr addrs[RESOLVER_ADDRS];
} resolver;

/* Waits until *word has reached `value`. */
void resolver_wait(const int *word, int value);
int resolver_get(const int *word);

/* Has the hanging calls return. */
void resolver_go(void);

enum { QUERY_ADDRS = 8 };

/* A look-up and its probe. query_do: query_start(), and probe_end(). */
struct query {
    struct probe p;
    struct heald_lookup lookup;
    struct heald_addr addrs[QUERY_ADDRS];
};

void query_start(struct heald_loop *loop, struct query *q, const char *host, const char *service);
int64_t query_do(struct heald_loop *loop, struct query *q, const char *host, const char *service);

#endif
