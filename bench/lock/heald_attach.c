/*
 * bench/lock/heald_attach.c: what attaching to a region costs, and leaving it.
 *
 * usage: heald_attach ATTACHED PARTICIPANTS
 *
 * ATTACHED are attached to a region that has room for PARTICIPANTS, in processes that sleep; one
 * more attaches and detaches, again and again. Prints `attach_us A`: of one such pair, the median
 * of batches.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <heald/heald.h>

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A thread may be attached about 2,000 times. */
enum { PARTICIPANTS_MAX = 4096, EACH = 512, BATCHES = 101, BATCH = 20, READY_US = 1000 };

static struct heald_region *region;
static atomic_long *attached;

static void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

/* Attaches the process so often, until the other end of the pipe is closed. */
static void holder(long count, const int pipe_fds[2])
{
    char byte;

    close(pipe_fds[1]);
    for (long i = 0; i < count; i++) {
        struct heald_participant *me;
        check(heald_attach(region, &me), "heald_attach");
        ++*attached;
    }
    _exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1);
}

static void holders_start(long count, const int pipe_fds[2])
{
    for (long left = count; left > 0; left -= EACH)
        if (fork() == 0)
            holder(left < EACH ? left : EACH, pipe_fds);
    while (*attached < count) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            bench_die("a process that is to stay attached has ended", 0);
        usleep(READY_US);
    }
}

static int64_t batch_ns(void)
{
    int64_t start = bench_now_ns();

    for (int i = 0; i < BATCH; i++) {
        struct heald_participant *me;
        check(heald_attach(region, &me), "heald_attach");
        heald_detach(me);
    }
    return bench_now_ns() - start;
}

static void open_region(unsigned participants)
{
    struct heald_region_options o = {.participants = participants};
    int err = heald_region_create_memfd(&region, &o);

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    check(err, "heald_region_create_memfd");
    attached =
        mmap(NULL, sizeof *attached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (attached == MAP_FAILED)
        bench_die("mmap", errno);
}

int main(int argc, char *argv[])
{
    int64_t ns[BATCHES];
    int pipe_fds[2];

    if (argc != 3)
        return 2;
    long count = bench_number(argv[1], 0, PARTICIPANTS_MAX - 1);
    open_region((unsigned)bench_number(argv[2], count + 1, PARTICIPANTS_MAX));
    if (pipe(pipe_fds) < 0)
        bench_die("pipe", errno);
    holders_start(count, pipe_fds);
    for (int i = 0; i < BATCHES; i++)
        ns[i] = batch_ns();
    close(pipe_fds[1]);
    while (wait(NULL) > 0)
        continue;
    printf("attach_us %.2f\n", (double)bench_median(ns, BATCHES) / BATCH / 1e3);
    return 0;
}
