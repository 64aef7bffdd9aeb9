/*
 * descriptors.c: see descriptors.h. A connection and the file that it sends are two descriptors. So
 * that a file can always be opened, no more connections are allowed than there are pairs left.
 */
#include "serve/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

enum {
    PER_CONNECTION = 2,
    /* Accepted ones that are turned away, a directory being listed, a log being reopened, what an
     * engine opens when it is first used. */
    SPARE = 16,
    COUNT_MAX = 65536 /* descriptors above are not looked for */
};

/* The descriptors that are open, of those below the limit. */
static rlim_t count_open(rlim_t limit)
{
    rlim_t count = 0;
    for (int fd = 0; fd < COUNT_MAX && (rlim_t)fd < limit; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The soft limit, raised to `wish` where the hard one allows it. */
static rlim_t raise_limit(rlim_t wish)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wish;
    if (limit.rlim_cur >= wish)
        return limit.rlim_cur;
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wish ? limit.rlim_max : wish;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : soft;
}

unsigned descriptors_reserve(unsigned connections, unsigned long *ret_limit)
{
    rlim_t used = count_open(COUNT_MAX);
    rlim_t wish = used + SPARE + (rlim_t)connections * PER_CONNECTION;
    rlim_t limit = raise_limit(wish);
    *ret_limit = (unsigned long)limit;
    if (limit >= wish)
        return connections;
    if (limit >= used + SPARE + PER_CONNECTION)
        return (unsigned)((limit - used - SPARE) / PER_CONNECTION);
    return limit >= used + PER_CONNECTION; /* one, without the spare ones */
}
