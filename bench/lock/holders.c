/* See holders.h. */
#define _GNU_SOURCE 1
#include "holders.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A thread may be attached about 2,000 times. */
enum { EACH = 512, READY_US = 1000 };

static int pipe_fds[2];
static atomic_long *attached;

struct heald_region *holders_region(unsigned participants)
{
    struct heald_region_options o = {.participants = participants};
    struct heald_region *region;
    int err = heald_region_create_memfd(&region, &o);

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    if (err < 0)
        bench_die("heald_region_create_memfd", -err);
    return region;
}

/* Attaches the process so often, until the other end of the pipe is closed. */
static void holder(struct heald_region *region, long count)
{
    char byte;

    close(pipe_fds[1]);
    for (long i = 0; i < count; i++) {
        struct heald_participant *me;
        int err = heald_attach(region, &me);
        if (err)
            bench_die("heald_attach", -err);
        ++*attached;
    }
    _exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1);
}

void holders_start(struct heald_region *region, long count)
{
    attached =
        mmap(NULL, sizeof *attached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (attached == MAP_FAILED || pipe(pipe_fds) < 0)
        bench_die("holders", errno);
    for (long left = count; left > 0; left -= EACH)
        if (fork() == 0)
            holder(region, left < EACH ? left : EACH);
    while (*attached < count) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            bench_die("a process that is to stay attached has ended", 0);
        usleep(READY_US);
    }
}

void holders_end(void)
{
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    while (wait(NULL) > 0)
        continue;
}
