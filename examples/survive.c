/* survive NAME: run it in two shells: the second waits for the lock; then kill -9 the first. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct heald_region *region;
    struct heald_participant *me;
    struct heald_loop *loop;
    struct heald_op lock = {.name = "lock"};
    const char *name = argc > 1 ? argv[1] : "/survive";
    int err = heald_region_open(&region, name, HEALD_REGION_CREATE, NULL);

    if (err || (err = heald_attach(region, &me)) || (err = heald_loop_open(&loop, NULL)))
        return fprintf(stderr, "survive: %s: %s\n", name, heald_strerror(err)), 1;
    heald_prep_mutex_lock(&lock, heald_region_data(region), me); /* zeroes are an unlocked mutex */
    lock.deadline_ns = heald_now(loop) + 60 * HEALD_SEC;
    if (heald_submit(loop, &lock, NULL) || heald_loop_run(loop))
        return 1;
    fprintf(stderr, "%s\n", lock.result ? heald_strerror((int)lock.result) : "acquired");
    if (lock.result == -EOWNERDEAD) /* a program repairs here what the lock guards */
        heald_mutex_consistent(heald_region_data(region), me);
    getchar(); /* holds the lock until a line is typed */
    return heald_mutex_unlock(heald_region_data(region), me);
}
