/* work N...: counts the primes below each N, on a thread for each processor, for 5 s at most. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct count {
    struct heald_op op;
    long below;
};

/* On a thread of the loop's workers. */
static int64_t count_primes(struct heald_op *op)
{
    struct count *c = heald_container_of(op, struct count, op);
    int64_t primes = 0;

    for (long n = 2; n < c->below; n++) {
        long d = 2;
        while (d <= n / d && n % d)
            d++;
        primes += d > n / d;
        if (heald_work_cancelled(op)) /* the deadline */
            return -ECANCELED;
    }
    return primes;
}

/* In the loop. */
static void on_counted(struct heald_op *op)
{
    struct count *c = heald_container_of(op, struct count, op);

    if (op->result < 0)
        printf("%ld: %s\n", c->below, heald_strerror((int)op->result));
    else
        printf("%ld: %lld primes\n", c->below, (long long)op->result);
}

int main(int argc, char **argv)
{
    struct count *counts = calloc((size_t)argc, sizeof *counts);
    struct heald_loop *loop;
    int err = counts ? heald_loop_open(&loop, NULL) : -ENOMEM;

    if (err) {
        fprintf(stderr, "work: %s\n", heald_strerror(err));
        free(counts);
        return 1;
    }
    for (int i = 1; i < argc && !err; i++) {
        counts[i].below = atol(argv[i]);
        heald_prep_work(&counts[i].op, count_primes, NULL);
        counts[i].op.deadline_ns = heald_now(loop) + 5 * HEALD_SEC;
        err = heald_submit(loop, &counts[i].op, on_counted);
    }
    heald_loop_run(loop);
    heald_loop_close(loop);
    free(counts);
    return err != 0;
}
