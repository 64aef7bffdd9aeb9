/* test/message/queue.c: what a queue does while nobody dies. */
#include "message/message.h"

#include <pthread.h>
#include <time.h>

HEALD_CASE(options_are_checked)
{
    static const struct heald_queue_options wrong[] = {
        {.capacity = HEALD_QUEUE_CAPACITY_MAX + 1},
        {.priorities = HEALD_QUEUE_PRIORITIES_MAX + 1},
        {.message_max = (size_t)HEALD_QUEUE_MESSAGE_MAX + 1},
        {.flags = 32},
        {.flags = ONE_EACH | HEALD_QUEUE_DROP_OLDEST},
        {.flags = HEALD_QUEUE_VARIABLE},
        {.flags = HEALD_QUEUE_VARIABLE | HEALD_QUEUE_ONE_SENDER},
        {.flags = HEALD_QUEUE_VARIABLE | ONE_EACH, .priorities = 2},
        {.flags = HEALD_QUEUE_VARIABLE | ONE_EACH | HEALD_QUEUE_AT_MOST_ONCE},
        {.flags = HEALD_QUEUE_VARIABLE | ONE_EACH, .capacity = 4, .message_max = 113},
    };
    uint64_t memory[8];

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_uint_eq(heald_queue_size(&wrong[i]), 0);
        ck_assert_int_eq(heald_queue_init((struct heald_queue *)memory, &wrong[i]), -EINVAL);
    }
    ck_assert_uint_gt(heald_queue_size(NULL), 64 * 1024);
    ck_assert_int_eq(heald_queue_init((struct heald_queue *)((char *)memory + 4), NULL), -EINVAL);
}

/* Many times round the ring, with messages of every length. */
HEALD_CASE(messages_arrive_in_order)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        char text[32], got[32];
        for (unsigned i = 0; i < 200; i++) {
            size_t size = i % 33;
            memset(text, (int)i, sizeof text);
            ck_assert_int_eq(heald_queue_send(q, f.me, text, size, 0, HEALD_FOREVER), 0);
            memset(text, (int)i + 1, sizeof text);
            ck_assert_int_eq(heald_queue_trysend(q, f.me, text, 1, 0), 0);
            memset(got, 0, sizeof got);
            ck_assert_int_eq(heald_queue_recv(q, f.me, got, sizeof got, NULL, 0), (int)size);
            memset(text, (int)i, sizeof text);
            ck_assert_mem_eq(got, text, size);
            ck_assert_int_eq(heald_queue_tryrecv(q, f.me, got, sizeof got, NULL), 1);
            ck_assert_int_eq(got[0], (char)(i + 1));
        }
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, got, sizeof got, NULL), -EAGAIN);
    }
    fixture_close(&f);
}

HEALD_CASE(full_and_empty)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct heald_queue_info info;
        ck_assert_int_eq(receive_number(&f, in_ms(2)), -ETIMEDOUT);
        for (uint64_t i = 0; i < 4; i++)
            ck_assert_int_eq(send_number(&f, i, 0), 0);
        ck_assert_int_eq(heald_queue_trysend(q, f.me, "x", 1, 0), -EAGAIN);
        ck_assert_int_eq(send_number(&f, 4, in_ms(2)), -ETIMEDOUT);
        ck_assert_int_eq(heald_queue_describe(q, f.me, &info), 0);
        ck_assert_uint_eq(info.depth, 4);
        ck_assert_uint_eq(info.sent, 4);
        for (int64_t i = 0; i < 4; i++)
            ck_assert_int_eq(receive_number(&f, 0), i);
        ck_assert_int_eq(receive_number(&f, 0), -ETIMEDOUT);
    }
    fixture_close(&f);
}

