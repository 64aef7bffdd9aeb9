/*
 * test/message/answers.c: the answers "empty" and "full" of a queue between processes, each of them
 * right at some moment of its call, by a history of all calls.
 *
 * A moment is a tick: calls take one when they begin and one when they have returned.
 *
 *   empty   right where no message is there, or all that are were sent behind one that is being
 *           sent. A message is there from the end of its send to the begin of its receive. One that
 *           is being sent is before another only if its send began before the other's had ended.
 *   full    right where, from the oldest message on whose receive has not ended, as many sends
 *           have begun as the queue has places. Of the sends before it those count as well that
 *           had not ended when it began.
 *
 * HEALD_SOAK_MESSAGES=N: so many messages (default 60,000; a long run: 10,000,000).
 */
#include "message/message.h"

#include <sched.h>

enum { WORKERS = 2, CAPACITY = 4, MESSAGES_DEFAULT = 60 * 1000, LIMIT_S = 1800 };

struct span {
    uint64_t begin, end;
};

struct call {
    struct span send, receive;
};

/* The calls that were refused; those for which there is no room are not checked. */
struct refusals {
    uint64_t count;
    struct span *spans;
};

static struct book {
    uint64_t ticks, next, received, wanted;
    struct call *calls;
    struct refusals empty, full;
} * book; /* shared with the children */

static uint64_t tick(void)
{
    return __atomic_fetch_add(&book->ticks, 1, __ATOMIC_SEQ_CST);
}

static void refused(struct refusals *r, uint64_t begin)
{
    uint64_t i = __atomic_fetch_add(&r->count, 1, __ATOMIC_RELAXED);

    if (i < book->wanted)
        r->spans[i] = (struct span){begin, tick()};
    sched_yield();
}

static bool send_numbers(struct fixture *f)
{
    uint64_t number, begin;

    while ((number = __atomic_fetch_add(&book->next, 1, __ATOMIC_RELAXED)) < book->wanted) {
        while (begin = tick(), send_number(f, number, 0) != 0)
            refused(&book->full, begin);
        book->calls[number].send = (struct span){begin, tick()};
    }
    return false;
}

static bool receive_numbers(struct fixture *f)
{
    while (__atomic_load_n(&book->received, __ATOMIC_RELAXED) < book->wanted) {
        uint64_t begin = tick();
        int64_t number = receive_number(f, 0);
        if (number < 0) {
            refused(&book->empty, begin);
            continue;
        }
        book->calls[number].receive = (struct span){begin, tick()};
        __atomic_fetch_add(&book->received, 1, __ATOMIC_RELAXED);
    }
    return false;
}

static void open_book(void)
{
    const char *text = getenv("HEALD_SOAK_MESSAGES");
    uint64_t count = text ? strtoull(text, NULL, 10) : MESSAGES_DEFAULT;

    book = shared_memory(sizeof *book);
    book->wanted = count;
    book->calls = shared_memory(count * sizeof *book->calls);
    book->empty.spans = shared_memory(count * sizeof(struct span));
    book->full.spans = shared_memory(count * sizeof(struct span));
}

static void close_book(void)
{
    munmap(book->calls, book->wanted * sizeof *book->calls);
    munmap(book->empty.spans, book->wanted * sizeof(struct span));
    munmap(book->full.spans, book->wanted * sizeof(struct span));
    munmap(book, sizeof *book);
}

static int by_send_begin(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return (x->send.begin > y->send.begin) - (x->send.begin < y->send.begin);
}

static int by_send_end(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return (x->send.end > y->send.end) - (x->send.end < y->send.end);
}

/* All calls in two orders, and a place in each; the ticks are passed through from the first on. */
struct sweep {
    struct call *begun, *ended;
    uint64_t count;
    uint64_t flying;  /* in begun: the first whose send has not ended */
    uint64_t there;   /* in ended: the first whose receive has not begun */
    uint64_t oldest;  /* in begun: the first whose receive has not ended */
    uint64_t started; /* in begun: so many sends have begun */
    uint64_t before;  /* in ended: so many sends had ended when the oldest began */
};

