/* udp ADDRESS: answers each datagram with its text, and counts them once a second. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

enum { BUFFERS = 64, SIZE = 2048 };

static uint64_t memory[BUFFERS][SIZE / sizeof(uint64_t)];
static struct heald_buf_group *group;
static unsigned long count;

static void on_datagram(struct heald_op *op)
{
    int *fd = op->data;

    if (op->flags & HEALD_MORE) {
        struct heald_datagram *d = heald_buf_datagram(group, op->buffer);
        /* What does not fit into the socket is lost, as datagrams may be. */
        sendto(*fd, d + 1, (size_t)op->result, MSG_DONTWAIT, (struct sockaddr *)&d->addr,
               d->addr_len);
        heald_buf_return(group, op->buffer);
        count++;
    } else if (op->result == -ENOBUFS) {
        heald_submit(op->loop, op, on_datagram); /* all have been returned meanwhile */
    }
}

static void on_second(struct heald_op *op)
{
    (void)op;
    printf("%lu datagrams\n", count);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    int fd = heald_bind(argc > 1 ? argv[1] : "127.0.0.1:7009", SOCK_DGRAM);
    struct heald_op receive = {.data = &fd}, timer = {0};
    int err = fd < 0 ? fd : heald_loop_open(&loop, NULL);

    if (!err)
        err = heald_buf_group_open(&group, loop, memory, BUFFERS, SIZE);
    if (!err) {
        heald_prep_recvfrom_multishot(&receive, fd, group, 0);
        err = heald_submit(loop, &receive, on_datagram);
    }
    if (err) {
        fprintf(stderr, "udp: %s\n", heald_strerror(err));
        return 1;
    }
    heald_prep_timer_clock(&timer, HEALD_CLOCK_MONOTONIC, heald_now(loop), HEALD_SEC);
    heald_op_background(&timer, 1); /* it keeps no loop running */
    heald_submit(loop, &timer, on_second);
    return heald_loop_run(loop) < 0;
}
