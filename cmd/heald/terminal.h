/* terminal.h: what standard output is connected to, and text that fits it. */
#ifndef HEALD_CMD_TERMINAL_H
#define HEALD_CMD_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* The width of the terminal; 0: standard output is not a terminal, or its width is not known. */
unsigned terminal_columns(void);

/* Its height; 0: it is not a terminal, or its height is not known. */
unsigned terminal_rows(void);

/* Is standard output a terminal that understands control sequences, by TERM? */
bool terminal_has_sequences(void);

/* What begins and ends a warning: "" unless standard output is such a terminal and NO_COLOR is not
 * set. */
const char *terminal_alert(void);
const char *terminal_plain(void);

/* How many columns a text takes: its characters; a byte that is not UTF-8 counts as one. */
size_t terminal_width(const char *text);

/*
 * Prints a text that begins in the column `indent`, broken at spaces so that no line is wider than
 * `columns` (0: there is no limit); further lines begin in the same column. A line break in the
 * text stays one. Without a line break at the end.
 */
void terminal_wrap(const char *text, unsigned indent, unsigned columns);

#endif
