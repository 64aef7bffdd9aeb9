/* site.h: addresses in other processes as places in their programs. */
#ifndef HEALD_CMD_SITE_H
#define HEALD_CMD_SITE_H

#include "census.h"

/* Fills in where locks were taken, and where others wait for them: the sites of a census. */
void site_find_all(struct census *c);

/* The source, or else the address, or "". */
const char *site_text(const struct census_site *site);

#endif