HEALD_CASE(a_message_that_is_too_long)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct iovec few[1];
        char buf[40] = {0};
        ck_assert_int_eq(heald_queue_trysend(q, f.me, buf, 33, 0), -EMSGSIZE);
        ck_assert_int_eq(heald_queue_trysend(q, f.me, NULL, 1, 0), -EINVAL);
        ck_assert_int_eq(heald_queue_trysend(q, f.me, NULL, 0, 0), 0);
        ck_assert_int_eq(heald_queue_trysend(q, f.me, "12345", 5, 0), 0);
        ck_assert_int_eq(heald_queue_recv(q, f.me, NULL, 0, NULL, HEALD_FOREVER), 0);
        ck_assert_int_eq(heald_queue_recv(q, f.me, buf, 4, NULL, HEALD_FOREVER), -EMSGSIZE);
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, 4, NULL), -EMSGSIZE);
        few[0] = (struct iovec){buf, 4};
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, few, 1, 0), -EMSGSIZE);
        ck_assert_int_eq(heald_queue_recv(q, f.me, buf, 5, NULL, HEALD_FOREVER), 5);
        ck_assert_str_eq(buf, "12345");
    }
    fixture_close(&f);
}

HEALD_CASE(higher_priorities_come_first)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &forms[3]);
    static const unsigned order[] = {2, 2, 1, 0, 0};
    unsigned priority, value;

    ck_assert_int_eq(heald_queue_trysend(q, f.me, "x", 1, 3), -EINVAL);
    for (unsigned i = 0; i < 5; i++) {
        unsigned p = i % 3;
        ck_assert_int_eq(heald_queue_trysend(q, f.me, &i, sizeof i, (p + 2) % 3), 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, &value, sizeof value, &priority), 4);
        ck_assert_uint_eq(priority, order[i]);
        ck_assert_uint_eq((value + 2) % 3, priority);
    }
    fixture_close(&f);
}

/* The oldest goes, and is counted. */
HEALD_CASE(the_oldest_is_dropped)
{
    struct fixture f = queue_fixture();
    struct heald_queue_options options = forms[0];
    struct heald_queue_info info;
    struct heald_queue_slot slot;

    options.flags = HEALD_QUEUE_DROP_OLDEST;
    struct heald_queue *q = queue_make(&f, &options);
    for (uint64_t i = 0; i < 11; i++)
        ck_assert_int_eq(send_number(&f, i, 0), 0);
    ck_assert_int_eq(heald_queue_describe(q, f.me, &info), 0);
    ck_assert_uint_eq(info.dropped, 7);
    ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
    ck_assert_uint_eq(*(uint64_t *)slot.data, 7);
    ck_assert_int_eq(heald_queue_trysend(q, f.me, "x", 1, 0), -EAGAIN);
    ck_assert_int_eq(heald_queue_release(&slot, f.me), 0);
    ck_assert_int_eq(send_number(&f, 11, 0), 0);
    for (int64_t i = 8; i < 12; i++)
        ck_assert_int_eq(receive_number(&f, 0), i);
    fixture_close(&f);
}

HEALD_CASE(in_the_memory_of_the_queue)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct heald_queue_slot slot, copy;
        bool lane = (forms[form].flags & ONE_EACH) == ONE_EACH;
        ck_assert_int_eq(heald_queue_reserve(q, f.me, 0, &slot, 0), 0);
        ck_assert_uint_eq(slot.size, 32);
        memcpy(slot.data, "abcd", 5);
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, &copy, sizeof copy, NULL), -EAGAIN);
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, 33), -EMSGSIZE);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), -EINVAL);
        copy = slot;
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, 5), 0);
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, 5), -EINVAL);
        ck_assert_int_eq(heald_queue_commit(&copy, f.me, 5), -EINVAL);
        ck_assert_int_eq(heald_queue_reserve(q, f.me, 0, &slot, 0), 0);
        ck_assert_int_eq(heald_queue_abandon(&slot, f.me), 0);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
        ck_assert_uint_eq(slot.size, 5);
        ck_assert_str_eq(slot.data, "abcd");
        ck_assert_int_eq(slot.redelivered, 0);
        ck_assert_int_eq(heald_queue_return(&slot, f.me), 0);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
        ck_assert_int_eq(slot.redelivered, !lane);
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, 0), -EINVAL);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), 0);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), -EINVAL);
        ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), -ETIMEDOUT);
        ck_assert_int_eq(heald_queue_trypeek(q, f.me, &slot), -EAGAIN);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), -EINVAL);
        ck_assert_int_eq(heald_queue_tryreserve(q, f.me, 9, &slot), -EINVAL);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(heald_queue_tryreserve(q, f.me, 0, &slot), 0);
            ck_assert_int_eq(heald_queue_commit(&slot, f.me, 1), 0);
        }
        ck_assert_int_eq(heald_queue_tryreserve(q, f.me, 0, &slot), -EAGAIN);
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, 1), -EINVAL);
        ck_assert_int_eq(heald_queue_trypeek(q, f.me, &slot), 0);
        ck_assert_int_eq(heald_queue_release(&slot, f.me), 0);
    }
    fixture_close(&f);
}

