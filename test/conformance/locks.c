/* test/conformance/locks.c: mutexes and conditions of a region, awaited in a loop. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { CROWD = 200 };

struct shared {
    struct heald_mutex mutex;
    struct heald_cond cond;
    int held, release, turn, notified;
    HEALD_SEM(2) tickets;
    struct heald_rwlock lock;
    struct heald_barrier barrier;
    struct heald_once once;
};

static struct {
    struct heald_region *region;
    struct heald_participant *me;
    struct shared *shared;
} here;

static void open_region(void)
{
    char name[64];

    snprintf(name, sizeof name, "/heald-locks-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&here.region, name, HEALD_REGION_CREATE, NULL), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(here.region, &here.me), 0);
    here.shared = heald_region_data(here.region);
}

static void close_region(struct heald_loop *loop)
{
    loop_end(loop);
    heald_detach(here.me);
    ck_assert_int_eq(heald_region_close(here.region), 0);
}

static int load(const int *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

/* A process that holds the mutex until it is asked to unlock it, or killed. */
static pid_t holder_start(void)
{
    struct shared *s = here.shared;
    pid_t pid = fork();

    if (pid == 0) {
        if (heald_attach(here.region, &here.me) ||
            heald_mutex_lock(&s->mutex, here.me, HEALD_FOREVER))
            _exit(1);
        __atomic_store_n(&s->held, 1, __ATOMIC_RELEASE);
        while (!load(&s->release))
            usleep(500);
        heald_mutex_unlock(&s->mutex, here.me);
        _exit(0);
    }
    for (int64_t end = now() + 5 * HEALD_SEC * harness_slow(); !load(&s->held); usleep(100))
        must(now() < end);
    return pid;
}