static void sweep_open(struct sweep *s)
{
    size_t size = book->wanted * sizeof *s->begun;

    *s = (struct sweep){.begun = malloc(size), .ended = malloc(size), .count = book->wanted};
    ck_assert(s->begun && s->ended);
    memcpy(s->begun, book->calls, size);
    memcpy(s->ended, book->calls, size);
    qsort(s->begun, s->count, sizeof *s->begun, by_send_begin);
    qsort(s->ended, s->count, sizeof *s->ended, by_send_end);
}

static bool may_be_empty(struct sweep *s, uint64_t t)
{
    while (s->there < s->count && s->ended[s->there].receive.begin <= t)
        s->there++;
    while (s->flying < s->count && s->begun[s->flying].send.end < t)
        s->flying++;
    if (s->there == s->count || s->ended[s->there].send.end >= t)
        return true;
    return s->flying < s->count && s->begun[s->flying].send.begin < s->ended[s->there].send.end;
}

static bool may_be_full(struct sweep *s, uint64_t t)
{
    while (s->oldest < s->count && s->begun[s->oldest].receive.end < t)
        s->oldest++;
    while (s->started < s->count && s->begun[s->started].send.begin <= t)
        s->started++;
    if (s->oldest == s->count || s->begun[s->oldest].send.begin > t)
        return false;
    while (s->ended[s->before].send.end < s->begun[s->oldest].send.begin)
        s->before++;
    return s->started - s->before >= CAPACITY;
}

/* How many of the refusals had no moment at which they were right. */
static uint64_t count_wrong(const struct refusals *r, bool (*may_be)(struct sweep *, uint64_t))
{
    uint64_t *right_before = calloc(book->ticks + 1, sizeof *right_before), wrong = 0;
    struct sweep s;

    ck_assert_ptr_nonnull(right_before);
    sweep_open(&s);
    for (uint64_t t = 0; t < book->ticks; t++)
        right_before[t + 1] = right_before[t] + may_be(&s, t);
    for (uint64_t i = 0; i < r->count && i < book->wanted; i++)
        wrong += right_before[r->spans[i].begin] == right_before[r->spans[i].end + 1];
    free(s.begun);
    free(s.ended);
    free(right_before);
    return wrong;
}

static void run(const struct heald_queue_options *options, int workers)
{
    struct heald_queue_options o = *options;
    struct fixture f = queue_fixture();
    pid_t children[2 * WORKERS];

    o.capacity = CAPACITY;
    queue_make(&f, &o);
    open_book();
    for (int i = 0; i < 2 * workers; i++)
        children[i] = child_start(&f, i < workers ? send_numbers : receive_numbers);
    for (int i = 0; i < 2 * workers; i++)
        ck_assert_int_eq(child_end(children[i]), 0);
    printf("     %llu messages, %llu times empty, %llu times full\n",
           (unsigned long long)book->wanted, (unsigned long long)book->empty.count,
           (unsigned long long)book->full.count);
    ck_assert_uint_eq(count_wrong(&book->empty, may_be_empty), 0);
    ck_assert_uint_eq(count_wrong(&book->full, may_be_full), 0);
    close_book();
    fixture_close(&f);
}

HEALD_CASE(any_number_of_each)
{
    run(&forms[0], WORKERS);
}

HEALD_CASE(one_of_each)
{
    run(&forms[1], 1);
}

int main(void)
{
    Suite *suite = suite_create("message-answers");
    TCase *group = harness_group(suite, "answers");

    harness_limit(group, getenv("HEALD_SOAK_MESSAGES") ? LIMIT_S : 60);
    harness_add(group, any_number_of_each);
    harness_add(group, one_of_each);
    return harness_run(suite);
}
