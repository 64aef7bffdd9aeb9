/* Locks in shared memory, on heald: see lock.h. What wakes is a semaphore that counts, awaited as
 * an op. */
#define _GNU_SOURCE 1
#include "lock.h"

#include <heald/heald.h>

enum { OPS = 1000000 };

struct shared {
    struct heald_mutex mutex;
    char apart[128];
    struct heald_sem sem;
    char apart_too[128];
    HEALD_SEM(4) permits;
    struct heald_rwlock lock;
};

static struct heald_region *region;
static struct heald_participant *me;

static void *peer_open(void)
{
    int err = heald_region_create_memfd(&region, NULL);

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    if (err)
        bench_die("heald_region_create_memfd", -err);
    return heald_region_data(region);
}

static void peer_attach(void *shared)
{
    (void)shared;
    if (heald_attach(region, &me))
        bench_die("heald_attach", 0);
}

static void peer_lock(void *shared)
{
    heald_mutex_lock(&((struct shared *)shared)->mutex, me, HEALD_FOREVER);
}

static void peer_unlock(void *shared)
{
    heald_mutex_unlock(&((struct shared *)shared)->mutex, me);
}

static void peer_rounds(void *shared, long count)
{
    struct shared *s = shared;

    for (long i = 0; i < count; i++) {
        heald_mutex_lock(&s->mutex, me, HEALD_FOREVER);
        heald_mutex_unlock(&s->mutex, me);
    }
}

static void peer_permits(void *shared, long count)
{
    struct heald_sem *sem = &((struct shared *)shared)->permits.sem;

    heald_sem_init(sem, 4);
    for (long i = 0; i < count; i++) {
        heald_sem_wait(sem, me, HEALD_FOREVER);
        heald_sem_post(sem, me);
    }
}

static void peer_reads(void *shared, long count)
{
    struct heald_rwlock *lock = &((struct shared *)shared)->lock;

    for (long i = 0; i < count; i++) {
        heald_rwlock_rdlock(lock, me, HEALD_FOREVER);
        heald_rwlock_unlock(lock, me);
    }
}

/* What a region grows by for each participant. */
static double participant_bytes(void)
{
    enum { MORE = 1024 };
    uint64_t size[2] = {0, 0};

    for (int i = 0; i < 2; i++) {
        struct heald_region_options o = {.size = 1, .participants = 1 + (unsigned)i * MORE};
        struct heald_region_stats stats;
        struct heald_region *r;
        if (heald_region_create_memfd(&r, &o))
            return 0;
        heald_region_stats(r, &stats);
        size[i] = stats.size;
        heald_region_close(r);
    }
    return (double)(size[1] - size[0]) / MORE;
}

static void peer_sizes(void)
{
    printf("mutex %zu cond %zu sem %zu rwlock %zu barrier %zu participant %.0f",
           sizeof(struct heald_mutex), sizeof(struct heald_cond), HEALD_SEM_SIZE(1),
           sizeof(struct heald_rwlock), sizeof(struct heald_barrier), participant_bytes());
}

static void peer_ring(void *shared)
{
    heald_sem_post(&((struct shared *)shared)->sem, me);
}

struct listener {
    struct heald_op op;
    struct shared *shared;
    void (*woken)(void *ctx);
    void *ctx;
    long left;
};

static void on_permit(struct heald_op *op);

static void await_permit(struct heald_loop *loop, struct listener *l)
{
    heald_prep_sem_wait(&l->op, &l->shared->sem, me);
    if (heald_submit(loop, &l->op, on_permit))
        bench_die("heald_submit", 0);
}

static void on_permit(struct heald_op *op)
{
    struct listener *l = heald_container_of(op, struct listener, op);

    l->woken(l->ctx);
    if (--l->left)
        await_permit(op->loop, l);
}

static struct heald_loop *loop_open(void)
{
    struct heald_loop *loop;

    if (heald_loop_open(&loop, NULL))
        bench_die("heald_loop_open", 0);
    return loop;
}

static void peer_listen(void *shared, void (*woken)(void *ctx), void *ctx, long count)
{
    struct listener l = {.shared = shared, .woken = woken, .ctx = ctx, .left = count};
    struct heald_loop *loop = loop_open();

    await_permit(loop, &l);
    heald_loop_run(loop);
    heald_loop_close(loop);
}

struct locker {
    struct heald_op op;
    struct shared *shared;
    long left;
};

static void on_locked(struct heald_op *op)
{
    struct locker *l = heald_container_of(op, struct locker, op);

    heald_mutex_unlock(&l->shared->mutex, me);
    if (--l->left) {
        heald_prep_mutex_lock(op, &l->shared->mutex, me);
        heald_submit(op->loop, op, on_locked);
    }
}

struct heir {
    struct heald_op op;
    struct heald_mutex *mutex;
    void (*notified)(void *ctx);
    void *ctx;
};

static void on_inherited(struct heald_op *op)
{
    struct heir *heir = heald_container_of(op, struct heir, op);

    if (op->result != -EOWNERDEAD)
        bench_die("heald_prep_mutex_lock", (int)-op->result);
    heir->notified(heir->ctx);
    heald_mutex_consistent(heir->mutex, me);
    heald_mutex_unlock(heir->mutex, me);
}

static void peer_inherit(void *shared, void (*notified)(void *ctx), void *ctx)
{
    struct heir heir = {
        .mutex = &((struct shared *)shared)->mutex, .notified = notified, .ctx = ctx};
    struct heald_loop *loop = loop_open();

    heald_prep_mutex_lock(&heir.op, heir.mutex, me);
    if (heald_submit(loop, &heir.op, on_inherited))
        bench_die("heald_submit", 0);
    heald_loop_run(loop);
    heald_loop_close(loop);
}

/* Sixteen at a time, so that the turns of the loop do not hide what an op costs. */
static double peer_op_ns(void *shared)
{
    enum { LOCKERS = 16 };
    struct locker lockers[LOCKERS] = {0};
    struct heald_loop *loop = loop_open();
    int64_t start = bench_now_ns();

    for (int i = 0; i < LOCKERS; i++) {
        struct locker *l = &lockers[i];
        *l = (struct locker){.shared = shared, .left = OPS / LOCKERS};
        heald_prep_mutex_lock(&l->op, &l->shared->mutex, me);
        heald_submit(loop, &l->op, on_locked);
    }
    heald_loop_run(loop);
    start = bench_now_ns() - start;
    heald_loop_close(loop);
    return (double)start / OPS;
}

int main(void)
{
    const struct lock_peer peer = {"heald",      peer_open,  peer_attach, peer_rounds,  peer_lock,
                                   peer_unlock,  peer_ring,  peer_listen, peer_inherit, peer_op_ns,
                                   peer_permits, peer_reads, peer_sizes};

    return lock_main(&peer);
}
