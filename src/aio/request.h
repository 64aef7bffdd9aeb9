/*
 * aio/request.h: what a request is, and how it goes through the library.
 *
 * The caller's thread makes a request of a block (submit.c) and hands it to the I/O thread
 * (io_thread.c), which alone knows files and their order (file.c), gives the request to a method
 * (method.h) and ends it (complete.c). Nobody else touches a request after it was handed over, so
 * none of this is locked.
 */
#ifndef HEALD_SRC_AIO_REQUEST_H
#define HEALD_SRC_AIO_REQUEST_H

#include "aio/state.h"
#include "base/list.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "platform/sys.h"

#include <aio.h>

enum aio_request_state {
    AIO_WAITING = 0, /* for its turn on its file; may be cancelled at once */
    AIO_STARTED,     /* the method's */
    AIO_TAKEN,       /* the next method's: the last one came to its end before this did */
    AIO_LOST,        /* or it cannot be done again: no completion will come */
    AIO_DECIDED      /* its result was known before it began, and is in op.result */
};

/* A function to call, as SIGEV_THREAD asks; the argument of its thread. */
struct aio_call {
    struct aio_head head;
    struct aio_state *process;
    void (*function)(union sigval);
    union sigval value;
    bool has_attr;
    pthread_attr_t attr;
};

/* The notification of an end: a copy of a sigevent. */
struct aio_notification {
    int how; /* SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, SIGEV_THREAD */
    int signo;
    pid_t thread;
    union sigval value;
    struct aio_call *call;
};

/* What requests and lists have in common: a notification. */
struct aio_notifier {
    struct aio_head head;
    uint8_t holds; /* users of the record */
    struct aio_notification notification;
};

struct aio_request {
    struct aio_notifier notifier;
    struct heald_op op; /* what to do; op.link and op.aux: the method's, op.timer: of aio_each() */
    struct heald_link order;
    struct aio_file *file;
    struct aiocb *cb; /* written once, at the end */
    struct aio_group *group;
    struct aio_ask *cancel;  /* the kernel was asked to end it, and has not answered */
    struct aio_ask *quiesce; /* waits for its end, or for a thread to do it by another number */
    const struct aio_method *method; /* has it, or had it last */
    struct heald_link
        by_number;  /* while `number` is one; then of those that threads are to do by another */
    int aim, by;    /* atomic: by which number a thread shall do it, -1: not; and does */
    uint32_t moved; /* bytes of a write that goes on */
    uint32_t left;  /* in which round its number was taken from it */
    int counted;    /* the descriptor at the call */
    int number;     /* the same; -1: it was closed meanwhile */
    uint8_t state;
    bool appends, direct; /* O_APPEND, O_DIRECT */
    bool waits;   /* for as long as it takes: O_NONBLOCK is not set; a sync: for those before it */
    bool ordered; /* after all before it in its direction */
    bool ending;  /* the kernel has said that it ends it, and the end has not come */
    bool copies;  /* between the page cache and a buffer that is large */
    bool fixed;   /* the ring has the file in the place `file->slot` */
    bool elsewhere; /* the ring could not do it */
};

/* A list of lio_listio(). */
struct aio_group {
    struct aio_notifier notifier;
    uint32_t left;   /* atomic, a futex: requests that are unfinished, + 1 for the call */
    uint32_t failed; /* atomic */
    bool waited;     /* LIO_WAIT */
};

/* An open file that requests are for, as long as there are any. */
struct aio_file {
    struct aio_head head;
    uint64_t dev, ino;
    int pin;  /* our own number for it, or -1 */
    int slot; /* its place among the files of the ring, or -1 */
    bool seeks, regular, finite, rings, socket, pipe, serial; /* as of struct heald_descriptor */
    bool mixed; /* two open files of one disk's file, whose numbers are closed: of no one place */
    struct heald_link unfinished; /* by order, in the order of the calls */
    struct heald_link queue[2];   /* by head.link: ordered and not started, reads and writes */
    struct aio_request *first[2]; /* the ordered one that is started */
    struct heald_op closing;      /* of the pin, by a thread */
};

/* A call that waits for the answer of the I/O thread: cancel (one descriptor, perhaps one block),
 * quiesce (a range of descriptors that are about to mean something else). A record: nobody's stack
 * is known to the I/O thread. */
