/* platform/common/file_lock.c: locks on files, by BSD's flock(2) and the open file description
 * locks of Linux and POSIX.1-2024. With `waits` they block until a signal comes. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static int result_of(int result)
{
    if (result >= 0)
        return 0;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int heald__plat_file_lock(int fd, int mode, int64_t offset, int64_t size, bool waits)
{
#ifdef F_OFD_SETLK
    static const short types[] = {[HEALD_FILE_UNLOCKED] = F_UNLCK,
                                  [HEALD_FILE_SHARED] = F_RDLCK,
                                  [HEALD_FILE_EXCLUSIVE] = F_WRLCK};
    struct flock lock = {.l_type = types[mode],
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)offset,
                         .l_len = (off_t)size};

    if (lock.l_start != offset || lock.l_len != size)
        return -EOVERFLOW;
    return result_of(fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &lock));
#else
    (void)fd;
    (void)mode;
    (void)offset;
    (void)size;
    (void)waits;
    return -ENOSYS;
#endif
}

int heald__plat_flock(int fd, int mode, bool waits)
{
    static const int how[] = {[HEALD_FILE_UNLOCKED] = LOCK_UN,
                              [HEALD_FILE_SHARED] = LOCK_SH,
                              [HEALD_FILE_EXCLUSIVE] = LOCK_EX};

    return result_of(flock(fd, how[mode] | (waits ? 0 : LOCK_NB)));
}
