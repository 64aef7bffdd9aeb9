/* test/conformance/futex.c: the C library's locks and bare words, awaited in a loop. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum { WORDS = HEALD_FUTEX_MAX };

struct shared {
    pthread_mutex_t mutex;
    sem_t sem;
    int held, release;
    uint32_t words[WORDS];
};

static struct shared *shared_map(void)
{
    struct shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    ck_assert_ptr_ne(s, MAP_FAILED);
    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    ck_assert_int_eq(pthread_mutex_init(&s->mutex, &attr), 0);
    ck_assert_int_eq(sem_init(&s->sem, 1, 0), 0);
    return s;
}

static void shared_end(struct heald_loop *loop, struct shared *s)
{
    loop_end(loop);
    ck_assert_int_eq(munmap(s, sizeof *s), 0);
}

static void wake(uint32_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
#endif
}

/* A process that takes the mutex, as any other, and holds it until it is asked to unlock. */
static pid_t holder_start(struct shared *s)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (pthread_mutex_lock(&s->mutex))
            _exit(1);
        __atomic_store_n(&s->held, 1, __ATOMIC_RELEASE);
        while (!__atomic_load_n(&s->release, __ATOMIC_ACQUIRE))
            usleep(500);
        _exit(pthread_mutex_unlock(&s->mutex));
    }
    for (int64_t end = now() + 5 * HEALD_SEC * harness_slow();
         !__atomic_load_n(&s->held, __ATOMIC_ACQUIRE); usleep(100))
        must(now() < end);
    return pid;
}

static void child_end(pid_t pid, int want)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, want);
}

HEALD_CASE(a_mutex)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p = {0}, late = {0};

    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &s->mutex), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_str_eq(heald_op_kind(&p.op), "pthread-mutex-lock");
    ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    pid_t pid = holder_start(s);
    p.finals = 0;
    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&late.op, &s->mutex), 0);
    late.op.deadline_ns = now() + 20 * HEALD_MS;
    probe_start(loop, &late);
    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &s->mutex), 0);
    probe_start(loop, &p);
    ck_assert_int_eq(probe_end(&late), -ETIMEDOUT);
    turn_for(loop, 70 * HEALD_MS);
    ck_assert_int_eq(p.finals, 0);
    __atomic_store_n(&s->release, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    child_end(pid, 0);
    shared_end(loop, s);
}

HEALD_CASE(a_mutex_whose_owner_is_killed)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p[2] = {0};

    for (int given_up = 0; given_up < 2; given_up++) {
        s->held = 0;
        pid_t pid = holder_start(s);
        for (int i = 0; i < 2; i++) {
            p[i].finals = 0;
            ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p[i].op, &s->mutex), 0);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 5 * HEALD_MS);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        child_end(pid, SIGKILL);
        ck_assert_int_eq(probe_end(&p[0]), -EOWNERDEAD);
        if (!given_up)
            ck_assert_int_eq(pthread_mutex_consistent(&s->mutex), 0);
        ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
        ck_assert_int_eq(probe_end(&p[1]), given_up ? -ENOTRECOVERABLE : 0);
        if (!given_up)
            ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    }
    shared_end(loop, s);
}

HEALD_CASE(a_mutex_whose_owner_is_stopped)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p = {0};

    pid_t pid = holder_start(s);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &s->mutex), 0);
    probe_start(loop, &p);
    turn_for(loop, 120 * HEALD_MS);
    ck_assert_int_eq(p.finals, 0);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    __atomic_store_n(&s->release, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    child_end(pid, 0);
    shared_end(loop, s);
}

HEALD_CASE(mutexes_that_cannot_be)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    pthread_mutex_t private = PTHREAD_MUTEX_INITIALIZER;
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &private), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    skip_on_portable("nobody says who holds a mutex");
    ck_assert_int_eq(pthread_mutex_lock(&s->mutex), 0);
    p.finals = 0;
    ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &s->mutex), 0);
    ck_assert_int_eq(probe_do(loop, &p), -EDEADLK);
    ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    shared_end(loop, s);
}

/* A process that takes the mutex again and again, blocking. */
static pid_t rival_start(struct shared *s, int rounds)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    alarm(20 * (unsigned)harness_slow());
    for (int i = 0; i < rounds; i++) {
        if (pthread_mutex_lock(&s->mutex))
            _exit(1);
        usleep(i % 3 * 200);
        pthread_mutex_unlock(&s->mutex);
    }
    _exit(0);
}

/* No wake is lost, neither ours nor that of others, which do not recheck by themselves. */
HEALD_CASE(a_mutex_that_others_want)
{
    enum { RIVALS = 3, ROUNDS = 60 };
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p = {0};
    pid_t rival[RIVALS];

    for (int i = 0; i < RIVALS; i++)
        rival[i] = rival_start(s, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        p.finals = 0;
        ck_assert_int_eq(heald_prep_pthread_mutex_lock(&p.op, &s->mutex), 0);
        probe_start(loop, &p);
        if (i % 4 == 3 && heald_cancel(&p.op) == 0 && probe_end(&p) == -ECANCELED)
            continue;
        ck_assert_int_eq(probe_end(&p), 0);
        usleep(i % 2 * 300);
        ck_assert_int_eq(pthread_mutex_unlock(&s->mutex), 0);
    }
    for (int i = 0; i < RIVALS; i++)
        child_end(rival[i], 0);
    shared_end(loop, s);
}

static pid_t poster_start(sem_t *sem)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(10000);
        _exit(sem_post(sem) != 0);
    }
    return pid;
}

