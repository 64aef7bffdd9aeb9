/* frames: large frames for several readers, without a copy. `frames /NAME read` has all, `watch`
 * the latest; `publish COUNT` waits for a reader, publishes, and waits until none is left. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct frame {
    int number, is_last;
    char pixels[1 << 20];
};

static struct heald_participant *me;
static struct heald_topic *topic;
static struct heald_topic_subscriber reader;
static struct heald_topic_sample sample;

static int publish(int count)
{
    struct heald_topic_loan loan;
    int err = heald_topic_wait(topic, me, HEALD_TOPIC_SUBSCRIBED, HEALD_FOREVER);

    for (int i = 0; !err && i < count; i++) {
        if ((err = heald_topic_loan(topic, me, &loan, HEALD_FOREVER)))
            break;
        struct frame *frame = loan.data;
        memset(frame->pixels, i, sizeof frame->pixels);
        frame->number = i, frame->is_last = i == count - 1;
        err = heald_topic_publish(&loan, me, sizeof *frame, HEALD_FOREVER);
    }
    return err ? err : heald_topic_wait(topic, me, HEALD_TOPIC_UNSUBSCRIBED, HEALD_FOREVER);
}

/* The frame is read where it is, and does not change before it is released. */
static void on_frame(struct heald_op *op)
{
    const struct frame *frame = sample.data;
    int err = (int)op->result, is_last = !err && frame->is_last;

    if (!err && printf("frame %d, lost %d\n", frame->number, (int)sample.lost) > 0)
        err = heald_topic_release(&sample, me);
    if (!err && !is_last && !(err = heald_prep_topic_take(op, &reader, me, &sample)))
        err = heald_submit(op->loop, op, on_frame);
    if (err)
        fprintf(stderr, "frames: %s\n", heald_strerror(err));
}

static int read_frames(int only_latest)
{
    struct heald_topic_subscription how = {only_latest ? HEALD_TOPIC_LATEST : HEALD_TOPIC_BLOCK, 0};
    struct heald_op op = {.name = "frame"};
    struct heald_loop *loop;
    int err = heald_topic_subscribe(topic, me, &how, &reader);

    if (err || (err = heald_loop_open(&loop, NULL)))
        return err;
    puts("ready");
    heald_prep_topic_take(&op, &reader, me, &sample);
    if (!(err = heald_submit(loop, &op, on_frame)))
        err = heald_loop_run(loop);
    heald_loop_close(loop);
    return err;
}

int main(int argc, char **argv)
{
    struct heald_topic_options frames = {.type = {.size = sizeof(struct frame)}, .chunks = 32};
    struct heald_region_options memory = {.heap = 64 << 20};
    struct heald_region *r = NULL;
    int err = argc < 3 ? -EINVAL : heald_region_open(&r, argv[1], HEALD_REGION_CREATE, &memory);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!err && !(err = heald_attach(r, &me)) &&
        !(err = heald_topic_open(me, "frames", &frames, &topic)))
        err = argc > 3 ? publish(atoi(argv[3])) : read_frames(*argv[2] == 'w');
    heald_detach(me);
    heald_region_close(r);
    return err ? fprintf(stderr, "frames: %s\n", heald_strerror(err)), 1 : 0;
}
