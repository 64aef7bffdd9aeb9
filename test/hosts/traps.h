/* test/hosts/traps.h: loops for the C tests of the adapters, a back end each. */
#ifndef HEALD_TEST_HOSTS_TRAPS_H
#define HEALD_TEST_HOSTS_TRAPS_H

#include "harness/harness.h"

#include <heald/heald.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BACKENDS = 3 };

static inline struct heald_loop *loop_on(int backend)
{
    static const char *const names[BACKENDS] = {"uring", "epoll", "poll"};
    struct heald_loop_options options = {.backend = names[backend], .engine = "sync"};
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, &options);

    if (err == -ENOSYS)
        harness_skip("%s is not available here", names[backend]);
    ck_assert_int_eq(err, 0);
    return loop;
}

/* Until the count is reached. */
static inline void turn_until(struct heald_loop *loop, const int *count, int want)
{
    int64_t end = heald_now(loop) + 10 * HEALD_SEC * harness_slow();

    while (*count < want && heald_now(loop) < end)
        ck_assert_int_ge(heald_loop_turn(loop, end), 0);
    ck_assert_int_eq(*count, want);
}

/* A socket on loopback that never answers; its port. */
static inline int silent_server(int type, int *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, type, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    if (type & SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

#endif