/* What names a message stays: over deliveries, for as long as the queue lives. */
HEALD_CASE(messages_have_names)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct heald_queue_slot slot;
        uint64_t id = 0, again = 1;
        ck_assert_int_eq(heald_queue_identify(q, f.me, &id), 0);
        for (uint64_t i = 0; i < 50; i++) {
            ck_assert_int_eq(send_number(&f, i, 0), 0);
            ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
            ck_assert_uint_eq(slot.sequence, i);
            ck_assert_int_eq(heald_queue_return(&slot, f.me), 0);
            ck_assert_int_eq(heald_queue_peek(q, f.me, &slot, 0), 0);
            ck_assert_uint_eq(slot.sequence, i);
            ck_assert_int_eq(heald_queue_release(&slot, f.me), 0);
        }
        ck_assert_int_eq(heald_queue_identify(q, f.me, &again), 0);
        ck_assert(id && id == again);
        ck_assert_int_eq(heald_queue_init(q, &forms[form]), 0);
        ck_assert_int_eq(heald_queue_identify(q, f.me, &again), 0);
        ck_assert(again && id != again);
    }
    fixture_close(&f);
}

HEALD_CASE(several_at_once)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        char text[6][2] = {"0", "1", "2", "3", "4", "5"}, got[6][2];
        struct iovec out[6], in[6];
        for (int i = 0; i < 6; i++) {
            out[i] = (struct iovec){text[i], 2};
            in[i] = (struct iovec){got[i], 2};
        }
        ck_assert_int_eq(heald_queue_send_many(q, f.me, out, 0, 0, 0), -EINVAL);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, in, 0, 0), -EINVAL);
        ck_assert_int_eq(heald_queue_send_many(q, f.me, out, 6, 0, HEALD_FOREVER), 4);
        ck_assert_int_eq(heald_queue_send_many(q, f.me, out, 6, 0, 0), -ETIMEDOUT);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, in, 3, HEALD_FOREVER), 3);
        ck_assert_int_eq(heald_queue_send_many(q, f.me, out + 4, 2, 0, 0), 2);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, in + 3, 3, 0), 3);
        for (int i = 0; i < 6; i++)
            ck_assert_str_eq(got[i], text[i]);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, in, 3, 0), -ETIMEDOUT);
    }
    fixture_close(&f);
}

HEALD_CASE(a_closed_queue_is_drained)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct heald_queue_slot slot;
        struct heald_queue_info info;
        ck_assert_int_eq(send_number(&f, 1, 0), 0);
        ck_assert_int_eq(heald_queue_reserve(q, f.me, 0, &slot, 0), 0);
        ck_assert_int_eq(heald_queue_close(q, f.me), 0);
        ck_assert_int_eq(heald_queue_close(q, f.me), 0);
        ck_assert_int_eq(send_number(&f, 2, HEALD_FOREVER), -EPIPE);
        ck_assert_int_eq(heald_queue_describe(q, f.me, &info), 0);
        ck_assert_int_eq(info.closed, 1);
        ck_assert_int_eq(receive_number(&f, 0), 1);
        *(uint64_t *)slot.data = 3;
        ck_assert_int_eq(heald_queue_commit(&slot, f.me, sizeof(uint64_t)), 0);
        ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), 3);
        ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), -ENODATA);
        ck_assert_int_eq(receive_number(&f, 0), -ENODATA);
    }
    fixture_close(&f);
}

