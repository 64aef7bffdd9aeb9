/* descriptors.h: how many connections the limit of descriptors (RLIMIT_NOFILE) allows. */
#ifndef HEALD_CMD_DESCRIPTORS_H
#define HEALD_CMD_DESCRIPTORS_H

/*
 * Raises the soft limit towards the hard one as far as `connections` need, and returns how many of
 * them fit, each with a file: at most `connections`, and 0 when not even one does. Call it when all
 * else is open. *ret_limit: the limit as it is then.
 */
unsigned descriptors_reserve(unsigned connections, unsigned long *ret_limit);

#endif
