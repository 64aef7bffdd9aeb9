/*
 * message/made.h: queues, services and topics are found by name or made: what their three opens
 * share, and the text that says why one fails.
 */
#ifndef HEALD_SRC_MESSAGE_MADE_H
#define HEALD_SRC_MESSAGE_MADE_H

#include "base/choose.h"
#include "base/round.h"

#include <heald/object.h>

#include <stdbool.h>

/* A member of the options, and what the object that exists has. */
struct made_member {
    const char *name;
    uint64_t is, wanted;
    bool wants_zero; /* else a 0 stands for any */
};

/* A member, and the most that it may be. */
struct made_limit {
    const char *name;
    uint64_t value, max;
};

/* 0; -EPROTOTYPE: *why (or NULL) says which member is not as it is wanted. */
int heald__made_compare(enum heald_object_type type, const struct made_member members[],
                        unsigned count, struct heald_why *why);

/* True: *why says which member is above its limit. */
bool heald__made_exceeds(const struct made_limit limits[], unsigned count, struct heald_why *why);

/* As heald_object_open(), but one that exists may have any size, and with a size of 0 none is made.
 * On failure *why has the reason. */
int heald__made_open(struct heald_participant *me, const char *name,
                     const struct heald_object_options *how, struct heald_why *why,
                     void **ret_object);

/* Returns err, and fills *why if it is not 0: the object that was found cannot be used. */
int heald__made_checked(int err, const char *name, struct heald_why *why);

/* A capacity that is valid, rounded up to a power of two. */
static inline uint32_t made_capacity(uint32_t wanted)
{
    return (uint32_t)round_to_power(wanted);
}

#endif
