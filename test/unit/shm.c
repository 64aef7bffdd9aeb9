/* test/unit/shm.c: room that is set aside for a region that grows. */
#include "platform/shm.h"
#include "harness/harness.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEBI = 1 << 20 };

static uint64_t bytes_on_disk(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* What is there already, others write to: it is not touched. */
HEALD_CASE(only_what_is_new_is_set_aside)
{
    FILE *file = tmpfile();
    int fd = fileno(file);

    ck_assert_int_eq(ftruncate(fd, 4L * MEBI), 0);
    uint64_t before = bytes_on_disk(fd);
    ck_assert_int_eq(heald__plat_reserve(fd, 4 * MEBI, 5 * MEBI), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 5 * MEBI);
    ck_assert_uint_lt(bytes_on_disk(fd) - before, 2 * MEBI);
    fclose(file);
}

int main(void)
{
    Suite *suite = suite_create("shm");
    TCase *group = harness_group(suite, "shm");

    harness_add(group, only_what_is_new_is_set_aside);
    return harness_run(suite);
}
