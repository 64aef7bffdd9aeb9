/* Where the proxies connect to: the port of 127.0.0.1 that BENCH_TARGET names. */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <netinet/in.h>

struct sockaddr_in target_address(void);

/* A connection to it, non-blocking, or the end of the program. */
int target_connect(void);

#endif
