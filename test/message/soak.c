/*
 * test/message/soak.c: senders and receivers that are killed at random, and each message accounted
 * for; and the order of messages between processes that live, by a history of all calls.
 *
 * HEALD_SOAK_MESSAGES=N: so many messages in each case (default 60,000; a long run: 10,000,000).
 */
#include "message/message.h"

#include "harness/seeds.h"

enum { WORKERS = 3, MESSAGES_DEFAULT = 60 * 1000, KILL_EVERY_US = 2000, LIMIT_S = 1800 };

/* What became of a message: intended, sent (the call returned), and how often it was received. */
struct account {
    uint8_t state, got;
};

/* The ticks at which the calls for a message began and ended. */
struct history {
    uint64_t send_begin, send_end, recv_begin, recv_end;
};

struct book {
    uint64_t next, wanted, ticks, received, duplicates;
    struct account *accounts;
    struct history *histories;
};

static struct book *book; /* shared with the children */

static uint64_t messages_wanted(void)
{
    const char *text = getenv("HEALD_SOAK_MESSAGES");
    return text ? strtoull(text, NULL, 10) : MESSAGES_DEFAULT;
}

static void open_book(bool with_history)
{
    uint64_t count = messages_wanted();

    book = shared_memory(sizeof *book);
    book->wanted = count;
    book->accounts = shared_memory((count + WORKERS) * sizeof *book->accounts);
    if (with_history)
        book->histories = shared_memory((count + WORKERS) * sizeof *book->histories);
}

static void close_book(void)
{
    uint64_t count = book->wanted;

    munmap(book->accounts, (count + WORKERS) * sizeof *book->accounts);
    if (book->histories)
        munmap(book->histories, (count + WORKERS) * sizeof *book->histories);
    munmap(book, sizeof *book);
}

static uint64_t tick(void)
{
    return __atomic_fetch_add(&book->ticks, 1, __ATOMIC_SEQ_CST);
}

/* A child that has done its work. */
static bool leave(struct fixture *f)
{
    heald_detach(f->me);
    return false;
}

/* Sends one number after another. */
static bool send_numbers(struct fixture *f)
{
    for (;;) {
        uint64_t number = __atomic_fetch_add(&book->next, 1, __ATOMIC_RELAXED);
        if (number >= book->wanted)
            return leave(f);
        __atomic_store_n(&book->accounts[number].state, 1, __ATOMIC_RELEASE);
        if (book->histories)
            book->histories[number].send_begin = tick();
        must(send_number(f, number, HEALD_FOREVER) == 0);
        if (book->histories)
            book->histories[number].send_end = tick();
        __atomic_store_n(&book->accounts[number].state, 2, __ATOMIC_RELEASE);
    }
}

/* A message is noted before it is released: if this process is killed between the two it is
 * received twice, and says so. */
static bool receive_numbers(struct fixture *f)
{
    struct heald_queue_slot slot;
    int err;

    for (;;) {
        uint64_t begin = book->histories ? tick() : 0;
        err = heald_queue_peek(queue_of(f), f->me, &slot, HEALD_FOREVER);
        if (err == -ENODATA)
            return leave(f);
        must(err == 0 && slot.size == sizeof(uint64_t));
        uint64_t number = *(uint64_t *)slot.data;
        must(number < book->wanted);
        bool again = __atomic_fetch_add(&book->accounts[number].got, 1, __ATOMIC_RELAXED) > 0;
        must(!again || slot.redelivered);
        __atomic_fetch_add(again ? &book->duplicates : &book->received, 1, __ATOMIC_RELAXED);
        must(heald_queue_release(&slot, f->me) == 0);
        if (book->histories) {
            book->histories[number].recv_begin = begin;
            book->histories[number].recv_end = tick();
        }
    }
}

/* Kills one after another, and starts it anew, until all numbers were given out. How many. */
static unsigned kill_at_random(struct fixture *f, struct rng *random, pid_t senders[],
                               pid_t receivers[])
{
    unsigned kills = 0;

    while (__atomic_load_n(&book->next, __ATOMIC_RELAXED) < book->wanted) {
        unsigned who = rng_below(random, 2 * WORKERS);
        pid_t *pid = who < WORKERS ? &senders[who] : &receivers[who - WORKERS];
        usleep((useconds_t)rng_below(random, KILL_EVERY_US));
        child_kill(*pid);
        *pid = child_start(f, who < WORKERS ? send_numbers : receive_numbers);
        kills++;
    }
    return kills;
}

