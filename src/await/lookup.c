/*
 * await/lookup.c: look-ups of names as ops. The loop's thread, but where a thread of the workers is
 * named.
 *
 * A job is one question. It owns copies of the question and the answer, and the ops that wait for
 * the answer lie in its list, by aux. systemd-resolved is asked, where the C library would ask it
 * first (net/resolver.h), or the C library, by a thread. What resolved does not answer as expected
 * is asked of the C library, and for a while so is all else.
 *
 * Ops can leave a job at any time. When the last one leaves a job that a thread has, the job is
 * withdrawn, or detached: then it frees itself on its thread (work/workers.c has the argument). If
 * its answer is on its way to the loop already, it is freed when that comes, which
 * heald_loop_close() awaits as well. From a job that resolved has, the last one leaves with the end
 * of its connection: so nothing is pending when the op has completed.
 *
 * An answer may be kept for later questions (cache.c).
 */
#include "await/await.h"
#include "await/cache.h"
#include "await/resolved.h"
#include "await/work.h"
#include "base/list.h"
#include "loop/loop.h"
#include "net/name.h"
#include "net/resolver.h"
#include "net/sort.h"

#include <errno.h>

#define REST_NS (30 * HEALD_SEC) /* after resolved has failed */

enum { ASKING_MAX = 64 /* connections to resolved; other questions are the C library's */ };

struct job {
    struct heald_op op; /* of the workers */
    struct heald_work work;
    struct heald_link of_loop; /* in heald_works.jobs while another op may join it */
    struct heald_link waiters;
    struct heald_lane *lane; /* of the loop; no thread looks at it */
    struct heald_resolved resolved;
    bool asks_resolved;
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
    heald__resolved_free(&job->resolved);
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
static void job_end(struct heald_loop *loop, struct job *job)
{
    struct heald_link *link;

    if (list_linked(&job->of_loop))
        list_remove(&job->of_loop);
    heald__cache_keep(loop, &job->query, &job->answer);
    while ((link = list_pop(&job->waiters)))
        deliver(loop, op_of(link), &job->answer);
    job_free(job);
}

/* That of the C library. */
static void answered(struct heald_op *op)
{
    heald__lane_done(heald__lane_of(op));
    job_end(op->loop, heald_container_of(op, struct job, op));
}

/* Asks the C library: 0 or -errno. */
static int ask_libc(struct heald_loop *loop, struct job *job)
{
    job->asks_resolved = false;
    op_stage_move(&job->op, STAGE_POOL);
    int err = heald__lane_submit(job->lane, &job->op, heald_now(loop));
    if (err)
        op_stage_move(&job->op, STAGE_LOOP);
    return err;
}

/* The answer of resolved, if it is one. 0, or -errno: the answer of the C library is needed. */
static int read_reply(struct job *job)
{
    struct heald_answer *a = &job->answer;
    uint16_t port = 0;

    heald__name_port(job->query.service, &port);
    a->room = VARLINK_ADDRS;
    if (!(a->addrs = alloc_new(&job->alloc, a->room * sizeof *a->addrs)))
        return a->err = -ENOMEM;
    int n = heald__varlink_reply(job->resolved.buf, job->resolved.len, job->query.family, port,
                                 a->addrs);
    if (n == VARLINK_SURPRISE)
        return -EBADMSG;
    a->err = n < 0 ? n : 0;
    a->count = n > 0 ? (unsigned)n : 0;
    heald__sort_addrs(a->addrs, a->count);
    return 0;
}

static void forget_reply(struct job *job)
{
    alloc_free(&job->alloc, job->answer.addrs, job->answer.room * sizeof *job->answer.addrs);
    job->answer = (struct heald_answer){0};
}

static void resolved_done(struct heald_resolved *r, int err)
{
    struct job *job = heald_container_of(r, struct job, resolved);
    struct heald_loop *loop = r->loop;

    loop->works->asking--;
    if (!err)
        err = read_reply(job);
    if (err && err != -ECANCELED && err != -ENOMEM) {
        forget_reply(job);
        loop->works->rest_ns = heald_now(loop) + REST_NS;
        if (!(err = ask_libc(loop, job)))
            return;
    }
    if (err)
        job->answer.err = err;
    job_end(loop, job);
}

/* May resolved be asked for this? A service by name is in a file of the C library. */
static bool is_for_resolved(struct heald_loop *loop, const struct heald_query *q)
{
    struct heald_works *works = loop->works;
    uint16_t port;

    if (!q->host || strcmp(q->host, "*") == 0 || heald__name_port(q->service, &port) != 0)
        return false;
    if (!works->knows_resolver) {
        works->is_resolved = heald__resolver_is_resolved(&works->resolved);
        works->knows_resolver = true;
    }
    return works->is_resolved && works->asking < ASKING_MAX && heald_now(loop) >= works->rest_ns;
}

static int job_begin(struct heald_loop *loop, struct job *job)
{
    if (is_for_resolved(loop, &job->query)) {
        job->resolved.loop = loop;
        job->resolved.addr = &loop->works->resolved;
        job->resolved.alloc = job->alloc;
        job->resolved.done = resolved_done;
        job->asks_resolved = true;
        int err = heald__resolved_ask(&job->resolved, job->query.host, job->query.family);
        loop->works->asking += !err;
        if (!err)
            return 0;
        if (err != -EOPNOTSUPP)
            loop->works->rest_ns = heald_now(loop) + REST_NS;
    }
    return ask_libc(loop, job);
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
        if ((err = job_begin(loop, job))) {
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
    struct heald_answer now = {.addrs = addrs};
    struct job *job = NULL;

    int n = heald__name_now(&q, addrs);
    now.count = n > 0 ? (unsigned)n : 0;
    now.err = n < 0 ? n : 0;
    if (!n && !heald__cache_find(loop, &q, &now))
        now.err = job_get(loop, &q, &job);
    op_move(op, OP_ARMED);
    op->flags |= OP_FILE | OP_DETACHED;
    fds_push(&loop->fds.detached.files, op);
    lookup->job = job;
    if (job)
        list_push(&job->waiters, &op->aux);
    else
        deliver(loop, op, &now);
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

/* The last of them: its connection ends first. */
static bool leaves_resolved(struct job *job)
{
    if (!job->asks_resolved || job->waiters.next != job->waiters.prev)
        return false;
    list_remove(&job->of_loop);
    heald__resolved_cancel(&job->resolved);
    return true;
}

static void lookup_cancel(struct heald_loop *loop, struct heald_op *op)
{
    struct job *job = op->u.name.lookup->job;

    op_move(op, OP_CANCELLING);
    if (leaves_resolved(job))
        return;
    list_remove(&op->aux);
    if (list_empty(&job->waiters))
        job_abandon(job);
    end(loop, op, -ECANCELED);
}

void heald__lookup_question(const struct heald_op *op, const char **ret_host,
                            const char **ret_service)
{
    const struct job *job = op->u.name.lookup->job;

    *ret_host = job ? job->query.host : NULL;
    *ret_service = job ? job->query.service : NULL;
}

const struct heald_upper heald__await_names = {
    .start = lookup_start,
    .cancel = lookup_cancel,
};
