/*
 * message/topic_subscribe.c: a subscriber joins and leaves, and those that wait for that.
 *
 * A record is that of a participant. Whoever finds its owner gone may become its owner. From then
 * on it counts for what is held, which is nothing or what the last one held; when it is ready it
 * counts as a subscriber.
 */
#include "message/hand_over.h"
#include "message/topic.h"

/* Makes a record that is free the caller's, but not ready. 0; -EBUSY: it is another's; -EBADMSG. */
static int acquire(const struct topic_view *v, struct topic_subscriber *s, uint64_t *ret_owner)
{
    /* Acquire: pairs with leave(). */
    uint64_t owner = __atomic_load_n(&s->owner, __ATOMIC_ACQUIRE);
    int err =
        region_id(owner) ? heald__region_is_gone(v->me->region, region_id(owner)) : -EOWNERDEAD;

    if (err != -EOWNERDEAD)
        return err ? err : -EBUSY;
    uint64_t use = ((owner & REGION_ID_FLAGS) + TOPIC_USE) & REGION_ID_FLAGS & ~(uint64_t)1;
    uint64_t mine = region_id(v->me->id) | use;
    /* Seq_cst: what is stored in its hold cells comes after that. */
    if (!__atomic_compare_exchange_n(&s->owner, &owner, mine, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED))
        return -EBUSY;
    *ret_owner = mine;
    return 0;
}

/* Any index below it is asked from now on. */
static void count_in(const struct topic_view *v, uint32_t index)
{
    uint32_t joined = __atomic_load_n(&v->t->joined, __ATOMIC_SEQ_CST);

    /* Seq_cst: pairs with topic_joined(): before anything of the record is written. */
    while (joined <= index && !__atomic_compare_exchange_n(&v->t->joined, &joined, index + 1, false,
                                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
}

static int find_record(const struct topic_view *v, struct heald_topic_subscriber *ret)
{
    for (uint32_t i = 0; i < v->subscriber_count; i++) {
        count_in(v, i);
        int err = acquire(v, &v->subscribers[i], &ret->owner);
        if (err == -EBUSY)
            continue;
        ret->index = i;
        return err;
    }
    return -EUSERS;
}

static uint64_t before(uint64_t tail, uint64_t samples)
{
    return tail > samples ? tail - samples : 0;
}

/*
 * Begins so many samples before the tail. The record is ready before the tail is read again: those
 * that claim positions then see it, and those that claimed others before may have passed what it
 * was to begin with (topic_publish.c).
 */
static int join(const struct topic_view *v, struct topic_subscriber *s, uint64_t owner,
                unsigned history)
{
    uint64_t tail = __atomic_load_n(&v->t->tail, __ATOMIC_RELAXED);
    int err = heald__topic_tail(v, &tail);

    if (err)
        return err;
    uint64_t cursor = before(tail, history);
    __atomic_store_n(&s->cursor, cursor, __ATOMIC_RELAXED);
    /* Seq_cst: pairs with pass() of topic_publish.c. */
    __atomic_store_n(&s->owner, owner | TOPIC_READY, __ATOMIC_SEQ_CST);
    if ((err = heald__topic_tail(v, &tail)))
        return err;
    if (cursor < before(tail, v->mask)) {
        /* Seq_cst: before the event count is read. A publisher may have found it behind. */
        __atomic_store_n(&s->cursor, before(tail, v->mask), __ATOMIC_SEQ_CST);
        eventcount_notify(&v->t->room);
    }
    return 0;
}

static int leave(const struct topic_view *v, struct topic_subscriber *s, uint64_t owner)
{
    /* Release: as in heald_topic_release(). */
    for (unsigned i = 0; i < HEALD_TOPIC_HOLDS_MAX; i++)
        __atomic_store_n(&s->holds[i], 0, __ATOMIC_RELEASE);
    /* Seq_cst: before the event counts are read. */
    __atomic_store_n(&s->owner, owner & REGION_ID_FLAGS & ~(uint64_t)TOPIC_READY, __ATOMIC_SEQ_CST);
    eventcount_notify(&v->t->presence);
    eventcount_notify(&v->t->room);
    /* An op of its own that waits for a sample finds that it has left. */
    eventcount_notify(&v->t->arrived);
    return 0;
}

int heald_topic_subscribe(struct heald_topic *topic, struct heald_participant *me,
                          const struct heald_topic_subscription *subscription,
                          struct heald_topic_subscriber *ret_subscriber)
{
    struct heald_topic_subscription how =
        subscription ? *subscription : (struct heald_topic_subscription){0};
    struct heald_topic_subscriber got = {.topic = topic};
    const struct topic_view *v;
    int err = topic_view(&v, topic, me);

    if (!err && ((unsigned)how.policy > HEALD_TOPIC_LATEST || how.history > v->history))
        err = -EINVAL;
    if (!err)
        err = find_record(v, &got);
    if (err)
        return err;
    struct topic_subscriber *s = &v->subscribers[got.index];
    for (unsigned i = 0; i < HEALD_TOPIC_HOLDS_MAX; i++)
        __atomic_store_n(&s->holds[i], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->lost, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->told, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->policy, how.policy, __ATOMIC_RELAXED);
    if ((err = join(v, s, got.owner, how.history))) {
        leave(v, s, got.owner);
        return err;
    }
    eventcount_notify(&v->t->presence);
    got.owner |= TOPIC_READY;
    *ret_subscriber = got;
    return 0;
}

int heald_topic_unsubscribe(struct heald_topic_subscriber *subscriber, struct heald_participant *me)
{
    struct topic_subscriber *s;
    const struct topic_view *v;
    int err = heald__topic_check_subscriber(&v, &s, subscriber, me);

    if (err)
        return err;
    leave(v, s, subscriber->owner);
    subscriber->topic = NULL;
    return 0;
}

int heald__topic_look_for(const struct topic_view *v, enum heald_topic_event event,
                          struct ring_holder *holder)
{
    uint32_t joined = topic_joined(v);

    for (uint32_t i = 0; i < joined; i++) {
        /* Seq_cst: after the caller has prepared to wait. */
        uint64_t owner = __atomic_load_n(&v->subscribers[i].owner, __ATOMIC_SEQ_CST);
        if (!(owner & TOPIC_READY))
            continue;
        int err = heald__region_is_gone(v->me->region, region_id(owner));
        if (err == -EOWNERDEAD)
            continue;
        if (err || event == HEALD_TOPIC_SUBSCRIBED)
            return err;
        holder->id = region_id(owner);
        return -EAGAIN;
    }
    return event == HEALD_TOPIC_SUBSCRIBED ? -EAGAIN : 0;
}