static void *receives_the_end(void *arg)
{
    struct fixture f = *(struct fixture *)arg;

    must(heald_attach(f.region, &f.me) == 0);
    set_flag(&shared_of(&f)->ready);
    int64_t got = receive_number(&f, HEALD_FOREVER);
    heald_detach(f.me);
    return (void *)(intptr_t)got;
}

HEALD_CASE(a_close_wakes_who_waits)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        pthread_t thread;
        void *got;
        ck_assert_int_eq(pthread_create(&thread, NULL, receives_the_end, &f), 0);
        until_set(&shared_of(&f)->ready);
        usleep(2000);
        ck_assert_int_eq(heald_queue_close(q, f.me), 0);
        ck_assert_int_eq(pthread_join(thread, &got), 0);
        ck_assert_int_eq((intptr_t)got, -ENODATA);
    }
    fixture_close(&f);
}

HEALD_CASE(one_sender_and_one_receiver)
{
    struct fixture f = queue_fixture();
    struct heald_participant *other;
    char buf[8];

    struct heald_queue *q = queue_make(&f, &forms[1]);
    ck_assert_int_eq(heald_attach(f.region, &other), 0);
    ck_assert_int_eq(send_number(&f, 1, 0), 0);
    ck_assert_int_eq(heald_queue_trysend(q, other, "x", 1, 0), -EPERM);
    ck_assert_int_eq(heald_queue_send(q, other, "x", 1, 0, HEALD_FOREVER), -EPERM);
    ck_assert_int_eq(receive_number(&f, 0), 1);
    ck_assert_int_eq(heald_queue_recv(q, other, buf, 8, NULL, HEALD_FOREVER), -EPERM);
    heald_detach(f.me);
    ck_assert_int_eq(heald_queue_trysend(q, f.me, "x", 1, 0), -ESTALE);
    ck_assert_int_eq(heald_queue_trysend(q, other, "xyz", 3, 0), 0);
    ck_assert_int_eq(heald_queue_recv(q, other, buf, 8, NULL, HEALD_FOREVER), 3);
    heald_detach(other);
    ck_assert_int_eq(heald_region_close(f.region), 0);
}

static int corrupt_every_word(struct fixture *f, int form)
{
    struct heald_queue *q = queue_make(f, &forms[form]);
    char buf[64];
    int refused = 0;

    for (size_t i = 0; i < heald_queue_size(&forms[form]) / 4; i++)
        for (int way = 0; way < 2; way++) {
            q = queue_make(f, &forms[form]);
            ck_assert_int_eq(send_number(f, 1, 0), 0);
            ((uint32_t *)shared_of(f)->memory)[i] = way ? UINT32_MAX : 0x5a5a5a5a;
            int err = heald_queue_trysend(q, f->me, "x", 1, 0);
            ssize_t got = heald_queue_tryrecv(q, f->me, buf, sizeof buf, NULL);
            refused += err == -EBADMSG || got == -EBADMSG;
        }
    return refused;
}

/* Whatever is in one word: an error, or a result; no crash, and no endless loop. */
HEALD_CASE(a_corrupt_queue)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++)
        ck_assert_int_gt(corrupt_every_word(&f, form), 0);
    fixture_close(&f);
}

static struct heald_object_state look_at(const struct fixture *f)
{
    struct heald_object_state state;
    uint64_t at = heald_offset(f->region, queue_of(f));

    ck_assert_int_eq(heald_object_inspect(f->region, at, HEALD_OBJECT_QUEUE, &state), 0);
    return state;
}

static bool sends_one(struct fixture *f)
{
    must(send_number(f, 7, HEALD_FOREVER) == 0);
    set_flag(&shared_of(f)->ready);
    return true;
}

