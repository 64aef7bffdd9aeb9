/* op/prep_channel.c: the preps for message queues of POSIX and of System V, and for FIFOs. Pure. */
#include "op/op.h"

#include <heald/mq.h>
#include <heald/net.h>
#include <heald/sysv.h>

#include <fcntl.h>

static int prep_mq(struct heald_op *op, enum op_kind kind, int fd, void *buf, size_t len,
                   bool is_valid)
{
    int err = op_prepare_kind(op, kind, is_valid && (buf || !len) && len <= HEALD_MAX_LEN);

    if (err)
        return err;
    op->u.mq.fd = fd;
    op->u.mq.len = (uint32_t)len;
    op->u.mq.buf = buf;
    return 0;
}

int heald_prep_mq_send(struct heald_op *op, int fd, const void *buf, size_t len, unsigned priority)
{
    int err = prep_mq(op, OP_MQ_SEND, fd, (void *)buf, len, priority < HEALD_MQ_PRIORITIES);

    if (!err)
        op->u.mq.u.priority = priority;
    return err;
}

int heald_prep_mq_receive(struct heald_op *op, int fd, void *buf, size_t len,
                          unsigned *ret_priority)
{
    int err = prep_mq(op, OP_MQ_RECEIVE, fd, buf, len, true);

    if (!err)
        op->u.mq.u.ret_priority = ret_priority;
    return err;
}

int heald_prep_fifo_open(struct heald_op *op, const char *path, int flags)
{
    int end = flags & ~HEALD_FIFO_KEEP;
    int err = op_prepare_kind(op, OP_FIFO_OPEN,
                              path && (end == HEALD_FIFO_READ || end == HEALD_FIFO_WRITE));

    if (err)
        return err;
    op->u.path.dirfd = AT_FDCWD;
    op->u.path.flags = flags;
    op->u.path.path = path;
    return 0;
}

static int prep_sysv(struct heald_op *op, enum op_kind kind, int queue, void *message, size_t size,
                     bool is_valid)
{
    int err = op_prepare_kind(op, kind, is_valid && message && size <= UINT32_MAX);

    if (err)
        return err;
    op->u.sysv.queue = queue;
    op->u.sysv.size = (uint32_t)size;
    op->u.sysv.message = message;
    return 0;
}

int heald_prep_msgsnd(struct heald_op *op, int queue, const void *message, size_t size)
{
    return prep_sysv(op, OP_MSGSND, queue, (void *)message, size, true);
}

int heald_prep_msgrcv(struct heald_op *op, int queue, void *message, size_t size, long type,
                      int flags)
{
    bool is_valid = !(flags & ~(HEALD_MSGRCV_CUT | HEALD_MSGRCV_EXCEPT));
    int err = prep_sysv(op, OP_MSGRCV, queue, message, size, is_valid);

    if (err)
        return err;
    op->u.sysv.type = type;
    op->buffer = (uint16_t)flags;
    return 0;
}
