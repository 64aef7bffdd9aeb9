/*
 * heap/names.c: the directory of a region. Any thread; a change is made inside the journal.
 *
 * A name exists when `at` is not 0, which the journal sets and clears together with the heap; all
 * other members are written while it does not exist. A reader that lists it without entering copies
 * it and checks whether `at` is still the same.
 */
#include <heald/barrier.h>
#include <heald/cond.h>
#include <heald/object.h>
#include <heald/once.h>
#include <heald/rwlock.h>
#include <heald/sem.h>

#include "heap/journal.h"

#include <errno.h>
#include <string.h>

/* By enum heald_object_type; size 0: it differs; init of smaller ones takes their size. */
static const struct {
    const char *name;
    size_t size, least;
} types[] = {
    [HEALD_OBJECT_DATA] = {"data", 0, 0},
    [HEALD_OBJECT_MUTEX] = {"mutex", sizeof(struct heald_mutex), sizeof(struct heald_mutex)},
    [HEALD_OBJECT_COND] = {"cond", sizeof(struct heald_cond), sizeof(struct heald_cond)},
    [HEALD_OBJECT_SEM] = {"sem", 0, sizeof(struct heald_sem)},
    [HEALD_OBJECT_RWLOCK] = {"rwlock", sizeof(struct heald_rwlock), HEALD_RWLOCK_SIZE(1)},
    [HEALD_OBJECT_BARRIER] = {"barrier", sizeof(struct heald_barrier), HEALD_BARRIER_SIZE(1)},
    [HEALD_OBJECT_ONCE] = {"once", sizeof(struct heald_once), sizeof(struct heald_once)},
    [HEALD_OBJECT_QUEUE] = {"queue", 0, 256},
    [HEALD_OBJECT_SERVICE] = {"service", 0, 256},
    [HEALD_OBJECT_TOPIC] = {"topic", 0, 512},
};

enum { TYPES = sizeof types / sizeof types[0] };

const char *heald_object_type_name(enum heald_object_type type)
{
    return (unsigned)type < TYPES ? types[type].name : NULL;
}

