/*
 * await/cache.c: answers to look-ups that a loop keeps for a while. The loop's thread.
 *
 * The C library does not say for how long an answer holds, so the program says it, and by default
 * nothing is kept. What failed is never kept: it may succeed now.
 *
 * Invariant: `cached` has the answers in the order in which they came, which is that in which they
 * expire, and no question twice: it is asked only when it is not there. So the old ones are at the
 * front, and go when a question or an answer comes.
 */
#include "await/cache.h"

#include "await/work.h"
#include "base/list.h"
#include "loop/loop.h"

struct cached {
    struct heald_link of_loop;
    int64_t until_ns;
    size_t size;
    struct heald_query query;
    unsigned count;
    struct heald_addr addrs[]; /* and behind them the strings of the question */
};

static struct cached *first_of(const struct heald_works *works)
{
    return heald_container_of(works->cached.next, struct cached, of_loop);
}

static void drop_first(struct heald_loop *loop)
{
    struct cached *c = first_of(loop->works);

    list_remove(&c->of_loop);
    loop->works->cached_count--;
    alloc_free(&loop->alloc, c, c->size);
}

static void drop_expired(struct heald_loop *loop)
{
    int64_t now = list_empty(&loop->works->cached) ? 0 : heald_now(loop);

    while (!list_empty(&loop->works->cached) && first_of(loop->works)->until_ns <= now)
        drop_first(loop);
}

bool heald__cache_find(struct heald_loop *loop, const struct heald_query *query,
                       struct heald_answer *ret_answer)
{
    struct heald_works *works = loop->works;

    if (!loop->lookup_cache_ns || !works)
        return false;
    drop_expired(loop);
    for (struct heald_link *n = works->cached.next; n != &works->cached; n = n->next) {
        struct cached *c = heald_container_of(n, struct cached, of_loop);
        if (!heald__name_same(&c->query, query))
            continue;
        *ret_answer = (struct heald_answer){.count = c->count, .addrs = c->addrs};
        return true;
    }
    return false;
}

/* A copy of a string at *at, which moves on; NULL of NULL. */
static const char *copy(char **at, const char *text)
{
    size_t n = text ? strlen(text) + 1 : 0;
    char *to = *at;

    if (!text)
        return NULL;
    memcpy(to, text, n);
    *at += n;
    return to;
}

static size_t length(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

void heald__cache_keep(struct heald_loop *loop, const struct heald_query *query,
                       const struct heald_answer *answer)
{
    size_t addrs = answer->count * sizeof(struct heald_addr);
    size_t size = sizeof(struct cached) + addrs + length(query->host) + length(query->service);

    if (!loop->lookup_cache_ns || answer->err || !answer->count || answer->count > CACHE_ADDRS)
        return;
    drop_expired(loop);
    if (loop->works->cached_count == CACHE_NAMES)
        drop_first(loop);
    struct cached *c = alloc_new(&loop->alloc, size);
    if (!c)
        return;
    memcpy(c->addrs, answer->addrs, addrs);
    char *at = (char *)c->addrs + addrs;
    c->query = *query;
    c->query.host = copy(&at, query->host);
    c->query.service = copy(&at, query->service);
    c->count = answer->count;
    c->size = size;
    c->until_ns = heald_now(loop) + loop->lookup_cache_ns;
    list_push(&loop->works->cached, &c->of_loop);
    loop->works->cached_count++;
}

void heald__cache_close(struct heald_loop *loop)
{
    while (!list_empty(&loop->works->cached))
        drop_first(loop);
}