/* A wait for another one costs no processor, although the only sender is dead. */
HEALD_CASE(the_only_sender_is_dead)
{
    struct fixture f = queue_fixture();

    queue_make(&f, &forms[1]);
    pid_t pid = child_start(&f, sends_one);
    until_set(&shared_of(&f)->ready);
    child_kill(pid);
    ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), 7);
    struct timespec cpu;
    ck_assert_int_eq(receive_number(&f, in_ms(1)), -ETIMEDOUT); /* the death is recorded */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    int64_t begin = cpu.tv_sec * HEALD_SEC + cpu.tv_nsec;
    ck_assert_int_eq(receive_number(&f, in_ms(400)), -ETIMEDOUT);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    if (heald_clock_now(HEALD_CLOCK_BOOT) >= 0) /* the portable platform polls */
        ck_assert_int_lt(cpu.tv_sec * HEALD_SEC + cpu.tv_nsec - begin, 100 * HEALD_MS);
    fixture_close(&f);
}

HEALD_CASE(where_to_receive_is_checked)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        struct iovec nowhere = {NULL, 8};
        ck_assert_int_eq(send_number(&f, 1, 0), 0);
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, NULL, 8, NULL), -EINVAL);
        ck_assert_int_eq(heald_queue_recv(q, f.me, NULL, 8, NULL, HEALD_FOREVER), -EINVAL);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, &nowhere, 1, HEALD_FOREVER), -EINVAL);
        ck_assert_int_eq(receive_number(&f, 0), 1);
    }
    fixture_close(&f);
}

static bool joins(struct fixture *f)
{
    must(heald_queue_join(queue_of(f), f->me) == 0);
    must(send_number(f, 7, HEALD_FOREVER) == 0);
    set_flag(&shared_of(f)->ready);
    return true;
}

/* The last one leaves, or is killed while a receiver waits. */
HEALD_CASE(the_last_sender_goes)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        ck_assert_int_eq(heald_queue_leave(q, f.me), -EPERM);
        ck_assert_int_eq(heald_queue_join(q, f.me), 0);
        ck_assert_int_eq(heald_queue_join(q, f.me), -EALREADY);
        ck_assert_int_eq(receive_number(&f, 0), -ETIMEDOUT);
        ck_assert_int_eq(heald_queue_leave(q, f.me), 0);
        ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), -EPIPE);
        pid_t pid = child_start(&f, joins);
        until_set(&shared_of(&f)->ready);
        ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), 7);
        ck_assert_int_eq(receive_number(&f, in_ms(2)), -ETIMEDOUT);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        int64_t begin = in_ms(0);
        ck_assert_int_eq(receive_number(&f, HEALD_FOREVER), -EPIPE);
        ck_assert_int_lt(in_ms(0) - begin, 2 * HEALD_SEC * harness_slow());
        child_kill(pid);
    }
    fixture_close(&f);
}

static void on_end(struct heald_op *op)
{
    *(bool *)op->data = true;
}

static bool joins_and_waits(struct fixture *f)
{
    must(heald_queue_join(queue_of(f), f->me) == 0);
    set_flag(&shared_of(f)->ready);
    return true;
}

/* The receiver waits in a loop before the first one joins, and nobody else is there to find its
 * death. */
HEALD_CASE(the_first_sender_dies_in_silence)
{
    struct fixture f = queue_fixture();
    struct heald_queue *q = queue_make(&f, &forms[0]);
    struct heald_queue_message m = {0};
    struct heald_op op = {0};
    struct heald_loop *loop;
    bool over = false;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(heald_prep_queue_recv(&op, q, f.me, &m), 0);
    op.data = &over;
    op.deadline_ns = in_ms(2000 * harness_slow());
    ck_assert_int_eq(heald_submit(loop, &op, on_end), 0);
    ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    pid_t pid = child_start(&f, joins_and_waits);
    until_set(&shared_of(&f)->ready);
    child_kill(pid);
    while (!over)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_op_result(&op), -EPIPE);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

