/* test/unit/policy.c: the queue of what is due: shares measured, EDF against a sorted list. */
#include "loop/policy.h"

#include "harness/harness.h"
#include "op/op.h"

#include <stdlib.h>
#include <string.h>

enum { OPS = 3000, BURSTS = 400, BURST = 200 };

static const unsigned usual[POLICY_CLASSES] = {8, 32, 2};

static struct heald_op *ops_make(void)
{
    struct heald_op *ops = calloc(OPS, sizeof *ops);

    for (int i = 0; i < OPS; i++) {
        ops[i].deadline_ns = HEALD_FOREVER;
        ops[i].kind = OP_TIMER;
    }
    return ops;
}

static uint64_t random_state = 88172645463325252u;

static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

HEALD_CASE(nothing_is_due)
{
    struct heald_due due;

    for (int policy = 0; policy <= HEALD_POLICY_EDF; policy++) {
        heald__due_init(&due, (enum heald_policy)policy, usual);
        ck_assert_ptr_null(heald__due_pop(&due));
        ck_assert_ptr_null(heald__due_pop(&due));
    }
}

/* Classes that are never empty get what their shares say. */
HEALD_CASE(shares_are_kept)
{
    static const unsigned shares[][POLICY_CLASSES] = {
        {8, 32, 2}, {1, 1, 1}, {1000, 1, 1}, {1, 1000, 500}};
    struct heald_op *ops = ops_make();

    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
        const unsigned *share = shares[s];
        unsigned total = share[0] + share[1] + share[2], count[POLICY_CLASSES] = {0};
        struct heald_due due;
        heald__due_init(&due, HEALD_POLICY_SHARES, share);
        for (int i = 0; i < 30; i++) {
            ops[i].op_class = (uint8_t)(i % 3);
            heald__due_push(&due, &ops[i]);
        }
        for (unsigned i = 0; i < total * 20; i++) {
            struct heald_op *op = heald__due_pop(&due);
            count[op->op_class]++;
            heald__due_push(&due, op);
        }
        for (int c = 0; c < POLICY_CLASSES; c++) {
            ck_assert_uint_ge(count[c], share[c] * 20 - share[c] / 50 - 2);
            ck_assert_uint_le(count[c], share[c] * 20 + share[c] / 50 + 2);
        }
    }
    free(ops);
}

/* Each waiting op is called back within the rounds that the shares allow. */
HEALD_CASE(nobody_starves)
{
    struct heald_op *ops = ops_make();
    struct heald_due due;
    int gap = 0, worst = 0;

    heald__due_init(&due, HEALD_POLICY_SHARES, usual);
    for (int i = 0; i < 100; i++) {
        ops[i].op_class = i ? HEALD_URGENT : HEALD_BULK;
        heald__due_push(&due, &ops[i]);
    }
    for (int i = 0; i < 10000; i++) {
        struct heald_op *op = heald__due_pop(&due);
        gap = op->op_class == HEALD_BULK ? 0 : gap + 1;
        worst = gap > worst ? gap : worst;
        heald__due_push(&due, op);
    }
    ck_assert_int_le(worst, 17);
    free(ops);
}

/* A class that was idle has saved nothing up, and owes nothing. */
HEALD_CASE(idleness_is_not_saved_up)
{
    struct heald_op *ops = ops_make();
    struct heald_due due;
    int bulk = 0;

    heald__due_init(&due, HEALD_POLICY_SHARES, usual);
    for (int i = 0; i < 50; i++)
        heald__due_push(&due, &ops[i]);
    for (int i = 0; i < 100000; i++)
        heald__due_push(&due, heald__due_pop(&due));
    for (int i = 100; i < 150; i++) {
        ops[i].op_class = HEALD_BULK;
        heald__due_push(&due, &ops[i]);
    }
    for (int i = 0; i < 50; i++) {
        struct heald_op *op = heald__due_pop(&due);
        bulk += op->op_class == HEALD_BULK;
        heald__due_push(&due, op);
    }
    ck_assert_int_ge(bulk, 9);
    ck_assert_int_le(bulk, 12);
    free(ops);
}

/* The first in an empty queue, and never used before: neither has it saved anything up. */
HEALD_CASE(the_first_in_an_empty_queue_has_saved_nothing)
{
    struct heald_op *ops = ops_make();
    struct heald_due due;
    int bulk = 0;

    heald__due_init(&due, HEALD_POLICY_SHARES, usual);
    for (int i = 0; i < 100000; i++) {
        ops[0].op_class = HEALD_NORMAL;
        ops[1].op_class = HEALD_URGENT;
        heald__due_push(&due, &ops[0]);
        heald__due_push(&due, &ops[1]);
        heald__due_pop(&due);
        heald__due_pop(&due);
    }
    for (int i = 2; i < OPS; i++) {
        ops[i].op_class = HEALD_BULK;
        heald__due_push(&due, &ops[i]);
    }
    heald__due_push(&due, &ops[1]);
    while (heald__due_pop(&due)->op_class == HEALD_BULK)
        bulk++;
    ck_assert_int_le(bulk, 1);
    free(ops);
}

