/* table.c: see table.h. */
#include "table.h"

#include "snapshot.h"
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, CELL_MAX = 4096 };

void table_add(struct table *t, const char *format, ...)
{
    char text[CELL_MAX];
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): see text_addf() */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = strlen(text) + 1;
    t->cells = snapshot_grow(t->cells, t->cell_count, sizeof *t->cells);
    t->cells[t->cell_count++] = memcpy(snapshot_grow(NULL, 0, size), text, size);
}

static unsigned print_spaces(unsigned count)
{
    printf("%*s", (int)count, "");
    return 0;
}

/* Spaces are printed before the next text, so that none end the line. at: where the last column
 * begins. */
static void print_row(const struct table *t, const char *const cells[], const unsigned widths[],
                      unsigned at)
{
    unsigned spaces = 0, last = t->count - 1;

    for (unsigned i = 0; i < last; i++) {
        unsigned pad = widths[i] - (unsigned)terminal_width(cells[i]);
        spaces += t->columns[i].is_right ? pad : 0;
        if (*cells[i])
            spaces = print_spaces(spaces);
        printf("%s", cells[i]);
        spaces += GAP + (t->columns[i].is_right ? 0 : pad);
    }
    if (*cells[last])
        print_spaces(spaces);
    terminal_wrap(cells[last], at, t->is_clipped ? 0 : terminal_columns());
    putchar('\n');
}

static void free_cells(struct table *t)
{
    for (unsigned i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
    t->cell_count = 0;
}

void table_print(struct table *t)
{
    unsigned widths[TABLE_COLUMNS_MAX] = {0}, at = 0;
    const char *titles[TABLE_COLUMNS_MAX];

    if (!t->count || !t->cell_count)
        return;
    for (unsigned i = 0; i < t->count; i++) {
        titles[i] = t->columns[i].title;
        widths[i] = (unsigned)terminal_width(titles[i]);
    }
    for (unsigned i = 0; i < t->cell_count; i++) {
        unsigned width = (unsigned)terminal_width(t->cells[i]);
        if (width > widths[i % t->count])
            widths[i % t->count] = width;
    }
    for (unsigned i = 0; i + 1 < t->count; i++)
        at += widths[i] + GAP;
    print_row(t, titles, widths, at);
    for (unsigned i = 0; i < t->cell_count; i += t->count)
        print_row(t, (const char *const *)&t->cells[i], widths, at);
    free_cells(t);
}

char *table_size(uint64_t bytes, char text[TABLE_NUMBER_SIZE])
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    unsigned unit = 0;

    for (; value >= 1023.95 && unit < sizeof units - 2; unit++)
        value /= 1024;
    unsigned tenths = (unsigned)(value * 10 + 0.5);
    if (tenths % 10)
        snprintf(text, TABLE_NUMBER_SIZE, "%u.%u%c", tenths / 10, tenths % 10, units[unit]);
    else
        snprintf(text, TABLE_NUMBER_SIZE, "%u%c", tenths / 10, units[unit]);
    return text;
}

char *table_age(double seconds, char text[TABLE_NUMBER_SIZE])
{
    unsigned long long s = seconds > 0 ? (unsigned long long)seconds : 0;

    if (seconds < 0.00995)
        snprintf(text, TABLE_NUMBER_SIZE, "%.2fms", seconds > 0 ? seconds * 1000 : 0.0);
    else if (seconds < 0.9995)
        snprintf(text, TABLE_NUMBER_SIZE, "%.0fms", seconds * 1000);
    else if (seconds < 59.95)
        snprintf(text, TABLE_NUMBER_SIZE, "%.1fs", seconds);
    else if (s < 3600)
        snprintf(text, TABLE_NUMBER_SIZE, "%llum%llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, TABLE_NUMBER_SIZE, "%lluh%llum", s / 3600, s / 60 % 60);
    else
        snprintf(text, TABLE_NUMBER_SIZE, "%llud%lluh", s / 86400, s / 3600 % 24);
    return text;
}
