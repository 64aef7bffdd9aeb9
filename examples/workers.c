/* workers: processes that work off a table of jobs in shared memory. Any of them may be killed: its
 * job is done again by another, and the parent starts a new one. `workers [WORKERS [JOBS]]` */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    struct heald_mutex mutex; /* held by the worker of the job */
    long result;              /* 0: there is none yet */
};

struct table {
    int count;
    struct job jobs[1000];
};

static int work(struct table *t, struct heald_participant *me)
{
    for (int i = 0; i < t->count; i++) {
        struct job *job = &t->jobs[i];
        int err = heald_mutex_trylock(&job->mutex, me);

        if (err == -EBUSY)
            continue;
        if (err == -EOWNERDEAD) /* its worker died while doing it; nothing needs repair */
            err = heald_mutex_consistent(&job->mutex, me);
        if (err)
            return err;
        if (!job->result) {
            usleep(2000); /* work */
            job->result = (long)i * i + 1;
        }
        heald_mutex_unlock(&job->mutex, me);
    }
    return 0;
}

static void start(struct heald_region *region)
{
    struct heald_participant *me;

    if (fork() == 0)
        _exit(heald_attach(region, &me) || work(heald_region_data(region), me));
}

static int count_done(const struct table *t)
{
    int done = 0;
    for (int i = 0; i < t->count; i++)
        done += t->jobs[i].result == (long)i * i + 1;
    return done;
}

int main(int argc, char **argv)
{
    struct heald_region_options options = {.size = sizeof(struct table)};
    struct heald_region *region;
    int workers = argc > 1 ? atoi(argv[1]) : 4, started = 0, status;
    char name[32];
    snprintf(name, sizeof name, "/workers-%ld", (long)getpid());
    int err = heald_region_open(&region, name, HEALD_REGION_CREATE, &options);
    if (err) {
        fprintf(stderr, "workers: %s\n", heald_strerror(err));
        return 1;
    }
    heald_region_unlink(name); /* the children have it, too */
    struct table *t = heald_region_data(region);
    t->count = argc > 2 && atoi(argv[2]) < 1000 ? atoi(argv[2]) : 100;
    for (; started < workers; started++)
        start(region);
    while (wait(&status) > 0)
        if (WIFSIGNALED(status) && ++started)
            start(region);
    printf("%d of %d jobs done by %d workers\n", count_done(t), t->count, started);
    return heald_region_close(region) != 0;
}
