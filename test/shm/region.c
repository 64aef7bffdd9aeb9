/* test/shm/region.c: making and opening regions, participants, and what is no region. */
#include "shm/shm.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { CREATE = HEALD_REGION_CREATE, ANEW = HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE };

static const char *name; /* of the case's region */

HEALD_CASE(made_opened_and_unlinked)
{
    struct heald_region *a, *b;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&a, name, 0, NULL), -ENOENT);
    ck_assert_int_eq(heald_region_open(&a, name, ANEW, NULL), 0);
    ck_assert_int_eq(heald_region_open(&b, name, ANEW, NULL), -EEXIST);
    ck_assert_int_eq(heald_region_open(&b, name, CREATE, NULL), 0);
    ck_assert_uint_ge(heald_region_size(a), 64 * 1024);
    ck_assert_uint_eq(heald_region_size(a), heald_region_size(b));
    ck_assert_ptr_ne(heald_region_data(a), heald_region_data(b));
    strcpy(heald_region_data(a), "hello");
    ck_assert_str_eq(heald_region_data(b), "hello");
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_region_unlink(name), -ENOENT);
    ck_assert_int_eq(heald_region_close(a), 0);
    ck_assert_str_eq(heald_region_data(b), "hello");
    ck_assert_int_eq(heald_region_close(b), 0);
}

HEALD_CASE(names_that_are_none)
{
    static const char *const bad[] = {"", "/", "x", "/a/b", "/..", "file:", NULL};
    struct heald_region *r;
    char longest[300] = "/";

    for (int i = 0; bad[i]; i++) {
        ck_assert_int_eq(heald_region_open(&r, bad[i], CREATE, NULL), -EINVAL);
        ck_assert_int_eq(heald_region_unlink(bad[i]), -EINVAL);
    }
    ck_assert_int_eq(heald_region_open(&r, NULL, CREATE, NULL), -EINVAL);
    memset(longest + 1, 'x', sizeof longest - 2);
    ck_assert_int_eq(heald_region_open(&r, longest, CREATE, NULL), -ENAMETOOLONG);
    ck_assert_int_eq(heald_region_open(&r, "file:/nowhere/at/all", CREATE, NULL), -ENOENT);
}

HEALD_CASE(options_out_of_range)
{
    struct heald_region_options many = {.participants = 5000}, mode = {.mode = 04600};
    struct heald_region_options size = {.size = SIZE_MAX};
    struct heald_region *r;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, 32, NULL), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, HEALD_REGION_EXCLUSIVE, NULL), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &many), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &mode), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &size), -EINVAL);
    ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), -ENOENT);
}

static int fill(void *data, size_t size, void *ctx)
{
    memset(data, 'x', size);
    return *(int *)ctx;
}

HEALD_CASE(filled_before_it_has_a_name)
{
    int result = 0;
    struct heald_region_options o = {.init = fill, .ctx = &result, .mode = 0640, .size = 100};
    struct heald_region *r;
    struct stat st;

    name = fresh_name();
    umask(0);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &o), 0);
    ck_assert_int_eq(*(char *)heald_region_data(r), 'x');
    ck_assert_int_eq(fstat(heald_region_fd(r), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    heald_region_close(r);
    heald_region_unlink(name);
    result = -EDOM;
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, &o), -EDOM);
    ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), -ENOENT);
}

