/* bench/memory/heald_idle.c: idle loops on the back end uring. usage: heald_idle ENTRIES */
#include "idle.h"

#include <heald/heald.h>

static void open_one(unsigned entries)
{
    struct heald_loop *loop;
    int err = heald_loop_open(
        &loop,
        &(struct heald_loop_options){.backend = "uring", .engine = "uring", .entries = entries});

    if (err == -ENOSYS)
        exit(BENCH_SKIP);
    if (err)
        bench_die("heald_loop_open", -err);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        bench_die("usage: heald_idle ENTRIES", 0);
    idle_measure(open_one, (unsigned)bench_number(argv[1], 1, ENTRIES_MAX));
    return 0;
}
