/*
 * test/fault/growth.c: a ring that opens small and grows (ring/resize.h), with ops in every state
 * while it does, and growth that is refused. Each op is brought back exactly once.
 */
#include "fault/scene_client.h"
#include "harness/harness.h"
#include "harness/seeds.h"
#include "platform/sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SMALL = 256,
    ENTRIES = 4096,
    MANY = 20000,
    FLOOD = 1500,
    FLOOD_ENTRIES = 512,
    BATCH = SMALL / 2, /* so many never fill the submission ring */
    CONNECTIONS = 40,
    BURST = 2500, /* more than the first growth gives */
    ROUNDS = 40,
    SEEDS = 20
};

/* Bytes of rings that are mapped. */
static size_t mapped(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    size_t sum = 0, from, to;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        if (strstr(line, "io_uring") && sscanf(line, "%zx-%zx", &from, &to) == 2)
            sum += to - from;
    fclose(f);
    return sum;
}

static unsigned entries_of(const struct scene *s)
{
    ck_assert_uint_eq(s->client.ring.entries, *s->client.ring.ring.sq.kring_entries);
    return s->client.ring.entries;
}

/* A ring that can grow. Where none can, it must be whole at once. */
static void growing_open(struct scene *s, unsigned entries)
{
    scene_open(s, entries);
    if (entries_of(s) != SMALL) {
        ck_assert_uint_eq(entries_of(s), entries);
        scene_close(s);
        harness_skip("rings cannot be resized here, or not safely: see src/ring/resize.c");
    }
    ck_assert_uint_eq(s->client.ring.limit, entries);
}

/* Polls that the kernel has, handed over in batches that fit. */
static void pend(struct scene *s, struct item *items, int count)
{
    for (int i = 0; i < count; i += BATCH) {
        scene_submit_polls(s, items + i, count - i < BATCH ? count - i : BATCH);
        scene_hand_over(s);
    }
}

HEALD_CASE(small_at_first_and_large_under_load)
{
    struct item *items = calloc(MANY, sizeof *items);
    struct scene s;

    growing_open(&s, ENTRIES);
    size_t small = mapped();
    ck_assert_uint_le(small, 10 * 4096);
    scene_ring(&s);
    scene_submit_polls(&s, items, MANY);
    scene_turn_until(&s, MANY);
    scene_check(items, MANY, POLLIN);
    ck_assert_uint_eq(entries_of(&s), ENTRIES);
    ck_assert_uint_eq(*s.client.ring.ring.cq.kring_entries, 4 * ENTRIES);
    ck_assert_uint_ge(mapped(), ENTRIES * (sizeof(struct io_uring_sqe) + 64));
    scene_close(&s);
    ck_assert_uint_eq(mapped(), 0);
    free(items);
}

HEALD_CASE(small_where_little_is_done)
{
    struct item items[BATCH] = {0};
    struct scene s;

    growing_open(&s, ENTRIES);
    scene_ring(&s);
    for (int i = 1; i <= ROUNDS; i++) {
        memset(items, 0, sizeof items);
        scene_submit_polls(&s, items, BATCH);
        scene_turn_until(&s, i * BATCH);
    }
    ck_assert_uint_eq(entries_of(&s), SMALL);
    ck_assert_int_eq(scene_refuses[HEALD_GATE_RING_RESIZE].asked, 0);
    scene_close(&s);
}

/* More completions than there is room for, and nobody takes them. The entries always have room. */
static void overflow(struct scene *s, struct item *items)
{
    scene_ring(s);
    for (int i = 0; i < FLOOD; i += BATCH) {
        scene_submit_polls(s, items + i, FLOOD - i < BATCH ? FLOOD - i : BATCH);
        ck_assert_int_eq(heald__ring_flush(&s->client.ring), 0);
    }
    ck_assert_uint_eq(entries_of(s), SMALL);
    ck_assert(heald__ring_behind(&s->client.ring));
}

/* Some entries are not handed over
 * when it grows. */
HEALD_CASE(more_completions_than_room)
{
    struct item *items = calloc(FLOOD, sizeof *items), late[BATCH] = {0};
    struct scene s;

    growing_open(&s, FLOOD_ENTRIES);
    overflow(&s, items);
    scene_submit_polls(&s, late, BATCH);
    scene_turn_until(&s, FLOOD + BATCH);
    ck_assert_uint_eq(entries_of(&s), FLOOD_ENTRIES);
    scene_check(items, FLOOD, POLLIN);
    scene_check(late, BATCH, POLLIN);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, FLOOD + BATCH);
    scene_close(&s);
    free(items);
}

