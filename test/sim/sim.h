/*
 * test/sim/sim.h: the core of heald in a world that is made up: a clock that moves when we say so,
 * descriptors that are a few numbers, two back ends that report what these numbers say.
 *
 *   world.c     descriptors, the clock, and the table of system calls on them
 *   files.c     files, and ops on them
 *   backends.c  one back end that reports readiness, one that takes whole ops
 *   model.c     the oracle: what was submitted, what the world gave to which op, what must complete
 *   sim.c       the random program
 *
 * One simulation at a time, in this process: the table's functions get no pointer of ours.
 */
#ifndef HEALD_TEST_SIM_H
#define HEALD_TEST_SIM_H

#include "await/await.h"
#include "harness/harness.h"
#include "harness/seeds.h"

#include "loop/loop.h"

#include <heald/heald.h>

enum {
    FD_FIRST = 50, /* so that the loop's table grows on the way */
    FDS = 120,
    SLOTS = 40,
    ROOM = 32,
    NAMES = 6, /* of files */
    NODES = 64,
    BUFFERS = 4,
    BUFFER_SIZE = 16
};

/* An assertion that costs nothing while it holds: libcheck makes a system call of each. */
#define VERIFY(condition, ...)         \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

/* A descriptor of the world. */
struct wfd {
    bool open, listener, child;
    bool closing; /* a close of it is pending: it is not used any more */
    uint8_t type;
    unsigned generation;        /* counts up with each close */
    unsigned in, room, backlog; /* bytes or messages to read; bytes to write; connections */
    bool eof, dead, rung, connecting;
    int err, outcome; /* of the descriptor; of its connect */
    unsigned armed;   /* what the loop asked for, with HEALD_EDGE */
    bool pending;     /* an edge has not been reported */
    bool has_stale;
    uint32_t key, stale; /* of the present registration, and of one that is no more */
    uint8_t node;        /* of a file: which, and where it stands */
    int64_t position;
    bool owned; /* the program knows that it is open */
};

enum wnode_kind { NODE_FILE, NODE_DIRECTORY, NODE_LINK };

/* What names and descriptors are of. */
struct wnode {
    enum wnode_kind kind;
    unsigned users; /* names and descriptors; 0: it is free */
    int64_t size;
};

struct world {
    struct rng rng;
    int64_t now;
    bool calm;  /* nothing happens by itself any more */
    bool stuck; /* the loop sleeps, and nothing will wake it */
    bool edge;
    size_t bytes;
    struct wfd fd[FDS];
    struct wnode node[NODES];
    uint8_t name[NAMES]; /* the number of a node, or 0 */
};
extern struct world world;

extern const struct heald_sys world_sys;
extern const struct heald_allocator world_allocator;
extern const struct heald_backend_ops *const sim_backends[];

void world_init(uint64_t seed);
int world_open(int type); /* a descriptor, or -EMFILE */
unsigned world_ready(const struct wfd *w);
void world_event(void);               /* something happens, somewhere */
void world_feed(void);                /* everything happens that anybody may wait for */
void world_sleep(int64_t timeout_ns); /* the loop waits */
struct wfd *world_fd(int fd);         /* of an open descriptor, or NULL */

/* One op of the program, and what the oracle knows of it. */
struct slot {
    struct heald_op op;
    unsigned char buf[ROOM];
    socklen_t len;
    struct iovec iov;
    bool live, silent, cancelled, closed, file;
    bool given; /* the world has given `result`, whose callback has not run yet */
    int64_t result;
    int64_t deadline;      /* HEALD_FOREVER: none */
    int64_t first, passed; /* of a timer with a period */
    int fd;                /* -1: none */
    unsigned generation;   /* of that descriptor */
    uint64_t order, turn;
    bool posted;
};

struct model {
    struct heald_loop *loop;
    const struct heald_op *taker;   /* whose attempt the kernel makes, or NULL */
    const struct heald_op *entrant; /* that is being submitted, or NULL */
    struct slot slot[SLOTS];
    uint64_t order, turn, ends, posts;
    uint64_t last_post[POLICY_CLASSES]; /* the order of the last callback, of each class */
    int64_t turn_deadline;              /* of the present turn */
    unsigned live;
    unsigned char memory[BUFFERS * BUFFER_SIZE];
    struct heald_buf_group *group;
    unsigned held[BUFFERS], held_count;
    void (*in_callback)(struct slot *s); /* what the program does there */
};
extern struct model model;

/* The world gives something to the op that owns `buf` (or waits on `fd`). */
void model_took(int fd, int dir, const void *buf, int64_t result);
void model_gave(int64_t result); /* of a file, to the op that makes the call */
struct slot *model_idle(void);   /* one that is free, or NULL */
struct slot *model_any(void);    /* a live one, or NULL */
void model_submitted(struct slot *s, bool silent);
void model_closed(int fd); /* before it is closed or forgotten */
void model_post(void);
void model_cancel(struct slot *s);
void model_callback(struct heald_op *op);
void model_sleep(int64_t timeout_ns); /* the loop is about to wait, and nothing is there */
void model_verify(void);
void model_after_turn(int callbacks, unsigned limit);

/* files.c: the calls on files; then the program's part: a descriptor, a prep, what an open gave. */
int files_open(int dirfd, const char *name, int flags, mode_t mode);
int files_tempfile_unnamed(int dirfd, const char *directory, int flags);
int files_stat(int dirfd, const char *name, int flags, struct heald_stat *ret_stat);
int files_fsync(int fd, bool data_only);
int files_unlink(int dirfd, const char *name, int flags);
int files_mkdir(int dirfd, const char *name, mode_t mode);
int files_symlink(const char *target, int dirfd, const char *name);
int files_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
int files_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
int64_t files_readlink(int dirfd, const char *name, char *buf, size_t len);
int files_chmod(int dirfd, const char *name, mode_t mode, int flags);
int files_utimens(int dirfd, const char *name, const struct heald_time *times, int flags);
int files_ftruncate(int fd, int64_t size);
int files_fallocate(int fd, int mode, int64_t offset, int64_t size);
int64_t files_preadv(int fd, const struct iovec *iov, int count, int64_t offset);
int64_t files_pwritev(int fd, const struct iovec *iov, int count, int64_t offset);
void files_closed(const struct wfd *w);
int files_some(void); /* a descriptor, or -1 */
int files_prep(struct slot *s);
void files_told(const struct slot *s);
void files_verify_end(void);

#endif
