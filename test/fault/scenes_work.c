/* test/fault/scenes_work.c: functions on threads, of workers of the program and of the loop;
 * look-ups of names, and connections to them. */
#include "fault/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct works {
    struct heald_workers *workers;
    struct heald_work job;
    int running, released; /* atomic */
};

static int64_t add(struct heald_op *op)
{
    __atomic_fetch_add((int *)op->data, 1, __ATOMIC_RELAXED);
    return 1;
}

static int64_t nap(struct heald_work *job)
{
    __atomic_store_n(&heald_container_of(job, struct works, job)->running, 1, __ATOMIC_RELEASE);
    while (!heald_work_detached(job))
        usleep(100);
    return 0;
}

static void released(struct heald_work *job)
{
    __atomic_store_n(&heald_container_of(job, struct works, job)->released, 1, __ATOMIC_RELEASE);
}

static void cancel_job(struct entry *e)
{
    scene_cancel(&e->scene->entry[0]);
}

static void work(struct scene *s)
{
    struct works *w = s->own = calloc(1, sizeof *w);
    struct heald_workers_options o = {
        .threads = 2, .queue = 8, .allocator = fault_allocator, .sys = &fault_sys};
    struct entry *e = scene_op(s, NULL);

    if (heald_workers_open(&w->workers, &o))
        return;
    w->job = (struct heald_work){.fn = nap, .release = released};
    heald_prep_work_detachable(&e->op, &w->job, w->workers);
    scene_go(e);
    for (int i = 0; i < 6; i++) {
        e = scene_op(s, i == 5 ? cancel_job : NULL);
        e->op.data = s->memory;
        heald_prep_work(&e->op, add, i % 2 ? w->workers : NULL);
        scene_go(e);
    }
}

static void work_stop(struct scene *s)
{
    struct works *w = s->own;

    while (heald_op_detached(&s->entry[0].op) && !__atomic_load_n(&w->released, __ATOMIC_ACQUIRE))
        usleep(100);
    if (w->workers && heald_workers_close(w->workers))
        abort();
    free(w);
}

const struct scene_kind scene_work = {"work", work, work_stop};

struct lookups {
    struct heald_lookup lookup[4];
    struct heald_addr addrs[4][2];
};

/* What is in no file and needs no network: numbers, and services of /etc/services. */
static void lookups(struct scene *s)
{
    static const char *const hosts[] = {"localhost", "192.0.2.1", "192.0.2.1", "::1"};
    static const char *const services[] = {"80", "http", "http", NULL};
    struct lookups *l = s->own = calloc(1, sizeof *l);

    for (int i = 0; i < 4; i++) {
        struct entry *e = scene_op(s, NULL);
        l->lookup[i].max = 2;
        l->lookup[i].ret_addrs = l->addrs[i];
        heald_prep_lookup(&e->op, &l->lookup[i], hosts[i], services[i]);
        scene_go(e);
    }
}

static void lookups_stop(struct scene *s)
{
    free(s->own);
}

const struct scene_kind scene_lookups = {"lookups", lookups, lookups_stop};

struct calls {
    struct heald_connect_name name[2];
    char port[8], text[HEALD_ADDR_TEXT];
    int listener;
};

/* The winner's descriptor is the program's. */
static void called(struct entry *e)
{
    if (e->op.result >= 0)
        heald_close(e->op.loop, (int)e->op.result);
}

static void calls(struct scene *s)
{
    struct calls *c = s->own = calloc(1, sizeof *c);
    struct heald_addr addr;

    c->listener = scene_keep(s, heald_listen("127.0.0.1:0", SOCK_STREAM, 8));
    if (heald_local_addr(c->listener, &addr) == 0)
        heald_addr_format(&addr, c->text, sizeof c->text);
    snprintf(c->port, sizeof c->port, "%s", strrchr(c->text, ':') + 1);
    for (int i = 0; i < 2; i++) {
        struct entry *e = scene_op(s, called);
        heald_prep_connect_name(&e->op, &c->name[i], i ? c->text : "localhost", i ? NULL : c->port);
        scene_go(e);
    }
}

static void calls_stop(struct scene *s)
{
    free(s->own);
}

const struct scene_kind scene_calls = {"calls", calls, calls_stop};
