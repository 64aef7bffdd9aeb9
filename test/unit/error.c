/* test/unit/error.c: every code has a text, and no code is too wild. */
#include "harness/harness.h"

#include <heald/base.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

static bool is_unknown(const char *text)
{
    return strcmp(text, "unknown error") == 0;
}

HEALD_CASE(codes_that_the_library_returns)
{
    static const int codes[] = {
        0,       ECANCELED, ETIMEDOUT,  EINPROGRESS,  EALREADY, EBUSY,       EINVAL,   ENOSYS,
        ENOBUFS, EAGAIN,    EMFILE,     ENFILE,       ENOMEM,   EBADF,       ECHILD,   EPIPE,
        ENOENT,  EEXIST,    ECONNRESET, ECONNREFUSED, EXDEV,    ENOTSOCK,    EMSGSIZE, ENXIO,
        ESPIPE,  EISDIR,    EADDRINUSE, EISCONN,      ENOTCONN, EAFNOSUPPORT};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *text = heald_strerror(-codes[i]);
        ck_assert_msg(!is_unknown(text), "%d has no text", codes[i]);
        ck_assert_uint_gt(strlen(text), 3);
        ck_assert_ptr_eq(text, heald_strerror(-codes[i]));
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(text, heald_strerror(-codes[j]));
    }
}

/* Of the system calls that the library makes. */
HEALD_CASE(codes_that_system_calls_return)
{
    static const int codes[] = {
#ifdef ENONET
        ENONET, EHWPOISON, ENOMEDIUM,
#endif
        EPROTO, EHOSTDOWN, EDQUOT,          ETXTBSY,      ESRCH,        ENOPROTOOPT, ESHUTDOWN,
        EMLINK, ENETRESET, ESOCKTNOSUPPORT, EPFNOSUPPORT, ETOOMANYREFS, ENOTEMPTY,   ENOLCK};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_msg(!is_unknown(heald_strerror(-codes[i])), "%d has no text", codes[i]);
    ck_assert_str_eq(heald_strerror(-EINPROGRESS), "operation pending");
}

/* Of a pipe and a queue that is closed, or whose last sender has gone; and of a
 * system call and a region without a heap. */
HEALD_CASE(texts_that_are_right_for_queues)
{
    ck_assert_str_eq(heald_strerror(-EPIPE), "closed, or nobody is at the other end");
    ck_assert_ptr_nonnull(strstr(heald_strerror(-ENOSYS), "the region has no heap"));
}

HEALD_CASE(codes_that_nobody_knows)
{
    static const int codes[] = {1, EINVAL, 99999, -99999, INT_MAX, INT_MIN, INT_MIN + 1};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert(is_unknown(heald_strerror(codes[i])));
}

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *group = harness_group(suite, "error");

    harness_add(group, codes_that_the_library_returns);
    harness_add(group, codes_that_system_calls_return);
    harness_add(group, texts_that_are_right_for_queues);
    harness_add(group, codes_that_nobody_knows);
    return harness_run(suite);
}
