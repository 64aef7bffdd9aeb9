/* message_text.c: see message_text.h. Anybody may have written a message, also what commands a
 * terminal. */
#include "message_text.h"

#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW = 16 };

static void print_row(const unsigned char *data, size_t at, size_t size)
{
    printf("%08zx ", at);
    for (size_t i = 0; i < ROW; i++)
        if (i < size)
            printf("%s %02x", i == ROW / 2 ? " " : "", data[at + i]);
        else
            printf("%s   ", i == ROW / 2 ? " " : "");
    printf("  |");
    for (size_t i = 0; i < size; i++)
        putchar(data[at + i] >= 0x20 && data[at + i] < 0x7f ? data[at + i] : '.');
    printf("|\n");
}

static void print_hexadecimal(const void *data, size_t size)
{
    for (size_t at = 0; at < size; at += ROW)
        print_row(data, at, size - at < ROW ? size - at : ROW);
    printf("%08zx\n", size);
}

/* Tabs and line breaks stay. */
static void print_masked(const void *data, size_t size)
{
    char *text = snapshot_grow(NULL, 0, size + 1), *end = text + size;

    if (size)
        memcpy(text, data, size);
    for (char *p = text; p < end; p++)
        if (!*p)
            *p = '?';
    for (char *p = text, *next; p <= end; p = next) {
        size_t n = strcspn(p, "\t\n");
        char between = p[n];
        p[n] = 0;
        mask_controls(p);
        p[n] = between;
        next = p + n + 1;
    }
    fwrite(text, 1, size, stdout);
    free(text);
}

void message_print(const void *data, size_t size, enum message_form form)
{
    bool is_shown = form != MESSAGE_TERMINATED && isatty(STDOUT_FILENO);

    if (is_shown && form == MESSAGE_BYTES)
        print_hexadecimal(data, size);
    else if (is_shown)
        print_masked(data, size);
    else if (size)
        fwrite(data, 1, size, stdout);
    if (form != MESSAGE_BYTES)
        putchar(form == MESSAGE_TERMINATED ? '\0' : '\n');
}
