/* test/conformance/file_locks.c: locks on files, which wait in threads and never block the loop. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MANY = 80, OPEN_FILES = 3 };

/* One file, opened several times: each open file owns its locks. */
struct room {
    struct heald_loop *loop;
    char path[64];
    int dir, fd[OPEN_FILES];
    int first; /* of the forms below that the system has */
};

static int open_file(const struct room *r)
{
    int fd = openat(r->dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void room_open(struct room *r, int combination)
{
    struct probe p = {0};

    *r = (struct room){.loop = loop_on(combination)};
    r->dir = dir_make(r->path);
    for (int i = 0; i < OPEN_FILES; i++)
        r->fd[i] = open_file(r);
    heald_prep_file_unlock(&p.op, r->fd[0], 0, 0);
    r->first = probe_do(r->loop, &p) == -ENOSYS;
}

static void need_ranges(const struct room *r)
{
    if (r->first)
        harness_skip("no open file description locks here");
}

static void room_close(struct room *r)
{
    for (int i = 0; i < OPEN_FILES; i++)
        if (r->fd[i] >= 0)
            heald_close(r->loop, r->fd[i]);
    dir_remove(r->dir, r->path);
    loop_end(r->loop);
}

/* The forms of a lock: a range, or the whole file. */
static int prep_lock(struct heald_op *op, bool whole, int fd, enum heald_file_lock_mode mode)
{
    return whole ? heald_prep_flock(op, fd, mode) : heald_prep_file_lock(op, fd, mode, 0, 10);
}

static int prep_unlock(struct heald_op *op, bool whole, int fd)
{
    return whole ? heald_prep_flock(op, fd, HEALD_FILE_UNLOCKED)
                 : heald_prep_file_unlock(op, fd, 0, 10);
}

static int64_t lock(struct room *r, bool whole, int which)
{
    struct probe p = {0};
    return probe_prepared(r->loop, &p, prep_lock(&p.op, whole, r->fd[which], HEALD_FILE_EXCLUSIVE));
}

static void unlock(struct room *r, bool whole, int which)
{
    struct probe p = {0};
    ck_assert_int_eq(probe_prepared(r->loop, &p, prep_unlock(&p.op, whole, r->fd[which])), 0);
}

static void start(struct room *r, bool whole, int which, struct probe *p)
{
    ck_assert_int_eq(prep_lock(&p->op, whole, r->fd[which], HEALD_FILE_EXCLUSIVE), 0);
    probe_start(r->loop, p);
}

/* It is only tried: its deadline has passed. */
static int64_t try(struct room *r, bool whole, int which)
{
    struct probe p = {0};

    ck_assert_int_eq(prep_lock(&p.op, whole, r->fd[which], HEALD_FILE_EXCLUSIVE), 0);
    p.op.deadline_ns = 1;
    return probe_do(r->loop, &p);
}

HEALD_CASE(a_lock_waits_for_another)
{
    struct room r;
    struct probe p = {0};

    room_open(&r, _i);
    for (int whole = r.first; whole < 2; whole++) {
        ck_assert_int_eq(lock(&r, whole, 0), 0);
        ck_assert_int_eq(lock(&r, whole, 0), 0);
        start(&r, whole, 1, &p);
        turn_for(r.loop, 20 * HEALD_MS);
        ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
        ck_assert_str_eq(heald_op_kind(&p.op), whole ? "flock" : "file-lock");
        unlock(&r, whole, 0);
        ck_assert_int_eq(probe_end(&p), 0);
        ck_assert_int_eq(try(&r, whole, 0), -ETIMEDOUT);
        unlock(&r, whole, 1);
        /* The same op once more, as it was prepared. */
        ck_assert_int_eq(probe_do(r.loop, &p), 0);
        unlock(&r, whole, 1);
        ck_assert_int_eq(try(&r, whole, 0), 0);
        unlock(&r, whole, 0);
    }
    room_close(&r);
}

static int prep_range(struct probe *p, int fd, enum heald_file_lock_mode mode, int64_t at,
                      int64_t size)
{
    return heald_prep_file_lock(&p->op, fd, mode, at, size);
}

HEALD_CASE(ranges_and_modes)
{
    struct room r;
    struct probe p = {0}, q = {0};

    room_open(&r, _i);
    need_ranges(&r);
    ck_assert_int_eq(probe_prepared(r.loop, &p, prep_range(&p, r.fd[0], HEALD_FILE_SHARED, 0, 10)),
                     0);
    ck_assert_int_eq(probe_prepared(r.loop, &p, prep_range(&p, r.fd[1], HEALD_FILE_SHARED, 5, 0)),
                     0);
    /* Beside both; then against the second, which goes on without end. */
    ck_assert_int_eq(prep_range(&p, r.fd[2], HEALD_FILE_EXCLUSIVE, 0, 5), 0);
    probe_start(r.loop, &p);
    ck_assert_int_eq(prep_range(&q, r.fd[2], HEALD_FILE_EXCLUSIVE, INT64_MAX, 1), 0);
    probe_start(r.loop, &q);
    turn_for(r.loop, 10 * HEALD_MS);
    ck_assert_int_eq(p.finals + q.finals, 0);
    unlock(&r, false, 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(q.finals, 0);
    ck_assert_int_eq(probe_prepared(r.loop, &p, heald_prep_file_unlock(&p.op, r.fd[1], 10, 0)), 0);
    ck_assert_int_eq(probe_end(&q), 0);
    ck_assert_int_eq(
        probe_prepared(r.loop, &p, prep_range(&p, r.fd[0], HEALD_FILE_SHARED, INT64_MAX, 2)),
        -EOVERFLOW);
    probe_refused(r.loop, &p, prep_range(&p, r.fd[0], HEALD_FILE_UNLOCKED, 0, 1));
    probe_refused(r.loop, &p, prep_range(&p, r.fd[0], (enum heald_file_lock_mode)3, 0, 1));
    probe_refused(r.loop, &p, prep_range(&p, r.fd[0], HEALD_FILE_SHARED, -1, 1));
    probe_refused(r.loop, &p, prep_range(&p, r.fd[0], HEALD_FILE_SHARED, 0, -1));
    probe_refused(r.loop, &p, heald_prep_file_unlock(&p.op, r.fd[0], -1, 0));
    probe_refused(r.loop, &p, heald_prep_flock(&p.op, r.fd[0], (enum heald_file_lock_mode)3));
    room_close(&r);
}

HEALD_CASE(what_cannot_be_locked)
{
    struct room r;
    struct probe p = {0};
    int fds[2];

    room_open(&r, _i);
    need_ranges(&r);
    int fd = openat(r.dir, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(probe_prepared(r.loop, &p, prep_range(&p, fd, HEALD_FILE_EXCLUSIVE, 0, 1)),
                     -EBADF);
    ck_assert_int_eq(probe_prepared(r.loop, &p, prep_range(&p, fd, HEALD_FILE_SHARED, 0, 1)), 0);
    close(fd);
    ck_assert_int_eq(probe_prepared(r.loop, &p, prep_range(&p, fd, HEALD_FILE_SHARED, 0, 1)),
                     -EBADF);
    ck_assert_int_eq(probe_prepared(r.loop, &p, heald_prep_flock(&p.op, -1, HEALD_FILE_SHARED)),
                     -EBADF);
    /* The kernel locks anything that is open; nothing else of it suffers. */
    pair_open(PAIR_UNIX, fds);
    ck_assert_int_le(
        probe_prepared(r.loop, &p, heald_prep_flock(&p.op, fds[0], HEALD_FILE_EXCLUSIVE)), 0);
    char c = 0;
    ck_assert_int_eq(op_send(r.loop, fds[1], "x", 1), 1);
    ck_assert_int_eq(op_recv(r.loop, fds[0], &c, 1), 1);
    pair_close(r.loop, fds);
    room_close(&r);
}

HEALD_CASE(cancels_and_deadlines_leak_nothing)
{
    struct room r;
    struct probe p = {0};

    room_open(&r, _i);
    for (int whole = r.first; whole < 2; whole++) {
        ck_assert_int_eq(lock(&r, whole, 0), 0);
        for (int round = 0; round < 6; round++) {
            ck_assert_int_eq(prep_lock(&p.op, whole, r.fd[1], HEALD_FILE_EXCLUSIVE), 0);
            if (round % 2)
                p.op.deadline_ns = now() + round * HEALD_MS;
            probe_start(r.loop, &p);
            if (round % 2 == 0) {
                turn_for(r.loop, round * HEALD_MS);
                ck_assert_int_eq(heald_cancel(&p.op), 0);
                ck_assert_int_eq(heald_cancel(&p.op), -EALREADY);
            }
            ck_assert_int_eq(probe_end(&p), round % 2 ? -ETIMEDOUT : -ECANCELED);
        }
        unlock(&r, whole, 0);
        ck_assert_int_eq(try(&r, whole, 2), 0);
        unlock(&r, whole, 2);
    }
    room_close(&r);
}

/* The lock comes free as it is cancelled: it is held exactly if the result says so. */
HEALD_CASE(a_cancel_against_an_unlock)
{
    struct room r;
    struct probe p = {0};
    int obtained = 0;

    room_open(&r, _i);
    for (int i = 0; i < 60; i++) {
        bool whole = r.first || i % 2;
        ck_assert_int_eq(lock(&r, whole, 0), 0);
        start(&r, whole, 1, &p);
        turn_for(r.loop, i % 3 * HEALD_MS / 2);
        unlock(&r, whole, 0);
        if (i % 4 > 1)
            turn_for(r.loop, 0);
        heald_cancel(&p.op);
        int64_t got = probe_end(&p);
        ck_assert(got == 0 || got == -ECANCELED);
        ck_assert_int_eq(try(&r, whole, 2), got ? 0 : -ETIMEDOUT);
        obtained += !got;
        unlock(&r, whole, got ? 2 : 1);
    }
    ck_assert_int_ge(obtained, 0);
    room_close(&r);
}

HEALD_CASE(a_close_ends_the_wait)
{
    struct room r;
    struct probe p = {0}, q = {0}, c = {0};

    room_open(&r, _i);
    ck_assert_int_eq(lock(&r, true, 0), 0);
    for (int round = 0; round < 12; round++) {
        r.fd[1] = round ? open_file(&r) : r.fd[1];
        start(&r, true, 1, &p);
        start(&r, true, 1, &q);
        if (round % 2)
            turn_for(r.loop, HEALD_MS);
        if (round % 3 == 0) {
            ck_assert_int_eq(heald_close(r.loop, r.fd[1]), 0);
        } else if (round % 3 == 1) {
            heald_forget(r.loop, r.fd[1]);
            close(r.fd[1]);
        } else {
            heald_prep_close(&c.op, r.fd[1]);
            ck_assert_int_eq(probe_do(r.loop, &c), 0);
        }
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        ck_assert_int_eq(probe_end(&q), -ECANCELED);
        turn_for(r.loop, HEALD_MS);
        ck_assert_int_eq(fcntl(r.fd[1], F_GETFD), -1);
    }
    unlock(&r, true, 0);
    ck_assert_int_eq(try(&r, true, 2), 0);
    r.fd[1] = -1;
    room_close(&r);
}

/* More than there are threads for: each gets it once, and passes it on. */
HEALD_CASE(more_waiters_than_threads)
{
    struct room r;
    struct probe *p = calloc(MANY, sizeof *p);
    int fd[MANY], done = 0;

    room_open(&r, _i);
    ck_assert_int_eq(lock(&r, true, 0), 0);
    for (int i = 0; i < MANY; i++) {
        fd[i] = open_file(&r);
        heald_prep_flock(&p[i].op, fd[i], HEALD_FILE_EXCLUSIVE);
        probe_start(r.loop, &p[i]);
    }
    turn_for(r.loop, 5 * HEALD_MS);
    for (int i = 0; i < MANY; i += 2)
        ck_assert_int_eq(heald_cancel(&p[i].op), 0);
    unlock(&r, true, 0);
    int64_t end = now() + 20 * HEALD_SEC;
    for (bool passed[MANY] = {false}; done < MANY && now() < end;) {
        turn_for(r.loop, HEALD_MS);
        for (int i = 0; i < MANY; i++)
            if (p[i].finals && !passed[i]) {
                ck_assert(p[i].result == 0 || (i % 2 == 0 && p[i].result == -ECANCELED));
                passed[i] = true;
                done++;
                heald_close(r.loop, fd[i]);
            }
    }
    ck_assert_int_eq(done, MANY);
    free(p);
    room_close(&r);
}

HEALD_CASE(a_wait_costs_no_turns_and_blocks_no_other)
{
    struct room r;
    struct probe p[4] = {0}, q = {0};
    struct heald_loop_stats before, after;
    struct heald_stat st;

    room_open(&r, _i);
    ck_assert_int_eq(lock(&r, true, 0), 0);
    for (int i = 0; i < 4; i++)
        start(&r, true, 1 + i % 2, &p[i]);
    heald_prep_stat(&q.op, r.dir, "file", 0, &st);
    ck_assert_int_eq(probe_do(r.loop, &q), 0);
    heald_loop_stats(r.loop, &before);
    turn_for(r.loop, 300 * HEALD_MS);
    heald_loop_stats(r.loop, &after);
    ck_assert_uint_le(after.turns - before.turns, 40);
    for (int i = 0; i < 4; i++)
        probe_cancel(&p[i]);
    room_close(&r);
}

HEALD_CASE(the_death_of_a_holder_frees_it)
{
    struct room r;
    struct probe p = {0};
    int fds[2];
    char c;

    room_open(&r, _i);
    need_ranges(&r);
    pair_open(PAIR_PIPE, fds);
    set_blocking(fds[0], true);
    pid_t child = fork();
    if (child == 0) {
        int fd = open_file(&r);
        struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
#ifdef F_OFD_SETLK
        fcntl(fd, F_OFD_SETLK, &all);
#else
        fcntl(fd, F_SETLK, &all);
#endif
        if (write(fds[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(fds[0], &c, 1), 1);
    start(&r, false, 1, &p);
    turn_for(r.loop, 5 * HEALD_MS);
    ck_assert_int_eq(p.finals, 0);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(probe_end(&p), 0);
    pair_close(r.loop, fds);
    room_close(&r);
}

static void on_signal(int signo)
{
    (void)signo;
}

/* A wait without a thread: there is no descriptor for its duplicate, or no signal to end it
 * with. */
HEALD_CASE(waits_without_a_thread)
{
    struct rlimit limit;
    struct room r;
    struct probe p = {0};

#ifdef SIGRTMIN
    for (int signo = SIGRTMIN; _i % 2 && signo <= SIGRTMAX; signo++)
        signal(signo, on_signal);
#endif
    room_open(&r, _i);
    ck_assert_int_eq(lock(&r, true, 0), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(heald_prep_flock(&p.op, r.fd[1], HEALD_FILE_EXCLUSIVE), 0);
        if (round == 1)
            p.op.deadline_ns = now() + 5 * HEALD_MS;
        if (_i % 2 == 0)
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max});
        probe_start(r.loop, &p);
        turn_for(r.loop, 3 * HEALD_MS);
        setrlimit(RLIMIT_NOFILE, &limit);
        if (round == 0)
            ck_assert_int_eq(heald_cancel(&p.op), 0);
        if (round == 2)
            unlock(&r, true, 0);
        ck_assert_int_eq(probe_end(&p), round == 0 ? -ECANCELED : round == 1 ? -ETIMEDOUT : 0);
        ck_assert_int_eq(try(&r, true, 2), -ETIMEDOUT);
    }
    room_close(&r);
}

/* The program closes it by itself, and the number is another file's. */
HEALD_CASE(a_number_that_is_used_again)
{
    struct room r;
    struct probe p = {0};

    room_open(&r, _i);
    ck_assert_int_eq(lock(&r, true, 0), 0);
    start(&r, true, 1, &p);
    turn_for(r.loop, 2 * HEALD_MS);
    close(r.fd[1]);
    ck_assert_int_eq(openat(r.dir, "other", O_RDWR | O_CREAT | O_CLOEXEC, 0600), r.fd[1]);
    unlock(&r, true, 0);
    ck_assert_int_eq(probe_end(&p), 0);
    /* It had the old file, and that is closed. */
    ck_assert_int_eq(try(&r, true, 2), 0);
    ck_assert_int_eq(try(&r, true, 1), 0);
    room_close(&r);
}

void add_file_locks(TCase *group)
{
    add_everywhere(group, waits_without_a_thread);
    add_everywhere(group, a_number_that_is_used_again);
    add_everywhere(group, a_lock_waits_for_another);
    add_everywhere(group, ranges_and_modes);
    add_everywhere(group, what_cannot_be_locked);
    add_everywhere(group, cancels_and_deadlines_leak_nothing);
    add_everywhere(group, a_cancel_against_an_unlock);
    add_everywhere(group, a_close_ends_the_wait);
    add_everywhere(group, more_waiters_than_threads);
    add_everywhere(group, a_wait_costs_no_turns_and_blocks_no_other);
    add_everywhere(group, the_death_of_a_holder_frees_it);
}
