/* base/error.c: the one table that turns error codes into text. Static strings only: safe in any
 * thread and handler. */
#include <heald/name.h>

#include "config.h"

#include <errno.h>
#include <stdbool.h>

#define ROW(code, text) {code, text},

static const struct {
    int code;
    const char *text;
} texts[] = {
    {0, "success"},
    {ECANCELED, "operation was cancelled"},
    {ETIMEDOUT, "deadline has passed"},
    {EINPROGRESS, "operation pending"},
    {EALREADY, "operation is being cancelled, or has completed"},
    {EBUSY, "still in use"},
    {EINVAL, "invalid argument"},
    {ENOSYS, "not available on this system, or the region has no heap"},
    {ENODATA, "no more data: it is closed, or has no such attribute"},
    {ENOBUFS, "no free buffer, no room in a queue, or no memory for one in the system"},
    {EPERM, "operation not permitted"},
    {ENOENT, "no such file or directory"},
    {EINTR, "interrupted by a signal"},
    {EIO, "input/output error"},
    {ENXIO, "no such device or part of the file, or nobody reads the FIFO"},
    {E2BIG, "argument list or message too long"},
    {EBADF, "not an open descriptor, or not open for this"},
    {ECHILD, "no such child process"},
    {EAGAIN, "temporarily unavailable"},
    {ENOMEM, "out of memory"},
    {EACCES, "permission denied"},
    {EFAULT, "bad address, or its file no longer reaches there"},
    {EEXIST, "exists already"},
    {EXDEV, "path leads outside the directory"},
    {ENODEV, "no such device"},
    {ENOTDIR, "not a directory"},
    {EISDIR, "is a directory"},
    {ENFILE, "too many open files in the system, or the directory is full"},
    {EMFILE, "too many open files in this process"},
    {ENOTTY, "not a terminal"},
    {EFBIG, "file too large"},
    {ENOSPC, "no space left on device"},
    {ESPIPE, "cannot seek"},
    {EROFS, "read-only file system"},
    {EPIPE, "closed, or nobody is at the other end"},
    {ENAMETOOLONG, "name too long"},
    {ELOOP, "too many symbolic links, or one that is not allowed here"},
    {EOVERFLOW, "value too large"},
    {ENOTSOCK, "not a socket"},
    {EDESTADDRREQ, "destination address required"},
    {EMSGSIZE, "message too long"},
    {EPROTOTYPE, "wrong type of socket or object"},
    {EOPNOTSUPP, "operation not supported here"},
    {EAFNOSUPPORT, "address family not supported"},
    {EADDRINUSE, "address already in use"},
    {EADDRNOTAVAIL, "address not available"},
    {ENETDOWN, "network is down"},
    {ENETUNREACH, "network unreachable"},
    {ECONNABORTED, "connection aborted"},
    {ECONNRESET, "connection reset by peer"},
    {EISCONN, "already connected"},
    {ENOTCONN, "not connected"},
    {ECONNREFUSED, "connection refused"},
    {EHOSTUNREACH, "host unreachable"},
    {EDEADLK, "would deadlock"},
    {EOWNERDEAD, "its last holder died with it"},
    {ENOTRECOVERABLE, "given up after its holder died"},
    {ESTALE, "participant of another process, or detached"},
    {EUSERS, "as many participants as there can be"},
    {ENOEXEC, "not a region"},
    {EPROTONOSUPPORT, "made by another version of heald or of the C library"},
    {EBADMSG, "corrupt"},
    /* Of names: enum heald_name_error. */
    {HEALD_ENONAME, "no such host name, or it has no such address"},
    {HEALD_ENAMESERVER, "no name server answered"},
    {HEALD_ENAMEFAIL, "name look-up failed"},
    {HEALD_ESERVICE, "no such service"},
    /* Of system calls only; first those that not every system has. */
    HEALD_ERRORS(ROW) /* from config.h */
    {ESRCH, "no such process"},
    {ETXTBSY, "executable is open for writing, or is running"},
    {EDQUOT, "disk quota exceeded"},
    {EMLINK, "too many links"},
    {ENOLCK, "no locks available"},
    {ENOTEMPTY, "directory not empty"},
    {EILSEQ, "name or text has bytes that are not valid here"},
    {ERANGE, "number out of range"},
    {EPROTO, "protocol error"},
    {EIDRM, "queue was removed"},
    {ENOPROTOOPT, "protocol not available"},
    {ESOCKTNOSUPPORT, "type of socket not supported"},
    {EPFNOSUPPORT, "protocol family not supported"},
    {ENETRESET, "connection broken by the network"},
    {ESHUTDOWN, "socket was shut down"},
    {ETOOMANYREFS, "too many descriptors in flight"},
    {EHOSTDOWN, "host is down"},
};

const char *heald_strerror(int err)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (err == -texts[i].code)
            return texts[i].text;
    return "unknown error";
}

const char *heald_version(void)
{
    return "0.1.0";
}
