/*
 * bench/memory/peer_idle.c: idle rings by hand, with the full size at once and four times as many
 * completions, as heald has them. usage: peer_idle ENTRIES
 */
#include "idle.h"

#include <liburing.h>

enum { COMPLETIONS_MAX = 65536 };

static void open_one(unsigned entries)
{
    struct io_uring *ring = bench_alloc(1, sizeof *ring);
    struct io_uring_params p = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = entries * 4 < COMPLETIONS_MAX ? entries * 4 : COMPLETIONS_MAX};
    int err = io_uring_queue_init_params(entries, ring, &p);

    if (err == -ENOSYS || err == -EPERM || err == -EINVAL)
        exit(BENCH_SKIP);
    if (err)
        bench_die("io_uring_queue_init_params", -err);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        bench_die("usage: peer_idle ENTRIES", 0);
    idle_measure(open_one, (unsigned)bench_number(argv[1], 1, ENTRIES_MAX));
    return 0;
}