HEALD_CASE(looked_at_from_outside)
{
    struct fixture f = queue_fixture();

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        unsigned all = look_at(&f).max;
        struct heald_queue_slot slot;
        ck_assert_uint_eq(all, form == 3 ? 12 : 4);
        ck_assert_uint_eq(look_at(&f).free, all);
        ck_assert_int_eq(send_number(&f, 1, 0), 0);
        ck_assert_int_eq(send_number(&f, 2, 0), 0);
        ck_assert_int_eq(receive_number(&f, 0), 1);
        struct heald_object_state state = look_at(&f);
        ck_assert_uint_eq(state.messages, 1);
        ck_assert_uint_eq(state.free, all - 1);
        ck_assert_int_eq(state.condition, HEALD_OBJECT_FREE);
        ck_assert_int_eq(heald_queue_reserve(q, f.me, 0, &slot, 0), 0);
        state = look_at(&f);
        ck_assert_uint_eq(state.holder_count, (forms[form].flags & ONE_EACH) == ONE_EACH ? 0 : 1);
        ck_assert_int_eq(heald_queue_close(q, f.me), 0);
        ck_assert_int_eq(look_at(&f).condition, HEALD_OBJECT_DONE);
    }
    fixture_close(&f);
}

/* Longer than what is looked at, cell by cell. */
HEALD_CASE(a_long_one_from_outside)
{
    static const struct heald_queue_options o = {.capacity = 8192, .message_max = 48};
    struct fixture f = queue_fixture();

    queue_make(&f, &o);
    for (uint64_t i = 0; i < 9000; i++) {
        ck_assert_int_eq(send_number(&f, i, 0), 0);
        if (i < 3000)
            ck_assert_int_eq(receive_number(&f, 0), (int64_t)i);
    }
    struct heald_object_state state = look_at(&f);
    ck_assert_uint_eq(state.messages, 6000);
    ck_assert_uint_eq(state.free, 8192 - 6000);
    fixture_close(&f);
}

/* Opens a queue of which none can be made, or one with other options: why. */
static const char *refuse(struct fixture *f, struct heald_queue_options o, int err)
{
    static struct heald_why why;
    struct heald_queue *queue;

    why.text[0] = 0;
    o.ret_why = &why;
    ck_assert_int_eq(heald_queue_open(f->me, "jobs", &o, &queue), err);
    return why.text;
}

HEALD_CASE(a_refusal_says_why)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024, .heap_max = 1 << 20});
    struct heald_queue_options o = {.capacity = (1 << 20) + 1}, jobs = forms[0];
    struct heald_queue *queue;

    ck_assert_str_eq(refuse(&f, o, -EINVAL), "capacity: 1048577 is above 1048576");
    o = (struct heald_queue_options){.priorities = 33};
    ck_assert_str_eq(refuse(&f, o, -EINVAL), "priorities: 33 is above 32");
    o = (struct heald_queue_options){.flags = 64 | HEALD_QUEUE_ONE_SENDER};
    ck_assert_str_eq(refuse(&f, o, -EINVAL), "flags: there is none of 64");
    o = (struct heald_queue_options){.flags = ONE_EACH | HEALD_QUEUE_DROP_OLDEST};
    ck_assert_str_eq(refuse(&f, o, -EINVAL),
                     "flags: DROP_OLDEST is not for one sender and one receiver");
    o = (struct heald_queue_options){.message_max = 1 << 20};
    ck_assert_ptr_nonnull(
        strstr(refuse(&f, o, -ENOMEM), "jobs: the heap of the region has not 67"));
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &jobs, &queue), 0);
    jobs.priorities = 2;
    ck_assert_str_eq(refuse(&f, jobs, -EPROTOTYPE), "priorities: the queue has 1, not 2");
    jobs = forms[2];
    ck_assert_str_eq(refuse(&f, jobs, -EPROTOTYPE), "flags: the queue has 0, not 4");
    jobs = forms[0];
    jobs.message_max = 100000;
    ck_assert_str_eq(refuse(&f, jobs, -EPROTOTYPE), "message_max: the queue has 32, not 100000");
    jobs.ret_why = &(struct heald_why){""};
    ck_assert_int_eq(heald_queue_open(f.me, "a/b", &jobs, &queue), -EINVAL);
    ck_assert_str_eq(jobs.ret_why->text, "name: it has 1 to 47 bytes, none of them a slash");
    fixture_close(&f);
}

