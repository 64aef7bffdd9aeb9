/*
 * symbols.h: functions and lines of other processes, from the debug information of their programs.
 *
 * symbols_dw.c is elfutils' libdw, symbols_none.c a build without it, which knows nothing.
 */
#ifndef HEALD_CMD_SYMBOLS_H
#define HEALD_CMD_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct symbols;

/* Of a process of this PID name space; NULL: nothing is known. */
struct symbols *symbols_open(pid_t pid);
void symbols_close(struct symbols *symbols);

/* "function (file.c:42)" of an address in it, where a call returns to or a function begins; false:
 * there is no debug information. symbols may be NULL. */
bool symbols_find(const struct symbols *symbols, uint64_t address, char *text, size_t size);

#endif
