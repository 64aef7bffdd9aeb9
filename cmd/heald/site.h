/* site.h: addresses in other processes as places in their programs. */
#ifndef HEALD_CMD_SITE_H
#define HEALD_CMD_SITE_H

#include "snapshot.h"

/* Fills in where locks were taken, and where others wait for them: the sites of a snapshot. */
void site_find_all(struct snapshot *c);

/* The source, or else the address, or "". */
const char *site_text(const struct snapshot_site *site);

#endif
