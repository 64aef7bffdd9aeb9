/* queue: a bounded queue in shared memory; its consumer waits in a loop. Anybody may be killed.
 * `queue /NAME SECONDS` in one shell consumes; `queue /NAME put TEXT...` in another puts. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 8 };
struct queue {
    struct heald_mutex mutex;
    struct heald_cond changed;
    unsigned head, tail; /* each changes by one store: a holder that dies leaves a valid queue */
    char items[SLOTS][56];
};

static struct heald_region *region;
static struct heald_participant *me;
static struct queue *queue;

static int recover(int err)
{
    return err == -EOWNERDEAD ? heald_mutex_consistent(&queue->mutex, me) : err;
}

static int put(const char *text)
{
    int err = recover(heald_mutex_lock(&queue->mutex, me, HEALD_FOREVER));

    while (!err && queue->head - queue->tail == SLOTS)
        err = recover(heald_cond_wait(&queue->changed, &queue->mutex, me, HEALD_FOREVER));
    if (err)
        return err;
    snprintf(queue->items[queue->head % SLOTS], sizeof queue->items[0], "%s", text);
    queue->head++;
    return heald_cond_signal_unlock(&queue->changed, &queue->mutex, me);
}

/* The lock or a wait has completed. The consumer has the mutex, also when the deadline passed. */
static void on_locked(struct heald_op *op)
{
    int err = recover((int)op->result);

    if (err == -ETIMEDOUT && queue->head != queue->tail)
        err = 0;
    for (; !err && queue->head != queue->tail; queue->tail++)
        puts(queue->items[queue->tail % SLOTS]);
    if (!err) {
        heald_cond_signal(&queue->changed);
        heald_prep_cond_wait(op, &queue->changed, &queue->mutex, me);
        op->deadline_ns = heald_now(op->loop) + atoi(op->data) * HEALD_SEC;
        err = heald_submit(op->loop, op, on_locked); /* unlocks the mutex */
    }
    if (err) {
        fprintf(stderr, "queue: %s\n", heald_strerror(err));
        heald_mutex_unlock(&queue->mutex, me); /* -EPERM if it was not had, which harms nobody */
    }
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_op op = {.name = "queue", .data = argc > 2 ? argv[2] : NULL};
    int err = argc < 3 ? -EINVAL : heald_region_open(&region, argv[1], HEALD_REGION_CREATE, NULL);
    if (!err && !(err = heald_attach(region, &me)))
        queue = heald_region_data(region);
    for (int i = 3; !err && i < argc; i++)
        err = put(argv[i]);
    if (!err && argc == 3 && !(err = heald_loop_open(&loop, NULL))) {
        setvbuf(stdout, NULL, _IOLBF, 0);
        heald_prep_mutex_lock(&op, &queue->mutex, me);
        if (!(err = heald_submit(loop, &op, on_locked)))
            err = heald_loop_run(loop);
        heald_loop_close(loop);
    }
    heald_detach(me);
    if (err)
        fprintf(stderr, "queue: %s\n", heald_strerror(err));
    return heald_region_close(region) || err;
}
