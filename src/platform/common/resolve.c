/* platform/common/resolve.c: names, by the C library. */
#include "platform/sys.h"

#include <netdb.h>

int heald__plat_resolve(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret_list)
{
    return getaddrinfo(host, service, hints, ret_list);
}
