/* await/road.c: which road a loop takes. The loop's thread. */
#include "await/road.h"

#include "base/choose.h"

#include "config.h"

#define ROAD_ROW(name) &heald__road_##name,

static const struct heald_road_ops *const roads[] = {HEALD_ROADS(ROAD_ROW) NULL};

#define NAME_ROW(name) #name,

static const char *const names[] = {HEALD_ROADS(NAME_ROW) NULL};
static const struct heald_left_out left_out[] = {
#define LEFT_OUT_ROW(name, why) {#name, why},
    HEALD_ROADS_LEFT_OUT(LEFT_OUT_ROW){NULL, NULL}};

static const struct heald_choice choice = {
    .variable = "HEALD_AWAIT", .names = names, .left_out = left_out};

int heald__road_check(struct heald_why *ret_why)
{
    return heald__choice_check(&choice, NULL, ret_why);
}

static int open_road(void *ctx, unsigned i)
{
    struct heald_road *road = ctx;

    *road = (struct heald_road){.ops = roads[i], .locks = road->locks};
    return roads[i]->open(road);
}

int heald__road_open(struct heald_road *road, struct heald_locks *locks)
{
    road->locks = locks;
    return heald__choose(&choice, NULL, open_road, road, NULL);
}