HEALD_CASE(private_by_default)
{
    struct heald_region *r;
    struct stat st;

    name = fresh_name();
    umask(0);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, NULL), 0);
    ck_assert_int_eq(fstat(heald_region_fd(r), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(a_memfd_passed_on)
{
    struct heald_region *a, *b;
    int err = heald_region_create_memfd(&a, NULL);

    if (err == -ENOSYS)
        harness_skip("no memfd_create here");
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(heald_region_open_fd(&b, heald_region_fd(a)), 0);
    strcpy(heald_region_data(a), "hello");
    ck_assert_str_eq(heald_region_data(b), "hello");
    ck_assert_int_lt(ftruncate(heald_region_fd(a), 0), 0);
    heald_region_close(a);
    heald_region_close(b);
}

HEALD_CASE(what_is_no_region)
{
    struct heald_region *r;
    char file[] = "/tmp/heald-none-XXXXXX", text[64];
    int fds[2], fd = mkstemp(file);

    snprintf(text, sizeof text, "file:%s", file);
    ck_assert_int_eq(heald_region_open(&r, text, CREATE, NULL), -ENOEXEC);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    ck_assert_int_eq(heald_region_open(&r, text, CREATE, NULL), -ENOEXEC);
    ck_assert_int_eq(heald_region_unlink(text), -ENOEXEC);
    close(fd);
    unlink(file);
    ck_assert_int_eq(heald_region_open_fd(&r, -1), -EBADF);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(heald_region_open_fd(&r, fds[0]), -ENOEXEC);
    close(fds[0]);
    close(fds[1]);
}

/* What a stranger to the region does with it; errors are welcome. */
static void use(struct heald_region *r)
{
    struct heald_participant *me;
    unsigned char *data = heald_region_data(r);

    if (heald_attach(r, &me) < 0)
        return;
    for (size_t i = 0; i < sizeof(struct heald_mutex); i++) {
        data[i] ^= 0x41;
        heald_mutex_lock(heald_region_data(r), me, in_ms(1));
        heald_mutex_unlock(heald_region_data(r), me);
        memset(data, 0, sizeof(struct heald_mutex));
    }
    heald_detach(me);
}

enum { HEAD_BYTES = 128, SLOTS_AT = 4096, SLOT_BYTES = 336 };

/* Every byte of the head and of the slots turned round: an error, or a region that works; never a
 * crash, and never a wait beyond its deadline. */
HEALD_CASE(any_byte_wrong)
{
    struct heald_region_options o = {.participants = 2, .size = 64};
    struct heald_region *r, *b;
    int refused = 0;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, &o), 0);
    unsigned char *base = (unsigned char *)heald_region_data(r) - 2 * SLOTS_AT;
    for (int i = 0; i < SLOTS_AT + SLOT_BYTES; i++) {
        if (i == HEAD_BYTES)
            i = SLOTS_AT;
        unsigned char was = base[i];
        base[i] ^= 0x81;
        if (heald_region_open(&b, name, 0, NULL) < 0) {
            refused++;
        } else {
            use(b);
            heald_region_close(b);
        }
        base[i] = was;
    }
    ck_assert_int_eq(refused, HEAD_BYTES);
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(cut_short)
{
    struct heald_region *r, *b;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, NULL), 0);
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 8192), 0);
    heald_region_unlink(name);
    ck_assert_int_eq(heald_region_open_fd(&b, heald_region_fd(r)), -EBADMSG);
    /* Its slots are gone: nobody may look at them now. */
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 1 << 20), 0);
    ck_assert_int_eq(heald_region_close(r), 0);
}

static void *attach_and_end(void *arg)
{
    struct fixture *f = arg;
    struct heald_participant *me;

    ck_assert_int_eq(heald_attach(f->region, &me), 0);
    ck_assert_int_eq(heald_mutex_lock(f->data, me, HEALD_FOREVER), 0);
    return NULL;
}

HEALD_CASE(a_thread_that_ends_has_died)
{
    struct fixture f = fixture_open();
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, attach_and_end, &f), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(heald_mutex_lock(f.data, f.me, in_ms(5000)), -EOWNERDEAD);
    fixture_close(&f);
}

static void *lock_and_exec(void *arg)
{
    attach_and_end(arg);
    execlp("sleep", "sleep", "1000", (char *)NULL);
    _exit(1);
}

/* It leaves its process, whose number goes on. */
HEALD_CASE(a_thread_that_calls_exec_has_died)
{
    struct fixture f = fixture_open();
    struct heald_region_stats stats;

    heald_region_stats(f.region, &stats);
    unsigned before = stats.participants;
    for (int first = 0; first < 2; first++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            if (first)
                lock_and_exec(&f);
            pthread_create(&thread, NULL, lock_and_exec, &f);
            for (;;)
                pause();
        }
        int err;
        while ((err = heald_mutex_lock(f.data, f.me, in_ms(10000))) == 0) {
            ck_assert_int_eq(heald_mutex_unlock(f.data, f.me), 0);
            usleep(1000);
        }
        child_kill(pid);
        if (err == -ETIMEDOUT && heald_clock_now(HEALD_CLOCK_BOOT) < 0)
            harness_skip("the portable platform cannot tell");
        ck_assert_int_eq(err, -EOWNERDEAD);
        ck_assert_int_eq(heald_mutex_consistent(f.data, f.me), 0);
        ck_assert_int_eq(heald_mutex_unlock(f.data, f.me), 0);
    }
    heald_region_stats(f.region, &stats);
    ck_assert_uint_eq(stats.participants, before);
    ck_assert_uint_eq(stats.deaths, 2);
    fixture_close(&f);
}

