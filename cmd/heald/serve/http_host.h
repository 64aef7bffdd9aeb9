/* http_host.h: the host and port of a request: in the field Host and in a target. Pure. */
#ifndef HEALD_CMD_HTTP_HOST_H
#define HEALD_CMD_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the text is uri-host [ ":" port ] as in RFC 3986, 3.2.2: a name, an IPv4 address, or an
 * IPv6 address in brackets. The host may be empty. User information is not allowed.
 */
bool http_host_is_valid(const char *text, size_t len);

#endif
