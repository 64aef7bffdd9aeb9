/*
 * aio/posix.c: the functions of <aio.h>, and the names and versions under which programs look for
 * them. What they do, and from where they may be called, is POSIX.1-2024's; libheald-aio(7) says
 * where that leaves a choice.
 *
 * The library exports all names that glibc has, in each version, so that a program finds them
 * whenever it was linked: until 2.34 they were librt's, in the version of the port's first release
 * (AIO_BASE, from the build). They are bound to functions with names of our own here, in the file
 * that defines them, as the assembler asks. AIO_BIND is an attribute where the compiler has one,
 * since link-time optimization does not see assembler directives.
 */
#include "aio/config.h"
#include "aio/request.h"

#include <errno.h>
#include <fcntl.h>

_Static_assert(sizeof(off_t) == 8, "aiocb and aiocb64 are one");

#define EXPORT __attribute__((visibility("default")))

EXPORT int heald_aio_read(struct aiocb *cb);
EXPORT int heald_aio_write(struct aiocb *cb);
EXPORT int heald_aio_fsync(int op, struct aiocb *cb);
EXPORT int heald_aio_error(const struct aiocb *cb);
EXPORT ssize_t heald_aio_return(struct aiocb *cb);
EXPORT int heald_aio_suspend(const struct aiocb *const list[], int n,
                             const struct timespec *timeout);
EXPORT int heald_aio_cancel(int fd, struct aiocb *cb);
EXPORT int heald_lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *ev);
EXPORT int heald_lio_listio_old(int mode, struct aiocb *const list[], int n, struct sigevent *ev);
EXPORT void heald_aio_init(const struct aioinit *init);

static int answer(int result)
{
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

int heald_aio_read(struct aiocb *cb)
{
    return answer(aio_submit(cb, OP_READ, NULL, false));
}

int heald_aio_write(struct aiocb *cb)
{
    return answer(aio_submit(cb, OP_WRITE, NULL, false));
}

int heald_aio_fsync(int op, struct aiocb *cb)
{
    if (op != O_SYNC && op != O_DSYNC)
        return answer(aio_refuse(cb, -EINVAL));
    return answer(aio_submit_sync(cb, op == O_DSYNC));
}

int heald_aio_error(const struct aiocb *cb)
{
    /* Acquire: pairs with aio_publish(). */
    return __atomic_load_n(&cb->__error_code, __ATOMIC_ACQUIRE);
}

ssize_t heald_aio_return(struct aiocb *cb)
{
    return cb->__return_value;
}

int heald_aio_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    return answer(aio_wait(list, n, timeout));
}

int heald_aio_cancel(int fd, struct aiocb *cb)
{
    return answer(aio_ask_cancel(fd, cb));
}

int heald_lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *ev)
{
    return answer(aio_list(mode, list, n, ev, false));
}

/* As before glibc 2.4: the list notifies, its items do not. */
int heald_lio_listio_old(int mode, struct aiocb *const list[], int n, struct sigevent *ev)
{
    return answer(aio_list(mode, list, n, ev, true));
}

/* How many threads the program would like, and for how long: there is nothing to set. */
void heald_aio_init(const struct aioinit *init)
{
    (void)init;
}

#define AT(function, name, version)    AIO_BIND(function, #name version)
#define NOW(function, name)            AT(function, name, "@@GLIBC_2.34")
#define SINCE(function, name, version) AT(function, name, "@" version)
#define NAME(name)                      \
    NOW(heald_##name, name)             \
    NOW(heald_##name, name##64)         \
    SINCE(heald_##name, name, AIO_BASE) \
    SINCE(heald_##name, name##64, AIO_BASE)
#define LIO(function, version)           \
    SINCE(function, lio_listio, version) \
    SINCE(function, lio_listio64, version)

NAME(aio_read)
NAME(aio_write)
NAME(aio_fsync)
NAME(aio_error)
NAME(aio_return)
NAME(aio_suspend)
NAME(aio_cancel)
NOW(heald_aio_init, aio_init)
SINCE(heald_aio_init, aio_init, AIO_BASE)
NOW(heald_lio_listio, lio_listio)
NOW(heald_lio_listio, lio_listio64)
AIO_LIO_VERSIONS(LIO)
