/*
 * message/topic_take.c: a subscriber takes a sample, and releases it. Why what it takes is not
 * reused is in topic_chunk.c.
 *
 * The position of a subscriber changes only forward. It skips positions whose publisher is gone,
 * and those that it has lost: the ring has come round since.
 *
 * Nobody sleeps in vain for what a subscriber does: it changes the hold cell, or its position, and
 * then reads the event count `room`; between the two is no more than the compiler's barrier where
 * its process takes part in heavy ones (platform/fence.h), as in a lane. If it is killed between
 * the two, those that wait for it find that out: they watch it, or try again every 50 ms.
 */
#include "message/hand_over.h"
#include "message/topic.h"
#include "platform/fence.h"

/* After so many attempts in which the ring came round, only the latest samples are safe. */
enum { PATIENCE = 8 };

struct taker {
    const struct topic_view *v;
    struct topic_subscriber *s;
    uint64_t cursor; /* its own, while the call lasts */
    uint32_t place;  /* of the hold cell that is free */
};

int heald__topic_check_subscriber(const struct topic_view **ret, struct topic_subscriber **ret_s,
                                  const struct heald_topic_subscriber *subscriber,
                                  struct heald_participant *me)
{
    if (!subscriber->topic)
        return -EINVAL;
    int err = topic_view(ret, subscriber->topic, me);
    if (err)
        return err;
    if (subscriber->index >= (*ret)->subscriber_count)
        return -EINVAL;
    struct topic_subscriber *s = &(*ret)->subscribers[subscriber->index];
    /* Relaxed: only the caller makes it the caller's, or not. */
    if (region_id(subscriber->owner) != region_id(me->id) ||
        __atomic_load_n(&s->owner, __ATOMIC_RELAXED) != subscriber->owner)
        return -EINVAL;
    *ret_s = s;
    return 0;
}

static void notify_room(const struct topic_view *v)
{
    heald__plat_fence_light(v->is_fenced);
    eventcount_notify(&v->t->room);
}

static int find_place(struct taker *t)
{
    for (t->place = 0; t->place < t->v->holds; t->place++)
        if (!__atomic_load_n(&t->s->holds[t->place], __ATOMIC_RELAXED))
            return 0;
    return -ENOBUFS;
}

static void lose(struct taker *t, uint64_t next)
{
    uint64_t lost = __atomic_load_n(&t->s->lost, __ATOMIC_RELAXED);

    __atomic_store_n(&t->s->lost, lost + (next - t->cursor), __ATOMIC_RELAXED);
    t->cursor = next;
}

/*
 * The cell at the cursor is that of a later position, so those less than a ring before that are
 * there, or lost as well: all positions below the tail were claimed, and those a ring below it are
 * no more. Without the tail each attempt would find but one more that is lost.
 */
static void skip_lost(struct taker *t, int32_t laps)
{
    uint64_t next = t->cursor + ((uint64_t)laps << t->v->shift) - t->v->mask;
    uint64_t tail = __atomic_load_n(&t->v->t->tail, __ATOMIC_RELAXED);
    uint64_t oldest = tail - t->v->mask - 1;

    /* Not behind the last position of a ring that begins at `next`: the tail may be corrupt. */
    lose(t, oldest - next <= t->v->mask ? oldest : next);
}

/* Stores where it is. Release: pairs with pass() of topic_publish.c. */
static void set_cursor(const struct taker *t, uint64_t before)
{
    if (t->cursor == before)
        return;
    __atomic_store_n(&t->s->cursor, t->cursor, __ATOMIC_RELEASE);
    if (__atomic_load_n(&t->s->policy, __ATOMIC_RELAXED) == HEALD_TOPIC_BLOCK)
        notify_room(t->v);
}

/* Holds the chunk of a cell whose word was FULL. 0; -EBUSY: the cell has changed; -EBADMSG. */
static int confirm(struct taker *t, const struct queue_cell *cell, uint64_t word,
                   struct heald_topic_sample *ret)
{
    const struct topic_view *v = t->v;
    uint64_t *hold = &t->s->holds[t->place];
    uint32_t chunk = __atomic_load_n(&cell->size, __ATOMIC_RELAXED);

    if (chunk >= v->chunk_count)
        return cell_load(cell) == word ? -EBADMSG : -EBUSY;
    ret->hold = topic_hold(t->cursor, chunk);
    /* Seq_cst, both: pairs with read_ring() and read_holds() of topic_chunk.c. */
    __atomic_store_n(hold, ret->hold, __ATOMIC_SEQ_CST);
    uint32_t bytes = __atomic_load_n(&v->chunks[chunk].size, __ATOMIC_RELAXED);
    if (cell_load(cell) != word || bytes > v->sample_max) {
        __atomic_store_n(hold, 0, __ATOMIC_RELEASE);
        notify_room(v);
        return cell_load(cell) == word ? -EBADMSG : -EBUSY;
    }
    ret->data = topic_data(v, chunk);
    ret->size = bytes;
    return 0;
}

/* The position is being published. 0: its publisher is gone, and there is no sample; -EAGAIN,
 * -EBADMSG. */