/* Some completions are in the ring when it is filled, and nobody has taken them. */
HEALD_CASE(completions_that_wait_are_kept)
{
    struct item *first = calloc(BATCH, sizeof *first), *rest = calloc(MANY, sizeof *rest);
    struct scene s;

    growing_open(&s, ENTRIES);
    scene_ring(&s);
    scene_submit_polls(&s, first, BATCH);
    ck_assert_int_eq(heald__ring_enter(&s.client.ring, 0), 0);
    ck_assert_uint_eq(io_uring_cq_ready(&s.client.ring.ring), BATCH);
    scene_submit_polls(&s, rest, MANY);
    ck_assert_uint_eq(entries_of(&s), ENTRIES);
    ck_assert_int_eq(s.over, 0);
    scene_turn_until(&s, BATCH + MANY);
    scene_check(first, BATCH, POLLIN);
    scene_check(rest, MANY, POLLIN);
    scene_close(&s);
    free(first);
    free(rest);
}

static int connect_one(const struct heald_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, &addr->u.sa, addr->len), 0);
    return fd;
}

/* Takes what has come to a multishot accept; how many. */
static int take_results(struct scene *s, struct item *item)
{
    int n = 0;

    for (; item->op.flags & OP_DUE; n++) {
        ck_assert_int_ge(item->result, 0);
        close((int)item->result);
        item->op.flags &= (uint8_t)~OP_DUE;
        heald__client_next(&s->client, &item->op);
    }
    return n;
}

HEALD_CASE(multishot_goes_on)
{
    struct item accept = {0}, *items = calloc(CONNECTIONS * BURST, sizeof *items);
    int fds[CONNECTIONS], taken = 0, listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    struct heald_addr addr;
    struct scene s;

    growing_open(&s, ENTRIES);
    ck_assert_int_eq(heald_local_addr(listener, &addr), 0);
    heald_prep_accept_multishot(&accept.op, listener);
    scene_submit(&s, &accept);
    scene_hand_over(&s);
    scene_ring(&s);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_one(&addr);
        scene_submit_polls(&s, items + i * BURST, BURST);
        scene_turn_until(&s, (i + 1) * BURST);
    }
    ck_assert_uint_eq(entries_of(&s), ENTRIES);
    for (int i = 0; taken < CONNECTIONS && i < TURNS_MAX; i++) {
        ck_assert_int_eq(heald__client_turn(&s.client, 0), 0);
        taken += take_results(&s, &accept);
    }
    ck_assert_int_eq(taken, CONNECTIONS);
    ck_assert_int_eq(accept.ends, 0);
    scene_check(items, CONNECTIONS * BURST, POLLIN);
    scene_cancel(&s, &accept);
    scene_turn_until(&s, CONNECTIONS * BURST + 1);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    close(listener);
    scene_close(&s);
    free(items);
}

/* What an entry points to beside it stays right until the kernel has it. */
HEALD_CASE(messages_arrive_once)
{
    enum { MESSAGES = 1000 };
    struct item *items = calloc(MESSAGES, sizeof *items);
    struct iovec iov[MESSAGES];
    unsigned ids[MESSAGES], got[MESSAGES], seen[MESSAGES] = {0};
    int fds[2];
    struct scene s;

    growing_open(&s, ENTRIES);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &(int){8 << 20}, sizeof(int)) < 0)
        harness_skip("a buffer of %d MiB needs CAP_NET_ADMIN", 8);
    for (unsigned i = 0; i < MESSAGES; i++) {
        ids[i] = i;
        iov[i] = (struct iovec){&ids[i], sizeof ids[i]};
        heald_prep_writev(&items[i].op, fds[0], &iov[i], 1, -1);
        items[i].op.buffer = FD_STREAM;
        scene_submit(&s, &items[i]);
    }
    scene_turn_until(&s, MESSAGES);
    scene_check(items, MESSAGES, sizeof *ids);
    ck_assert_uint_ge(entries_of(&s), 512);
    ck_assert_int_eq(recv(fds[1], got, sizeof got, MSG_WAITALL), sizeof got);
    for (unsigned i = 0; i < MESSAGES; i++) {
        ck_assert_uint_lt(got[i], MESSAGES);
        ck_assert_uint_eq(seen[got[i]]++, 0);
    }
    close(fds[0]);
    close(fds[1]);
    scene_close(&s);
    free(items);
}

/* Submits, cancels, lets end and refuses as a seed says. */
static void play(struct scene *s, struct rng *rng, struct item *items, int count)
{
    int submitted = 0;

    while (submitted < count) {
        int n = (int)rng_below(rng, 3 * SMALL) + 1;
        n = n < count - submitted ? n : count - submitted;
        scene_refuse_enters(rng_below(rng, 4) == 0);
        scene_submit_polls(s, items + submitted, n);
        submitted += n;
        for (int i = 0; i < n; i++) {
            struct item *item = &items[rng_below(rng, (unsigned)submitted)];
            if (!item->ends && item->op.state == OP_ARMED)
                scene_cancel(s, item);
        }
        scene_refuse_enters(false);
        if (rng_below(rng, 3) == 0)
            ck_assert_int_eq(heald__client_turn(&s->client, 0), 0);
    }
}