static void holder_end(pid_t pid, bool killed)
{
    int status;

    if (killed)
        kill(pid, SIGKILL);
    else
        __atomic_store_n(&here.shared->release, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(killed ? WIFSIGNALED(status) : WIFEXITED(status), 1);
}

static void prep(struct probe *p)
{
    ck_assert_int_eq(heald_prep_mutex_lock(&p->op, &here.shared->mutex, here.me), 0);
}

HEALD_CASE(one_that_is_free)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    open_region();
    ck_assert_int_eq(heald_prep_mutex_lock(&p.op, NULL, here.me), -EINVAL);
    ck_assert_int_eq(heald_prep_mutex_lock(&p.op, &here.shared->mutex, NULL), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    prep(&p);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_str_eq(heald_op_kind(&p.op), "mutex-lock");
    ck_assert_int_eq(heald_mutex_trylock(&here.shared->mutex, here.me), -EDEADLK);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

HEALD_CASE(one_that_another_process_holds)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, socket = {0};
    int fds[2];
    char byte;

    open_region();
    pid_t pid = holder_start();
    prep(&p);
    probe_start(loop, &p);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 1);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    /* The loop goes on meanwhile. */
    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_prep_recv(&socket.op, fds[0], &byte, 1, 0), 0);
    probe_start(loop, &socket);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(probe_end(&socket), 1);
    pair_close(loop, fds);
    turn_for(loop, 120 * HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    holder_end(pid, false);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

HEALD_CASE(one_whose_holder_is_killed)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    open_region();
    pid_t pid = holder_start();
    prep(&p);
    probe_start(loop, &p);
    turn_for(loop, 5 * HEALD_MS);
    holder_end(pid, true);
    ck_assert_int_eq(probe_end(&p), -EOWNERDEAD);
    ck_assert_int_eq(heald_mutex_consistent(&here.shared->mutex, here.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

/* Stopped is not dead: nothing is taken over, however long it lasts. */
HEALD_CASE(one_whose_holder_is_stopped)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    open_region();
    pid_t pid = holder_start();
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    prep(&p);
    probe_start(loop, &p);
    turn_for(loop, 150 * HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    holder_end(pid, false);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

HEALD_CASE(deadline_and_cancel)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe late = {0}, cancelled = {0}, last = {0};

    open_region();
    pid_t pid = holder_start();
    prep(&late);
    late.op.deadline_ns = now() + 30 * HEALD_MS;
    probe_start(loop, &late);
    prep(&cancelled);
    probe_start(loop, &cancelled);
    prep(&last);
    probe_start(loop, &last);
    probe_cancel(&cancelled);
    ck_assert_int_eq(probe_end(&late), -ETIMEDOUT);
    ck_assert_int_ge(now(), late.op.deadline_ns);
    ck_assert_int_eq(last.calls, 0);
    holder_end(pid, false);
    ck_assert_int_eq(probe_end(&last), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    ck_assert_int_eq(heald_mutex_trylock(&here.shared->mutex, here.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

static int crowd_inside, crowd_notified;

static void on_turn(struct heald_op *op)
{
    must(op->result == 0);
    must(crowd_inside++ == 0);
    crowd_notified++;
    crowd_inside--;
    must(heald_mutex_unlock(&here.shared->mutex, here.me) == 0);
}

/* More than the kernel can wait for at once. */
HEALD_CASE(many_ops_take_turns)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op ops[CROWD] = {0};

    open_region();
    pid_t pid = holder_start();
    for (int i = 0; i < CROWD; i++) {
        ck_assert_int_eq(heald_prep_mutex_lock(&ops[i], &here.shared->mutex, here.me), 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_turn), 0);
    }
    turn_for(loop, 10 * HEALD_MS);
    ck_assert_int_eq(crowd_notified, 0);
    holder_end(pid, false);
    turn_until(loop, &crowd_notified, CROWD);
    close_region(loop);
}

/* A process that changes the condition, and signals. */
static pid_t signaller_start(void)
{
    struct shared *s = here.shared;
    pid_t pid = fork();

    if (pid == 0) {
        usleep(10000);
        if (heald_attach(here.region, &here.me) ||
            heald_mutex_lock(&s->mutex, here.me, HEALD_FOREVER))
            _exit(1);
        s->turn = 1;
        heald_cond_signal(&s->cond);
        heald_mutex_unlock(&s->mutex, here.me);
        heald_detach(here.me);
        _exit(0);
    }
    return pid;
}

static void prep_wait(struct probe *p)
{
    ck_assert_int_eq(heald_prep_cond_wait(&p->op, &here.shared->cond, &here.shared->mutex, here.me),
                     0);
}

HEALD_CASE(a_condition)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s;
    struct probe p = {0};
    int status;

    open_region();
    s = here.shared;
    prep_wait(&p);
    ck_assert_int_eq(probe_do(loop, &p), -EPERM);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, here.me, 0), 0);
    pid_t pid = signaller_start();
    while (!s->turn) {
        prep_wait(&p);
        p.finals = 0;
        int64_t result = probe_do(loop, &p);
        ck_assert_int_eq(result, 0);
    }
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, here.me), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close_region(loop);
}

HEALD_CASE(a_condition_that_does_not_come)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s;
    struct probe late = {0}, cancelled = {0};

    open_region();
    s = here.shared;
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, here.me, 0), 0);
    prep_wait(&late);
    late.op.deadline_ns = now() + 20 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &late), -ETIMEDOUT);
    ck_assert_int_ge(now(), late.op.deadline_ns);
    /* The mutex is held again, after both. */
    prep_wait(&cancelled);
    probe_start(loop, &cancelled);
    probe_cancel(&cancelled);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, here.me), 0);
    close_region(loop);
}

/* Its deadline has passed and ends nothing more: a cycle with it is a deadlock. */
HEALD_CASE(a_condition_that_waits_for_its_mutex)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_participant_info info = {0};
    struct probe p = {0};
    unsigned cursor = 0;

    open_region();
    ck_assert_int_eq(heald_mutex_lock(&here.shared->mutex, here.me, 0), 0);
    prep_wait(&p);
    p.op.deadline_ns = now() + 20 * HEALD_MS;
    probe_start(loop, &p);
    pid_t pid = holder_start();
    turn_for(loop, 50 * HEALD_MS);
    ck_assert_int_eq(p.finals, 0);
    while (!info.wait_count)
        ck_assert_int_eq(heald_participant_next(here.region, &cursor, &info), 1);
    ck_assert_int_eq(info.waits[0].type, HEALD_OBJECT_MUTEX);
    ck_assert_uint_eq(info.waits[0].flags, HEALD_WAIT_IN_LOOP);
    ck_assert_int_eq(info.waits[0].deadline_ns, HEALD_FOREVER);
    holder_end(pid, false);
    turn_until(loop, &p.finals, 1);
    ck_assert_int_eq(p.result, -ETIMEDOUT);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, here.me), 0);
    close_region(loop);
}

