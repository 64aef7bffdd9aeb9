/*
 * test/fault/scene.h: a scene is something ordinary done with a loop, written so that it goes on
 * whatever fails. What it hands to the loop it hands over by scene_go(), which keeps account.
 */
#ifndef HEALD_TEST_SCENE_H
#define HEALD_TEST_SCENE_H

#include "fault/fault.h"

#include <heald/heald.h>

enum { SCENE_OPS = 24, SCENE_FDS = 16 };

struct scene;

/* An op and what became of it. */
struct entry {
    struct heald_op op;
    struct scene *scene;
    void (*then)(struct entry *e); /* after each completion; may be NULL */
    bool accepted, cancelled, posted;
    int ends; /* atomic: final completions; a pool thread may notify one */
};

struct scene {
    struct heald_loop *loop;
    const char *backend, *engine;
    struct entry entry[SCENE_OPS];
    unsigned count;
    int fds[SCENE_FDS]; /* closed at the end */
    unsigned fd_count;
    unsigned far; /* threads that may still post */
    union {
        char bytes[64];
        struct heald_stat stat;
        struct heald_siginfo info;
        struct heald_child_status status;
    } room[4];
    char memory[256];
    struct heald_buf_group *group;
    void *own;
};

struct scene_kind {
    const char *name;
    void (*start)(struct scene *s);
    void (*stop)(struct scene *s); /* before the loop is closed; may be NULL */
};

extern const struct scene_kind scene_streams, scene_pipes, scene_net, scene_files, scene_timers,
    scene_signals, scene_child, scene_posts, scene_guest, scene_crowd, scene_work, scene_lookups,
    scene_calls, scene_paths, scene_locks, scene_piped, scene_queue, scene_fifo, scene_sysv;

/* A fresh op to prepare. */
struct entry *scene_op(struct scene *s, void (*then)(struct entry *e));

/* Hands it over; it may be refused. */
void scene_go(struct entry *e);

/* Cancels, and remembers that it did. */
void scene_cancel(struct entry *e);

/* The callback of all entries. */
void scene_notified(struct heald_op *op);

/* Has a descriptor closed at the end. */
int scene_keep(struct scene *s, int fd);

/* Two connected sockets or the ends of a pipe, kept. */
void scene_pair(struct scene *s, int type, int ret_fds[2]);

#endif