/* A waiting op, and how many callbacks of each other class ran meanwhile. */
struct waits {
    unsigned held[POLICY_CLASSES], passed[POLICY_CLASSES][POLICY_CLASSES];
};

static void waits_push(struct waits *w, unsigned class)
{
    if (!w->held[class]++)
        memset(w->passed[class], 0, sizeof w->passed[class]);
}

static void waits_pop(struct waits *w, unsigned class, const struct heald_due *due)
{
    w->held[class]--;
    memset(w->passed[class], 0, sizeof w->passed[class]);
    for (int c = 0; c < POLICY_CLASSES; c++)
        if (w->held[c] && c != (int)class &&
            ++w->passed[c][class] > due->stride[c] / due->stride[class] + 1)
            ck_abort_msg("class %d was passed by %u of class %u", c, w->passed[c][class], class);
}

/* One history: bursts of pushes of a class, and of pops, of any length. */
static void run_history(struct heald_due *due, struct heald_op *ops)
{
    struct waits w = {0};
    unsigned next = 0;

    for (int burst = 0; burst < BURSTS; burst++) {
        unsigned class = draw(POLICY_CLASSES), length = draw(2) ? draw(3) : draw(BURST);
        bool pushes = draw(2);
        for (unsigned i = 0; i < length; i++) {
            if (pushes) {
                ops[next].op_class = (uint8_t) class;
                heald__due_push(due, &ops[next++]);
                waits_push(&w, class);
                continue;
            }
            struct heald_op *op = heald__due_pop(due);
            if (op)
                waits_pop(&w, op->op_class, due);
        }
    }
}

/* Also when the counters wrap around meanwhile, and when an idle class is half a round behind. */
HEALD_CASE(whatever_the_history_none_waits_longer)
{
    struct heald_op *ops = calloc(BURSTS * BURST, sizeof *ops);

    for (int seed = 0; seed < 300; seed++) {
        unsigned most = draw(2) ? 1000 : 40;
        unsigned shares[] = {1 + draw(most), 1 + draw(most), 1 + draw(most)};
        struct heald_due due;
        heald__due_init(&due, HEALD_POLICY_SHARES, shares);
        if (seed % 3)
            due.now = due.pass[0] = due.pass[1] = due.pass[2] = UINT64_MAX - draw(100000000);
        if (seed % 3 == 2)
            due.pass[draw(3)] -= UINT64_MAX / 2 + draw(3);
        run_history(&due, ops);
    }
    free(ops);
}

/* First come, first served: in all classes together, or in each. */
HEALD_CASE(order_within)
{
    struct heald_op *ops = ops_make();

    for (int policy = 0; policy <= HEALD_POLICY_STRICT; policy++) {
        struct heald_due due;
        long last[POLICY_CLASSES] = {-1, -1, -1}, popped = 0;
        int next = 0;
        heald__due_init(&due, (enum heald_policy)policy, usual);
        while (popped < OPS) {
            for (unsigned n = draw(40); n && next < OPS; n--, next++) {
                ops[next].op_class = (uint8_t)draw(3);
                heald__due_push(&due, &ops[next]);
            }
            for (unsigned n = draw(40); n && popped < next; n--, popped++) {
                struct heald_op *op = heald__due_pop(&due);
                ck_assert_ptr_nonnull(op);
                int line = policy == HEALD_POLICY_FIFO ? 0 : op->op_class;
                ck_assert_int_gt(op - ops, last[line]);
                last[line] = op - ops;
            }
        }
        ck_assert_ptr_null(heald__due_pop(&due));
    }
    free(ops);
}

HEALD_CASE(strict_takes_the_highest)
{
    static const int rank[] = {[HEALD_NORMAL] = 1, [HEALD_URGENT] = 0, [HEALD_BULK] = 2};
    struct heald_op *ops = ops_make();
    struct heald_due due;
    int held[3] = {0}, next = 0;

    heald__due_init(&due, HEALD_POLICY_STRICT, usual);
    for (int i = 0; i < OPS * 2; i++) {
        if (next < OPS && draw(2)) {
            ops[next].op_class = (uint8_t)draw(3);
            held[rank[ops[next].op_class]]++;
            heald__due_push(&due, &ops[next++]);
            continue;
        }
        struct heald_op *op = heald__due_pop(&due);
        if (!op)
            continue;
        for (int higher = 0; higher < rank[op->op_class]; higher++)
            ck_assert_int_eq(held[higher], 0);
        held[rank[op->op_class]]--;
    }
    free(ops);
}

/* The op that EDF must give next: the least deadline, and of these the first that came. */
static struct heald_op *reference(struct heald_op *const held[], const long arrival[], int count,
                                  const struct heald_op *ops)
{
    struct heald_op *best = NULL;

    for (int i = 0; i < count; i++)
        if (!best || held[i]->deadline_ns < best->deadline_ns ||
            (held[i]->deadline_ns == best->deadline_ns &&
             arrival[held[i] - ops] < arrival[best - ops]))
            best = held[i];
    return best;
}