/* Ops of one loop exclude each other, too. */
HEALD_CASE(permits)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};

    open_region();
    struct heald_sem *sem = &here.shared->tickets.sem;
    ck_assert_int_eq(heald_sem_init(sem, 2), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(heald_prep_sem_wait(&p[i].op, sem, here.me), 0);
        probe_start(loop, &p[i]);
    }
    ck_assert_int_eq(probe_end(&p[0]), 0);
    ck_assert_int_eq(probe_end(&p[1]), 0);
    turn_for(loop, 10 * HEALD_MS);
    ck_assert_int_eq(p[2].calls, 0);
    ck_assert_int_eq(heald_sem_post(sem, here.me), 0);
    ck_assert_int_eq(probe_end(&p[2]), 0);
    ck_assert_int_eq(heald_sem_value(sem, here.me), 0);
    close_region(loop);
}

HEALD_CASE(readers_and_a_writer)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe reader[2] = {0}, writer = {0}, late = {0};

    open_region();
    struct heald_rwlock *lock = &here.shared->lock;
    ck_assert_int_eq(heald_rwlock_init(lock, HEALD_RWLOCK_PREFER_WRITER), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_prep_rwlock_rdlock(&reader[i].op, lock, here.me), 0);
        ck_assert_int_eq(probe_do(loop, &reader[i]), 0);
    }
    ck_assert_int_eq(heald_prep_rwlock_wrlock(&writer.op, lock, here.me), 0);
    probe_start(loop, &writer);
    ck_assert_int_eq(heald_prep_rwlock_wrlock(&late.op, lock, here.me), 0);
    probe_start(loop, &late);
    probe_cancel(&late);
    for (int i = 0; i < 2; i++) {
        turn_for(loop, 5 * HEALD_MS);
        ck_assert_int_eq(writer.calls, 0);
        ck_assert_int_eq(heald_rwlock_unlock(lock, here.me), 0);
    }
    ck_assert_int_eq(probe_end(&writer), 0);
    ck_assert_int_eq(heald_rwlock_tryrdlock(lock, here.me), -EDEADLK);
    ck_assert_int_eq(heald_rwlock_unlock(lock, here.me), 0);
    close_region(loop);
}

static pid_t comer_start(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(5000);
        if (heald_attach(here.region, &here.me))
            _exit(9);
        int last = heald_barrier_wait(&here.shared->barrier, here.me, HEALD_FOREVER, NULL);
        heald_detach(here.me);
        _exit(last);
    }
    return pid;
}

HEALD_CASE(a_barrier)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int status;

    open_region();
    ck_assert_int_eq(heald_barrier_init(&here.shared->barrier, 2), 0);
    ck_assert_int_eq(heald_prep_barrier_wait(&p.op, &here.shared->barrier, here.me, NULL), 0);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    probe_cancel(&p);
    ck_assert_int_eq(heald_prep_barrier_wait(&p.op, &here.shared->barrier, here.me, NULL), 0);
    p.finals = 0;
    pid_t pid = comer_start();
    int64_t last = probe_do(loop, &p);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(last + WEXITSTATUS(status), 1);
    close_region(loop);
}