HEALD_CASE(cancels_and_withdrawals)
{
    enum { COUNT = 3000 };
    struct item *items = calloc(COUNT, sizeof *items);
    struct rng rng = rng_of((uint64_t)_i, 1);
    struct scene s;

    growing_open(&s, FLOOD_ENTRIES);
    play(&s, &rng, items, COUNT);
    scene_ring(&s);
    scene_turn_until(&s, COUNT);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, COUNT);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(items[i].ends, 1);
        ck_assert(items[i].result == POLLIN || items[i].result == -ECANCELED);
    }
    ck_assert_uint_eq(entries_of(&s), FLOOD_ENTRIES);
    scene_close(&s);
    free(items);
}

/* It is still found by it, and can be withdrawn. */
HEALD_CASE(an_entry_keeps_its_number)
{
    struct item *items = calloc(FLOOD, sizeof *items);
    struct scene s;

    growing_open(&s, ENTRIES);
    pend(&s, items, FLOOD / 2);
    scene_submit_polls(&s, items + FLOOD / 2, FLOOD / 2);
    ck_assert_uint_gt(entries_of(&s), SMALL);
    unsigned last = heald__ring_last(&s.client.ring);
    ck_assert_uint_eq(last, FLOOD / 2 * 2 - 1);
    ck_assert(!heald__ring_taken(&s.client.ring, last));
    scene_cancel(&s, &items[FLOOD / 2 * 2 - 1]);
    ck_assert_int_eq(s.over, 1);
    scene_ring(&s);
    scene_turn_until(&s, FLOOD / 2 * 2);
    scene_close(&s);
    free(items);
}

static const int errors[] = {ENOMEM, EINVAL, EACCES, EOVERFLOW};

/* It goes on as it is, and does not ask again and again. */
HEALD_CASE(refused_by_the_kernel)
{
    struct item *items = calloc(MANY, sizeof *items);
    struct refusal *refusal = &scene_refuses[HEALD_GATE_RING_RESIZE];
    struct scene s;

    growing_open(&s, ENTRIES);
    *refusal = (struct refusal){.count = 1, .err = errors[_i]};
    pend(&s, items, FLOOD);
    scene_ring(&s);
    scene_turn_until(&s, FLOOD);
    scene_submit_polls(&s, items + FLOOD, MANY - FLOOD);
    scene_turn_until(&s, MANY);
    scene_check(items, MANY, POLLIN);
    ck_assert_uint_eq(entries_of(&s), SMALL);
    ck_assert_int_eq(refusal->asked, 1);
    scene_close(&s);
    free(items);
}

/* Turns that fail for lack of memory, until all have come back. */
static int turn_through(struct scene *s, int over)
{
    int failed = 0;

    for (int i = 0; s->over < over && i < TURNS_MAX; i++) {
        int err = heald__client_turn(&s->client, 0);
        ck_assert_msg(!err || err == -ENOMEM, "a turn gives %d", err);
        failed += err != 0;
    }
    ck_assert_int_eq(s->over, over);
    return failed;
}

/* The kernel has resized, and the ring cannot be mapped so many times. It is filled by completions
 * or by entries. */
HEALD_CASE(it_cannot_be_mapped)
{
    struct item *items = calloc(FLOOD, sizeof *items), late[BATCH] = {0};
    struct refusal *refusal = &scene_refuses[HEALD_GATE_RING_MAP];
    struct scene s;

    growing_open(&s, ENTRIES);
    *refusal = (struct refusal){.count = _i / 2 + 1, .err = ENOMEM};
    if (_i % 2)
        overflow(&s, items);
    scene_submit_polls(&s, late, BATCH);
    if (!(_i % 2)) {
        scene_ring(&s);
        ck_assert_int_eq(heald__ring_enter(&s.client.ring, 0), 0);
        scene_submit_polls(&s, items, FLOOD);
    }
    for (int i = 0; i < BATCH; i += 3)
        scene_cancel(&s, &late[i]);
    turn_through(&s, FLOOD + BATCH);
    scene_hand_over(&s);
    ck_assert_int_eq(s.over, FLOOD + BATCH);
    scene_check(items, FLOOD, POLLIN);
    ck_assert_uint_eq(entries_of(&s), SMALL);
    ck_assert_int_eq(refusal->asked, _i / 2 + 2);
    scene_close(&s);
    free(items);
}

int main(void)
{
    Suite *suite = suite_create("growth");
    TCase *group = harness_group(suite, "growth");

    harness_add(group, small_at_first_and_large_under_load);
    harness_add(group, small_where_little_is_done);
    harness_add(group, more_completions_than_room);
    harness_add(group, completions_that_wait_are_kept);
    harness_add(group, multishot_goes_on);
    harness_add(group, messages_arrive_once);
    harness_add_range(group, cancels_and_withdrawals, 0, SEEDS);
    harness_add(group, an_entry_keeps_its_number);
    harness_add_range(group, refused_by_the_kernel, 0, sizeof errors / sizeof *errors);
    harness_add_range(group, it_cannot_be_mapped, 0, 8);
    return harness_run(suite);
}
