/*
 * message/look.h: a message may come at once. To sleep and to be woken takes two processes some 10
 * us of a processor: so a call that may block looks for less than that first (platform/spin.h),
 * where that was of use of late.
 */
#ifndef HEALD_SRC_MESSAGE_LOOK_H
#define HEALD_SRC_MESSAGE_LOOK_H

#include "platform/spin.h"
#include "region/region.h"

#define LOOK_NS (5 * HEALD_US)

/* Did found(of) become true before the caller sleeps? */
static inline bool look_for(struct heald_participant *me, bool (*found)(const void *of),
                            const void *of)
{
    struct spin *spin = &me->seat->spin;

    spin->parallel = heald__region_is_parallel(me->region);
    if (!spin_begins(spin))
        return false;
    bool came = spin_for(&heald__sys_native, LOOK_NS, found, of);
    spin_ends(spin, came);
    return came;
}

#endif
