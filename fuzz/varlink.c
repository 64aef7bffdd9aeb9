/*
 * fuzz/varlink.c: replies of systemd-resolved: whatever comes, the result is in its range, and each
 * address is whole, of the family that was asked for, and there once. The first byte chooses the
 * family.
 */
#include "fuzz.h"

#include "net/varlink.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static void check(const struct heald_addr *addr, int family)
{
    char text[HEALD_ADDR_TEXT];
    int of = addr->u.sa.sa_family;

    MUST(of == AF_INET || of == AF_INET6);
    MUST(!family || of == family);
    MUST(addr->len == (of == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
    MUST(heald_addr_format(addr, text, sizeof text) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
    static struct heald_addr addrs[VARLINK_ADDRS];
    int family = size ? families[data[0] % 3] : 0;
    /* In memory of its own, so that one byte too far is seen. */
    char *text = malloc(size ? size : 1);

    memcpy(text, data, size);
    int n = heald__varlink_reply(text, size, family, htons(80), addrs);
    MUST(n != 0 && n <= VARLINK_ADDRS && n >= VARLINK_SURPRISE - 1000);
    for (int i = 0; i < n; i++) {
        check(&addrs[i], family);
        for (int k = 0; k < i; k++)
            MUST(memcmp(&addrs[i], &addrs[k], sizeof addrs[i]) != 0);
    }
    free(text);
    return 0;
}
