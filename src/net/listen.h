/* net/listen.h: the options of a socket that listens, and descriptors that were inherited. */
#ifndef HEALD_SRC_NET_LISTEN_H
#define HEALD_SRC_NET_LISTEN_H

#include <heald/net.h>

#include <stdbool.h>

/* Are the numbers of the options in range? */
bool heald__listen_is_valid(const struct heald_listen_options *o);

/* Before bind(2): sets what the options say for a socket of that family. 0 or -errno. */
int heald__listen_prepare(int fd, int family, const struct heald_listen_options *o);

/*
 * The sockets that systemd has passed, as sd_listen_fds(3): those of that name, or all if it is
 * NULL. Fills at most `max` of ret_fds and returns how many there are; -errno: -ENOENT: none;
 * -EINVAL: the environment makes no sense; -ENOTSOCK, -EOPNOTSUPP: one is no socket, or does not
 * listen.
 */
int heald__listen_inherited(const char *name, int ret_fds[], int max);

#endif