HEALD_CASE(not_of_another_user)
{
    struct heald_region *r, *b;

    if (geteuid() != 0)
        harness_skip("only root can give files away");
    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, NULL), 0);
    ck_assert_int_eq(fchown(heald_region_fd(r), 65534, 65534), 0);
    ck_assert_int_eq(heald_region_open(&b, name, CREATE, NULL), -EPERM);
    ck_assert_int_eq(heald_region_open(&b, name, HEALD_REGION_ANY_OWNER, NULL), 0);
    heald_region_close(b);
    heald_region_close(r);
    heald_region_unlink(name);
}

static void *attach_and_detach(void *arg)
{
    struct fixture *f = arg;
    struct heald_participant *me;

    must(heald_attach(f->region, &me) == 0);
    set_flag(&f->ready);
    heald_detach(me);
    return NULL;
}

/* One thread detaches while another closes. */
HEALD_CASE(closed_as_soon_as_nobody_is_attached)
{
    for (int i = 0; i < 300; i++) {
        struct fixture f = fixture_open();
        pthread_t thread;

        heald_detach(f.me);
        ck_assert_int_eq(pthread_create(&thread, NULL, attach_and_detach, &f), 0);
        until_set(&f.ready);
        while (heald_region_close(f.region) == -EBUSY)
            ;
        pthread_join(thread, NULL);
    }
}

HEALD_CASE(in_use_until_detached)
{
    struct fixture f = fixture_open();
    struct heald_region_stats stats;

    ck_assert_int_eq(heald_region_close(f.region), -EBUSY);
    heald_region_stats(f.region, &stats);
    ck_assert_uint_eq(stats.participants, 1);
    ck_assert_uint_eq(stats.participants_max, 64);
    fixture_close(&f);
}

static bool attach_twice(struct fixture *f)
{
    struct heald_participant *second;

    /* child_start() has attached once, which the parent's handle does not hinder. */
    must(heald_attach(f->region, &second) == 0);
    must(second != f->me);
    heald_detach(second);
    return false;
}

HEALD_CASE(a_fork_is_nobody)
{
    struct fixture f = fixture_open();
    pid_t pid = fork();

    if (pid == 0) {
        int bad = heald_mutex_lock(f.data, f.me, HEALD_FOREVER) != -ESTALE ||
                  heald_mutex_trylock(f.data, f.me) != -ESTALE ||
                  heald_mutex_unlock(f.data, f.me) != -ESTALE;
        heald_detach(f.me);
        _exit(bad || heald_region_close(f.region) != 0);
    }
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(child_end(child_start(&f, attach_twice)), 0);
    ck_assert_int_eq(heald_mutex_lock(f.data, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_unlock(f.data, f.me), 0);
    fixture_close(&f);
}

static bool stay(struct fixture *f)
{
    set_flag(f->data);
    return true;
}

HEALD_CASE(slots_of_the_dead_are_used_again)
{
    struct heald_region_options o = {.participants = 2};
    struct fixture f;
    struct heald_participant *second;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&f.region, name, ANEW, &o), 0);
    heald_region_unlink(name);
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    f.data = heald_region_data(f.region);
    for (int i = 0; i < 10; i++) {
        int *flag = f.data;
        *flag = 0;
        pid_t pid = child_start(&f, stay);
        until_set(flag);
        ck_assert_int_eq(heald_attach(f.region, &second), -EUSERS);
        child_kill(pid);
    }
    ck_assert_int_eq(heald_attach(f.region, &second), 0);
    heald_detach(second);
    fixture_close(&f);
}

enum { RACERS = 8 };