struct aio_ask {
    struct aio_head head;
    int first, last;
    const struct aiocb *cb;
    uint32_t index; /* of its request, if it has one */
    uint32_t round; /* of a quiesce: which round it is */
    unsigned open;  /* parts that have no answer yet */
    bool canceled, running;
    bool moves;      /* quiesce: `first` is a pin, and another number is to be found for it */
    bool busy;       /* there is none */
    uint32_t answer; /* atomic, a futex: 0: none yet */
};

enum { AIO_BUCKETS = 1 << 16 };

enum { AIO_SMALL_READ = 64 << 10 }; /* is tried in the page cache first */

/* The I/O thread. */
struct aio_io_thread {
    struct aio_state *process;
    const struct heald_sys *sys;
    const struct aio_method
        *method; /* where the thread sleeps, and what is on its way goes first */
    struct aio_ring *ring;
    struct aio_pools *pools;
    struct aio_index *index; /* files and requests, see index.c */
    struct heald_mounts mounts;
    struct heald_link late;     /* struct aio_notifier: could not be notifier yet */
    struct heald_link uncalled; /* struct aio_call: no thread could be started yet */
    int64_t call_ns;            /* not again before that */
    struct heald_link asking;   /* struct aio_ask: cancels that wait for parts of their answer */
    struct heald_link quiescing; /* struct aio_ask: to be answered once their numbers are free */
    struct heald_link leaving; /* requests that a thread does by a number that goes, by by_number */
    uint32_t rounds;           /* of quiesces */
    unsigned live;             /* requests that are not finished */
    bool pipes;                /* the ring takes them */
    bool refused;              /* the ring could not start a worker */
    bool busy;                 /* something was handed over in this turn */
    bool notifier;             /* a thread may have been woken since the last turn */
    uint64_t touched;          /* words whose sleepers must check again */
};

/* io_thread.c: hands a record over; -EAGAIN: there is no I/O thread, and none can be started. */
int aio_io_thread_ensure(struct aio_state *p);
bool aio_io_thread_is_me(const struct aio_state *p); /* the I/O thread */
void aio_io_thread_push(struct aio_state *p, struct aio_head *h, enum aio_type type);
/* Is there something to take? */
static inline bool aio_io_thread_has_more(const struct aio_state *p)
{
    /* Relaxed: what is not seen here keeps the thread from sleeping. */
    return __atomic_load_n(&p->top, __ATOMIC_RELAXED) != NULL;
}
/* Lets others have the processor, and says so. */
void aio_io_thread_linger(struct aio_state *p);
/* Before it sleeps, the I/O thread asks: is there really nothing? And after it slept it says so. */
bool aio_io_thread_sleeps(struct aio_state *p);
void aio_io_thread_awake(struct aio_state *p);
/* Asks the I/O thread for what *ask says, and waits for its answer, which is in *ask then. */
void aio_ask(struct aio_state *p, struct aio_ask *ask, enum aio_type type);

/* submit.c: from a block to a request, of a kind of op. 0; -errno: it was refused, and the block
 * says so. A quiet one has no notification. */
int aio_submit(struct aiocb *cb, enum op_kind kind, struct aio_group *group, bool quiet);
int aio_submit_sync(struct aiocb *cb, bool data_only);
/* A number means another file now. */
void aio_forget_cached(struct aio_state *p, int fd);
/* Refuses a block: it says so, and err comes back. */
int aio_refuse(struct aiocb *cb, int err);

/* index.c: the requests by their number, the files by what they are. A file is in the index as
 * long as it has requests, a request as long as its number means its file. */
int aio_index_open(struct aio_io_thread *s);
void aio_index_close(struct aio_io_thread *s);
struct heald_link *aio_index_files(struct aio_io_thread *s, uint64_t dev, uint64_t ino);
struct heald_link *aio_index_numbers(struct aio_io_thread *s, int number);
/* Does something with each unfinished request of a descriptor (or all, -1); it may end it. */
typedef void aio_visit(struct aio_io_thread *s, struct aio_request *r, void *ctx);
void aio_each(struct aio_io_thread *s, int number, aio_visit *visit, void *ctx);
/* Does something with each file. */
void aio_each_file(struct aio_io_thread *s,
                   void (*visit)(struct aio_io_thread *, struct aio_file *, void *), void *ctx);

