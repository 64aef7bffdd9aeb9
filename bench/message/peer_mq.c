/* POSIX message queues. */
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CAPACITY = 10 };

static mqd_t queues[MESSAGE_CHANNELS];

static void open_queues(size_t size)
{
    struct mq_attr attributes = {.mq_maxmsg = CAPACITY, .mq_msgsize = (long)size};
    char name[64];

    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        snprintf(name, sizeof name, "/heald-bench-%ld-%d", (long)getpid(), i);
        queues[i] = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
        if (queues[i] == (mqd_t)-1 && (errno == EMFILE || errno == EINVAL))
            exit(77); /* too long for the system's limits */
        message_must(queues[i] != (mqd_t)-1, "mq_open");
        mq_unlink(name);
    }
}

static void attach(int process)
{
    (void)process;
}

static void send_one(int channel, const void *data, size_t size)
{
    message_must(mq_send(queues[channel], data, size, 0) == 0, "mq_send");
}

static void recv_one(int channel, void *data, size_t size)
{
    message_must(mq_receive(queues[channel], data, size, NULL) == (ssize_t)size, "mq_receive");
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {.open = open_queues,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .attach_many = attach};

    return message_main(&peer, argc, argv);
}
