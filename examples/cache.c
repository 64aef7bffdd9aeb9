/* cache: names and values in shared memory, or in a file that outlives everybody; many read at once
 * while nobody writes. `cache /NAME|file:/PATH KEY [VALUE]` */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A value is written beside the valid one, and made valid by one store: a process that is killed
 * before that has changed nothing. */
struct entry {
    char key[32];
    unsigned valid; /* 0 or 1: which of the two */
    uint64_t value[2];
};

struct cache {
    struct heald_rwlock lock;
    struct entry entries[64];
};

static struct heald_region *region;
static struct heald_participant *me;

static struct entry *find(struct cache *c, const char *key) /* or a free one; NULL */
{
    for (int i = 0; i < 64 && strlen(key) < sizeof c->entries[i].key; i++)
        if (!c->entries[i].key[0] || strcmp(c->entries[i].key, key) == 0)
            return &c->entries[i];
    return NULL;
}

static int get(struct cache *c, const char *key)
{
    int err = heald_rwlock_rdlock(&c->lock, me, HEALD_FOREVER);
    const struct entry *e = err ? NULL : find(c, key);
    const char *value = e ? heald_at(region, e->value[e->valid]) : NULL;

    if (value)
        printf("%s\n", value);
    heald_rwlock_unlock(&c->lock, me); /* -EPERM if it was not had, which harms nobody */
    return err ? err : value ? 0 : -ENOENT;
}

static int put(struct cache *c, const char *key, const char *value)
{
    int err = heald_rwlock_wrlock(&c->lock, me, HEALD_FOREVER);

    if (err == -EOWNERDEAD) /* a writer died; see struct entry */
        err = heald_rwlock_consistent(&c->lock, me);
    struct entry *e = err ? NULL : find(c, key);
    if (!err)
        err = e ? heald_free(me, &e->value[!e->valid]) : -ENOSPC;
    if (!err && !(err = heald_alloc(me, strlen(value) + 1, &e->value[!e->valid]))) {
        memcpy(heald_at(region, e->value[!e->valid]), value, strlen(value) + 1);
        e->valid = !e->valid;
        memcpy(e->key, key, strlen(key) + 1);
    }
    heald_rwlock_unlock(&c->lock, me);
    return err;
}

int main(int argc, char **argv)
{
    struct heald_region_options o = {.heap = 65536};
    struct heald_object_options object = {.size = sizeof(struct cache)};
    void *c;
    int err = argc < 3 ? -EINVAL : heald_region_open(&region, argv[1], HEALD_REGION_CREATE, &o);

    if (!err && !(err = heald_attach(region, &me))) {
        err = heald_object_open(me, "cache", &object, &c, NULL);
        if (!err)
            err = argc > 3 ? put(c, argv[2], argv[3]) : get(c, argv[2]);
        heald_detach(me);
        heald_region_close(region);
    }
    if (err)
        fprintf(stderr, "cache: %s\n", heald_strerror(err));
    return err != 0;
}