static int check_name(const char *name)
{
    if (!name || !*name || strchr(name, '/'))
        return -EINVAL;
    return strlen(name) > HEALD_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* The requested object: 0, and the size; -EINVAL. */
static int check_type(enum heald_object_type type, size_t *size)
{
    if ((unsigned)type >= TYPES)
        return -EINVAL;
    if (*size && *size < types[type].least)
        return -EINVAL;
    *size = *size ? *size : types[type].size;
    return 0;
}

/* Enters, if the request is valid; sets the size. */
static int enter(struct journal *v, struct heald_participant *me, const char *name,
                 enum heald_object_type type, size_t *size)
{
    int err = check_name(name);

    if (!err)
        err = check_type(type, size);
    return err ? err : heald__journal_begin(v, me);
}

static uint64_t at_of(const struct region_name *n)
{
    /* Acquire: pairs with heald__journal_set(): the rest of the name is there. */
    return __atomic_load_n(&n->at, __ATOMIC_ACQUIRE);
}

static struct region_name *find(const struct heald_region *region, const char *name)
{
    for (unsigned i = 0; i < region->name_count; i++) {
        struct region_name *n = &region->names[i];
        if (at_of(n) && strncmp(n->name, name, sizeof n->name) == 0)
            return n;
    }
    return NULL;
}

/* Where the object of a name is; -EPROTOTYPE: it is not of this type, or too small. */
static int resolve(const struct heald_region *region, const struct region_name *n,
                   enum heald_object_type type, size_t size, void **ret_object)
{
    /* What is not asked to be of a special size may be a small one, which knows that it is. */
    size_t least = size == types[type].size ? types[type].least : size;

    if (n->type != (uint32_t)type || n->size < least)
        return -EPROTOTYPE;
    void *object = heald_at(region, n->at);
    if (!object || n->at % sizeof(uint64_t) || !region_has(region, object, n->size))
        return -EBADMSG;
    *ret_object = object;
    return 0;
}

/* Writes a name that is not there yet: `at` is for the caller. NULL: the directory is full. */
static struct region_name *draft(const struct journal *v, const char *name,
                                 enum heald_object_type type, size_t size, bool is_allocated)
{
    for (unsigned i = 0; i < v->region->name_count; i++) {
        struct region_name *n = &v->region->names[i];
        if (at_of(n))
            continue;
        memset(n, 0, sizeof *n);
        memcpy(n->name, name, strlen(name));
        n->type = type;
        n->size = size;
        n->is_allocated = is_allocated;
        return n;
    }
    return NULL;
}

static int make(struct journal *v, const char *name, const struct heald_object_options *o,
                size_t size, void **ret_object)
{
    bool needs_init = o->type == HEALD_OBJECT_SEM || o->type == HEALD_OBJECT_BARRIER ||
                      size < types[o->type].size;

    if (!size || (needs_init && !o->init))
        return -EINVAL;
    struct region_name *n = draft(v, name, o->type, size, true);
    if (!n)
        return -ENFILE;
    int err = heald__heap_allocate(v, size, &n->at);
    if (err)
        return err;
    *ret_object = v->region->base + n->at;
    return o->init ? o->init(*ret_object, size, o->ctx) : 0;
}

/* o->init: make it if it is not there. */
static int open_object(struct journal *v, const char *name, const struct heald_object_options *o,
                       size_t size, void **ret_object, int *ret_made)
{
    struct region_name *n = find(v->region, name);

    *ret_made = !n;
    return n ? resolve(v->region, n, o->type, size, ret_object)
             : make(v, name, o, size, ret_object);
}

int heald_object_open(struct heald_participant *me, const char *name,
                      const struct heald_object_options *options, void **ret_object, int *ret_made)
{
    struct journal v;
    size_t size = options ? options->size : 0;
    void *object = NULL;
    int made, err = options ? enter(&v, me, name, options->type, &size) : -EINVAL;

    if (err)
        return err;
    err = heald__journal_end(&v, open_object(&v, name, options, size, &object, &made));
    if (err)
        return err;
    *ret_object = object;
    if (ret_made)
        *ret_made = made;
    return 0;
}

int heald_object_find(struct heald_participant *me, const char *name, enum heald_object_type type,
                      size_t size, void **ret_object)
{
    struct journal v;
    void *object = NULL;
    int err = enter(&v, me, name, type, &size);

    if (err)
        return err;
    const struct region_name *n = find(v.region, name);
    err = heald__journal_end(&v, n ? resolve(v.region, n, type, size, &object) : -ENOENT);
    if (!err)
        *ret_object = object;
    return err;
}

int heald_object_name(struct heald_participant *me, const char *name, enum heald_object_type type,
                      void *object, size_t size)
{
    struct journal v;
    int err = enter(&v, me, name, type, &size);

    if (err)
        return err;
    struct region_name *n = NULL;
    if (!size || (uintptr_t)object % sizeof(uint64_t) || !region_has(v.region, object, size))
        err = -EINVAL;
    else if (find(v.region, name))
        err = -EEXIST;
    else if (!(n = draft(&v, name, type, size, false)))
        err = -ENFILE;
    else
        heald__journal_set(&v, &n->at, heald_offset(v.region, object));
    return heald__journal_end(&v, err);
}

int heald_object_remove(struct heald_participant *me, const char *name)
{
    struct journal v;
    size_t size = 0;
    int err = enter(&v, me, name, HEALD_OBJECT_DATA, &size);

    if (err)
        return err;
    struct region_name *n = find(v.region, name);
    if (!n)
        err = -ENOENT;
    else if (n->is_allocated)
        err = heald__heap_free(&v, &n->at);
    else
        heald__journal_set(&v, &n->at, 0);
    return heald__journal_end(&v, err == -EINVAL ? -EBADMSG : err);
}

int heald_object_next(const struct heald_region *region, unsigned *cursor,
                      struct heald_object_info *ret_info)
{
    while (*cursor < region->name_count) {
        const struct region_name *n = &region->names[(*cursor)++];
        uint64_t at = at_of(n);
        struct region_name copy = *n;

        copy.name[HEALD_NAME_MAX] = 0;
        copy.at = at;
        if (!at || at_of(n) != at || copy.type >= TYPES || !region_holds(region, at, copy.size))
            continue;
        *ret_info = (struct heald_object_info){
            .type = (enum heald_object_type)copy.type, .offset = at, .size = copy.size};
        memcpy(ret_info->name, copy.name, sizeof copy.name);
        return 1;
    }
    return 0;
}
