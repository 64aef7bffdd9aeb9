/* bench/soak/heald_soak.c: the workers' objects by heald; see soak.h. */
#include "soak.h"

#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct objects {
    struct heald_mutex mutex;
    struct heald_cond cond;
};

static struct heald_region *region;
static struct heald_participant *me;

size_t peer_size(void)
{
    return sizeof(struct objects);
}

void *peer_open(size_t size)
{
    struct heald_region_options o = {.size = size, .participants = 8};
    char name[64];

    snprintf(name, sizeof name, "/heald-soak-%ld", (long)getpid());
    if (heald_region_open(&region, name, HEALD_REGION_CREATE, &o) != 0)
        return NULL;
    heald_region_unlink(name);
    return heald_region_data(region);
}

void peer_attach(void *shared)
{
    (void)shared;
    if (heald_attach(region, &me) != 0)
        _exit(1);
}

static int checked(int err)
{
    return err == 0 ? 0 : err == -EOWNERDEAD ? 1 : -1;
}

int peer_lock(void *shared)
{
    return checked(heald_mutex_lock(&((struct objects *)shared)->mutex, me, HEALD_FOREVER));
}

int peer_wait(void *shared)
{
    struct objects *o = shared;
    return checked(heald_cond_wait(&o->cond, &o->mutex, me, HEALD_FOREVER));
}

void peer_consistent(void *shared)
{
    heald_mutex_consistent(&((struct objects *)shared)->mutex, me);
}

void peer_unlock(void *shared)
{
    heald_mutex_unlock(&((struct objects *)shared)->mutex, me);
}

void peer_broadcast(void *shared)
{
    heald_cond_broadcast(&((struct objects *)shared)->cond);
}
