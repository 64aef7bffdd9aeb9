/* utf8.c: see utf8.h. */
#include "utf8.h"

#include <stdbool.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* What the first byte announces. */
static size_t announced(unsigned char c)
{
    if (c < 0x80)
        return c ? 1 : 0;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Overlong forms, surrogates, and what lies beyond U+10FFFF show in the second byte. */
static bool is_second(unsigned char first, unsigned char c)
{
    if (!is_tail(c))
        return false;
    switch (first) {
    case 0xe0: return c >= 0xa0;
    case 0xed: return c < 0xa0;
    case 0xf0: return c >= 0x90;
    case 0xf4: return c < 0x90;
    default: return true;
    }
}

size_t utf8_length(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = announced(p[0]);

    if (n > 1 && !is_second(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!is_tail(p[i]))
            return 0;
    return n;
}

size_t utf8_fit(const char *text, size_t max)
{
    size_t fits = 0;

    while (text[fits]) {
        size_t n = utf8_length(text + fits);
        n = n ? n : 1;
        if (n > max - fits)
            break;
        fits += n;
    }
    return fits;
}
