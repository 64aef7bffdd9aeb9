/* listen.h: the address at which `heald serve` listens. */
#ifndef HEALD_CMD_LISTEN_H
#define HEALD_CMD_LISTEN_H

#include "serve/server.h"

/* The address of --listen with the port of --port. Returns NULL, or why there is none. */
const char *listen_address(const struct server_config *config, char *ret_text, size_t size);

#endif
