/*
 * message MODE SIZE COUNT: rtt: the round trips of one message; busy: the same, without sleeping;
 * rate: messages one way; many: the same from two senders to two receivers; alone: messages that
 * one thread sends to itself. MODE-untouched: nobody writes or reads what is in them.
 */
#include "message.h"

#include "../common/common.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = MESSAGE_SENDERS + MESSAGE_RECEIVERS };

/* A measurement. */
struct run {
    const struct message_peer *peer;
    unsigned char *data; /* what is sent and received, of peers that copy */
    size_t size;
    unsigned count;
    int is_busy, is_touched, is_many;
};

/* How far each of many processes is. */
struct many {
    struct {
        _Alignas(64) atomic_uint count;
    } received[PROCESSES], ready, go;
};

void message_must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void write_all(unsigned char *data, size_t size, unsigned round)
{
    memset(data, (int)(round & 0xff), size);
}

static void read_all(const unsigned char *data, size_t size, unsigned round)
{
    uint64_t sum = 0, word;

    for (size_t i = 0; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        sum += word;
    }
    uint64_t one = 0x0101010101010101ull * (round & 0xff);
    message_must(sum == one * (size / sizeof word), "a message is not what was sent");
}

static void put(const struct run *r, int channel, unsigned round)
{
    unsigned char *data = r->peer->loan ? r->peer->loan(channel, r->size) : r->data;

    if (r->is_touched)
        write_all(data, r->size, round);
    r->peer->send(channel, data, r->size);
}

static void get(const struct run *r, int channel, unsigned round)
{
    const struct message_peer *peer = r->peer;
    const unsigned char *data = r->data;

    if (!r->is_busy)
        peer->recv(channel, r->data, r->size);
    else
        while (!peer->try_recv(channel, r->data, r->size))
            continue;
    if (peer->held)
        data = peer->held(channel);
    if (r->is_touched)
        read_all(data, r->size, r->is_many ? data[0] : round);
    if (peer->release)
        peer->release(channel);
}

static void print_rate(const struct run *r, int64_t took)
{
    printf("rate %.0f ns %.2f\n", (double)r->count * BENCH_NS_PER_S / (double)took,
           (double)took / r->count);
}

static void answer(const struct run *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        get(r, 0, i);
        put(r, 1, i);
    }
}

static void ask(const struct run *r)
{
    int64_t *took = bench_alloc(r->count, sizeof *took);

    for (unsigned i = 0; i < r->count; i++) {
        int64_t begin = bench_now_ns();
        put(r, 0, i);
        get(r, 1, i);
        took[i] = bench_now_ns() - begin;
    }
    long long p50 = bench_median(took, r->count), p99 = took[r->count / 100 * 99];
    printf("p50 %lld p99 %lld\n", p50, p99);
    free(took);
}

static void receive_many(const struct run *r)
{
    for (unsigned i = 0; i < r->count; i++)
        get(r, 0, i);
    put(r, 1, 0);
}

static void send_many(const struct run *r)
{
    int64_t begin = bench_now_ns();

    for (unsigned i = 0; i < r->count; i++)
        put(r, 0, i);
    get(r, 1, 0);
    print_rate(r, bench_now_ns() - begin);
}

static int alone(const struct run *r)
{
    pin(0);
    r->peer->attach(0);
    int64_t begin = bench_now_ns();
    for (unsigned i = 0; i < r->count; i++) {
        put(r, 0, i);
        get(r, 0, i);
    }
    print_rate(r, bench_now_ns() - begin);
    return 0;
}

/* One of many; its parent ends it. */
_Noreturn static void be_one(const struct run *r, struct many *many, int process)
{
    int is_sender = process < MESSAGE_SENDERS;

    pin(is_sender ? 0 : 1);
    r->peer->attach_many(process);
    atomic_fetch_add(&many->ready.count, 1);
    while (!atomic_load(&many->go.count))
        usleep(100);
    if (is_sender) {
        for (unsigned i = 0; i < r->count / MESSAGE_SENDERS; i++)
            put(r, 0, i);
        for (;;)
            pause();
    }
    for (unsigned i = 1;; i++) {
        get(r, 0, 0);
        atomic_store_explicit(&many->received[process].count, i, memory_order_relaxed);
    }
}

/* Whether all is received, or one has ended, which none should. */
static int is_through(const struct run *r, struct many *many, int *ret_failed)
{
    unsigned sum = 0;

    for (int i = 0; i < PROCESSES; i++)
        sum += atomic_load_explicit(&many->received[i].count, memory_order_relaxed);
    *ret_failed = waitpid(-1, NULL, WNOHANG) > 0;
    return *ret_failed || sum == r->count;
}

static int measure_many(const struct run *r)
{
    pid_t pids[PROCESSES];
    int failed;
    struct many *many =
        mmap(NULL, sizeof *many, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    message_must(many != MAP_FAILED, "mmap");
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            be_one(r, many, i);
    }
    while (atomic_load(&many->ready.count) < PROCESSES)
        usleep(1000);
    int64_t begin = bench_now_ns();
    atomic_store(&many->go.count, 1);
    while (!is_through(r, many, &failed))
        usleep(1000);
    int64_t took = bench_now_ns() - begin;
    for (int i = 0; i < PROCESSES; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    if (!failed)
        print_rate(r, took);
    return failed;
}

/* Stays until the first process has all or has ended: some send by a thread of theirs. */
_Noreturn static void be_second(const struct run *r, int is_rate, const int fds[2])
{
    char byte;

    close(fds[1]);
    (is_rate ? receive_many : answer)(r);
    exit(read(fds[0], &byte, 1) != 0);
}

static int measure_two(const struct run *r, int is_rate)
{
    int fds[2];

    message_must(pipe(fds) == 0, "pipe");
    pid_t pid = fork();
    message_must(pid >= 0, "fork");
    pin(pid ? 0 : 1);
    r->peer->attach(pid ? 0 : 1);
    if (pid == 0)
        be_second(r, is_rate, fds);
    (is_rate ? send_many : ask)(r);
    close(fds[1]);
    waitpid(pid, NULL, 0);
    return 0;
}

static int can(const struct run *r)
{
    const struct message_peer *peer = r->peer;

    return (!r->is_busy || peer->try_recv) && (!r->is_many || peer->attach_many);
}

int message_main(const struct message_peer *peer, int argc, char **argv)
{
    message_must(argc == 4, "usage: MODE SIZE COUNT");
    const char *mode = argv[1];
    struct run r = {.peer = peer, .size = (size_t)atol(argv[2]), .count = (unsigned)atol(argv[3])};
    r.is_busy = strncmp(mode, "busy", 4) == 0;
    r.is_many = strncmp(mode, "many", 4) == 0;
    r.is_touched = !strstr(mode, "-untouched") && !peer->is_bare;
    if (!can(&r))
        return BENCH_SKIP;
    r.data = bench_alloc(1, r.size + 64);
    peer->open(r.size);
    int err = r.is_many                        ? measure_many(&r)
              : strncmp(mode, "alone", 5) == 0 ? alone(&r)
                                               : measure_two(&r, strncmp(mode, "rate", 4) == 0);
    fflush(stdout);
    if (peer->close)
        peer->close();
    free(r.data);
    return err;
}
