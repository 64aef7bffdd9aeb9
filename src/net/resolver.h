/* net/resolver.h: who is asked for names: the C library, or systemd-resolved. */
#ifndef HEALD_SRC_NET_RESOLVER_H
#define HEALD_SRC_NET_RESOLVER_H

#include <heald/net.h>

#include <stdbool.h>

/* False: the C library; true: systemd-resolved, at *ret_addr. Reads a small file. Any thread. */
bool heald__resolver_is_resolved(struct heald_addr *ret_addr);

/* Does this line of nsswitch.conf lead to resolved, with nothing before it that resolved does not
 * know as well? Pure. */
bool heald__resolver_in_line(const char *line);

#endif
