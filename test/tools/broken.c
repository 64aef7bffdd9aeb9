/*
 * test/tools/broken.c: broken NAME: makes the region NAME with what deaths leave: the mutex "m",
 * the read-write lock "w", the barrier "b", whose first died there, and "lost", a mutex that was
 * given up; and the mutex "fine". Prints "ready".
 */
#include <heald/heald.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    struct heald_mutex m, lost, fine;
    struct heald_rwlock w;
    struct heald_barrier b;
};

static void must(int err)
{
    if (err) {
        fprintf(stderr, "broken: %s\n", heald_strerror(err));
        exit(1);
    }
}

static int fill(void *data, size_t size, void *ctx)
{
    struct shared *s = data;

    (void)size;
    (void)ctx;
    return heald_barrier_init(&s->b, 2);
}

static void give_names(struct heald_participant *me, struct shared *s)
{
    must(heald_object_name(me, "m", HEALD_OBJECT_MUTEX, &s->m, 0));
    must(heald_object_name(me, "lost", HEALD_OBJECT_MUTEX, &s->lost, 0));
    must(heald_object_name(me, "fine", HEALD_OBJECT_MUTEX, &s->fine, 0));
    must(heald_object_name(me, "w", HEALD_OBJECT_RWLOCK, &s->w, 0));
    must(heald_object_name(me, "b", HEALD_OBJECT_BARRIER, &s->b, 0));
}

/* In a process that is killed at the barrier. */
static void hold_all(struct heald_region *region, struct shared *s)
{
    struct heald_participant *me;

    must(heald_attach(region, &me));
    must(heald_mutex_lock(&s->m, me, HEALD_FOREVER));
    must(heald_mutex_lock(&s->lost, me, HEALD_FOREVER));
    must(heald_rwlock_wrlock(&s->w, me, HEALD_FOREVER));
    heald_barrier_wait(&s->b, me, HEALD_FOREVER, NULL);
}

int main(int argc, char **argv)
{
    struct heald_region_options o = {.heap = 1, .init = fill};
    struct heald_region *region;
    struct heald_participant *me;

    if (argc != 2)
        return 2;
    must(heald_region_open(&region, argv[1], HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE, &o));
    struct shared *s = heald_region_data(region);
    must(heald_attach(region, &me));
    give_names(me, s);
    pid_t pid = fork();
    if (pid == 0)
        hold_all(region, s);
    usleep(200000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* Not made consistent: it is given up. */
    if (heald_mutex_lock(&s->lost, me, HEALD_FOREVER) != -EOWNERDEAD)
        return 1;
    must(heald_mutex_unlock(&s->lost, me));
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    heald_detach(me);
    return heald_region_close(region) != 0;
}
