/*
 * net/name.h: look-ups of names: what needs no waiting, and what the C library says. A query's
 * strings belong to the caller.
 */
#ifndef HEALD_SRC_NET_NAME_H
#define HEALD_SRC_NET_NAME_H

#include "base/alloc.h"
#include "platform/sys.h"

#include <heald/name.h>

enum {
    NAME_MAX_HOST = 255,   /* bytes of a host */
    NAME_MAX_SERVICE = 64, /* of a service */
    NAME_MAX_ADDRS = 1024, /* of an answer; more are left out */
    NAME_NOW_ADDRS = 2     /* of an answer that needs no waiting */
};

struct heald_query {
    const char *host, *service; /* NULL: none */
    int family, type;
    unsigned flags;
};

struct heald_answer {
    int err; /* 0 or negative, as the result of an op */
    int eai;
    unsigned count, room;
    struct heald_addr *addrs; /* as many as there is room for; of the allocator */
};

/* The answer, if it needs no waiting: how many addresses, or -errno; 0: it has to be asked for. */
int heald__name_now(const struct heald_query *query, struct heald_addr ret_addrs[NAME_NOW_ADDRS]);

/* Asks the C library, and blocks. The addresses come from the allocator. Any thread. */
void heald__name_ask(const struct heald_sys *sys, const struct heald_allocator *alloc,
                     const struct heald_query *query, struct heald_answer *ret_answer);

/* Would the system send to this address, and not from one of smaller scope? Sends nothing. Any
 * thread. */
bool heald__name_reachable(const struct heald_addr *addr);

/* Do both ask for the same? */
bool heald__name_same(const struct heald_query *a, const struct heald_query *b);

/* A textual address with a name: host:service, :service, [host]:service, or a path. */
struct heald_name_text {
    char host[NAME_MAX_HOST + 1];
    char service[NAME_MAX_SERVICE];
    bool has_host, has_service;
};

/* 0, -EINVAL or -ENAMETOOLONG. */
int heald__name_split(const char *text, struct heald_name_text *ret);

/* The addresses to bind to of `:80` and `localhost:80`, in that order: how many; or -EINVAL: it is
 * none of these. Does not wait. */
int heald__name_here(const char *text, struct heald_addr ret_addrs[NAME_NOW_ADDRS]);

/* The port of a numeric service, in network order; -EINVAL: a number that is none; -ENOENT: a
 * name. */
int heald__name_port(const char *service, uint16_t *ret_port);

#endif