/* file.c */
void aio_admit(struct aio_io_thread *s, struct aio_request *r);
void aio_leave(struct aio_io_thread *s, struct aio_request *r);
/* The end of a file: its pin is closed, which may take a while. Any thread. */
void aio_file_free(struct aio_state *p, struct aio_file *f);
/* Gives a request to a method, the first time or again. */
void aio_start(struct aio_io_thread *s, struct aio_request *r);
/* By which number it is done, if not as `fixed`. */
int aio_fd_of(const struct aio_request *r);
void aio_op_set_fd(struct heald_op *op, int fd);
/* Does what it would be started by still mean its file, and if that is a number? */
bool aio_has_number(const struct aio_request *r);
bool aio_has_file(const struct aio_request *r);

/* quiesce.c: a number is about to mean another file. */
void aio_quiesce(struct aio_io_thread *s, struct aio_ask *ask);
/* If the close(2) that took its number is not answered yet a request goes on by that, and the call
 * waits for its end, or by a pin. */
void aio_quiesce_wait(struct aio_io_thread *s, struct aio_request *r);
/* Answers those whose numbers are free. */
void aio_quiesce_answer(struct aio_io_thread *s);
/* A number for the file of a request that no close(2) of the program closes: is there one? */
bool aio_pin(struct aio_request *r);

/* method.c: which method there is, which one a request goes, and what if one ends. */
int aio_methods_open(struct aio_io_thread *s); /* 0, -EAGAIN: no memory */
void aio_methods_close(struct aio_io_thread *s);
const struct aio_method *aio_method_for(const struct aio_io_thread *s, const struct aio_request *r);
void aio_method_ended(struct aio_io_thread *s);

/* complete.c */
void aio_done(struct aio_io_thread *s, struct aio_request *r, int64_t result); /* by the method */
void aio_complete(struct aio_io_thread *s, struct aio_request *r, int64_t result);
void aio_release(struct aio_state *p, struct aio_notifier *t);
/* Notifies now, or later; the record is freed when that is done. */
void aio_notify(struct aio_io_thread *s, struct aio_notifier *t);
void aio_publish(struct aiocb *cb, int64_t result);
bool aio_group_part(struct aio_state *p, struct aio_group *g, bool failed);

/* notify.c */
int aio_notification_copy(struct aio_state *p, struct aio_notification *to,
                          const struct sigevent *from);
void aio_notification_drop(struct aio_notification *n);
/* Without notification. */
bool aio_sigevent_silent(const struct sigevent *ev);
static inline bool aio_notification_is_silent(const struct aio_notification *n)
{
    return n->how == SIGEV_NONE;
}
/* By a signal: false: not now. */
bool aio_notify_by_signal(const struct heald_sys *sys, const struct aio_notification *n);
/* By a thread, which frees the record: 0, or -errno: not now. And if nobody is to be called. */
int aio_call_start(struct aio_call *call);
void aio_call_drop(struct aio_call *call);

/* cancel.c, on the I/O thread */
void aio_cancel_all(struct aio_io_thread *s, struct aio_ask *ask);
void aio_cancel_answer(struct aio_io_thread *s, struct aio_request *r, bool canceled);
void aio_ask_part(struct aio_ask *ask); /* one part less */
void aio_ask_answer(struct aio_ask *ask);

/* The calls that wait: as those of <aio.h>, but they return -errno. */
int aio_wait(const struct aiocb *const list[], int n, const struct timespec *timeout);
int aio_ask_cancel(int fd, struct aiocb *cb);
int aio_list(int mode, struct aiocb *const list[], int n, const struct sigevent *ev, bool quiet);

/* wait.c */
unsigned aio_word_of(const struct aiocb *cb);
void aio_words_wake(struct aio_state *p, uint64_t touched);

/* Which record has a block's request: in a place of the block that is the library's. Stored before
 * the block says that it is in progress. */
static inline void aio_block_set_index(struct aiocb *cb, uint32_t index)
{
    cb->__next_prio = (struct aiocb *)(uintptr_t)index;
}

static inline uint32_t aio_block_index(const struct aiocb *cb)
{
    return (uint32_t)(uintptr_t)cb->__next_prio;
}

#define aio_request_of(op_ptr) heald_container_of(op_ptr, struct aio_request, op)
#define aio_head_of(link_ptr)  heald_container_of(link_ptr, struct aio_head, link)

static inline bool aio_in_progress(const struct aiocb *cb)
{
    /* Acquire: pairs with aio_publish(), and with hand_over() in submit.c. */
    return __atomic_load_n(&cb->__error_code, __ATOMIC_ACQUIRE) == EINPROGRESS;
}

#endif
