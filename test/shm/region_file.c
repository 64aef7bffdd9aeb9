/* test/shm/region_file.c: the name and the file of a region: which is last, and what a crash of the
 * machine leaves. */
#include "shm/shm.h"

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

/* Two that have it open close it at the same time: one of them is the last. */
HEALD_CASE(temporary_and_closed_by_two_at_once)
{
    name = fresh_name();
    for (int round = 0; round < 300; round++) {
        struct heald_region_options o = {.size = 64, .participants = 2};
        struct heald_region *r;
        int ready[2], go[2];
        pid_t pids[2];
        char byte = 0;
        ck_assert(pipe(ready) == 0 && pipe(go) == 0);
        for (int i = 0; i < 2; i++) {
            if ((pids[i] = fork()) != 0)
                continue;
            must(heald_region_open(&r, name, CREATE | HEALD_REGION_TEMPORARY, &o) == 0);
            must(write(ready[1], "", 1) == 1 && read(go[0], &byte, 1) == 1);
            for (volatile int wait = round % 30 * 10 * i; wait > 0; wait--)
                continue;
            must(heald_region_close(r) == 0);
            _exit(0);
        }
        ck_assert(read(ready[0], &byte, 1) == 1 && read(ready[0], &byte, 1) == 1);
        ck_assert_int_eq(write(go[1], "gg", 2), 2);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(child_end(pids[i]), 0);
        ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), -ENOENT);
        close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
    }
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

/* A copy of a file in use by living participants: in the copy there are none. */
HEALD_CASE(a_copy_is_nobodys)
{
    char file[] = "/tmp/heald-copy-XXXXXX", text[64];
    struct fixture f = fixture_open();
    struct heald_region *r;
    struct heald_participant *me;
    int fd = mkstemp(file);

    ck_assert_int_eq(heald_mutex_lock(f.data, f.me, HEALD_FOREVER), 0);
    copy_file(heald_region_fd(f.region), fd);
    snprintf(text, sizeof text, "file:%s", file);
    ck_assert_int_eq(heald_region_open(&r, text, 0, NULL), 0);
    ck_assert_int_eq(heald_attach(r, &me), 0);
    ck_assert_int_eq(heald_mutex_lock(heald_region_data(r), me, in_ms(1000)), -EOWNERDEAD);
    heald_detach(me);
    heald_region_close(r);
    close(fd);
    unlink(file);
    ck_assert_int_eq(heald_mutex_unlock(f.data, f.me), 0);
    fixture_close(&f);
}

static int make_semaphore(void *object, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return heald_sem_init_counting(object, 1);
}

/* What a region's setup does: *ctx is its result. */
static int set_up(struct heald_region *region, void *ctx)
{
    struct heald_object_options o = {
        .type = HEALD_OBJECT_SEM, .size = HEALD_SEM_SIZE(0), .init = make_semaphore};
    struct heald_participant *me;
    void *object;

    must(heald_attach(region, &me) == 0);
    must(heald_object_open(me, "sem", &o, &object, NULL) == 0);
    heald_detach(me);
    return *(int *)ctx;
}

static void has_semaphore(struct heald_region *r)
{
    struct heald_participant *me;
    void *object;

    ck_assert_int_eq(heald_attach(r, &me), 0);
    ck_assert_int_eq(heald_object_find(me, "sem", HEALD_OBJECT_SEM, 0, &object), 0);
    heald_detach(me);
    ck_assert_int_eq(heald_region_close(r), 0);
}

HEALD_CASE(is_set_up_before_it_has_a_name)
{
    int ctx = -EINVAL;
    struct heald_region_options o = {.heap = 16 * 1024, .setup = set_up, .ctx = &ctx};
    struct heald_region *r;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &o), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), -ENOENT);
    ctx = 0;
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &o), 0);
    has_semaphore(r);
    ck_assert_int_eq(heald_region_unlink(name), 0);
}

HEALD_CASE(one_without_a_name_is_set_up)
{
    int ctx = -EINVAL;
    struct heald_region_options o = {.heap = 16 * 1024, .setup = set_up, .ctx = &ctx};
    struct heald_region *r;
    int err = heald_region_create_memfd(&r, &o);

    if (err == -ENOSYS)
        harness_skip("no memfd_create here");
    ck_assert_int_eq(err, -EINVAL);
    ctx = 0;
    ck_assert_int_eq(heald_region_create_memfd(&r, &o), 0);
    has_semaphore(r);
}

/* Made and opened at the same time, it is there with its semaphore, or not at all. */
HEALD_CASE(a_named_semaphore_is_there_or_not)
{
    struct heald_named_sem s;
    pid_t pid;

    name = fresh_name();
    if ((pid = fork()) == 0)
        for (;;) {
            must(heald_sem_open(&s, name, CREATE, 1) == 0);
            must(heald_sem_close(&s) == 0 && heald_sem_unlink(name) == 0);
        }
    for (int found = 0; found < 200;) {
        int err = heald_sem_open(&s, name, 0, 1);
        ck_assert_msg(err == 0 || err == -ENOENT || err == -EAGAIN, "%s", heald_strerror(err));
        if (!err)
            heald_sem_close(&s);
        found += !err;
    }
    child_kill(pid);
    heald_sem_unlink(name);
}

int main(void)
{
    Suite *suite = suite_create("region-file");
    TCase *group = harness_group(suite, "region-file");

    harness_add(group, temporary_until_the_last_has_closed_it);
    harness_add(group, temporary_in_a_race);
    harness_add(group, temporary_and_closed_by_two_at_once);
    harness_add(group, a_copy_is_nobodys);
    harness_add(group, is_set_up_before_it_has_a_name);
    harness_add(group, one_without_a_name_is_set_up);
    harness_add(group, a_named_semaphore_is_there_or_not);
    harness_add(group, found_again_after_the_machine_stopped);
    return harness_run(suite);
}
