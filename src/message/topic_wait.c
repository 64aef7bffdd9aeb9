/*
 * message/topic_wait.c: borrow, publish, take and events of a topic, with their waits; as those of
 * a queue (transfer.c). What a wait keeps between two tries (`memory`) is the address of the loan
 * or the sample, or the event.
 */
#include "message/look.h"
#include "message/topic.h"
#include "message/wait_ops.h"
#include "platform/fence.h"

static void *address(int64_t memory)
{
    return (void *)(intptr_t)memory;
}

/* Before the look that decides to wait. Heavy: for what subscribers change (topic_take.c). */
static void prepare(const struct topic_view *v, uint32_t *bell, struct region_wait *wait)
{
    *wait = (struct region_wait){
        .me = v->me, .word = bell, .bell = region_bell(v->me), .seen = eventcount_prepare(bell)};
    if (bell == &v->t->room)
        heald__plat_fence_heavy();
}

/* The result of a look: of a wait -EBUSY, and whom to watch. */
static int decide(int err, const struct ring_holder *holder, struct region_wait *wait)
{
    if (err != -EAGAIN)
        return err;
    wait->holder = holder->id;
    wait->several = holder->several;
    return -EBUSY;
}

static int try_loan(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    struct heald_topic_loan *loan = address(*memory);
    struct ring_holder holder = {.tries = true};
    const struct topic_view *v;
    int err = topic_view(&v, object, me);

    loan->topic = object;
    if (!err)
        err = heald__topic_borrow(v, loan, &holder);
    if (err != -EAGAIN)
        return err;
    prepare(v, &v->t->room, wait);
    holder = (struct ring_holder){0};
    return decide(heald__topic_borrow(v, loan, &holder), &holder, wait);
}

static int try_publish(void *object, struct heald_participant *me, int64_t *memory,
                       struct region_wait *wait)
{
    struct heald_topic_loan *loan = address(*memory);
    struct ring_holder holder = {.tries = true};
    const struct topic_view *v;
    int err = heald__topic_check_publish(&v, loan, loan->bytes, me);

    (void)object; /* is loan->topic */
    if (!err)
        err = heald__topic_publish(v, loan, &holder);
    if (err != -EAGAIN)
        return err;
    prepare(v, &v->t->room, wait);
    holder = (struct ring_holder){0};
    return decide(heald__topic_publish(v, loan, &holder), &holder, wait);
}

static int try_take(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    struct heald_topic_sample *sample = address(*memory);
    struct ring_holder holder = {.tries = true};
    struct topic_subscriber *s;
    const struct topic_view *v;
    int err = heald__topic_check_subscriber(&v, &s, &sample->subscriber, me);

    (void)object; /* is that of the subscriber */
    if (!err)
        err = heald__topic_take(v, s, &sample->subscriber, sample, &holder);
    if (err != -EAGAIN)
        return err;
    prepare(v, &v->t->arrived, wait);
    holder = (struct ring_holder){0};
    return decide(heald__topic_take(v, s, &sample->subscriber, sample, &holder), &holder, wait);
}

static int try_event(void *object, struct heald_participant *me, int64_t *memory,
                     struct region_wait *wait)
{
    enum heald_topic_event event = (enum heald_topic_event) * memory;
    struct ring_holder holder = {.tries = true};
    const struct topic_view *v;
    int err = topic_view(&v, object, me);

    if (!err && event != HEALD_TOPIC_SUBSCRIBED && event != HEALD_TOPIC_UNSUBSCRIBED)
        err = -EINVAL;
    if (!err)
        err = heald__topic_look_for(v, event, &holder);
    if (err != -EAGAIN)
        return err;
    prepare(v, &v->t->presence, wait);
    holder = (struct ring_holder){0};
    return decide(heald__topic_look_for(v, event, &holder), &holder, wait);
}

const struct sync_wait_ops heald__topic_loan_wait_ops = {
    .try = try_loan, .kind = HEALD_OBJECT_TOPIC, .flags = HEALD_WAIT_TO_WRITE};
const struct sync_wait_ops heald__topic_publish_wait_ops = {
    .try = try_publish, .kind = HEALD_OBJECT_TOPIC, .flags = HEALD_WAIT_TO_WRITE};
const struct sync_wait_ops heald__topic_take_wait_ops = {
    .try = try_take, .kind = HEALD_OBJECT_TOPIC, .flags = HEALD_WAIT_TO_READ};
const struct sync_wait_ops heald__topic_event_wait_ops = {.try = try_event,
                                                          .kind = HEALD_OBJECT_TOPIC};

