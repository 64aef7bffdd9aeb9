/*
 * jobs: jobs for any number of worker processes, of which each may be killed at any time. What it
 * had is given to another.
 *
 *     jobs work &
 *     jobs work &
 *     jobs add sweep mop dust
 */
#include <heald/heald.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct heald_participant *me;
static struct heald_queue *jobs;
static struct heald_queue_slot job;

static int next_job(struct heald_op *op, struct heald_loop *loop);

/* A real one would submit other ops, and release the job when they are done. */
static void on_job(struct heald_op *op)
{
    if (op->result < 0) {
        fprintf(stderr, "jobs: %s\n", heald_strerror((int)op->result));
        return;
    }
    printf("%ld does %.*s%s\n", (long)getpid(), (int)job.size, (char *)job.data,
           job.redelivered ? " again" : "");
    fflush(stdout);
    heald_queue_release(&job, me);
    next_job(op, op->loop);
}

static int next_job(struct heald_op *op, struct heald_loop *loop)
{
    int err = heald_prep_queue_peek(op, jobs, me, &job);
    return err ? err : heald_submit(loop, op, on_job);
}

static int work(void)
{
    struct heald_op op = {0};
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, NULL);

    if (err)
        return err;
    err = next_job(&op, loop);
    if (!err)
        err = heald_loop_run(loop);
    heald_loop_close(loop);
    return err;
}

int main(int argc, char **argv)
{
    struct heald_region_options options = {.heap = 1 << 17};
    struct heald_region *region = NULL;
    int err = heald_region_open(&region, "/heald-jobs", HEALD_REGION_CREATE, &options);

    if (argc < 2)
        return 2;
    if (!err)
        err = heald_attach(region, &me);
    if (!err)
        err = heald_queue_open(me, "jobs", NULL, &jobs);
    if (!err && strcmp(argv[1], "work") == 0)
        err = work();
    for (int i = 2; !err && i < argc; i++)
        err = heald_queue_send(jobs, me, argv[i], strlen(argv[i]), 0, HEALD_FOREVER);
    if (err)
        fprintf(stderr, "jobs: %s\n", heald_strerror(err));
    heald_detach(me);
    heald_region_close(region);
    return err != 0;
}
