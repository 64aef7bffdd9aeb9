/* test/message/variable.c: messages that take as many cells of a lane as they need. */
#include "message/message.h"

#include "harness/seeds.h"

enum { UNITS = 16, LONGEST = 8 * 64 - 16 };

static const struct heald_queue_options variable = {
    .capacity = UNITS, .message_max = LONGEST, .flags = ONE_EACH | HEALD_QUEUE_VARIABLE};

static void fill(char *buf, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (char)(seed * 31 + i * 7);
}

static void expect(struct heald_queue *q, struct heald_participant *me, size_t size, unsigned seed)
{
    char got[LONGEST], want[LONGEST];

    fill(want, size, seed);
    ck_assert_int_eq(heald_queue_tryrecv(q, me, got, sizeof got, NULL), (int)size);
    ck_assert_mem_eq(got, want, size);
}

/* Every length, at every place of the ring. */
HEALD_CASE(every_length_at_every_place)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &variable);
    char buf[LONGEST];
    unsigned seed = 0;

    for (size_t size = 0; size <= LONGEST; size++)
        for (int i = 0; i < UNITS + 1; i++, seed++) {
            fill(buf, size, seed);
            ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, size, 0), 0);
            expect(q, f.me, size, seed);
            ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 1, 0), 0);
            fill(buf, 1, seed);
            ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, 1, NULL), 1);
        }
    ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, LONGEST + 1, 0), -EMSGSIZE);
    fixture_close(&f);
}

/* More short ones than long ones. */
HEALD_CASE(room_is_taken_by_what_is_sent)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &variable);
    char buf[LONGEST] = {0};
    struct heald_queue_info info;

    for (int i = 0; i < UNITS; i++)
        ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 48, 0), 0);
    ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 0, 0), -EAGAIN);
    ck_assert_int_eq(heald_queue_describe(q, f.me, &info), 0);
    ck_assert_uint_eq(info.depth, UNITS);
    ck_assert_uint_eq(info.sent, UNITS);
    for (int i = 0; i < UNITS; i++)
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, sizeof buf, NULL), 48);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, LONGEST, 0), 0);
    ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 0, 0), -EAGAIN);
    ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, 100, NULL), -EMSGSIZE);
    ck_assert_int_eq(heald_queue_describe(q, f.me, &info), 0);
    ck_assert_uint_eq(info.depth, 2);
    fixture_close(&f);
}

/* A reserve asks for room for the longest; a commit takes what it needs. */
HEALD_CASE(in_place)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &variable);
    struct heald_queue_slot slot, copy;
    unsigned seed = 0;

    for (size_t size = 0; size < LONGEST; size += 5, seed++) {
        ck_assert_int_eq(heald_queue_reserve(q, f.me, 0, &slot, 0), 0);
        ck_assert_uint_eq(slot.size, LONGEST);
        fill(slot.data, size, seed);
        copy = slot;
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, size), 0);
        ck_assert_int_eq(heald_queue_commit(&copy, f.me, size), -EINVAL);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
        ck_assert_uint_eq(slot.size, size);
        ck_assert_int_eq(heald_queue_return(&slot, f.me), 0);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
        copy = slot;
        copy.size += 64;
        ck_assert_int_eq(heald_queue_release(&copy, f.me), -EINVAL);
        char want[LONGEST];
        fill(want, size, seed);
        ck_assert_mem_eq(slot.data, want, size);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), 0);
        ck_assert_int_eq(heald_queue_release(&copy, f.me), -EINVAL);
    }
    fixture_close(&f);
}

enum { MANY = 20000 };

static size_t some_size(struct rng *random)
{
    return rng_below(random, 4) ? rng_below(random, 100) : rng_below(random, LONGEST + 1);
}

static void send_all(struct fixture *f)
{
    struct rng random = rng_of(1, 1);
    char buf[LONGEST];

    for (unsigned i = 0; i < MANY; i++) {
        size_t size = some_size(&random);
        fill(buf, size, i);
        must(heald_queue_send(queue_of(f), f->me, buf, size, 0, HEALD_FOREVER) == 0);
    }
    must(heald_queue_close(queue_of(f), f->me) == 0);
}

/* Between two processes, one at a time and several. */
HEALD_CASE(two_processes)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &variable);
    struct rng random = rng_of(1, 1);
    char bufs[4][LONGEST], want[LONGEST];
    unsigned received = 0;
    int n;

    pid_t child = fork();
    if (child == 0) {
        must(heald_attach(f.region, &f.me) == 0);
        send_all(&f);
        _exit(0);
    }
    for (;;) {
        struct iovec iov[4];
        for (int i = 0; i < 4; i++)
            iov[i] = (struct iovec){bufs[i], LONGEST};
        n = heald_queue_recv_many(q, f.me, iov, 1 + (int)received % 4, HEALD_FOREVER);
        if (n < 0)
            break;
        for (int i = 0; i < n; i++, received++) {
            size_t size = some_size(&random);
            fill(want, size, received);
            ck_assert_uint_eq(iov[i].iov_len, size);
            ck_assert_mem_eq(bufs[i], want, size);
        }
    }
    ck_assert_int_eq(n, -ENODATA);
    ck_assert_uint_eq(received, MANY);
    ck_assert_int_eq(child_end(child), 0);
    fixture_close(&f);
}

/* As many as fit; the first waits for its own room alone. */
HEALD_CASE(several_at_once)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &variable);
    char buf[LONGEST] = {0};
    struct iovec iov[] = {{buf, 10}, {buf, LONGEST}, {buf, 400}, {buf, 0}, {buf, LONGEST}};

    ck_assert_int_eq(heald_queue_send_many(q, f.me, iov, 5, 0, 0), 3);
    char got[LONGEST];
    ck_assert_int_eq(heald_queue_tryrecv(q, f.me, got, sizeof got, NULL), 10);
    ck_assert_int_eq(heald_queue_send_many(q, f.me, iov, 5, 0, 0), 1);
    ck_assert_int_eq(heald_queue_send_many(q, f.me, iov + 1, 1, 0, 0), -ETIMEDOUT);
    fixture_close(&f);
}

/* Whatever is in the cells, nothing outside of the queue is touched. */
HEALD_CASE(lengths_that_are_wrong)
{
    static const uint32_t wrong[] = {LONGEST + 1000, 1u << 20, UINT32_MAX, UINT32_MAX - 1};

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fixture f = queue_fixture();
        struct heald_queue *q = queue_make(&f, &variable);
        struct heald_queue_slot slot;
        char buf[LONGEST] = {0};
        ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 100, 0), 0);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
        memcpy((char *)slot.data - 8, &wrong[i], sizeof wrong[i]);
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, sizeof buf, NULL), -EBADMSG);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), -EINVAL);
        fixture_close(&f);
    }
}

int main(void)
{
    Suite *suite = suite_create("message-variable");
    TCase *group = harness_group(suite, "variable");

    harness_add(group, every_length_at_every_place);
    harness_add(group, room_is_taken_by_what_is_sent);
    harness_add(group, in_place);
    harness_add(group, two_processes);
    harness_add(group, several_at_once);
    harness_add(group, lengths_that_are_wrong);
    return harness_run(suite);
}
