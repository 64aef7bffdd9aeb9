/* base/round.h: numbers that are rounded up. */
#ifndef HEALD_SRC_BASE_ROUND_H
#define HEALD_SRC_BASE_ROUND_H

#include <stdint.h>

/* The least power of two that is not below n, which is 2^63 at most. */
static inline uint64_t round_to_power(uint64_t n)
{
    uint64_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

#endif
