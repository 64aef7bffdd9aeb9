/* named-semaphore: at most N processes at a time, whatever started them. Kill one with -9: its
 * permit comes back. `named-semaphore /NAME N [SECONDS]` in several shells. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int hold(struct heald_named_sem *s, unsigned seconds)
{
    int64_t patience = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 60 * HEALD_SEC;
    int err = heald_sem_trywait(s->sem, s->me);

    if (err == -EAGAIN) {
        printf("waiting\n");
        fflush(stdout);
        err = heald_sem_wait(s->sem, s->me, patience);
    }
    if (err)
        return err;
    printf("have a permit, %d left\n", (int)heald_sem_value(s->sem, s->me));
    fflush(stdout);
    sleep(seconds);
    return heald_sem_post(s->sem, s->me);
}

int main(int argc, char **argv)
{
    struct heald_named_sem s;

    if (argc < 3) {
        fprintf(stderr, "usage: named-semaphore /NAME N [SECONDS]\n");
        return 2;
    }
    /* The last of them unlinks the name. */
    int flags = HEALD_REGION_CREATE | HEALD_REGION_TEMPORARY;
    int err = heald_sem_open(&s, argv[1], flags, (unsigned)atoi(argv[2]));
    if (!err) {
        err = hold(&s, argc > 3 ? (unsigned)atoi(argv[3]) : 10);
        heald_sem_close(&s);
    }
    if (err)
        fprintf(stderr, "named-semaphore: %s: %s\n", argv[1], heald_strerror(err));
    return err != 0;
}
