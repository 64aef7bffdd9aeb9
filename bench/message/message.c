/*
 * message MODE SIZE COUNT: rtt: the round trips of one message; busy: the same, without sleeping;
 * rate: messages one way.
 */
#include "message.h"

#include "../common/common.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void receive(const struct message_peer *peer, int channel, unsigned char *data, size_t size,
                    int is_busy)
{
    if (!is_busy)
        peer->recv(channel, data, size);
    else
        while (!peer->try_recv(channel, data, size))
            continue;
}

static void answer(const struct message_peer *peer, unsigned char *data, size_t size,
                   unsigned count, int is_busy)
{
    for (unsigned i = 0; i < count; i++) {
        receive(peer, 0, data, size, is_busy);
        read_all(data, size, i);
        write_all(data, size, i);
        peer->send(1, data, size);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void ask(const struct message_peer *peer, unsigned char *data, size_t size, unsigned count,
                int is_busy)
{
    int64_t *took = malloc(count * sizeof *took);

    message_must(took != NULL, "malloc");
    for (unsigned i = 0; i < count; i++) {
        int64_t begin = bench_now_ns();
        write_all(data, size, i);
        peer->send(0, data, size);
        receive(peer, 1, data, size, is_busy);
        read_all(data, size, i);
        took[i] = bench_now_ns() - begin;
    }
    qsort(took, count, sizeof *took, compare);
    printf("p50 %lld p99 %lld\n", (long long)took[count / 2], (long long)took[count / 100 * 99]);
    free(took);
}

static void receive_many(const struct message_peer *peer, unsigned char *data, size_t size,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        peer->recv(0, data, size);
        read_all(data, size, i);
    }
    peer->send(1, data, size);
}

static void send_many(const struct message_peer *peer, unsigned char *data, size_t size,
                      unsigned count)
{
    int64_t begin = bench_now_ns();

    for (unsigned i = 0; i < count; i++) {
        write_all(data, size, i);
        peer->send(0, data, size);
    }
    peer->recv(1, data, size);
    printf("rate %.0f\n", (double)count * BENCH_NS_PER_S / (double)(bench_now_ns() - begin));
}

int message_main(const struct message_peer *peer, int argc, char **argv)
{
    message_must(argc == 4, "usage: MODE SIZE COUNT");
    size_t size = (size_t)atol(argv[2]);
    unsigned count = (unsigned)atol(argv[3]);
    int is_rate = strcmp(argv[1], "rate") == 0, is_busy = strcmp(argv[1], "busy") == 0;
    unsigned char *data = calloc(1, size + 64);

    if (!data || (is_busy && !peer->try_recv))
        return 77;
    peer->open(size);
    pid_t pid = fork();
    pin(pid ? 0 : 1);
    peer->attach(pid ? 0 : 1);
    if (pid == 0) {
        if (is_rate)
            receive_many(peer, data, size, count);
        else
            answer(peer, data, size, count, is_busy);
        usleep(100 * 1000); /* some send the last message by a thread of theirs */
        _exit(0);
    }
    if (is_rate)
        send_many(peer, data, size, count);
    else
        ask(peer, data, size, count, is_busy);
    fflush(stdout);
    waitpid(pid, NULL, 0);
    if (peer->close)
        peer->close();
    free(data);
    return 0;
}