/* An op reports of which round its end is, also one that is broken when it is submitted. */
HEALD_CASE(a_barrier_that_is_reset)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    uint32_t notified = 77;

    open_region();
    struct heald_barrier *barrier = &here.shared->barrier;
    ck_assert_int_eq(heald_barrier_init(barrier, 2), 0);
    for (uint32_t round = 0; round < 3; round++) {
        ck_assert_int_eq(heald_prep_barrier_wait(&p.op, barrier, here.me, &notified), 0);
        p.finals = 0;
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(heald_barrier_reset(barrier, here.me, round - 1), 0);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.finals, 0);
        ck_assert_int_eq(heald_barrier_reset(barrier, here.me, round), 0);
        ck_assert_int_eq(probe_end(&p), -EOWNERDEAD);
        ck_assert_uint_eq(notified, round);
        ck_assert_uint_eq(heald_barrier_round(barrier), round + 1);
    }
    close_region(loop);
}

HEALD_CASE(once)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};

    open_region();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_prep_once_begin(&p[i].op, &here.shared->once, here.me), 0);
        probe_start(loop, &p[i]);
    }
    ck_assert_int_eq(probe_end(&p[0]), 1);
    turn_for(loop, 5 * HEALD_MS);
    ck_assert_int_eq(p[1].calls, 0);
    ck_assert_int_eq(heald_once_end(&here.shared->once, here.me, 1), 0);
    ck_assert_int_eq(probe_end(&p[1]), 0);
    close_region(loop);
}

/* Detaches while an op waits for the mutex of another participant, which is returned. */
static struct heald_participant *leave_before_the_op(struct heald_loop *loop, struct probe *p)
{
    struct heald_participant *other;

    open_region();
    ck_assert_int_eq(heald_attach(here.region, &other), 0);
    ck_assert_int_eq(heald_mutex_lock(&here.shared->mutex, other, 0), 0);
    prep(p);
    probe_start(loop, p);
    heald_detach(here.me);
    return other;
}

HEALD_CASE(a_participant_that_leaves_before_its_op)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct heald_participant *other = leave_before_the_op(loop, &p);

    heald_mutex_unlock(&here.shared->mutex, other);
    heald_detach(other);
    ck_assert_int_eq(heald_region_close(here.region), -EBUSY);
    ck_assert_int_eq(probe_end(&p), -ESTALE);
    ck_assert_int_eq(heald_region_close(here.region), 0);
    loop_end(loop);
}

HEALD_CASE(the_op_of_one_who_left_is_not_his_successors)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_participant *successor;
    struct probe p = {0};
    struct heald_participant *other = leave_before_the_op(loop, &p);

    ck_assert_int_eq(heald_attach(here.region, &successor), 0);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, other), 0);
    ck_assert_int_eq(probe_end(&p), -ESTALE);
    ck_assert_int_eq(heald_mutex_unlock(&here.shared->mutex, successor), -EPERM);
    heald_detach(successor);
    heald_detach(other);
    close_region(loop);
}

HEALD_CASE(a_participant_that_is_none)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct heald_participant *gone;

    open_region();
    ck_assert_int_eq(heald_attach(here.region, &gone), 0);
    heald_detach(gone);
    ck_assert_int_eq(heald_prep_mutex_lock(&p.op, &here.shared->mutex, gone), 0);
    ck_assert_int_eq(probe_do(loop, &p), -ESTALE);
    close_region(loop);
}

void add_locks(TCase *group)
{
    add_on_waiters(group, one_that_is_free);
    add_on_waiters(group, one_that_another_process_holds);
    add_on_waiters(group, one_whose_holder_is_killed);
    add_on_waiters(group, one_whose_holder_is_stopped);
    add_on_waiters(group, deadline_and_cancel);
    add_on_waiters(group, many_ops_take_turns);
    add_on_waiters(group, a_condition);
    add_on_waiters(group, a_condition_that_does_not_come);
    add_on_waiters(group, a_condition_that_waits_for_its_mutex);
    add_on_waiters(group, permits);
    add_on_waiters(group, readers_and_a_writer);
    add_on_waiters(group, a_barrier);
    add_on_waiters(group, a_barrier_that_is_reset);
    add_on_waiters(group, once);
    add_on_waiters(group, a_participant_that_leaves_before_its_op);
    add_on_waiters(group, the_op_of_one_who_left_is_not_his_successors);
    add_on_waiters(group, a_participant_that_is_none);
}
