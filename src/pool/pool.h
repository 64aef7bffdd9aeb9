/*
 * pool/pool.h: threads for what must block. A job is a link in the caller's own struct; nothing is
 * allocated per job.
 *
 * No thread exists before the first job, but by heald__pool_begin(). All of a pool's threads block
 * every signal, but the one that interrupts them where heald__pool_interruptible() asked for that.
 */
#ifndef HEALD_SRC_POOL_POOL_H
#define HEALD_SRC_POOL_POOL_H

#include "base/alloc.h"
#include "platform/sys.h"

#include <heald/work.h>

struct heald_pool;

/* Runs a job on a pool thread. The job's memory is not touched afterwards. */
typedef void heald_pool_run(void *ctx, struct heald_link *job);

int heald__pool_open(struct heald_pool **ret_pool, const struct heald_sys *sys,
                     const struct heald_allocator *alloc, unsigned threads, heald_pool_run *run,
                     void *ctx);

/*
 * heald__pool_interruptible: from now on the calls that jobs wait in can be interrupted; before the
 * first job. heald__pool_interrupt: the call that this job waits in returns with -EINTR. A job that
 * is between two calls is not interrupted: the caller asks again after a while. Another job may see
 * an -EINTR as well. heald__pool_can_interrupt: a signal was available for that, and the program
 * has not taken it since. Any thread.
 */
void heald__pool_interruptible(struct heald_pool *pool);
void heald__pool_interrupt(struct heald_pool *pool, const struct heald_link *job);
bool heald__pool_can_interrupt(const struct heald_pool *pool);

/* Interrupts all jobs if one that is queued found no thread: true, and then it is to be asked again
 * after a while, as for heald__pool_interrupt(). */
bool heald__pool_relieve(struct heald_pool *pool);

/* From now on its threads have stacks of so many bytes, if the system takes that; before the first
 * job. */
void heald__pool_stack(struct heald_pool *pool, size_t bytes);

/*
 * The threads of this pool are started by another's one thread: heald__pool_submit() does not wait
 * for a thread to be started, and never fails. The starter has begun, and passes the jobs that it
 * gets to heald__pool_grow() of each such pool: false: it is not a job of that one. A job for which
 * no thread can be started, if there is none, is refused, on the starter's thread. Before the first
 * job; the starter is closed first.
 */
void heald__pool_started_by(struct heald_pool *pool, struct heald_pool *starter,
                            heald_pool_run *refuse);
bool heald__pool_grow(struct heald_pool *pool, struct heald_link *job);

/* Are there more jobs than threads for them, though the limit allows some? Then the starter tries
 * again, and it is to be asked after a while: starting one may have failed. */
bool heald__pool_retry(struct heald_pool *pool);

/*
 * heald__pool_timed: from now on the pool keeps for how long its jobs run; before the first job.
 * since() says since when a queued job waits; 0: not known. heald__pool_stats: what its threads do
 * now; of the oldest job whose time is known. Any thread that may call since().
 */
typedef int64_t heald_pool_since(const struct heald_link *job);
void heald__pool_timed(struct heald_pool *pool, heald_pool_since *since);
void heald__pool_stats(struct heald_pool *pool, struct heald_workers_stats *ret_stats);

/* Starts the first thread now, before the first job: 0 or -errno. */
int heald__pool_begin(struct heald_pool *pool);

/* How many threads it has. Any thread. */
unsigned heald__pool_started(struct heald_pool *pool);

/* Runs what is queued to its end, then joins the threads. */
void heald__pool_close(struct heald_pool *pool);

/* Queues a job: 0, or -EAGAIN, -ENOMEM if not even one thread can be started. Any thread. */
int heald__pool_submit(struct heald_pool *pool, struct heald_link *job);

/* Takes a job back that has not begun: true, or false when it runs or ran. Any thread. */
bool heald__pool_dequeue(struct heald_pool *pool, struct heald_link *job);

/* Has a job that was submitted not begun? Any thread. */
bool heald__pool_is_queued(struct heald_pool *pool, struct heald_link *job);

#endif
