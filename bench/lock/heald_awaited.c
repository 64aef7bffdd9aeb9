/*
 * bench/lock/heald_awaited.c: what a wake costs while many locks are awaited in the same loop.
 *
 * usage: heald_awaited N WAKES IDLE_MS
 *
 * N ops wait for a mutex each, which another process has; one more waits for a semaphore, to which
 * that process posts WAKES times; then nothing happens for a while, and all are cancelled. Prints
 * "figure value" pairs: of the waiting process, the processor time of a wake, the time from a post
 * to the callback, that of a submit and a cancel, and the load of a processor by nothing.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <heald/heald.h>

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCKS_MAX = 1000000, WAKES_MAX = 100000, APART_US = 200, READY_US = 20000 };

struct board {
    atomic_int held, go, end;
    _Atomic int64_t posted_ns;
};

struct shared {
    struct heald_sem sem;
    struct heald_mutex mutexes[];
};

static struct heald_region *region;
static struct heald_participant *me;
static struct shared *shared;
static struct board *board;
static struct heald_loop *loop;
static int64_t woken_ns[WAKES_MAX];
static long wakes, woken, cancelled;

static void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

static int64_t processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * BENCH_NS_PER_S + t.tv_nsec;
}

/* The other process. */
static void hold_and_post(long count)
{
    check(heald_attach(region, &me), "attach");
    for (long i = 0; i < count; i++)
        check(heald_mutex_lock(&shared->mutexes[i], me, HEALD_FOREVER), "lock");
    board->held = 1;
    while (!board->go)
        usleep(READY_US);
    for (long i = 0; i < wakes; i++) {
        usleep(APART_US);
        board->posted_ns = bench_now_ns();
        check(heald_sem_post(&shared->sem, me), "post");
    }
    while (!board->end)
        usleep(READY_US);
    _exit(0);
}

static void on_lock(struct heald_op *op)
{
    cancelled += op->result == -ECANCELED;
}

static void on_permit(struct heald_op *op)
{
    woken_ns[woken++] = bench_now_ns() - board->posted_ns;
    if (woken < wakes)
        check(heald_submit(loop, op, on_permit), "submit");
}

static void turn_for(int64_t ns)
{
    int64_t end = bench_now_ns() + ns;

    while (bench_now_ns() < end)
        check(heald_loop_turn(loop, end), "turn");
}

static void open_all(long count)
{
    struct heald_region_options o = {.size = sizeof *shared +
                                             (uint64_t)count * sizeof(struct heald_mutex)};
    int err = heald_region_create_memfd(&region, &o);

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    check(err, "heald_region_create_memfd");
    shared = heald_region_data(region);
    heald_sem_init_counting(&shared->sem, 0);
    for (long i = 0; i < count; i++)
        heald_mutex_init(&shared->mutexes[i], 0);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        bench_die("mmap", errno);
}

int main(int argc, char *argv[])
{
    struct heald_op hot = {0};

    if (argc != 4)
        return 2;
    long count = bench_number(argv[1], 1, LOCKS_MAX);
    wakes = bench_number(argv[2], 1, WAKES_MAX);
    int64_t idle_ns = bench_number(argv[3], 1, 1000000) * BENCH_NS_PER_MS;
    open_all(count);
    pid_t pid = fork();
    if (pid == 0)
        hold_and_post(count);
    while (!board->held)
        usleep(READY_US);
    check(heald_attach(region, &me), "attach");
    check(heald_loop_open(&loop, NULL), "loop");
    struct heald_op *ops = bench_alloc((size_t)count, sizeof *ops);
    int64_t submits = bench_now_ns();
    for (long i = 0; i < count; i++) {
        heald_prep_mutex_lock(&ops[i], &shared->mutexes[i], me);
        check(heald_submit(loop, &ops[i], on_lock), "submit");
    }
    submits = bench_now_ns() - submits;
    heald_prep_sem_wait(&hot, &shared->sem, me);
    check(heald_submit(loop, &hot, on_permit), "submit");
    turn_for(READY_US * 1000);
    board->go = 1;
    int64_t processor = processor_ns();
    while (woken < wakes)
        check(heald_loop_turn(loop, HEALD_FOREVER), "turn");
    processor = processor_ns() - processor;
    int64_t idle = processor_ns();
    turn_for(idle_ns);
    idle = processor_ns() - idle;
    int64_t cancels = bench_now_ns();
    for (long i = 0; i < count; i++)
        check(heald_cancel(&ops[i]), "cancel");
    check(heald_loop_run(loop), "run");
    cancels = bench_now_ns() - cancels;
    if (cancelled != count)
        bench_die("not all were cancelled", 0);
    board->end = 1;
    waitpid(pid, NULL, 0);
    qsort(woken_ns, (size_t)wakes, sizeof woken_ns[0], bench_compare);
    printf("wake_cpu_us %.2f wake_ns %.0f wake_q1_ns %.0f submit_us %.2f cancel_us %.2f "
           "idle_percent %.4f\n",
           (double)processor / 1e3 / (double)wakes, (double)woken_ns[wakes / 2],
           (double)woken_ns[wakes / 4], (double)submits / 1e3 / (double)count,
           (double)cancels / 1e3 / (double)count, (double)idle * 100 / (double)idle_ns);
    heald_loop_close(loop);
    return 0;
}
