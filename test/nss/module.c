/* test/nss/module.c: libnss_heald_test.so.2, an NSS module of glibc that sleeps, fails, or has many
 * addresses; see nss.h. */
#include "nss/nss.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 100 };

/* glibc finds it by its name. */
enum nss_status _nss_heald_test_gethostbyname4_r(const char *name, struct gaih_addrtuple **ret_list,
                                                 char *buffer, size_t size, int *ret_errno,
                                                 int *ret_h_errno, int32_t *ret_ttl);

static int starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void add(int *count)
{
    if (&nss_control)
        __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

static void hang(void)
{
    if (!&nss_control)
        return;
    add(&nss_control.hanging);
    while (!__atomic_load_n(&nss_control.go, __ATOMIC_SEQ_CST))
        usleep(500);
    add(&nss_control.ended);
}

static enum nss_status fails(enum nss_status status, int err, int h_err, int *ret_errno,
                             int *ret_h_errno)
{
    *ret_errno = err;
    *ret_h_errno = h_err;
    return status;
}

static void fill(struct gaih_addrtuple *tuples, char *name, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        tuples[i] = (struct gaih_addrtuple){.next = i + 1 < count ? &tuples[i + 1] : NULL,
                                            .name = name,
                                            .family = AF_INET,
                                            .addr = {htonl(0xc0000200u + i + 1)}};
}

enum nss_status _nss_heald_test_gethostbyname4_r(const char *name, struct gaih_addrtuple **ret_list,
                                                 char *buffer, size_t size, int *ret_errno,
                                                 int *ret_h_errno, int32_t *ret_ttl)
{
    unsigned count = starts(name, "many") ? MANY : 1;
    size_t pad = -(uintptr_t)buffer % _Alignof(struct gaih_addrtuple);
    size_t tuples = count * sizeof **ret_list, length = strlen(name) + 1;

    (void)ret_ttl;
    /* It is called again with more room, and that call is the one that counts. */
    if (size < pad + tuples + length)
        return fails(NSS_STATUS_TRYAGAIN, ERANGE, NETDB_INTERNAL, ret_errno, ret_h_errno);
    add(&nss_control.calls);
    if (starts(name, "hang"))
        hang();
    if (starts(name, "none"))
        return fails(NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND, ret_errno, ret_h_errno);
    if (starts(name, "again"))
        return fails(NSS_STATUS_TRYAGAIN, EAGAIN, TRY_AGAIN, ret_errno, ret_h_errno);
    if (starts(name, "fail"))
        return fails(NSS_STATUS_UNAVAIL, EIO, NETDB_INTERNAL, ret_errno, ret_h_errno);
    /* A caller that has room for one brings it. */
    struct gaih_addrtuple *list = (struct gaih_addrtuple *)(void *)(buffer + pad);
    fill(list, memcpy(buffer + pad + tuples, name, length), count);
    if (*ret_list)
        **ret_list = *list;
    else
        *ret_list = list;
    return NSS_STATUS_SUCCESS;
}
