/* json.c: see json.h. */
#include "json.h"

#include "utf8.h"

#include <stdio.h>

void json_string(const char *text)
{
    putchar('"');
    for (size_t n; *text; text += n) {
        unsigned char c = (unsigned char)*text;
        size_t length = utf8_length(text);
        n = length ? length : 1;
        if (!length)
            printf("\\ufffd");
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            fwrite(text, 1, n, stdout);
    }
    putchar('"');
}
