/* peer_uv WINDOW: functions on threads by uv_queue_work. */
#define _GNU_SOURCE 1
#include "work.h"

#include <uv.h>

static long left, done;

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void on_done(uv_work_t *work, int status)
{
    (void)status;
    done++;
    if (left-- > 0)
        uv_queue_work(work->loop, work, nothing, on_done);
}

int main(int argc, char **argv)
{
    long window = bench_number(argc > 1 ? argv[1] : "64", 1, 100000);
    uv_work_t *works = bench_alloc((size_t)window, sizeof *works);
    uv_loop_t *loop = uv_default_loop();

    setenv("UV_THREADPOOL_SIZE", "4", 1);
    left = JOBS - window;
    int64_t cpu = work_cpu_ns(), wall = bench_now_ns();
    for (long i = 0; i < window; i++)
        if (uv_queue_work(loop, &works[i], nothing, on_done))
            bench_die("uv_queue_work", 0);
    uv_run(loop, UV_RUN_DEFAULT);
    if (done != JOBS)
        bench_die("some were not done", 0);
    work_report(work_cpu_ns() - cpu, bench_now_ns() - wall);
    return 0;
}
