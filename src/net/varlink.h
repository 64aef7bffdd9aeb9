/*
 * net/varlink.h: the words that pass between us and systemd-resolved (io.systemd.Resolve, by
 * Varlink): each a JSON object and a byte 0. Pure.
 */
#ifndef HEALD_SRC_NET_VARLINK_H
#define HEALD_SRC_NET_VARLINK_H

#include <heald/name.h>

enum {
    VARLINK_REQUEST = 512,     /* bytes that are enough for a request */
    VARLINK_REPLY = 64 * 1024, /* of a reply; a longer one is a surprise */
    VARLINK_ADDRS = 256,       /* of a reply; more are left out */
    VARLINK_SURPRISE = -4096   /* not what the protocol says: the C library is asked instead */
};

/* Writes the question for the addresses of a host: its length with the byte 0, or 0: a host that
 * only the C library is asked for. family: AF_UNSPEC, AF_INET or AF_INET6. */
size_t heald__varlink_request(char buf[VARLINK_REQUEST], const char *host, int family);

/* Reads a reply, without the byte 0: the number of addresses, at most VARLINK_ADDRS; a negative
 * result of a look-up; or VARLINK_SURPRISE. The port is in network order. */
int heald__varlink_reply(const char *text, size_t len, int family, uint16_t port,
                         struct heald_addr ret_addrs[VARLINK_ADDRS]);

#endif
