/* terminal.c: see terminal.h. */
#include "terminal.h"

#include "utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MAX = 10000, TEXT_COLUMNS_MIN = 20 };

/* As ls(1) and the shells have it, the variable comes first. */
unsigned terminal_columns(void)
{
    const char *text = getenv("COLUMNS");
    struct winsize size = {0};

    if (!isatty(STDOUT_FILENO))
        return 0;
    unsigned long columns = text ? strtoul(text, NULL, 10) : 0;
    if (columns > 0 && columns <= COLUMNS_MAX)
        return (unsigned)columns;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

unsigned terminal_rows(void)
{
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

bool terminal_has_sequences(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDOUT_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

static bool has_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");

    return terminal_has_sequences() && !(no_colour && *no_colour);
}

const char *terminal_alert(void)
{
    return has_colours() ? "\033[1;31m" : "";
}

const char *terminal_plain(void)
{
    return has_colours() ? "\033[0m" : "";
}

size_t terminal_width(const char *text)
{
    size_t width = 0;

    for (size_t n; *text; text += n ? n : 1) {
        n = utf8_length(text);
        width++;
    }
    return width;
}

/* Where the next line of a text ends: at its line break, or at the last space that fits. */
static size_t line_length(const char *text, size_t columns)
{
    size_t end = strcspn(text, "\n"), fits = 0, width = 0, n;

    for (size_t i = 0; i < end; i += n ? n : 1, width++) {
        n = utf8_length(text + i);
        if (text[i] == ' ' && width <= columns)
            fits = i;
        if (width >= columns && fits)
            return fits;
    }
    return end;
}

void terminal_wrap(const char *text, unsigned indent, unsigned columns)
{
    bool is_narrow = columns && columns < indent + TEXT_COLUMNS_MIN;
    size_t room = !columns || is_narrow ? SIZE_MAX : columns - indent;

    while (*text) {
        size_t n = line_length(text, room);
        fwrite(text, 1, n, stdout);
        text += n;
        if (!*text)
            break;
        text++;
        printf("\n%*s", *text == '\n' ? 0 : (int)indent, "");
    }
}
