/*
 * ring/client.h: ops in an io_uring: what waits for an entry, what is submitted, cancelled and
 * completed. Its clients are the back end and the engine `uring`, the waiter of shared memory, and
 * AIO. The thread that owns the ring.
 */
#ifndef HEALD_SRC_RING_CLIENT_H
#define HEALD_SRC_RING_CLIENT_H

#include "op/op.h"
#include "ring/ring.h"

/* A completion that waits until the callback of the one before it has run. */
struct heald_result {
    int result;
    unsigned flags;
    uint32_t next; /* one more than its place; 0: none */
};

struct heald_client {
    struct heald_ring ring;
    const struct heald_allocator *alloc;
    struct heald_link backlog;  /* by aux: ops that wait for an entry, or whose cancel does */
    struct heald_link recalled; /* by aux: ops whose cancel has an entry */
    struct heald_link tries;    /* by aux: sends with OP_TRIED, in the order of their entries */
    bool tries_timed;           /* a time-out is in the ring, after which the tries have completed
                                 */
    struct __kernel_timespec tries_time;
    bool prompt; /* a caller waits for them: no turn waits before they have completed */
    struct __kernel_timespec retry_time;
    unsigned missed;         /* cancels, one after another */
    bool retries, retry_due; /* a time-out is in the ring; it has passed: cancel them once more */
    struct heald_result
        *results; /* of multishot ops whose callback is due; each op lists its own */
    uint32_t results_size, results_free;

    /* A completion; `flags` are the kernel's. With IORING_CQE_F_MORE the ring has the op still,
     * else it is STAGE_LOOP. */
    void (*done)(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags);

    /* A send with OP_TRIED (STAGE_LOOP again) has sent all. */
    void (*sent)(struct heald_client *c, struct heald_op *op);

    /* Of heald__client_ask(): has the kernel found it? NULL where nobody asks. */
    void (*answered)(struct heald_client *c, struct heald_op *op, bool found);
};

/* Zeroed, but for the functions. */
int heald__client_open(struct heald_client *c, const struct heald_sys *sys,
                       const struct heald_allocator *alloc, unsigned entries);
void heald__client_close(struct heald_client *c);

/* Takes an op (STAGE_LOOP); there is always room. With OP_POLLED its entry polls for it. */
void heald__client_submit(struct heald_client *c, struct heald_op *op);

/*
 * Ends an op that it has, which is OP_CANCELLING: at once where the kernel does not know it, else
 * with a completion that is still to come. Where there is no room the cancel waits, but not that of
 * an op whose callback is due: it is to be cancelled again then.
 */
void heald__client_cancel(struct heald_client *c, struct heald_op *op);

/*
 * Asks once for the end of an op that the kernel knows. c->answered says what came of it, perhaps
 * after the op has completed and was submitted again: its memory must last until then. False: there
 * is no room, and no answer comes.
 */
bool heald__client_ask(struct heald_client *c, struct heald_op *op);

/* Withdraws an op (STAGE_LOOP) that the kernel does not know: nothing completes it. False: the
 * kernel knows it, or a cancel is on its way. */
bool heald__client_withdraw(struct heald_client *c, struct heald_op *op);

/* The callback of a multishot op has run: brings its next completion, if there is one. */
bool heald__client_next(struct heald_client *c, struct heald_op *op);

/* Hands over, waits as heald__ring_enter() does, and brings what has completed. 0 or -errno. Where
 * something was tried that may have completed in silence it returns within ten milliseconds. */
int heald__client_turn(struct heald_client *c, int64_t deadline_ns);

/* The two halves of a turn: hands over and waits; brings what has completed already. */
int heald__client_enter(struct heald_client *c, int64_t deadline_ns);
void heald__client_harvest(struct heald_client *c);

/*
 * Turns without waiting, as long as the kernel has something that only another turn brings to
 * light: what had no room among the completions rings no bell when it gets there. What is brought
 * here does not ring it, either. 0; -errno; where heald__client_busy() says so, there is more.
 */
int heald__client_catch_up(struct heald_client *c);

/* Is there something that the kernel does not know? */
bool heald__client_pending(const struct heald_client *c);

/* Is there something that another turn could hand over or bring, without waiting? */
bool heald__client_busy(const struct heald_client *c);

#endif
