/* heald_work WINDOW: functions on threads as ops. */
#define _GNU_SOURCE 1
#include "work.h"

#include <heald/heald.h>

static struct heald_workers *workers;
static long left, done;

static int64_t nothing(struct heald_op *op)
{
    (void)op;
    return 0;
}

static void on_done(struct heald_op *op)
{
    done++;
    if (left-- > 0) {
        heald_prep_work(op, nothing, workers);
        heald_submit(op->loop, op, on_done);
    }
}

int main(int argc, char **argv)
{
    long window = bench_number(argc > 1 ? argv[1] : "64", 1, 100000);
    const struct heald_workers_options options = {.threads = THREADS, .queue = 100000};
    struct heald_op *ops = bench_alloc((size_t)window, sizeof *ops);
    struct heald_loop *loop;

    if (heald_loop_open(&loop, NULL) || heald_workers_open(&workers, &options))
        bench_die("heald_workers_open", 0);
    left = JOBS - window;
    int64_t cpu = work_cpu_ns(), wall = bench_now_ns();
    for (long i = 0; i < window; i++) {
        heald_prep_work(&ops[i], nothing, workers);
        if (heald_submit(loop, &ops[i], on_done))
            bench_die("heald_submit", 0);
    }
    heald_loop_run(loop);
    if (done != JOBS)
        bench_die("some were not done", 0);
    work_report(work_cpu_ns() - cpu, bench_now_ns() - wall);
    return 0;
}
