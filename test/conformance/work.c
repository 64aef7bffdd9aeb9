/* test/conformance/work.c: functions on threads: results, cancels, deadlines, queues, shares of
 * loops, and what goes on without its op. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { MANY = 100 };

/* What a function waits for, and what it says. */
static struct {
    int begun, go, ended, elsewhere; /* atomic */
    pthread_t main;
} world;

static int get(const int *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void add(int *word, int by)
{
    __atomic_fetch_add(word, by, __ATOMIC_ACQ_REL);
}

static void wait_for(const int *word, int value)
{
    int64_t end = now() + 10 * harness_slow() * HEALD_SEC;

    while (get(word) < value) {
        must(now() < end);
        usleep(100);
    }
}

static int64_t answer(struct heald_op *op)
{
    add(&world.elsewhere, !pthread_equal(world.main, pthread_self()));
    return *(int *)op->data;
}

/* Runs until `go`. */
static int64_t hang(struct heald_op *op)
{
    (void)op;
    add(&world.begun, 1);
    wait_for(&world.go, 1);
    add(&world.ended, 1);
    return 7;
}

static int64_t until_cancelled(struct heald_op *op)
{
    add(&world.begun, 1);
    while (!heald_work_cancelled(op))
        usleep(100);
    return -ECANCELED;
}

/* Work that outlives its op. */
struct job {
    struct heald_work work;
    int released; /* atomic */
    int detached;
};

static int64_t hang_alone(struct heald_work *work)
{
    add(&world.begun, 1);
    wait_for(&world.go, 1);
    heald_container_of(work, struct job, work)->detached = heald_work_detached(work);
    return 9;
}

static void released(struct heald_work *work)
{
    add(&heald_container_of(work, struct job, work)->released, 1);
}

static void freed(struct heald_work *work)
{
    struct job *job = heald_container_of(work, struct job, work);

    ck_assert_int_eq(job->detached, 1);
    free(job);
    add(&world.ended, 1);
}

static struct heald_workers *workers_of(unsigned threads, unsigned queue)
{
    struct heald_workers *workers;
    struct heald_workers_options options = {.threads = threads, .queue = queue};

    ck_assert_int_eq(heald_workers_open(&workers, &options), 0);
    return workers;
}

HEALD_CASE(it_returns_what_the_function_returns)
{
    struct heald_loop *loop = loop_on(_i);
    int values[] = {0, 5, -EAGAIN, -EINTR, -EINPROGRESS, -ENOENT};

    world.main = pthread_self();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct probe p = {.op = {.data = &values[i]}};
        ck_assert_int_eq(heald_prep_work(&p.op, answer, NULL), 0);
        ck_assert_str_eq(heald_op_kind(&p.op), "work");
        ck_assert_int_eq(probe_do(loop, &p), values[i]);
        ck_assert_int_eq(heald_op_detached(&p.op), 0);
    }
    ck_assert_int_eq(get(&world.elsewhere), 6);
    loop_end(loop);
}

HEALD_CASE(many_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(4, 0);
    struct probe p[MANY] = {0};
    int values[MANY];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            values[i] = i;
            p[i] = (struct probe){.op = {.data = &values[i]}};
            heald_prep_work(&p[i].op, answer, workers);
            probe_start(loop, &p[i]);
        }
        ck_assert_uint_ge(heald_loop_list(loop, NULL, NULL), 1);
        for (int i = 0; i < MANY; i++)
            ck_assert_int_eq(probe_end(&p[i]), i);
    }
    ck_assert_int_eq(heald_workers_close(workers), 0);
    loop_end(loop);
}

/* Submitted once more without a prep. */
HEALD_CASE(again_and_notified_otherwise)
{
    struct heald_loop *loop = loop_on(_i);
    int value = 3;
    struct probe p = {.op = {.data = &value}};

    heald_prep_work(&p.op, answer, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(probe_do(loop, &p), 3);
    struct heald_op op = {.data = &value};
    heald_prep_work(&op, answer, NULL);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EBUSY);
    struct heald_op *const ops[] = {&op};
    ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, now() + 5 * HEALD_SEC), 1);
    ck_assert_int_eq(heald_op_result(&op), 3);
    loop_end(loop);
}