static void check_accounts(struct fixture *f, unsigned kills)
{
    struct heald_queue_info info;
    uint64_t lost = 0, unsent = 0;

    for (uint64_t i = 0; i < book->wanted; i++) {
        lost += book->accounts[i].state == 2 && !book->accounts[i].got;
        unsent += book->accounts[i].state == 1 && !book->accounts[i].got;
        ck_assert(book->accounts[i].state || !book->accounts[i].got);
    }
    printf("     %llu messages, %u kills, %llu received again, %llu killed before they were sent\n",
           (unsigned long long)book->received, kills, (unsigned long long)book->duplicates,
           (unsigned long long)unsent);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_le(book->duplicates, kills);
    ck_assert_uint_le(unsent, kills);
    ck_assert_int_eq(heald_queue_describe(queue_of(f), f->me, &info), 0);
    ck_assert_uint_eq(info.depth + info.sending + info.receiving, 0);
}

HEALD_CASE(each_message_is_accounted_for)
{
    struct heald_queue_options o = forms[0];
    struct fixture f = queue_fixture();
    pid_t senders[WORKERS], receivers[WORKERS];
    struct rng random = rng_of((uint64_t)getpid(), 1);

    o.capacity = 16;
    queue_make(&f, &o);
    open_book(false);
    for (int i = 0; i < WORKERS; i++) {
        senders[i] = child_start(&f, send_numbers);
        receivers[i] = child_start(&f, receive_numbers);
    }
    unsigned kills = kill_at_random(&f, &random, senders, receivers);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(child_end(senders[i]), 0);
    ck_assert_int_eq(heald_queue_close(queue_of(&f), f.me), 0);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(child_end(receivers[i]), 0);
    check_accounts(&f, kills);
    close_book();
    fixture_close(&f);
}

static int by_send_begin(const void *a, const void *b)
{
    const struct history *x = a, *y = b;
    return (x->send_begin > y->send_begin) - (x->send_begin < y->send_begin);
}

static int by_send_end(const void *a, const void *b)
{
    const struct history *x = a, *y = b;
    return (x->send_end > y->send_end) - (x->send_end < y->send_end);
}

/*
 * First in, first out: no message was sent after another (its call began when the other's had
 * returned) and received before it (its receipt ended before the other began). A receive
 * begins here when its call does, so a receiver that waits overlaps all that come meanwhile.
 */
static void check_order(const struct history *histories, uint64_t count)
{
    struct history *begun = malloc(count * sizeof *begun), *ended = malloc(count * sizeof *ended);
    uint64_t latest = 0, i = 0;

    ck_assert(begun && ended);
    memcpy(begun, histories, count * sizeof *begun);
    memcpy(ended, histories, count * sizeof *ended);
    qsort(begun, count, sizeof *begun, by_send_begin);
    qsort(ended, count, sizeof *ended, by_send_end);
    for (uint64_t b = 0; b < count; b++) {
        for (; i < count && ended[i].send_end < begun[b].send_begin; i++)
            latest = ended[i].recv_begin > latest ? ended[i].recv_begin : latest;
        ck_assert_msg(latest < begun[b].recv_end, "a message overtook another");
    }
    free(begun);
    free(ended);
}

static void run_in_order(const struct heald_queue_options *options, int workers)
{
    struct fixture f = queue_fixture();
    pid_t senders[WORKERS], receivers[WORKERS];

    queue_make(&f, options);
    open_book(true);
    for (int i = 0; i < workers; i++) {
        senders[i] = child_start(&f, send_numbers);
        receivers[i] = child_start(&f, receive_numbers);
    }
    for (int i = 0; i < workers; i++)
        ck_assert_int_eq(child_end(senders[i]), 0);
    ck_assert_int_eq(heald_queue_close(queue_of(&f), f.me), 0);
    for (int i = 0; i < workers; i++)
        ck_assert_int_eq(child_end(receivers[i]), 0);
    ck_assert_uint_eq(book->received, book->wanted);
    ck_assert_uint_eq(book->duplicates, 0);
    check_order(book->histories, book->wanted);
    close_book();
    fixture_close(&f);
}

HEALD_CASE(no_message_overtakes_another)
{
    struct heald_queue_options o = forms[0];

    o.capacity = 16;
    run_in_order(&o, 2);
}

HEALD_CASE(nor_with_one_of_each)
{
    struct heald_queue_options o = forms[1];

    o.capacity = 16;
    run_in_order(&o, 1);
}

HEALD_CASE(nor_with_messages_of_several_cells)
{
    struct heald_queue_options o = forms[4];

    o.capacity = 16;
    run_in_order(&o, 1);
}

int main(void)
{
    Suite *suite = suite_create("message-soak");
    TCase *group = harness_group(suite, "soak");

    harness_limit(group, getenv("HEALD_SOAK_MESSAGES") ? LIMIT_S : 60);
    harness_add(group, each_message_is_accounted_for);
    harness_add(group, no_message_overtakes_another);
    harness_add(group, nor_with_one_of_each);
    harness_add(group, nor_with_messages_of_several_cells);
    return harness_run(suite);
}
