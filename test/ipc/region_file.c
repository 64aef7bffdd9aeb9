/* test/ipc/region_file.c: the name and the file of a region: who is last, and what a crash of the
 * machine leaves. */
#include "ipc/ipc.h"

enum { CREATE = HEALD_REGION_CREATE };

static const char *name; /* of the case's region */

HEALD_CASE(temporary_until_the_last_has_closed_it)
{
    struct heald_region *a, *b;
    int temporary = CREATE | HEALD_REGION_TEMPORARY;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&a, name, temporary, NULL), 0);
    ck_assert_int_eq(heald_region_open(&b, name, temporary, NULL), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(heald_region_close(a) || heald_region_close(b));
    ck_assert_int_eq(child_end(pid), 0);
    heald_region_close(a);
    ck_assert_int_eq(heald_region_open(&a, name, 0, NULL), 0);
    heald_region_close(b);
    ck_assert_int_eq(heald_region_open(&b, name, temporary, NULL), 0);
    heald_region_close(a);
    heald_region_close(b);
    ck_assert_int_eq(heald_region_open(&a, name, 0, NULL), -ENOENT);
}

/* What the others do while one opens and closes it. */
static void open_and_close(int rounds)
{
    struct heald_region_options o = {.size = 64, .participants = 2};

    for (int i = 0; i < rounds; i++) {
        struct heald_region *r;
        struct heald_participant *me;
        must(heald_region_open(&r, name, CREATE | HEALD_REGION_TEMPORARY, &o) == 0);
        must(heald_attach(r, &me) == 0);
        heald_detach(me);
        must(heald_region_close(r) == 0);
    }
}

HEALD_CASE(temporary_in_a_race)
{
    struct heald_region *r;
    pid_t pid;

    name = fresh_name();
    if ((pid = fork()) == 0) {
        open_and_close(300);
        _exit(0);
    }
    open_and_close(300);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), -ENOENT);
}

static void copy_file(int from, int to)
{
    char buf[4096];
    ssize_t n;

    for (off_t at = 0; (n = pread(from, buf, sizeof buf, at)) > 0; at += n)
        ck_assert_int_eq(pwrite(to, buf, (size_t)n, at), n);
}

enum { BOOT_AT = 136 };

/* A file as it was when the machine stopped: its participants had no time to die. */
HEALD_CASE(found_again_after_the_machine_stopped)
{
    char file[] = "/tmp/heald-boot-XXXXXX", text[64];
    struct fixture f = fixture_open();
    struct heald_region_stats stats;
    struct heald_region *r;
    struct heald_participant *me;
    uint64_t boot;
    int fd = mkstemp(file);

    ck_assert_int_eq(heald_mutex_lock(f.data, f.me, HEALD_FOREVER), 0);
    copy_file(heald_region_fd(f.region), fd);
    ck_assert_int_eq(pread(fd, &boot, sizeof boot, BOOT_AT), sizeof boot);
    if (!boot)
        harness_skip("the portable platform cannot tell");
    boot++;
    ck_assert_int_eq(pwrite(fd, &boot, sizeof boot, BOOT_AT), sizeof boot);
    snprintf(text, sizeof text, "file:%s", file);
    ck_assert_int_eq(heald_region_open(&r, text, 0, NULL), 0);
    heald_region_stats(r, &stats);
    ck_assert_uint_eq(stats.participants, 0);
    ck_assert_int_eq(heald_attach(r, &me), 0);
    ck_assert_int_eq(heald_mutex_lock(heald_region_data(r), me, in_ms(1000)), -EOWNERDEAD);
    heald_detach(me);
    heald_region_close(r);
    /* The next one finds it as it is. */
    ck_assert_int_eq(heald_region_open(&r, text, 0, NULL), 0);
    heald_region_stats(r, &stats);
    ck_assert_uint_eq(stats.deaths, 1);
    heald_region_close(r);
    close(fd);
    unlink(file);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("region-file");
    TCase *group = harness_group(suite, "region-file");

    harness_add(group, temporary_until_the_last_has_closed_it);
    harness_add(group, temporary_in_a_race);
    harness_add(group, found_again_after_the_machine_stopped);
    return harness_run(suite);
}
