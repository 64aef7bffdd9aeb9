/* table.h: aligned columns, and numbers as people read them. */
#ifndef HEALD_CMD_TABLE_H
#define HEALD_CMD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { TABLE_COLUMNS_MAX = 8 };

struct table_column {
    const char *title;
    bool is_right; /* aligned: for numbers */
};

/* Initialize `columns` and `count`. */
struct table {
    const struct table_column *columns;
    unsigned count;
    bool is_clipped; /* the terminal cuts lines that are too wide: none is wrapped */
    /* private */
    unsigned cell_count;
    char **cells; /* row by row */
};

/* Adds the next cell of the current row. */
void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the titles and the rows, and frees the rows; nothing if there is none. In a terminal the
 * last column is wrapped unless it is clipped; nothing is cut off. */
void table_print(struct table *t);

enum { TABLE_NUMBER_SIZE = 32 };

/* "512B", "1.5K", "12M"; in `text`, which it returns. */
char *table_size(uint64_t bytes, char text[TABLE_NUMBER_SIZE]);

/* "0.25ms", "312ms", "4.2s", "3m12s", "5h3m", "2d4h". */
char *table_age(double seconds, char text[TABLE_NUMBER_SIZE]);

#endif
