/* test/fault/scene_client.c: see scene_client.h. */
#include "fault/scene_client.h"

#include "base/alloc.h"
#include "harness/harness.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct refusal scene_refuses[HEALD_GATE_THREAD];

static int gate(enum heald_gate what)
{
    if (what >= HEALD_GATE_THREAD)
        return 0;
    struct refusal *r = &scene_refuses[what];
    r->asked++;
    if (!r->count)
        return 0;
    r->count--;
    return -r->err;
}

void scene_refuse_enters(bool refuse)
{
    scene_refuses[HEALD_GATE_RING_ENTER] =
        (struct refusal){.count = refuse ? INT_MAX : 0, .err = EAGAIN};
}

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    struct scene *s = heald_container_of(c, struct scene, client);
    struct item *item = heald_container_of(op, struct item, op);

    item->result = result;
    if (flags & IORING_CQE_F_MORE) {
        op->flags |= OP_DUE;
        return;
    }
    item->ends++;
    s->over++;
}

void scene_open(struct scene *s, unsigned entries)
{
    for (int i = 0; i < HEALD_GATE_THREAD; i++)
        scene_refuses[i] = (struct refusal){0};
    *s = (struct scene){.sys = heald__sys_native, .alloc = heald__alloc_libc};
    s->sys.gate = gate;
    int err = heald__client_open(&s->client, &s->sys, &s->alloc, entries);
    if (err == -ENOSYS)
        harness_skip("no io_uring here");
    ck_assert_int_eq(err, 0);
    s->client.done = on_done;
    s->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(s->event, 0);
}

void scene_close(struct scene *s)
{
    heald__client_close(&s->client);
    close(s->event);
}

void scene_ring(const struct scene *s)
{
    ck_assert_int_eq(eventfd_write(s->event, 1), 0);
}

void scene_submit(struct scene *s, struct item *item)
{
    op_move(&item->op, OP_QUEUED);
    op_move(&item->op, OP_ARMED);
    heald__client_submit(&s->client, &item->op);
}

void scene_submit_polls(struct scene *s, struct item *items, int count)
{
    for (int i = 0; i < count; i++) {
        heald_prep_poll(&items[i].op, s->event, POLLIN);
        scene_submit(s, &items[i]);
    }
}

void scene_cancel(struct scene *s, struct item *item)
{
    op_move(&item->op, OP_CANCELLING);
    heald__client_cancel(&s->client, &item->op);
}

void scene_turn_until(struct scene *s, int over)
{
    for (int i = 0; s->over < over && i < TURNS_MAX; i++) {
        int err = heald__client_turn(&s->client, 0);
        ck_assert_msg(!err || err == -EINTR, "a turn gives %d", err);
    }
    ck_assert_int_eq(s->over, over);
}

void scene_hand_over(struct scene *s)
{
    for (int i = 0; i < TURNS_MAX && heald__client_busy(&s->client); i++)
        ck_assert_int_eq(heald__client_turn(&s->client, 0), 0);
    ck_assert(!heald__client_busy(&s->client));
}

void scene_check(const struct item *items, int count, int64_t result)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(items[i].ends, 1);
        ck_assert_int_eq(items[i].result, result);
    }
}