HEALD_CASE(edf_takes_the_earliest)
{
    struct heald_op *ops = ops_make(), *held[OPS];
    static long arrival[OPS];
    struct heald_due due;
    long arrivals = 0;
    int count = 0;

    heald__due_init(&due, HEALD_POLICY_EDF, usual);
    for (int i = 0; i < 20000; i++) {
        struct heald_op *op = &ops[draw(300)];
        bool in = false;
        for (int h = 0; h < count; h++)
            in |= held[h] == op;
        if (!in && draw(5)) {
            op->deadline_ns = draw(4) ? (int64_t)draw(50) - 10 : HEALD_FOREVER;
            arrival[op - ops] = arrivals++;
            held[count++] = op;
            heald__due_push(&due, op);
            continue;
        }
        op = heald__due_pop(&due);
        ck_assert_ptr_eq(op, reference(held, arrival, count, ops));
        for (int h = 0; h < count; h++)
            if (held[h] == op) {
                held[h] = held[--count];
                break;
            }
    }
    free(ops);
}

/* What has no deadline, and multishot ops even with one, come last, in order. */
HEALD_CASE(edf_takes_multishot_ops_last)
{
    struct heald_op *ops = ops_make();
    struct heald_due due;

    heald__due_init(&due, HEALD_POLICY_EDF, usual);
    ops[0].kind = OP_ACCEPT_MULTI;
    ops[0].deadline_ns = 1;
    ops[2].kind = OP_ACCEPT_MULTI;
    ops[2].deadline_ns = 0;
    ops[3].deadline_ns = 5;
    for (int i = 0; i < 4; i++)
        heald__due_push(&due, &ops[i]);
    ck_assert_ptr_eq(heald__due_pop(&due), &ops[3]);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(heald__due_pop(&due), &ops[i]);
    free(ops);
}

/* Rising, falling and equal deadlines make heaps of every shape, a long chain among them. */
HEALD_CASE(edf_with_heaps_of_every_shape)
{
    struct heald_op *ops = ops_make();

    for (int shape = 0; shape < 4; shape++) {
        struct heald_due due;
        int64_t last = INT64_MIN;
        heald__due_init(&due, HEALD_POLICY_EDF, usual);
        for (int i = 0; i < OPS; i++) {
            const int64_t deadline[] = {i, OPS - i, 7, (int64_t)draw(OPS)};
            ops[i].deadline_ns = deadline[shape];
            heald__due_push(&due, &ops[i]);
        }
        for (int i = 0; i < OPS; i++) {
            struct heald_op *op = heald__due_pop(&due);
            ck_assert_int_ge(op->deadline_ns, last);
            last = op->deadline_ns;
            if (shape == 2)
                ck_assert_ptr_eq(op, &ops[i]);
        }
        ck_assert_ptr_null(heald__due_pop(&due));
    }
    free(ops);
}

static void note(const struct heald_op *op, void *user)
{
    struct heald_op **ops = user;

    ((char *)ops[1])[op - ops[0]]++;
}

/* A listing names each once, and changes nothing. */
HEALD_CASE(a_listing_names_each_once)
{
    struct heald_op *ops = ops_make();

    for (int policy = 0; policy <= HEALD_POLICY_EDF; policy++)
        for (int shape = 0; shape < 3; shape++) {
            struct heald_due due;
            char seen[OPS] = "";
            struct heald_op *user[] = {ops, (struct heald_op *)(void *)seen};
            int64_t last = INT64_MIN;
            heald__due_init(&due, (enum heald_policy)policy, usual);
            for (int i = 0; i < OPS; i++) {
                ops[i].op_class = (uint8_t)(i % 3);
                ops[i].deadline_ns = shape == 0 ? i : shape == 1 ? OPS - i : (int64_t)draw(OPS);
                heald__due_push(&due, &ops[i]);
            }
            heald__due_each(&due, note, user);
            for (int i = 0; i < OPS; i++)
                ck_assert_int_eq(seen[i], 1);
            for (int i = 0; i < OPS; i++) {
                struct heald_op *op = heald__due_pop(&due);
                ck_assert_ptr_nonnull(op);
                if (policy == HEALD_POLICY_EDF)
                    ck_assert_int_ge(op->deadline_ns, last);
                last = op->deadline_ns;
            }
            ck_assert_ptr_null(heald__due_pop(&due));
        }
    free(ops);
}

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *group = harness_group(suite, "policy");

    harness_add(group, nothing_is_due);
    harness_add(group, shares_are_kept);
    harness_add(group, nobody_starves);
    harness_add(group, idleness_is_not_saved_up);
    harness_add(group, the_first_in_an_empty_queue_has_saved_nothing);
    harness_add(group, whatever_the_history_none_waits_longer);
    harness_add(group, order_within);
    harness_add(group, strict_takes_the_highest);
    harness_add(group, edf_takes_the_earliest);
    harness_add(group, edf_takes_multishot_ops_last);
    harness_add(group, edf_with_heaps_of_every_shape);
    harness_add(group, a_listing_names_each_once);
    return harness_run(suite);
}
