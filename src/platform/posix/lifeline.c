/* platform/posix/lifeline.c: POSIX does not say where a mutex keeps its word. */
#include "platform/lifeline.h"

#include <stddef.h>

enum heald_life heald__plat_life_state(struct heald_lifeline *life)
{
    (void)life;
    return HEALD_LIFE_UNKNOWN;
}

uint32_t *heald__plat_life_watch(struct heald_lifeline *life, uint32_t *ret_seen)
{
    (void)life;
    (void)ret_seen;
    return NULL;
}
