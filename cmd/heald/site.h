/* site.h: an address in another process as a place in its program. */
#ifndef HEALD_CMD_SITE_H
#define HEALD_CMD_SITE_H

#include <heald/inspect.h>

enum { SITE_SIZE = 300 };

/* "program+0x1234", for addr2line(1); "" if it cannot be found. In `text`, which it returns. */
char *site_text(const struct heald_thread_info *thread, uint64_t site, char text[SITE_SIZE]);

#endif
