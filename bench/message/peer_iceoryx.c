/*
 * iceoryx, by its C binding, with a RouDi of its own: samples in place, publishers that wait for
 * their subscribers, and a wait set for the receives that block.
 */
#include "message.h"

#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/wait_set.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned capacity;
static iox_pub_storage_t publisher_storage;
static iox_sub_storage_t subscriber_storage;
static iox_ws_storage_t set_storage;
static iox_pub_t publisher;
static iox_sub_t subscriber;
static iox_ws_t set;
static const void *sample;

/* Chunks of one size, enough for the subscribers' queues and what they hold. */
static void write_config(char *name, size_t size)
{
    int fd = mkstemp(name);

    message_must(fd >= 0, "mkstemp");
    dprintf(fd,
            "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = %zu\ncount = %u\n",
            (size + 63) / 64 * 64, MESSAGE_CHANNELS * (2 * capacity));
    close(fd);
}

static void run_roudi(int out, const char *config)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execlp("iox-roudi", "iox-roudi", "-m", "off", "-l", "off", "-c", config, (char *)NULL);
    _exit(1);
}

/* RouDi says when it is ready. If it ends instead, it is not installed, or another one runs. */
static pid_t start_roudi(size_t size)
{
    char config[] = "/tmp/heald-bench-XXXXXX", line[256];
    int fds[2], is_ready = 0;

    capacity = message_capacity(size);
    write_config(config, size);
    message_must(pipe(fds) == 0, "pipe");
    pid_t roudi = fork();
    if (roudi == 0)
        run_roudi(fds[1], config);
    close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    while (!is_ready && fgets(line, sizeof line, out))
        is_ready = strstr(line, "ready for clients") != NULL;
    unlink(config);
    if (!is_ready)
        exit(77);
    return roudi;
}

/* RouDi ends what is still registered with it, so a child measures, and its parent ends RouDi. */
static void open_roudi(size_t size)
{
    pid_t roudi = start_roudi(size), child = fork();
    int status;

    if (child == 0)
        return;
    waitpid(child, &status, 0);
    kill(roudi, SIGTERM);
    waitpid(roudi, NULL, 0);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void make(const char *ours, const char *theirs)
{
    iox_pub_options_t p;
    iox_sub_options_t s;

    iox_pub_options_init(&p);
    p.historyCapacity = 0;
    p.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
    publisher = iox_pub_init(&publisher_storage, "heald", "bench", ours, &p);
    iox_sub_options_init(&s);
    s.queueCapacity = capacity;
    s.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
    subscriber = iox_sub_init(&subscriber_storage, "heald", "bench", theirs, &s);
    set = iox_ws_init(&set_storage);
    iox_ws_attach_subscriber_state(set, subscriber, SubscriberState_HAS_DATA, 0, NULL);
}

static void attach(int process)
{
    char name[64];

    snprintf(name, sizeof name, "heald-bench-%ld", (long)getpid());
    iox_set_loglevel(Iceoryx_LogLevel_Error);
    iox_runtime_init(name);
    make(process ? "back" : "there", process ? "there" : "back");
    while (!iox_pub_has_subscribers(publisher) ||
           iox_sub_get_subscription_state(subscriber) != SubscribeState_SUBSCRIBED)
        usleep(1000);
}

static void *loan_one(int channel, size_t size)
{
    void *data;

    (void)channel;
    /* Chunks can be short for a moment, while the subscriber has not released one. */
    while (iox_pub_loan_chunk(publisher, &data, (uint32_t)size) != AllocationResult_SUCCESS)
        continue;
    return data;
}

static void send_one(int channel, const void *data, size_t size)
{
    (void)channel, (void)size;
    iox_pub_publish_chunk(publisher, (void *)data);
}

static int try_recv(int channel, void *data, size_t size)
{
    (void)channel, (void)data, (void)size;
    return iox_sub_take_chunk(subscriber, &sample) == ChunkReceiveResult_SUCCESS;
}

static void recv_one(int channel, void *data, size_t size)
{
    iox_notification_info_t info;
    uint64_t missed;

    while (!try_recv(channel, data, size))
        iox_ws_wait(set, &info, 1, &missed);
}

static const void *held(int channel)
{
    (void)channel;
    return sample;
}

static void release(int channel)
{
    (void)channel;
    iox_sub_release_chunk(subscriber, sample);
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {.open = open_roudi,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .try_recv = try_recv,
                                             .loan = loan_one,
                                             .held = held,
                                             .release = release};

    return message_main(&peer, argc, argv);
}
