/*
 * The parts of the io_uring echo server: its ring and buffers, and one function for each kind of
 * operation that it starts.  peer_uring.c is the server itself.
 */
#ifndef BENCH_URING_H
#define BENCH_URING_H

#include "listener.h"

#include "../common/common.h"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    SQ_ENTRIES = 4096,
    CQ_ENTRIES = 16384,
    CHUNKS = 2048, /* a power of two */
    CHUNK_SIZE = 2048,
    CHUNK_STRIDE = CHUNK_SIZE + 64, /* chunks that start in different cache sets */
    RESTART_AT = CHUNKS / 8,        /* so many free chunks let starved connections go on */
    CONN_CHUNKS = 64,               /* so many that wait for one client pause its receive */
    FILES = 16384,
    GROUP = 0,
};

enum tag { TAG_ACCEPT, TAG_TERMINATION, TAG_RECV, TAG_SEND, TAG_CANCEL, TAG_CLOSE, TAG_MASK = 7 };

struct conn {
    int file; /* index of the direct descriptor */
    int receiving;
    int paused; /* its receive was cancelled: too many chunks wait for the client */
    int broken; /* what cannot be sent is dropped */
    int queued;
    struct chunk *head, *tail;
    struct conn *next_starved; /* its receive ended for want of chunks */
};

/* Received data: in the ring's memory, or (a connection whose client is slow) on the heap. */
struct chunk {
    struct conn *conn;
    struct chunk *next;
    struct chunk **try; /* its place in server.tries, NULL when it is not being tried */
    char *data;
    unsigned off, len;
    void *heap; /* what to free: the chunk itself, or NULL for one of the ring */
};

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *group;
    struct listener listener;
    struct conn *starved;
    struct chunk *tries[2][FILES]; /* of this turn and of the one submitted, see peer_uring.c */
    int now, count[2];             /* at most one try a connection, so FILES bounds them */
    int held;                      /* chunks that the kernel has filled and that are not returned */
    int recycled;                  /* chunks returned in this turn */
    int full;                      /* accepting pauses: no descriptor is free */
    int stopped;
    struct chunk chunks[CHUNKS];
    char memory[CHUNKS][CHUNK_STRIDE];
};

static inline struct io_uring_sqe *prepare(struct server *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

    if (!sqe) {
        io_uring_submit(&s->ring);
        sqe = io_uring_get_sqe(&s->ring);
        if (!sqe)
            bench_die("the submission ring is full", 0);
    }
    return sqe;
}

static inline void tag(struct io_uring_sqe *sqe, const void *ptr, enum tag tag)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)ptr | tag);
}

static inline void start_accept(struct server *s)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_multishot_accept_direct(sqe, s->listener.fd, NULL, NULL, 0);
    tag(sqe, NULL, TAG_ACCEPT);
}

static inline void start_recv(struct server *s, struct conn *c)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_recv_multishot(sqe, c->file, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->buf_group = GROUP;
    tag(sqe, c, TAG_RECV);
    c->receiving = 1;
}

static inline void start_send(struct server *s, struct chunk *k, int trying)
{
    struct io_uring_sqe *sqe = prepare(s);
    int flags = MSG_NOSIGNAL | MSG_WAITALL | (trying ? MSG_DONTWAIT : 0);

    io_uring_prep_send(sqe, k->conn->file, k->data + k->off, k->len - k->off, flags);
    sqe->flags |= IOSQE_FIXED_FILE | (trying ? IOSQE_CQE_SKIP_SUCCESS : 0);
    tag(sqe, k, TAG_SEND);
    if (trying) {
        k->try = &s->tries[s->now][s->count[s->now]++];
        *k->try = k;
    }
}

static inline void cancel_recv(struct server *s, struct conn *c)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)c | TAG_RECV, 0);
    tag(sqe, NULL, TAG_CANCEL);
    c->paused = 1;
}

static inline void start_shutdown(struct server *s, int file)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_shutdown(sqe, file, SHUT_RDWR);
    sqe->flags |= IOSQE_FIXED_FILE;
    tag(sqe, NULL, TAG_CLOSE);
}

static inline void start_close(struct server *s, int file)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_close_direct(sqe, (unsigned)file);
    tag(sqe, NULL, TAG_CLOSE);
}

static inline void start_termination(struct server *s, int fd)
{
    struct io_uring_sqe *sqe = prepare(s);

    io_uring_prep_poll_add(sqe, fd, POLLIN);
    tag(sqe, NULL, TAG_TERMINATION);
}

/* The chunk is sent or dropped; one of the ring goes back to the kernel at the end of the turn. */
static inline void release(struct server *s, struct chunk *k)
{
    if (!k->heap) {
        io_uring_buf_ring_add(s->group, k->data, CHUNK_SIZE, (unsigned short)(k - s->chunks),
                              io_uring_buf_ring_mask(CHUNKS), s->recycled++);
        s->held--;
    } else {
        free(k->heap);
    }
}

/* The same data on the heap. */
static inline struct chunk *spill(struct server *s, struct chunk *k)
{
    struct chunk *copy;

    if (k->heap)
        return k;
    copy = bench_alloc(1, sizeof *copy + k->len);
    *copy = *k;
    copy->heap = copy;
    copy->data = (char *)(copy + 1);
    memcpy(copy->data, k->data, k->len);
    release(s, k);
    return copy;
}

static inline void unavailable(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(error));
    exit(BENCH_SKIP);
}

static inline void server_open(struct server *s)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    struct io_uring_buf_reg reg = {.ring_entries = CHUNKS, .bgid = GROUP};
    int i, ret = io_uring_queue_init_params(SQ_ENTRIES, &s->ring, &p);

    if (ret)
        unavailable("io_uring", -ret);
    ret = io_uring_register_ring_fd(&s->ring);
    if (ret == 1)
        ret = io_uring_register_files_sparse(&s->ring, FILES);
    if (ret)
        unavailable("direct descriptors", ret < 0 ? -ret : ENOSYS);
    if (posix_memalign((void **)&s->group, 4096, CHUNKS * sizeof(struct io_uring_buf)))
        bench_die("posix_memalign", ENOMEM);
    io_uring_buf_ring_init(s->group);
    reg.ring_addr = (uint64_t)(uintptr_t)s->group;
    ret = io_uring_register_buf_ring(&s->ring, &reg, 0);
    if (ret)
        unavailable("provided buffers", -ret);
    s->held = CHUNKS;
    for (i = 0; i < CHUNKS; i++) {
        s->chunks[i].data = s->memory[i];
        release(s, &s->chunks[i]);
    }
    io_uring_buf_ring_advance(s->group, s->recycled);
    s->recycled = 0;
}

#endif
