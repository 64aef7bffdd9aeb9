/*
 * await/lookup.c: look-ups of names as ops. The loop's thread, but where a thread of the workers is
 * named.
 *
 * A job is one question to the C library. It owns copies of the question and the answer, and the
 * ops that wait for the answer lie in its list, by aux. They can leave it at any time; when the
 * last one has, the job is withdrawn, or detached: then it frees itself on its thread
 * (work/workers.c has the argument). If its answer is on its way to the loop already, it is freed
 * when that comes, which heald_loop_close() awaits as well.
 */
#include "await/await.h"
#include "await/work.h"
#include "base/list.h"
#include "loop/loop.h"
#include "net/name.h"

#include <errno.h>

struct job {
    struct heald_op op; /* of the workers */
    struct heald_work work;
    struct heald_link of_loop; /* in heald_works.jobs while another op may join it */
    struct heald_link waiters;
    struct heald_lane *lane; /* of the loop; no thread looks at it */
    const struct heald_sys *sys;
    struct heald_allocator alloc;
    size_t size;
    struct heald_query query;
    struct heald_answer answer;
    char text[]; /* the strings of the question */
};

static struct heald_op *op_of(struct heald_link *aux)
{
    return heald_container_of(aux, struct heald_op, aux);
}

/* Any thread. */
static void job_free(struct job *job)
{
    struct heald_allocator alloc = job->alloc;

    alloc_free(&alloc, job->answer.addrs, job->answer.room * sizeof *job->answer.addrs);
    alloc_free(&alloc, job, job->size);
}

/* On a thread of the workers. */
static int64_t ask(struct heald_work *work)
{
    struct job *job = heald_container_of(work, struct job, work);

    heald__name_ask(job->sys, &job->alloc, &job->query, &job->answer);
    return 0;
}

/* On the same thread, when nobody waits any more. */
static void release(struct heald_work *work)
{
    job_free(heald_container_of(work, struct job, work));
}

static void end(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    op->u.name.lookup->job = NULL;
    op->aux.next = NULL;
    heald__result(loop, op, result, false);
}

static void deliver(struct heald_loop *loop, struct heald_op *op, const struct heald_answer *a)
{
    struct heald_lookup *lookup = op->u.name.lookup;
    unsigned n = lookup->max < a->count ? lookup->max : a->count;

    lookup->eai = a->eai;
    if (n)
        memcpy(lookup->ret_addrs, a->addrs, n * sizeof *a->addrs);
    end(loop, op, a->err ? a->err : (int64_t)a->count);
}

/* The answer is there. */
static void answered(struct heald_op *op)
{
    struct job *job = heald_container_of(op, struct job, op);
    struct heald_link *link;

    if (list_linked(&job->of_loop))
        list_remove(&job->of_loop);
    while ((link = list_pop(&job->waiters)))
        deliver(op->loop, op_of(link), &job->answer);
    job_free(job);
}

/* A copy of a string at *at, which moves on; NULL of NULL. */
static const char *keep(char **at, const char *text)
{
    size_t n = text ? strlen(text) + 1 : 0;

    if (!text)
        return NULL;
    char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

static struct job *job_new(struct heald_loop *loop, struct heald_lane *lane,
                           const struct heald_query *q)
{
    const struct heald_allocator *alloc = heald__lane_allocator(lane);
    size_t size = sizeof(struct job) + (q->host ? strlen(q->host) + 1 : 0) +
                  (q->service ? strlen(q->service) + 1 : 0);
    struct job *job = alloc_new(alloc, size);

    if (!job)
        return NULL;
    char *at = job->text;
    job->query = *q;
    job->query.host = keep(&at, q->host);
    job->query.service = keep(&at, q->service);
    job->size = size;
    job->alloc = *alloc;
    job->sys = loop->sys;
    job->lane = lane;
    job->work = (struct heald_work){.fn = ask, .release = release, .state = WORK_QUEUED};
    list_init(&job->waiters);
    job->op.loop = loop;
    job->op.fn = answered;
    job->op.kind = OP_RESOLVE;
    job->op.u.work.u.work = &job->work;
    op_stage_move(&job->op, STAGE_POOL);
    return job;
}

static struct job *job_find(const struct heald_works *works, const struct heald_query *q)
{
    for (struct heald_link *n = works->jobs.next; n != &works->jobs; n = n->next) {
        struct job *job = heald_container_of(n, struct job, of_loop);
        if (heald__name_same(&job->query, q))
            return job;
    }
    return NULL;
}

/* The job for a question: one that runs, or a new one. 0 or -errno. */
static int job_get(struct heald_loop *loop, const struct heald_query *q, struct job **ret_job)
{
    struct heald_workers *workers;
    struct heald_lane *lane;
    int err = heald_loop_workers(loop, HEALD_WORKERS_NAMES, &workers);

    if (err || (err = heald__work_lane(loop, workers, &lane)))
        return err;
    struct job *job = job_find(loop->works, q);
    if (!job) {
        if (!(job = job_new(loop, lane, q)))
            return -ENOMEM;
        if ((err = heald__lane_submit(lane, &job->op, heald_now(loop)))) {
            job_free(job);
            return err;
        }
        list_push(&loop->works->jobs, &job->of_loop);
    }
    *ret_job = job;
    return 0;
}

static int lookup_start(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_lookup *lookup = op->u.name.lookup;
    const struct heald_query q = {.host = op->u.name.host,
                                  .service = op->u.name.service,
                                  .family = lookup->family,
                                  .type = lookup->type,
                                  .flags = lookup->flags};
    struct heald_addr addrs[NAME_NOW_ADDRS];
    struct job *job = NULL;

    int n = heald__name_now(&q, addrs), err = n ? 0 : job_get(loop, &q, &job);
    op_move(op, OP_ARMED);
    op->flags |= OP_FILE | OP_DETACHED;
    fds_push(&loop->fds.detached.files, op);
    lookup->job = job;
    if (job)
        list_push(&job->waiters, &op->aux);
    else
        deliver(loop, op,
                &(struct heald_answer){
                    .err = n < 0 ? n : err, .count = n > 0 ? (unsigned)n : 0, .addrs = addrs});
    return 0;
}

/* Nobody waits for it any more. */
static void job_abandon(struct job *job)
{
    list_remove(&job->of_loop);
    /* Running: its answer is on its way, and answered() frees it. */
    if (heald__lane_recall(job->lane, &job->op) == LANE_WITHDRAWN)
        job_free(job);
}

static void lookup_cancel(struct heald_loop *loop, struct heald_op *op)
{
    struct job *job = op->u.name.lookup->job;

    list_remove(&op->aux);
    if (list_empty(&job->waiters))
        job_abandon(job);
    op_move(op, OP_CANCELLING);
    end(loop, op, -ECANCELED);
}

const struct heald_upper heald__await_names = {
    .start = lookup_start,
    .cancel = lookup_cancel,
};