/* Of one thread: the second op waits for it, and ends at once. */
HEALD_CASE(cancelled_while_it_waits)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(1, 0);
    struct probe first = {0}, second = {0}, third = {0};
    int value = 1;

    heald_prep_work(&first.op, hang, workers);
    probe_start(loop, &first);
    wait_for(&world.begun, 1);
    second.op.data = third.op.data = &value;
    heald_prep_work(&second.op, answer, workers);
    probe_start(loop, &second);
    heald_prep_work(&third.op, answer, workers);
    third.op.deadline_ns = now() + 2 * HEALD_MS;
    probe_start(loop, &third);
    ck_assert_int_eq(heald_workers_close(workers), -EBUSY);
    probe_cancel(&second);
    ck_assert_int_eq(probe_end(&third), -ETIMEDOUT);
    ck_assert_int_eq(first.calls, 0);
    add(&world.go, 1);
    ck_assert_int_eq(probe_end(&first), 7);
    /* The op is free for another use. */
    heald_prep_work(&second.op, answer, workers);
    ck_assert_int_eq(probe_do(loop, &second), 1);
    loop_end(loop);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

/* A running function is asked, and what it returns is the result. */
HEALD_CASE(cancelled_while_it_runs)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe asked = {0}, late = {0}, deaf = {0};

    heald_prep_work(&asked.op, until_cancelled, NULL);
    probe_start(loop, &asked);
    wait_for(&world.begun, 1);
    ck_assert_int_eq(heald_cancel(&asked.op), 0);
    ck_assert_int_eq(heald_cancel(&asked.op), -EALREADY);
    ck_assert_int_eq(probe_end(&asked), -ECANCELED);
    heald_prep_work(&late.op, until_cancelled, NULL);
    late.op.deadline_ns = now() + 2 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &late), -ETIMEDOUT);
    add(&world.begun, -get(&world.begun)); /* the one before may have been too late to begin */
    heald_prep_work(&deaf.op, hang, NULL);
    deaf.op.deadline_ns = now() + 100 * harness_slow() * HEALD_MS;
    probe_start(loop, &deaf);
    wait_for(&world.begun, 1);
    turn_for(loop, 110 * harness_slow() * HEALD_MS);
    ck_assert_int_eq(deaf.calls, 0);
    add(&world.go, 1);
    ck_assert_int_eq(probe_end(&deaf), 7);
    loop_end(loop);
}

HEALD_CASE(detached_it_outlives_its_op_and_its_loop)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};

    for (int i = 0; i < 2; i++) {
        struct job *job = calloc(1, sizeof *job);
        job->work = (struct heald_work){.fn = hang_alone, .release = freed};
        ck_assert_int_eq(heald_prep_work_detachable(&p[i].op, &job->work, NULL), 0);
        if (i)
            p[i].op.deadline_ns = now() + 50 * harness_slow() * HEALD_MS;
        probe_start(loop, &p[i]);
        wait_for(&world.begun, 1 + i);
    }
    probe_cancel(&p[0]);
    ck_assert_int_eq(probe_end(&p[1]), -ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_op_detached(&p[i].op), 1);
        ck_assert_int_eq(heald_submit(loop, &p[i].op, probe_completed), -EINVAL);
    }
    struct heald_workers *workers;
    struct heald_workers_stats stats;
    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_CPU, &workers), 0);
    heald_workers_stats(workers, &stats);
    ck_assert_uint_eq(stats.detached, 2);
    ck_assert_uint_eq(stats.running, 2);
    ck_assert_int_gt(stats.longest_ns, 0);
    loop_end(loop); /* does not wait */
    ck_assert_int_eq(get(&world.ended), 0);
    add(&world.go, 1);
    wait_for(&world.ended, 2);
}

/* Not detached: the work is the caller's again, however it ended. */
HEALD_CASE(work_that_is_not_detached)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(1, 0);
    struct probe first = {0}, second = {0}, third = {0};
    struct job job[2] = {{.work = {.fn = hang_alone, .release = released}},
                         {.work = {.fn = hang_alone, .release = released}}};

    heald_prep_work_detachable(&first.op, &job[0].work, workers);
    probe_start(loop, &first);
    heald_prep_work_detachable(&second.op, &job[0].work, workers);
    ck_assert_int_eq(heald_submit(loop, &second.op, probe_completed), -EBUSY);
    heald_prep_work_detachable(&second.op, &job[1].work, workers);
    probe_start(loop, &second);
    wait_for(&world.begun, 1);
    probe_cancel(&second);
    ck_assert_int_eq(heald_op_detached(&second.op), 0);
    heald_prep_work_detachable(&third.op, &job[1].work, workers);
    probe_start(loop, &third);
    add(&world.go, 1);
    ck_assert_int_eq(probe_end(&first), 9);
    ck_assert_int_eq(probe_end(&third), 9);
    ck_assert_int_eq(job[0].detached + job[1].detached, 0);
    ck_assert_int_eq(job[0].released + job[1].released, 0);
    ck_assert_int_eq(heald_op_detached(&first.op), 0);
    loop_end(loop);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