/* Blocks in one of these waits. */
static int block(const struct sync_wait_ops *ops, struct heald_topic *topic,
                 struct heald_participant *me, int64_t memory, int64_t deadline_ns, uint64_t site)
{
    me->site = site;
    return heald__sync_block_keep(ops, topic, me, deadline_ns, &memory);
}

int heald_topic_tryloan(struct heald_topic *topic, struct heald_participant *me,
                        struct heald_topic_loan *ret_loan)
{
    struct ring_holder holder = {.tries = true};
    const struct topic_view *v;
    int err = topic_view(&v, topic, me);

    if (!err)
        err = heald__topic_borrow(v, ret_loan, &holder);
    if (!err)
        ret_loan->topic = topic;
    return err;
}

int heald_topic_loan(struct heald_topic *topic, struct heald_participant *me,
                     struct heald_topic_loan *ret_loan, int64_t deadline_ns)
{
    int err = heald_topic_tryloan(topic, me, ret_loan);

    if (err != -EAGAIN)
        return err;
    return block(&heald__topic_loan_wait_ops, topic, me, (intptr_t)ret_loan, deadline_ns,
                 SYNC_SITE);
}

int heald__topic_check_publish(const struct topic_view **ret, struct heald_topic_loan *loan,
                               size_t size, struct heald_participant *me)
{
    int err = heald__topic_check_loan(ret, loan, me);

    if (err)
        return err;
    if (size > (*ret)->sample_max || ((*ret)->type_size && size != (*ret)->type_size))
        return -EMSGSIZE;
    loan->bytes = (uint32_t)size;
    return 0;
}

int heald_topic_trypublish(struct heald_topic_loan *loan, struct heald_participant *me, size_t size)
{
    struct ring_holder holder = {.tries = true};
    const struct topic_view *v;
    int err = heald__topic_check_publish(&v, loan, size, me);

    return err ? err : heald__topic_publish(v, loan, &holder);
}

int heald_topic_publish(struct heald_topic_loan *loan, struct heald_participant *me, size_t size,
                        int64_t deadline_ns)
{
    int err = heald_topic_trypublish(loan, me, size);

    if (err != -EAGAIN)
        return err;
    return block(&heald__topic_publish_wait_ops, loan->topic, me, (intptr_t)loan, deadline_ns,
                 SYNC_SITE);
}

int heald_topic_trytake(const struct heald_topic_subscriber *subscriber,
                        struct heald_participant *me, struct heald_topic_sample *ret_sample)
{
    struct ring_holder holder = {.tries = true};
    struct topic_subscriber *s;
    const struct topic_view *v;
    int err = heald__topic_check_subscriber(&v, &s, subscriber, me);

    return err ? err : heald__topic_take(v, s, subscriber, ret_sample, &holder);
}

/* What a subscriber looks at before it sleeps: the cell of its next position. */
struct next_sample {
    const struct topic_view *v;
    uint64_t position;
};

static bool is_published_next(const void *of)
{
    const struct next_sample *next = of;
    uint64_t word = cell_load(topic_cell_at(next->v, next->position));
    int32_t ahead = cell_ahead(word, topic_lap(next->v, next->position));

    return ahead > 0 || (ahead == 0 && cell_state(word) != CELL_CLAIMED);
}

static bool look_for_sample(struct heald_participant *me,
                            const struct heald_topic_subscriber *subscriber)
{
    struct next_sample next;
    struct topic_subscriber *s;

    if (heald__topic_check_subscriber(&next.v, &s, subscriber, me))
        return false;
    next.position = __atomic_load_n(&s->cursor, __ATOMIC_RELAXED);
    return look_for(me, is_published_next, &next);
}

int heald_topic_take(const struct heald_topic_subscriber *subscriber, struct heald_participant *me,
                     struct heald_topic_sample *ret_sample, int64_t deadline_ns)
{
    int err = heald_topic_trytake(subscriber, me, ret_sample);

    if (err == -EAGAIN && deadline_ns && look_for_sample(me, subscriber))
        err = heald_topic_trytake(subscriber, me, ret_sample);
    if (err != -EAGAIN)
        return err;
    ret_sample->subscriber = *subscriber;
    return block(&heald__topic_take_wait_ops, subscriber->topic, me, (intptr_t)ret_sample,
                 deadline_ns, SYNC_SITE);
}

int heald_topic_wait(struct heald_topic *topic, struct heald_participant *me,
                     enum heald_topic_event event, int64_t deadline_ns)
{
    return block(&heald__topic_event_wait_ops, topic, me, event, deadline_ns, SYNC_SITE);
}
