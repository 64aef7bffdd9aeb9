/*
 * await/cache.h: answers to look-ups that a loop keeps for a while (heald_loop_options). The loop's
 * thread.
 */
#ifndef HEALD_SRC_AWAIT_CACHE_H
#define HEALD_SRC_AWAIT_CACHE_H

#include "net/name.h"

struct heald_loop;

enum {
    CACHE_NAMES = 256, /* are kept; the oldest goes first */
    CACHE_ADDRS = 64   /* of a name; a longer answer is not kept */
};

/* The answer that is kept for a question: true; its addresses stay until the next call here. */
bool heald__cache_find(struct heald_loop *loop, const struct heald_query *query,
                       struct heald_answer *ret_answer);

/* Keeps an answer, if the loop keeps any and it has addresses. Without memory it does not. */
void heald__cache_keep(struct heald_loop *loop, const struct heald_query *query,
                       const struct heald_answer *answer);

void heald__cache_close(struct heald_loop *loop);

#endif