HEALD_CASE(all_who_make_it_get_the_same)
{
    pid_t pids[RACERS];
    int *count;
    struct heald_region *r;

    name = fresh_name();
    for (int i = 0; i < RACERS; i++)
        if ((pids[i] = fork()) == 0) {
            if (heald_region_open(&r, name, CREATE, NULL) != 0)
                _exit(1);
            __atomic_fetch_add((int *)heald_region_data(r), 1, __ATOMIC_RELAXED);
            _exit(0);
        }
    for (int i = 0; i < RACERS; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_eq(heald_region_open(&r, name, 0, NULL), 0);
    count = heald_region_data(r);
    ck_assert_int_eq(*count, RACERS);
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(says_what_is_wrong)
{
    const char *why = "";
    struct heald_region_options o = {.ret_why = &why, .participants = 2};
    struct heald_region *r, *b;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, &o), 0);
    ck_assert_ptr_null(why);
    uint64_t *head = (uint64_t *)(void *)((char *)heald_region_data(r) - 8192);
    head[0]++;
    ck_assert_int_eq(heald_region_open(&b, name, 0, &o), -ENOEXEC);
    ck_assert_ptr_nonnull(strstr(why, "does not begin"));
    head[0]--;
    uint32_t *version = (uint32_t *)(void *)&head[1];
    ++*version;
    ck_assert_int_eq(heald_region_open(&b, name, 0, &o), -EPROTONOSUPPORT);
    ck_assert_ptr_nonnull(strstr(why, "version"));
    --*version;
    head[5]++;
    ck_assert_int_eq(heald_region_open(&b, name, 0, &o), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(why, "checksum"));
    head[5]--;
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 8192), 0);
    ck_assert_int_eq(heald_region_open(&b, name, 0, &o), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(why, "shorter"));
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 1 << 20), 0);
    heald_region_close(r);
}

HEALD_CASE(looked_at_only)
{
    struct heald_region *r, *b;
    struct heald_participant *me;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, NULL), 0);
    strcpy(heald_region_data(r), "hello");
    ck_assert_int_eq(heald_region_open(&b, name, HEALD_REGION_READ_ONLY | CREATE, NULL), -EINVAL);
    ck_assert_int_eq(heald_region_open(&b, name, HEALD_REGION_READ_ONLY, NULL), 0);
    ck_assert_str_eq(heald_region_data(b), "hello");
    ck_assert_int_eq(heald_attach(b, &me), -EACCES);
    heald_region_close(b);
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(truncated_while_it_is_looked_at)
{
    const int look = HEALD_REGION_READ_ONLY | HEALD_REGION_SNAPSHOT;
    struct heald_region *r, *b;
    struct heald_participant_info who;
    struct heald_object_state state;
    struct heald_participant *me;
    unsigned cursor = 0;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, ANEW, NULL), 0);
    ck_assert_int_eq(heald_attach(r, &me), 0);
    struct heald_mutex *mutex = heald_region_data(r);
    uint64_t offset = heald_offset(r, mutex);
    ck_assert_int_eq(heald_region_open(&b, name, HEALD_REGION_SNAPSHOT, NULL), -EINVAL);
    ck_assert_int_eq(heald_region_open(&b, name, look, NULL), 0);
    ck_assert_ptr_null(heald_region_data(b));
    ck_assert_ptr_null(heald_at(b, offset));
    ck_assert_int_eq(heald_mutex_lock(mutex, me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_object_inspect(b, offset, HEALD_OBJECT_MUTEX, &state), 0);
    ck_assert_int_eq(state.condition, HEALD_OBJECT_HELD);
    heald_mutex_unlock(mutex, me);
    heald_detach(me);
    /* An access to it now, mapped, gets SIGBUS. */
    heald_region_unlink(name);
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 0), 0);
    ck_assert_int_eq(heald_object_inspect(b, offset, HEALD_OBJECT_MUTEX, &state), -EBADMSG);
    ck_assert_int_eq(heald_participant_next(b, &cursor, &who), 1);
    ck_assert_int_eq(who.thread.pid, getpid());
    heald_region_close(b);
    ck_assert_int_eq(ftruncate(heald_region_fd(r), 1 << 20), 0);
    heald_region_close(r);
}

int main(void)
{
    Suite *suite = suite_create("region");
    TCase *group = harness_group(suite, "region");

    harness_add(group, made_opened_and_unlinked);
    harness_add(group, names_that_are_none);
    harness_add(group, says_what_is_wrong);
    harness_add(group, looked_at_only);
    harness_add(group, truncated_while_it_is_looked_at);
    harness_add(group, options_out_of_range);
    harness_add(group, filled_before_it_has_a_name);
    harness_add(group, private_by_default);
    harness_add(group, a_memfd_passed_on);
    harness_add(group, what_is_no_region);
    harness_add(group, any_byte_wrong);
    harness_add(group, cut_short);
    harness_add(group, a_thread_that_ends_has_died);
    harness_add(group, a_thread_that_calls_exec_has_died);
    harness_add(group, not_of_another_user);
    harness_add(group, closed_as_soon_as_nobody_is_attached);
    harness_add(group, in_use_until_detached);
    harness_add(group, a_fork_is_nobody);
    harness_add(group, slots_of_the_dead_are_used_again);
    harness_add(group, all_who_make_it_get_the_same);
    return harness_run(suite);
}
