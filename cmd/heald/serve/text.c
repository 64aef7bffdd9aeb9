/* text.c: see text.h. Pure; a text belongs to one thread. */
#include "serve/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *t, char *buf, size_t size)
{
    *t = (struct text){.buf = buf, .size = size};
    buf[0] = '\0';
}

void text_addn(struct text *t, const char *s, size_t len)
{
    if (len >= t->size - t->len) {
        t->is_cut = true;
        return;
    }
    memcpy(t->buf + t->len, s, len);
    t->len += len;
    t->buf[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args;
    size_t room = t->size - t->len;
    va_start(args, format);
    /* clang-tidy 14 does not see that va_start() has set args. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int len = vsnprintf(t->buf + t->len, room, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < room) {
        t->len += (size_t)len;
    } else {
        t->buf[t->len] = '\0';
        t->is_cut = true;
    }
}

static void add_hex(struct text *t, const char *mark, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    char hex[2] = {digits[c >> 4], digits[c & 15]};
    text_add(t, mark);
    text_addn(t, hex, sizeof hex);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

void text_add_url(struct text *t, const char *s)
{
    for (; *s; s++) {
        if (is_unreserved((unsigned char)*s))
            text_addn(t, s, 1);
        else
            add_hex(t, "%", (unsigned char)*s);
    }
}

void text_add_query(struct text *t, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c > 0x20 && c < 0x7f)
            text_addn(t, s, 1);
        else
            add_hex(t, "%", c);
    }
}

void text_add_html(struct text *t, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': text_add(t, "&amp;"); break;
        case '<': text_add(t, "&lt;"); break;
        case '>': text_add(t, "&gt;"); break;
        case '"': text_add(t, "&quot;"); break;
        case '\'': text_add(t, "&#39;"); break;
        default: text_addn(t, s, 1); break;
        }
    }
}

void text_add_log(struct text *t, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            add_hex(t, "\\x", c);
        else
            text_addn(t, s + i, 1);
    }
}
