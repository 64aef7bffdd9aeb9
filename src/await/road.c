/* await/road.c: which road a loop takes, on the loop's thread; and what is waited for, on any. */
#include "await/road.h"

#include "config.h"

#include <errno.h>
#include <stdlib.h>

#define ROAD_ROW(name) &heald_road_##name,

static const struct heald_road_ops *const roads[] = {HEALD_ROADS(ROAD_ROW) NULL};

int heald_road_open(struct heald_road *road, struct heald_loop *loop)
{
    const char *name = getenv("HEALD_AWAIT");
    int err = -EINVAL;

    for (size_t i = 0; roads[i]; i++) {
        if (name && *name && strcmp(name, roads[i]->name) != 0)
            continue;
        *road = (struct heald_road){.ops = roads[i], .loop = loop};
        err = roads[i]->open(road);
        if (err != -ENOSYS)
            return err;
    }
    return err;
}

/* Of others' words. */
static struct heald_word word_at(const struct heald_wait *wait, unsigned i)
{
    return wait->words ? (struct heald_word){wait->words[i].word, wait->words[i].expected}
                       : wait->few;
}

unsigned heald_wait_words(const struct heald_wait *wait, struct heald_word ret_words[])
{
    if (!wait_is_foreign(wait))
        return region_words(&wait->region, ret_words);
    for (unsigned i = 0; i < wait->count; i++)
        ret_words[i] = word_at(wait, i);
    return wait->count;
}

bool heald_wait_is_over(const struct heald_wait *wait)
{
    if (!wait_is_foreign(wait))
        return region_is_over(&wait->region);
    for (unsigned i = 0; i < wait->count; i++) {
        struct heald_word w = word_at(wait, i);
        /* Acquire: what made it change is seen with it. */
        if (__atomic_load_n(w.word, __ATOMIC_ACQUIRE) != w.seen)
            return true;
    }
    return false;
}