HEALD_CASE(by_name)
{
    struct heald_queue *a, *b;
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024, .heap_max = 1 << 20});
    struct heald_queue_options other = forms[0];
    void *memory;

    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &forms[0], &a), 0);
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &forms[0], &b), 0);
    ck_assert_ptr_eq(a, b);
    other.priorities = 2;
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &other, &b), -EPROTOTYPE);
    other.capacity = 3;
    other.priorities = 1;
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &other, &b), 0);
    b = NULL;
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", NULL, &b), 0);
    ck_assert_ptr_eq(a, b);
    other = (struct heald_queue_options){.message_max = 32};
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &other, &b), 0);
    other.flags = HEALD_QUEUE_AT_MOST_ONCE;
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &other, &b), -EPROTOTYPE);
    ck_assert_int_eq(heald_queue_open(f.me, "once", &other, &b), 0);
    ck_assert_int_eq(heald_queue_open(f.me, "once", &(struct heald_queue_options){0}, &b),
                     -EPROTOTYPE);
    ck_assert_int_eq(heald_queue_open(f.me, "once", NULL, &b), 0);
    ck_assert_int_eq(heald_queue_open(f.me, "jobs", &(struct heald_queue_options){.flags = 99}, &b),
                     -EINVAL);
    ck_assert_int_eq(heald_object_find(f.me, "jobs", HEALD_OBJECT_QUEUE, 0, &memory), 0);
    ck_assert_int_eq(heald_queue_trysend(a, f.me, "abc", 3, 0), 0);
    ck_assert_int_eq(heald_queue_tryrecv(memory, f.me, &other, 3, NULL), 3);
    ck_assert_int_eq(heald_object_remove(f.me, "jobs"), 0);
    fixture_close(&f);
}

/* A message that says that it is longer than it can be is not read: what is behind its cell, and
 * behind the region, is none of it. */
HEALD_CASE(a_corrupt_length)
{
    enum { ROOM = 1 << 20 };
    struct fixture f = queue_fixture();
    char *buf = malloc(ROOM);
    struct iovec one = {buf, ROOM};
    struct heald_queue_slot slot;

    for (int form = 0; form < FORMS; form++) {
        struct heald_queue *q = queue_make(&f, &forms[form]);
        ck_assert_int_eq(heald_queue_trysend(q, f.me, "in its cell", 12, 0), 0);
        char *at = memmem(q, heald_queue_size(&forms[form]), "in its cell", 12);
        memcpy(at - 8, &(uint32_t){ROOM}, 4);
        ck_assert_int_eq(heald_queue_tryrecv(q, f.me, buf, ROOM, NULL), -EBADMSG);
        ck_assert_int_eq(heald_queue_recv(q, f.me, buf, ROOM, NULL, HEALD_FOREVER), -EBADMSG);
        ck_assert_int_eq(heald_queue_recv_many(q, f.me, &one, 1, HEALD_FOREVER), -EBADMSG);
        ck_assert_int_eq(heald_queue_trypeek(q, f.me, &slot), -EBADMSG);
    }
    free(buf);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-queue");
    TCase *group = harness_group(suite, "queue");

    harness_add(group, options_are_checked);
    harness_add(group, messages_arrive_in_order);
    harness_add(group, full_and_empty);
    harness_add(group, a_message_that_is_too_long);
    harness_add(group, higher_priorities_come_first);
    harness_add(group, the_oldest_is_dropped);
    harness_add(group, in_the_memory_of_the_queue);
    harness_add(group, messages_have_names);
    harness_add(group, several_at_once);
    harness_add(group, a_closed_queue_is_drained);
    harness_add(group, a_close_wakes_who_waits);
    harness_add(group, one_sender_and_one_receiver);
    harness_add(group, a_corrupt_queue);
    harness_add(group, a_corrupt_length);
    harness_add(group, the_only_sender_is_dead);
    harness_add(group, where_to_receive_is_checked);
    harness_add(group, the_last_sender_goes);
    harness_add(group, the_first_sender_dies_in_silence);
    harness_add(group, looked_at_from_outside);
    harness_add(group, a_long_one_from_outside);
    harness_add(group, a_refusal_says_why);
    harness_add(group, by_name);
    return harness_run(suite);
}