static int meet(const struct topic_view *v, struct queue_cell *cell, uint64_t word,
                struct ring_holder *holder)
{
    uint64_t id = cell_id(v->me->region, word);
    int err = ring_is_gone(v->me, id, holder);

    if (err == -EOWNERDEAD) {
        cell_change(cell, word, cell_in_state(word, CELL_FREE));
        return 0;
    }
    if (err)
        return err;
    ring_watch(holder, id);
    return -EAGAIN;
}

/* One attempt at the position of the subscriber. 0: taken; -EBUSY: to be tried again; -EAGAIN,
 * -EBADMSG. */
static int look(struct taker *t, struct heald_topic_sample *ret, struct ring_holder *holder)
{
    const struct topic_view *v = t->v;
    struct queue_cell *cell = topic_cell_at(v, t->cursor);
    uint64_t word = cell_load(cell);
    int32_t ahead = cell_ahead(word, topic_lap(v, t->cursor));
    int err;

    if (ahead < 0)
        return ahead < -1 ? -EBADMSG : -EAGAIN;
    if (ahead > 0) {
        skip_lost(t, ahead);
        return -EBUSY;
    }
    switch (cell_state(word)) {
    case CELL_FULL: return confirm(t, cell, word, ret);
    case CELL_FREE: t->cursor++; return -EBUSY;
    case CELL_CLAIMED: err = meet(v, cell, word, holder); return err ? err : -EBUSY;
    case CELL_TAKEN: break;
    }
    return -EBADMSG;
}

/* To the latest sample that is there. 0: it is at the cursor; -EAGAIN: there is none behind it. */
static int go_to_latest(struct taker *t, struct ring_holder *holder)
{
    const struct topic_view *v = t->v;
    uint64_t p = __atomic_load_n(&v->t->tail, __ATOMIC_RELAXED), n = v->mask + 1;
    int err = heald__topic_tail(v, &p);

    if (err)
        return err;
    while (n-- && (int64_t)(p - t->cursor) > 0) {
        struct queue_cell *cell = topic_cell_at(v, --p);
        uint64_t word = cell_load(cell);
        if (cell_ahead(word, topic_lap(v, p)) != 0)
            continue;
        if (cell_state(word) == CELL_FULL) {
            lose(t, p);
            return 0;
        }
        err = cell_state(word) == CELL_CLAIMED ? meet(v, cell, word, holder) : 0;
        if (err && err != -EAGAIN)
            return err;
    }
    return -EAGAIN;
}

static int take(struct taker *t, struct heald_topic_sample *ret, struct ring_holder *holder)
{
    bool latest = __atomic_load_n(&t->s->policy, __ATOMIC_RELAXED) == HEALD_TOPIC_LATEST;
    unsigned tries = topic_tries(t->v), patience = PATIENCE;
    int err = -EBUSY;

    while (err == -EBUSY && tries--) {
        uint64_t lost = __atomic_load_n(&t->s->lost, __ATOMIC_RELAXED);
        err = latest ? go_to_latest(t, holder) : 0;
        if (!err)
            err = look(t, ret, holder);
        if (lost != __atomic_load_n(&t->s->lost, __ATOMIC_RELAXED))
            latest = latest || !--patience;
    }
    return err == -EBUSY ? -EAGAIN : err;
}

int heald__topic_take(const struct topic_view *v, struct topic_subscriber *s,
                      const struct heald_topic_subscriber *subscriber,
                      struct heald_topic_sample *ret, struct ring_holder *holder)
{
    struct taker t = {.v = v, .s = s};
    struct heald_topic_sample got = {.subscriber = *subscriber};
    uint64_t before = __atomic_load_n(&s->cursor, __ATOMIC_RELAXED);
    int err = find_place(&t);

    if (err)
        return err;
    t.cursor = before;
    err = take(&t, &got, holder);
    got.sequence = t.cursor;
    t.cursor += err == 0;
    set_cursor(&t, before);
    if (err)
        return err;
    uint64_t lost = __atomic_load_n(&s->lost, __ATOMIC_RELAXED);
    got.lost = lost - __atomic_load_n(&s->told, __ATOMIC_RELAXED);
    if (got.lost)
        __atomic_store_n(&s->told, lost, __ATOMIC_RELAXED);
    got.place = t.place;
    *ret = got;
    return 0;
}

int heald_topic_release(struct heald_topic_sample *sample, struct heald_participant *me)
{
    struct topic_subscriber *s;
    const struct topic_view *v;
    int err =
        sample->data ? heald__topic_check_subscriber(&v, &s, &sample->subscriber, me) : -EINVAL;

    if (err)
        return err;
    if (sample->place >= v->holds ||
        __atomic_load_n(&s->holds[sample->place], __ATOMIC_RELAXED) != sample->hold)
        return -EINVAL;
    /* Release: pairs with read_holds() of topic_chunk.c; what was read of the sample is read. */
    __atomic_store_n(&s->holds[sample->place], 0, __ATOMIC_RELEASE);
    sample->data = NULL;
    notify_room(v);
    return 0;
}
