/* net/sort.h: the order in which addresses are to be tried (RFC 6724). */
#ifndef HEALD_SRC_NET_SORT_H
#define HEALD_SRC_NET_SORT_H

#include <heald/net.h>

/* Sorts the first 64 of them; others stay behind these. Asks the system which address it would send
 * from, and sends nothing. Any thread. */
void heald__sort_addrs(struct heald_addr addrs[], unsigned count);

#endif
