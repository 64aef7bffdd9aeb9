/* await-lock: a lock of another process, awaited in a loop beside a timer; the other dies. */
#include <heald/heald.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct program {
    struct heald_op tick, lock;
    struct heald_mutex *mutex; /* all that is in the region */
    struct heald_participant *me;
    pid_t holder;
    int ticks;
};

/* The other process takes the lock and keeps it. A child of fork is nobody until it attaches. */
static void hold(struct heald_region *region)
{
    struct heald_participant *me;

    if (heald_attach(region, &me) == 0)
        heald_mutex_lock(heald_region_data(region), me, HEALD_FOREVER);
    for (;;)
        pause();
}

static void on_tick(struct heald_op *op)
{
    struct program *p = op->data;

    if (op->flags & HEALD_MORE && ++p->ticks == 3 && kill(p->holder, SIGKILL) == 0)
        printf("still waiting, and the loop goes on; now the holder was killed\n");
}

static void on_lock(struct heald_op *op)
{
    struct program *p = op->data;

    printf("lock: %s\n", heald_strerror((int)op->result));
    if (op->result == -EOWNERDEAD) /* here a program repairs what the lock guards */
        heald_mutex_consistent(p->mutex, p->me);
    heald_mutex_unlock(p->mutex, p->me); /* -EPERM if it was not had, which harms nobody */
    heald_cancel(&p->tick);
}

static int run(struct program *p, struct heald_loop *loop)
{
    int64_t now = heald_now(loop);

    p->tick.data = p->lock.data = p;
    heald_prep_timer_clock(&p->tick, HEALD_CLOCK_MONOTONIC, now, 20 * HEALD_MS);
    heald_prep_mutex_lock(&p->lock, p->mutex, p->me);
    p->lock.deadline_ns = now + 5 * HEALD_SEC;
    int err = heald_submit(loop, &p->tick, on_tick);
    err = err ? err : heald_submit(loop, &p->lock, on_lock);
    return err ? err : heald_loop_run(loop);
}

int main(void)
{
    struct heald_region *region;
    struct heald_loop *loop;
    int err = heald_region_open(&region, "/heald-await-lock", HEALD_REGION_CREATE, NULL);

    if (err || (err = heald_loop_open(&loop, NULL))) {
        fprintf(stderr, "await-lock: %s\n", heald_strerror(err));
        return 1;
    }
    heald_region_unlink("/heald-await-lock"); /* only the child, by fork, has it too */
    struct program p = {.mutex = heald_region_data(region), .holder = fork()};
    if (p.holder == 0)
        hold(region);
    err = p.holder < 0 ? -errno : heald_attach(region, &p.me);
    for (; !err && heald_mutex_trylock(p.mutex, p.me) == 0; usleep(1000))
        heald_mutex_unlock(p.mutex, p.me); /* the child has not got there yet */
    err = err || run(&p, loop) || heald_loop_close(loop);
    heald_detach(p.me);
    return heald_region_close(region) || err;
}
