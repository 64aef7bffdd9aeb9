/*
 * aio/method.h: how the I/O thread gets requests done, and where it sleeps: the table of a method.
 *
 * All calls are made on the I/O thread. A method reports an end by aio_done(), from wait() or by a
 * record AIO_DONE.
 */
#ifndef HEALD_SRC_AIO_METHOD_H
#define HEALD_SRC_AIO_METHOD_H

#include "aio/request.h"

struct aio_method {
    int (*open)(struct aio_io_thread *s); /* NULL: it is always there */
    void (*close)(struct aio_io_thread *s);
    void (*start)(struct aio_io_thread *s, struct aio_request *r);
    /* Withdraws one that was started and has not begun: false: it has. */
    bool (*withdraw)(struct aio_io_thread *s, struct aio_request *r);
    /* Asks for the end of one that has begun. True: the method will say aio_cancel_answer(). */
    bool (*cancel)(struct aio_io_thread *s, struct aio_request *r);
    /* Sleeps for so long (-1: indefinitely) unless there is something to do, and completes what is
     * done. -errno: the method has failed permanently. */
    int (*wait)(struct aio_io_thread *s, int64_t timeout_ns);
    /* Does the kernel know of all that was started? */
    bool (*flushed)(const struct aio_io_thread *s);
    /* Does the kernel have the file of this one, as soon as it knows of it? */
    bool (*holds)(const struct aio_request *r);
    /* A place of the method's own for the file of a request, which is looked up by its number.
     * False: there is none. release: frees it. NULL: the method has no such places. */
    bool (*keep)(struct aio_io_thread *s, struct aio_request *r);
    void (*release)(struct aio_io_thread *s, struct aio_file *f);
};

/* threads.c: the pools of threads, begun by the thread that is to start the I/O thread, and ended
 * by that; NULL: no memory, or no thread. */
struct aio_pools *aio_pools_begin(struct aio_state *p);
void aio_pools_end(struct aio_pools *w);

/* Has a thread close the pin of a file, and free its record. */
void aio_pools_close_pin(struct aio_io_thread *s, struct aio_file *f);

/* Has a function called by a thread of its own; the record comes back if none can be started. And
 * how many have neither been called nor come back? */
void aio_pools_call(struct aio_io_thread *s, struct aio_call *call);
unsigned aio_pools_calls(const struct aio_io_thread *s);

/* Has threads started that could not be before. True: some are wanting. */
bool aio_pools_retry(const struct aio_io_thread *s);

/* Asks a thread that does a request to go on by the number r->aim, or not to go on. True: it does
 * no more by any other. */
bool aio_pools_redirect(struct aio_io_thread *s, struct aio_request *r);

/* How many threads are the library's, without the I/O thread? */
unsigned aio_pools_threads(struct aio_io_thread *s);

extern const struct aio_method aio_method_ring, aio_method_threads;

#endif
