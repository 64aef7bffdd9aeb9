/* survive: run it in two shells: the second waits for the lock; then kill -9 the first. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>

static struct heald_region *region;
static struct heald_participant *me;

static void on_lock(struct heald_op *op)
{
    printf("lock: %s\n", op->result ? heald_strerror((int)op->result) : "acquired");
    fflush(stdout);
    if (op->result == -EOWNERDEAD) /* a program repairs here what the lock guards */
        heald_mutex_consistent(heald_region_data(region), me);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_op op = {.name = "lock"};
    const char *name = argc > 1 ? argv[1] : "/survive";
    int err = heald_region_open(&region, name, HEALD_REGION_CREATE, NULL);

    if (err || (err = heald_attach(region, &me)) || (err = heald_loop_open(&loop, NULL))) {
        fprintf(stderr, "survive: %s: %s\n", name, heald_strerror(err));
        return 1;
    }
    heald_prep_mutex_lock(&op, heald_region_data(region), me); /* zeroes are an unlocked mutex */
    op.deadline_ns = heald_now(loop) + 60 * HEALD_SEC;
    if (heald_submit(loop, &op, on_lock) || heald_loop_run(loop))
        return 1;
    getchar(); /* holds the lock until a line is typed */
    return heald_mutex_unlock(heald_region_data(region), me) || heald_loop_close(loop);
}
