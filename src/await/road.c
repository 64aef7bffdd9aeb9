/* await/road.c: which road a loop takes, on the loop's thread; and what is waited for, on any. */
#include "await/road.h"

#include "base/choose.h"

#include "config.h"

#define ROAD_ROW(name) &heald_road_##name,

static const struct heald_road_ops *const roads[] = {HEALD_ROADS(ROAD_ROW) NULL};

#define NAME_ROW(name) #name,

static const char *const names[] = {HEALD_ROADS(NAME_ROW) NULL};
static const struct heald_left_out left_out[] = {
#define LEFT_OUT_ROW(name, why) {#name, why},
    HEALD_ROADS_LEFT_OUT(LEFT_OUT_ROW){NULL, NULL}};

static const struct heald_choice choice = {
    .variable = "HEALD_AWAIT", .names = names, .left_out = left_out};

int heald_await_check(struct heald_why *ret_why)
{
    return heald_choice_check(&choice, NULL, ret_why);
}

static int open_road(void *ctx, unsigned i)
{
    struct heald_road *road = ctx;

    *road = (struct heald_road){.ops = roads[i], .loop = road->loop};
    return roads[i]->open(road);
}

int heald_road_open(struct heald_road *road, struct heald_loop *loop)
{
    road->loop = loop;
    return heald_choose(&choice, NULL, open_road, road, NULL);
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
