/*
 * region/sealed.c: a region whose descriptor comes from a process that is not trusted to have
 * passed one on. Any thread.
 *
 * Only a memfd whose seals forbid that it shrinks, and that seals change, keeps the size that is
 * looked at: a file of any other kind may be truncated once it is mapped, and each access is
 * SIGBUS then. So the seals come first, then the size, and the mapping last.
 */
#include "region/region.h"

#include "platform/shm.h"

#include <errno.h>
#include <sys/stat.h>

static int check_seals(int fd, bool may_grow, const char **ret_why)
{
    int seals = heald__plat_memfd_seals(fd);
    int want = HEALD_SEAL_SHRINK | HEALD_SEAL_SEAL | (may_grow ? 0 : HEALD_SEAL_GROW);

    if (seals == -EINVAL) {
        *ret_why = "it is not a memfd";
        return -EPROTOTYPE;
    }
    if (seals < 0)
        return seals;
    if ((seals & want) == want)
        return 0;
    *ret_why = "it is not sealed: it can shrink, grow, or be sealed further";
    return -EPERM;
}

static int check_size(int fd, uint64_t size_max, const char **ret_why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size >= 0 && (uint64_t)st.st_size <= size_max)
        return 0;
    *ret_why = "it is larger than size_max";
    return -EFBIG;
}

int heald_region_open_sealed(struct heald_region **ret_region, int fd,
                             const struct heald_region_limits *limits)
{
    const char *why = NULL;
    int err;

    if (!limits || !limits->size_max || limits->may_grow & ~1)
        return -EINVAL;
    err = check_seals(fd, limits->may_grow, &why);
    if (!err)
        err = check_size(fd, limits->size_max, &why);
    if (!err)
        err = heald__region_open_copy(ret_region, fd, limits->size_max, !limits->may_grow, &why);
    if (limits->ret_why)
        *limits->ret_why = err ? why : NULL;
    return err;
}