HEALD_CASE(workers_close_without_what_hangs)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(2, 0);
    struct job *job = calloc(1, sizeof *job);
    struct probe p = {0}, ok = {0};
    int value = 4;

    job->work = (struct heald_work){.fn = hang_alone, .release = freed};
    heald_prep_work_detachable(&p.op, &job->work, workers);
    probe_start(loop, &p);
    wait_for(&world.begun, 1);
    ck_assert_int_eq(heald_workers_close(workers), -EBUSY);
    probe_cancel(&p);
    ok.op.data = &value;
    heald_prep_work(&ok.op, answer, workers); /* on the other thread */
    ck_assert_int_eq(probe_do(loop, &ok), 4);
    ck_assert_int_eq(heald_workers_close(workers), 0);
    loop_end(loop);
    add(&world.go, 1);
    wait_for(&world.ended, 1);
}

HEALD_CASE(the_queue_is_bounded_and_counted)
{
    struct heald_loop *loop = loop_on(_i), *other = loop_on(_i);
    struct heald_workers *workers = workers_of(1, 2);
    struct heald_workers_stats stats;
    struct probe p[5] = {0}, q = {0};

    heald_workers_stats(workers, &stats);
    ck_assert_uint_eq(stats.threads + stats.running + stats.queued + stats.detached, 0);
    ck_assert_int_eq(stats.oldest_ns + stats.longest_ns, 0);
    for (int i = 0; i < 5; i++) {
        heald_prep_work(&p[i].op, hang, workers);
        probe_start(loop, &p[i]);
        wait_for(&world.begun, 1);
    }
    ck_assert_int_eq(probe_end(&p[3]), -ENOBUFS);
    ck_assert_int_eq(probe_end(&p[4]), -ENOBUFS);
    /* Another loop has a queue of its own. */
    heald_prep_work(&q.op, hang, workers);
    probe_start(other, &q);
    usleep(2000);
    heald_workers_stats(workers, &stats);
    ck_assert_uint_eq(stats.threads, 1);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.queued, 3);
    ck_assert_int_ge(stats.oldest_ns, HEALD_MS);
    ck_assert_int_ge(stats.longest_ns, stats.oldest_ns);
    ck_assert_int_eq(q.calls, 0);
    add(&world.go, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(probe_end(&p[i]), 7);
    ck_assert_int_eq(probe_end(&q), 7);
    loop_end(loop);
    loop_end(other);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

static int order[MANY + 1], ranks;

static int64_t note(struct heald_op *op)
{
    order[ranks++] = *(int *)op->data; /* one thread alone */
    return 0;
}

/* A loop with many ops does not keep another waiting. */
HEALD_CASE(loops_take_turns)
{
    struct heald_loop *loop = loop_on(_i), *other = loop_on(_i);
    struct heald_workers *workers = workers_of(1, 0);
    struct probe first = {0}, p[MANY] = {0}, q = {0};
    int values[MANY + 1];

    heald_prep_work(&first.op, hang, workers);
    probe_start(loop, &first);
    wait_for(&world.begun, 1);
    for (int i = 0; i < MANY; i++) {
        values[i] = i;
        p[i].op.data = &values[i];
        heald_prep_work(&p[i].op, note, workers);
        probe_start(loop, &p[i]);
    }
    values[MANY] = MANY;
    q.op.data = &values[MANY];
    heald_prep_work(&q.op, note, workers);
    probe_start(other, &q);
    add(&world.go, 1);
    ck_assert_int_eq(probe_end(&q), 0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(probe_end(&p[i]), 0);
    ck_assert_int_eq(order[0], 0);
    ck_assert_int_eq(order[1], MANY);
    for (int i = 1; i < MANY; i++)
        ck_assert_int_eq(order[i + 1], i);
    loop_end(loop);
    loop_end(other);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

/* Functions that hang on all threads of some workers hold up no others, and no files. */
HEALD_CASE(nobody_starves)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(2, 0);
    struct probe stuck[4] = {0}, ok = {0};
    int value = 6;
    char byte = 0;

    for (int i = 0; i < 4; i++) {
        heald_prep_work(&stuck[i].op, hang, workers);
        probe_start(loop, &stuck[i]);
    }
    ok.op.data = &value;
    heald_prep_work(&ok.op, answer, NULL);
    ck_assert_int_eq(probe_do(loop, &ok), 6);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ck_assert_int_eq(op_read(loop, fd, &byte, 1, 0), 1);
        heald_close(loop, fd);
    }
    ck_assert_int_eq(stuck[0].calls + stuck[1].calls, 0);
    add(&world.go, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(probe_end(&stuck[i]), 7);
    loop_end(loop);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

HEALD_CASE(what_is_refused)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = NULL;
    struct heald_workers_options options = {.threads = 257};
    struct heald_work work = {.fn = hang_alone};
    struct heald_op op = {0};

    ck_assert_int_eq(heald_prep_work(&op, NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_prep_work_detachable(&op, NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_prep_work_detachable(&op, &work, NULL), -EINVAL);
    work = (struct heald_work){.release = released};
    ck_assert_int_eq(heald_prep_work_detachable(&op, &work, NULL), -EINVAL);
    ck_assert_int_eq(heald_workers_open(&workers, &options), -EINVAL);
    ck_assert_int_eq(heald_loop_workers(loop, (enum heald_workers_kind)2, &workers), -EINVAL);
    ck_assert_ptr_null(workers);
    loop_end(loop);
}

/* A loop keeps nothing of workers that were closed. */
HEALD_CASE(workers_come_and_go)
{
    struct heald_loop *loop = loop_on(_i);
    int value = 1;

    for (int i = 0; i < 50; i++) {
        struct heald_workers *workers = workers_of(1, 0);
        struct probe p = {.op = {.data = &value}};
        heald_prep_work(&p.op, answer, workers);
        ck_assert_int_eq(probe_do(loop, &p), 1);
        ck_assert_int_eq(heald_workers_close(workers), 0);
    }
    loop_end(loop);
}

/* The workers of the program in the place of those of the loop. */
HEALD_CASE(workers_of_the_program)
{
    struct heald_workers *workers = workers_of(1, 0), *got;
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.workers = {[HEALD_WORKERS_CPU] = workers}});
    struct heald_workers_stats stats;
    int value = 2;
    struct probe p = {.op = {.data = &value}};

    heald_prep_work(&p.op, answer, NULL);
    ck_assert_int_eq(probe_do(loop, &p), 2);
    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_CPU, &got), 0);
    ck_assert_ptr_eq(got, workers);
    heald_workers_stats(workers, &stats);
    ck_assert_uint_eq(stats.threads, 1);
    ck_assert_int_eq(heald_loop_workers(loop, HEALD_WORKERS_NAMES, &got), 0);
    ck_assert_ptr_ne(got, workers);
    loop_end(loop);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

/* A child has a loop and threads of its own. */
HEALD_CASE(after_a_fork)
{
    if (harness_has_tsan())
        harness_skip("ThreadSanitizer starts no threads after a fork");
    struct heald_loop *loop = loop_on(_i);
    int value = 8, status;
    struct probe p = {.op = {.data = &value}};

    heald_prep_work(&p.op, answer, NULL);
    ck_assert_int_eq(probe_do(loop, &p), 8);
    pid_t pid = fork();
    if (pid == 0) {
        struct heald_loop *mine = loop_on(_i);
        struct probe q = {.op = {.data = &value}};
        heald_prep_work(&q.op, answer, NULL);
        int64_t result = probe_do(mine, &q);
        _exit(result == 8 && heald_loop_close(mine) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    loop_end(loop);
}

struct slices {
    struct heald_op op;
    int turns, steps;
};

/* A computation that stays on the loop. */
static void slice(struct heald_op *op)
{
    struct slices *s = heald_container_of(op, struct slices, op);

    s->turns++;
    while (s->steps < 20) {
        s->steps++;
        usleep(300);
        if (heald_slice(op->loop, HEALD_MS)) {
            heald_prep_timer(op, 0);
            ck_assert_int_eq(heald_submit(op->loop, op, slice), 0);
            return;
        }
    }
}

HEALD_CASE(slices_of_a_turn)
{
    struct heald_loop *loop = loop_on(_i);
    struct slices s = {0};

    ck_assert_int_eq(heald_slice(loop, HEALD_SEC), 0);
    heald_prep_timer(&s.op, 0);
    ck_assert_int_eq(heald_submit(loop, &s.op, slice), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(s.steps, 20);
    ck_assert_int_ge(s.turns, 5);
    loop_end(loop);
}

void add_work(TCase *group)
{
    add_everywhere(group, it_returns_what_the_function_returns);
    add_everywhere(group, many_at_once);
    add_on_backends(group, again_and_notified_otherwise);
    add_everywhere(group, cancelled_while_it_waits);
    add_everywhere(group, cancelled_while_it_runs);
    add_everywhere(group, detached_it_outlives_its_op_and_its_loop);
    add_everywhere(group, work_that_is_not_detached);
    add_on_backends(group, workers_close_without_what_hangs);
    add_on_backends(group, the_queue_is_bounded_and_counted);
    add_on_backends(group, loops_take_turns);
    add_everywhere(group, nobody_starves);
    add_on_backends(group, what_is_refused);
    add_on_backends(group, workers_come_and_go);
    add_on_backends(group, workers_of_the_program);
    add_on_backends(group, after_a_fork);
    add_on_backends(group, slices_of_a_turn);
}