HEALD_CASE(a_named_semaphore)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0}, late = {0};
    char name[64];

    snprintf(name, sizeof name, "/heald-futex-%ld", (long)getpid());
    sem_t *sem = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    ck_assert_ptr_ne(sem, SEM_FAILED);
    ck_assert_int_eq(sem_unlink(name), 0);
    ck_assert_int_eq(heald_prep_sem_t_wait(&p[0].op, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_sem_t_wait(&p[0].op, sem), 0);
    ck_assert_int_eq(probe_do(loop, &p[0]), 0);
    ck_assert_str_eq(heald_op_kind(&p[0].op), "sem_t-wait");
    ck_assert_int_eq(heald_prep_sem_t_wait(&late.op, sem), 0);
    late.op.deadline_ns = now() + 20 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &late), -ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        p[i].finals = 0;
        ck_assert_int_eq(heald_prep_sem_t_wait(&p[i].op, sem), 0);
        probe_start(loop, &p[i]);
    }
    pid_t pid = poster_start(sem);
    ck_assert_int_eq(probe_end(&p[0]), 0);
    child_end(pid, 0);
    turn_for(loop, 60 * HEALD_MS);
    ck_assert_int_eq(p[1].finals, 0);
    probe_cancel(&p[1]);
    ck_assert_int_eq(sem_close(sem), 0);
    loop_end(loop);
}

/* A process that waits for the semaphore, and says so by its end. */
static pid_t waiter_start(sem_t *sem)
{
    pid_t pid = fork();

    if (pid == 0) {
        alarm(5 * (unsigned)harness_slow());
        _exit(sem_wait(sem) != 0);
    }
    usleep(30000);
    return pid;
}

/* The op is the first to be woken, and gives up before it has looked. */
HEALD_CASE(a_cancel_eats_no_wake)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p = {0}, other = {0};

    for (int i = 0; i < 5; i++) {
        p.finals = 0;
        ck_assert_int_eq(heald_prep_sem_t_wait(&p.op, &s->sem), 0);
        probe_start(loop, &p);
        turn_for(loop, 2 * HEALD_MS);
        pid_t pid = waiter_start(&s->sem);
        ck_assert_int_eq(sem_post(&s->sem), 0);
        if (i % 2)
            usleep(1000);
        probe_cancel(&p);
        child_end(pid, 0);
        /* The same with another op of the loop. */
        ck_assert_int_eq(heald_prep_sem_t_wait(&p.op, &s->sem), 0);
        p.finals = 0;
        probe_start(loop, &p);
        ck_assert_int_eq(heald_prep_sem_t_wait(&other.op, &s->sem), 0);
        other.finals = 0;
        probe_start(loop, &other);
        turn_for(loop, 2 * HEALD_MS);
        ck_assert_int_eq(sem_post(&s->sem), 0);
        probe_cancel(&p);
        ck_assert_int_eq(probe_end(&other), 0);
    }
    shared_end(loop, s);
}

static pid_t waker_start(uint32_t *word)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(10000);
        wake(word);
        _exit(0);
    }
    return pid;
}

HEALD_CASE(a_word)
{
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_futex_wait(&p.op, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_futex_wait(&p.op, (uint32_t *)(void *)((char *)s->words + 1), 0),
                     -EINVAL);
    ck_assert_int_eq(heald_prep_futex_wait(&p.op, &s->words[0], 1), 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_str_eq(heald_op_kind(&p.op), "futex-wait");
    ck_assert_int_eq(heald_prep_futex_wait(&p.op, &s->words[0], 0), 0);
    p.finals = 0;
    probe_start(loop, &p);
    turn_for(loop, 60 * HEALD_MS);
    ck_assert_int_eq(p.finals, 0);
    pid_t pid = waker_start(&s->words[0]);
    ck_assert_int_eq(probe_end(&p), 0);
    child_end(pid, 0);
    ck_assert_int_eq(heald_prep_futex_wait(&p.op, &s->words[0], 1), 0);
    p.finals = 0;
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    probe_cancel(&p);
    shared_end(loop, s);
}

HEALD_CASE(any_of_several_words)
{
    static const unsigned counts[] = {1, 2, 5, WORDS};
    struct heald_loop *loop = loop_on(_i);
    struct shared *s = shared_map();
    struct heald_futex f[WORDS];
    struct probe p = {0};

    for (unsigned i = 0; i < WORDS; i++)
        f[i] = (struct heald_futex){&s->words[i], 0};
    ck_assert_int_eq(heald_prep_futex_wait_any(&p.op, f, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_futex_wait_any(&p.op, f, WORDS + 1), -EINVAL);
    ck_assert_int_eq(heald_prep_futex_wait_any(&p.op, NULL, 1), -EINVAL);
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t *last = &s->words[counts[i] - 1];
        for (int how = 0; how < 3; how++) {
            *last = how == 0;
            ck_assert_int_eq(heald_prep_futex_wait_any(&p.op, f, counts[i]), 0);
            p.finals = 0;
            probe_start(loop, &p);
            turn_for(loop, HEALD_MS);
            if (how == 1) {
                ck_assert_int_eq(p.finals, 0);
                probe_cancel(&p);
                continue;
            }
            pid_t pid = waker_start(last);
            ck_assert_int_eq(probe_end(&p), counts[i] - 1);
            child_end(pid, 0);
        }
        *last = 0;
    }
    shared_end(loop, s);
}

void add_futex(TCase *group)
{
    add_on_waiters(group, a_mutex);
    add_on_waiters(group, a_mutex_whose_owner_is_killed);
    add_on_waiters(group, a_mutex_whose_owner_is_stopped);
    add_on_waiters(group, mutexes_that_cannot_be);
    add_on_waiters(group, a_mutex_that_others_want);
    add_on_waiters(group, a_named_semaphore);
    add_on_waiters(group, a_cancel_eats_no_wake);
    add_on_waiters(group, a_word);
    add_on_waiters(group, any_of_several_words);
}
