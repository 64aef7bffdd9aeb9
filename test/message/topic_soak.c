/*
 * test/message/topic_soak.c: publishers and subscribers of a topic that are killed at random. No
 * sample changes while it is held, a subscriber for which publishers wait loses none, and in the
 * end no chunk is lost.
 *
 * HEALD_SOAK_MESSAGES=N: so many samples are taken (default 60,000; a long run: 10,000,000).
 */
#include "message/topic.h"

#include "harness/seeds.h"

#include <sys/mman.h>

enum { PUBLISHERS = 2, WORKERS = 5, SAMPLES_DEFAULT = 60 * 1000, KILL_EVERY_US = 2000 };
enum { LIMIT_S = 1800, SOAK_RING = 8, SOAK_CHUNKS = SOAK_RING + 9 };

struct book {
    uint64_t published, taken, lost;
};

static struct book *book; /* shared with the children */

static void publish_numbers(struct fixture *f)
{
    for (;;) {
        uint64_t number = __atomic_add_fetch(&book->published, 1, __ATOMIC_RELAXED);
        must(publish_number(f, number, HEALD_FOREVER) == 0);
    }
}

static void check(const struct heald_topic_sample *sample, uint64_t number)
{
    must(number != UINT64_MAX && sample_read(sample) == number);
}

/* Two samples at a time: the first is read again when the second was taken. */
static void take_numbers(struct fixture *f, enum heald_topic_policy policy)
{
    struct heald_topic_subscriber s = subscribe(f, policy, 0);
    struct heald_topic_sample held, sample;
    uint64_t number = 0;

    must(heald_topic_take(&s, f->me, &held, HEALD_FOREVER) == 0);
    number = sample_read(&held);
    for (;;) {
        must(heald_topic_take(&s, f->me, &sample, HEALD_FOREVER) == 0);
        must(sample.sequence - held.sequence > sample.lost);
        must(policy != HEALD_TOPIC_BLOCK || sample.lost == 0);
        check(&held, number);
        must(heald_topic_release(&held, f->me) == 0);
        __atomic_fetch_add(&book->lost, sample.lost, __ATOMIC_RELAXED);
        __atomic_fetch_add(&book->taken, 1, __ATOMIC_RELAXED);
        held = sample;
        number = sample_read(&held);
    }
}

static pid_t start(struct fixture *f, unsigned who)
{
    pid_t pid = fork();

    if (pid == 0) {
        must(heald_attach(f->region, &f->me) == 0);
        if (who < PUBLISHERS)
            publish_numbers(f);
        else
            take_numbers(f, (enum heald_topic_policy)(who - PUBLISHERS));
        _exit(0);
    }
    ck_assert_int_ge(pid, 0);
    return pid;
}

/* Ends a worker, which must not have ended before. */
static void end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a worker failed");
}

static unsigned kill_at_random(struct fixture *f, struct rng *random, uint64_t wanted)
{
    pid_t workers[WORKERS];
    unsigned kills = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        workers[i] = start(f, i);
    while (__atomic_load_n(&book->taken, __ATOMIC_RELAXED) < wanted) {
        unsigned who = rng_below(random, WORKERS);
        usleep((useconds_t)rng_below(random, KILL_EVERY_US));
        end(workers[who]);
        workers[who] = start(f, who);
        kills++;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        end(workers[i]);
    return kills;
}

HEALD_CASE(killed_at_random)
{
    const char *text = getenv("HEALD_SOAK_MESSAGES");
    struct heald_topic_options o = small;
    struct fixture f = topic_fixture();
    struct heald_topic_info info;
    struct rng random = rng_of((uint64_t)getpid(), 1);

    o.capacity = SOAK_RING;
    o.history = 0;
    o.chunks = SOAK_CHUNKS;
    o.holds = 2;
    o.subscribers = WORKERS;
    book = mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(book, MAP_FAILED);
    topic_make(&f, &o);
    unsigned kills = kill_at_random(&f, &random, text ? strtoull(text, NULL, 10) : SAMPLES_DEFAULT);
    for (uint64_t n = 0; n < SOAK_RING; n++)
        ck_assert_int_eq(publish_number(&f, n, HEALD_FOREVER), 0);
    ck_assert_int_eq(count_chunks(&f), SOAK_CHUNKS - SOAK_RING);
    ck_assert_int_eq(heald_topic_describe(topic_of(&f), f.me, &info), 0);
    ck_assert_uint_eq(info.subscribers, 0);
    ck_assert_uint_eq(info.left, 0);
    ck_assert_uint_gt(book->taken, 0);
    printf("     %u kills, %llu samples published, %llu taken, %llu lost\n", kills,
           (unsigned long long)book->published, (unsigned long long)book->taken,
           (unsigned long long)book->lost);
    munmap(book, sizeof *book);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-topic-soak");
    TCase *group = harness_group(suite, "soak");

    harness_limit(group, LIMIT_S);
    harness_add(group, killed_at_random);
    return harness_run(suite);
}
