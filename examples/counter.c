/* counter: two processes count together in shared memory: a mutex, a condition and an int. Either
 * may be killed at any time; the other goes on. `counter NAME [LIMIT]` in two shells. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct shared {
    struct heald_mutex mutex;
    struct heald_cond changed;
    int value, last_pid; /* guarded by the mutex */
};

/* The next holder after one that died with the lock repairs what the lock guards: here any value is
 * valid. */
static int recover(struct shared *s, struct heald_participant *me, int err)
{
    if (err != -EOWNERDEAD)
        return err;
    fprintf(stderr, "counter: process %d died holding the lock\n", s->last_pid);
    return heald_mutex_consistent(&s->mutex, me);
}

/* Counts by turns with others; alone after having waited a tenth of a second for them. */
static int count(struct shared *s, struct heald_participant *me, int limit)
{
    int pid = (int)getpid();
    int err = recover(s, me, heald_mutex_lock(&s->mutex, me, HEALD_FOREVER));

    while (!err && s->value < limit) {
        int64_t patience = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 100 * HEALD_MS;
        while (!err && s->last_pid == pid && s->value < limit)
            err = recover(s, me, heald_cond_wait(&s->changed, &s->mutex, me, patience));
        if (err && err != -ETIMEDOUT)
            return err;
        err = 0;
        if (s->value < limit) {
            s->value++;
            s->last_pid = pid;
        }
        heald_cond_broadcast(&s->changed);
    }
    if (!err) {
        printf("counted to %d\n", s->value);
        err = heald_mutex_unlock(&s->mutex, me);
    }
    return err;
}

int main(int argc, char **argv)
{
    struct heald_region *region;
    struct heald_participant *me;
    int limit = argc > 2 ? atoi(argv[2]) : 1000;

    if (argc < 2) {
        fprintf(stderr, "usage: counter /NAME [LIMIT]\n");
        return 2;
    }
    int err = heald_region_open(&region, argv[1], HEALD_REGION_CREATE, NULL);
    if (!err)
        err = heald_attach(region, &me);
    if (!err) {
        err = count(heald_region_data(region), me, limit);
        heald_detach(me);
        heald_region_close(region);
        heald_region_unlink(argv[1]); /* the other may have done so */
    }
    if (err)
        fprintf(stderr, "counter: %s: %s\n", argv[1], heald_strerror(err));
    return err != 0;
}
