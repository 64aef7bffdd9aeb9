/*
 * heald/sysv.h: message queues of System V, awaited in a loop. For a program that has to speak to
 * one that uses them; for new programs heald/mq.h and heald/queue.h are better in all respects.
 *
 * Such a queue has no descriptor, and nothing announces a message or room: msgrcv(2) and msgsnd(2)
 * wait in the kernel or fail. So an op tries, without waiting, when it is submitted and again after
 * 1, 2, 4 ... 32 ms, on the loop's thread; all such ops of a loop share these pauses, which are
 * short again after a success and when an op is submitted. The cost: a message is received up to
 * 32 ms late, and each pending op is a system call for each pause. In return no thread waits, and a
 * cancel, a deadline and the end of the loop lose nothing: an op that ends so has sent nothing and
 * taken nothing. A thread in msgrcv(2) could come back with a message that nobody waits for any
 * more.
 *
 * Ops on one queue that wait at the same time complete in any order. A program that needs the order
 * of its messages submits the next send when the last has completed.
 *
 * msgget(2) and msgctl(2) make, find and remove queues. The preps do not block; the thread that
 * uses the op calls them. None is async-signal-safe. They return 0, -EBUSY if the op is pending,
 * and -EINVAL as below. Ops also have the results -ECANCELED and -ETIMEDOUT.
 */
#ifndef HEALD_SYSV_H
#define HEALD_SYSV_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of heald_prep_msgrcv(). */
enum {
    HEALD_MSGRCV_CUT = 1,   /* a longer message is cut (MSG_NOERROR); otherwise it is -E2BIG */
    HEALD_MSGRCV_EXCEPT = 2 /* any type but `type` (MSG_EXCEPT, Linux) */
};

/*
 * Sends a message, when the queue has room. `message` begins with a long, its type, above 0, and
 * `size` bytes follow, as in msgsnd(2); it stays in place until the op completes. The result is 0.
 *
 *   -EINVAL   (prep) message is NULL, or size is above UINT32_MAX
 *   -EINVAL   (result) there is no such queue; the type is below 1; size is above the limit of the
 *             system (/proc/sys/kernel/msgmax)
 *   -EACCES   (result) no permission to write
 *   -EIDRM    (result) the queue was removed
 *   -ENOMEM   (result) no memory
 */
HEALD_API int heald_prep_msgsnd(struct heald_op *op, int queue, const void *message, size_t size);

/*
 * Receives a message, when there is one: the first of all (type 0), the first of that type (above
 * 0), or the first of the lowest type that is at most -type (below 0). `message` has room for a
 * long, its type, and `size` bytes. The result is the number of bytes after the type.
 *
 *   -EINVAL   (prep) message is NULL, size is above UINT32_MAX, or flags has another bit
 *   -EINVAL   (result) there is no such queue; or the system has no MSG_EXCEPT
 *   -E2BIG    (result) the message is longer than size; it stays in the queue
 *   -EACCES   (result) no permission to read
 *   -EIDRM    (result) the queue was removed
 */
HEALD_API int heald_prep_msgrcv(struct heald_op *op, int queue, void *message, size_t size,
                                long type, int flags);

#ifdef __cplusplus
}
#endif
#endif
