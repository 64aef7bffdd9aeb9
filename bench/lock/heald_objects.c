/*
 * Objects in shared memory, on heald: see objects.h. Of its own it prints what a read lock costs
 * before and after a writer that waited was killed, and the contended fair mutex, as of objects.h
 * for the mutex:
 *
 * `read_ns B read_killed_ns A prefer_read_ns B prefer_read_killed_ns A fair_sections_ns S
 * fair_longest_us L fair_spread P`; prefer: of a lock that prefers writers.
 */
#define _GNU_SOURCE 1
#include "objects.h"

#include <heald/heald.h>

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READS = 100000, FIRST_READS = 100, WAITS_US = 5000 };

struct shared {
    struct heald_mutex mutex;
    struct heald_cond cond;
    char apart[128];
    struct heald_mutex fair;
    char apart_too[128];
    struct heald_rwlock lock, readers_first, writers_first;
};

static struct heald_region *region;
static struct heald_participant *me;

static void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

static void *peer_open(void)
{
    int err = heald_region_create_memfd(&region, NULL);

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    check(err, "heald_region_create_memfd");
    struct shared *s = heald_region_data(region);
    heald_mutex_init(&s->fair, HEALD_MUTEX_FAIR);
    heald_rwlock_init(&s->writers_first, HEALD_RWLOCK_PREFER_WRITER);
    return s;
}

static void peer_attach(void *shared)
{
    (void)shared;
    check(heald_attach(region, &me), "heald_attach");
}

static void peer_writes(void *shared, long count)
{
    struct heald_rwlock *lock = &((struct shared *)shared)->lock;

    for (long i = 0; i < count; i++) {
        heald_rwlock_wrlock(lock, me, HEALD_FOREVER);
        heald_rwlock_unlock(lock, me);
    }
}

static void peer_lock(void *shared)
{
    heald_mutex_lock(&((struct shared *)shared)->mutex, me, HEALD_FOREVER);
}

static void peer_unlock(void *shared)
{
    heald_mutex_unlock(&((struct shared *)shared)->mutex, me);
}

static void peer_wait(void *shared)
{
    struct shared *s = shared;

    heald_cond_wait(&s->cond, &s->mutex, me, HEALD_FOREVER);
}

static void peer_signal(void *shared)
{
    heald_cond_signal(&((struct shared *)shared)->cond);
}

static void peer_signal_unlock(void *shared)
{
    struct shared *s = shared;

    heald_cond_signal_unlock(&s->cond, &s->mutex, me);
}

static void reads(void *lock, long count)
{
    for (long i = 0; i < count; i++) {
        heald_rwlock_rdlock(lock, me, HEALD_FOREVER);
        heald_rwlock_unlock(lock, me);
    }
}

static bool is_any_waiting(void)
{
    struct heald_participant_info info;
    unsigned cursor = 0;

    while (heald_participant_next(region, &cursor, &info) > 0)
        if (!info.is_gone && info.wait_count)
            return true;
    return false;
}

/* A writer waits for the caller, which reads, and is killed. */
static void kill_a_writer(struct heald_rwlock *lock)
{
    check(heald_rwlock_rdlock(lock, me, HEALD_FOREVER), "heald_rwlock_rdlock");
    pid_t pid = fork();
    if (pid == 0) {
        check(heald_attach(region, &me), "heald_attach");
        heald_rwlock_wrlock(lock, me, HEALD_FOREVER);
        _exit(1);
    }
    while (!is_any_waiting())
        usleep(WAITS_US);
    /* It waits, and is about to sleep. */
    usleep(WAITS_US);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    check(heald_rwlock_unlock(lock, me), "heald_rwlock_unlock");
}

static void measure_reads(const char *name, struct heald_rwlock *lock)
{
    double before = objects_each_ns(reads, lock, READS);

    kill_a_writer(lock);
    reads(lock, FIRST_READS);
    printf(" %sread_ns %.2f %sread_killed_ns %.2f", name, before, name,
           objects_each_ns(reads, lock, READS));
}

static void lock_fair(void *shared)
{
    heald_mutex_lock(&((struct shared *)shared)->fair, me, HEALD_FOREVER);
}

static void unlock_fair(void *shared)
{
    heald_mutex_unlock(&((struct shared *)shared)->fair, me);
}

static void peer_more(void *shared)
{
    struct shared *s = shared;

    measure_reads("", &s->readers_first);
    measure_reads("prefer_", &s->writers_first);
    objects_contend("fair_", shared, peer_attach, lock_fair, unlock_fair);
}

int main(void)
{
    const struct objects_peer peer = {peer_open,   peer_attach,        peer_writes,
                                      peer_lock,   peer_unlock,        peer_wait,
                                      peer_signal, peer_signal_unlock, peer_more};

    return objects_main(&peer);
}
