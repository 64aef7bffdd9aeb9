/*
 * heap/named_sem.c: a semaphore with a name: a region with one object. For the thread that opened
 * it.
 */
#include <heald/object.h>
#include <heald/sem.h>

#include <errno.h>
#include <stdbool.h>

enum { ROOM = 16 * 1024, PARTICIPANTS_LEAST = 512, PARTICIPANTS_MOST = 4096 };

static const char object_name[] = "sem";

struct wish {
    unsigned permits;
    bool only_counts;
};

static int make(void *object, size_t size, void *ctx)
{
    const struct wish *wish = ctx;

    (void)size;
    return wish->only_counts ? heald_sem_init_counting(object, wish->permits)
                             : heald_sem_init(object, wish->permits);
}

static int check_wish(const struct wish *wish, int flags)
{
    if (wish->only_counts)
        return 0;
    if (wish->permits > HEALD_SEM_PERMITS_MAX)
        return -EINVAL;
    return flags & HEALD_REGION_CREATE && !wish->permits ? -EINVAL : 0;
}

static size_t size_of(const struct wish *wish)
{
    return HEALD_SEM_SIZE(wish->only_counts ? 0 : wish->permits);
}

/* Enough for each permit's holder, and as many waiters. */
static unsigned participants_of(const struct wish *wish)
{
    unsigned wanted = wish->only_counts ? 0 : 2 * wish->permits;

    wanted = wanted > PARTICIPANTS_MOST ? PARTICIPANTS_MOST : wanted;
    return wanted > PARTICIPANTS_LEAST ? wanted : PARTICIPANTS_LEAST;
}

/* Before the region has a name: a process that opens it finds the semaphore. */
static int set_up(struct heald_region *region, void *ctx)
{
    struct wish *wish = ctx;
    struct heald_object_options o = {
        .type = HEALD_OBJECT_SEM,
        .size = size_of(wish),
        .init = make,
        .ctx = wish,
    };
    struct heald_participant *me;
    void *object;
    int err = heald_attach(region, &me);

    if (err)
        return err;
    err = heald_object_open(me, object_name, &o, &object, NULL);
    heald_detach(me);
    return err;
}

static int find(struct heald_named_sem *s, const struct wish *wish)
{
    void *object;
    int err = heald_object_find(s->me, object_name, HEALD_OBJECT_SEM, 0, &object);

    if (err)
        return err == -ENOSYS || err == -ENOENT ? -EPROTOTYPE : err;
    s->sem = object;
    bool is_counting = !s->sem->permits;
    if (wish->permits &&
        (is_counting != wish->only_counts || (!is_counting && s->sem->permits != wish->permits)))
        return -EPROTOTYPE;
    return 0;
}

int heald_sem_open(struct heald_named_sem *ret_sem, const char *name, int flags, unsigned permits)
{
    struct wish wish = {permits, flags & HEALD_SEM_COUNTING};
    struct heald_region_options o = {.participants = participants_of(&wish),
                                     .size = 1,
                                     .heap = ROOM + size_of(&wish),
                                     .setup = set_up,
                                     .ctx = &wish};
    struct heald_named_sem s;
    int err = check_wish(&wish, flags);

    flags &= ~HEALD_SEM_COUNTING;
    if (!err)
        err = heald_region_open(&s.region, name, flags, &o);
    if (err)
        return err;
    err = heald_attach(s.region, &s.me);
    if (!err && (err = find(&s, &wish)))
        heald_detach(s.me);
    if (err)
        heald_region_close(s.region);
    else
        *ret_sem = s;
    return err;
}

int heald_sem_close(struct heald_named_sem *sem)
{
    heald_detach(sem->me);
    int err = heald_region_close(sem->region);
    if (!err)
        *sem = (struct heald_named_sem){0};
    return err;
}

int heald_sem_unlink(const char *name)
{
    return heald_region_unlink(name);
}
