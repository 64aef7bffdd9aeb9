/* http_host.c: see http_host.h. */
#include "serve/http_host.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Unreserved characters and sub-delimiters. */
static bool is_name(char c)
{
    if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL;
}

/* The length of the name at the start of the text, or of the address in brackets. */
static size_t host_len(const char *text, size_t len)
{
    size_t at = 0;
    if (len > 0 && text[0] == '[') {
        for (at = 1; at < len && (is_hex(text[at]) || text[at] == ':' || text[at] == '.'); at++)
            ;
        return at > 1 && at < len && text[at] == ']' ? at + 1 : 0;
    }
    while (at < len) {
        if (is_name(text[at]))
            at++;
        else if (text[at] == '%' && len - at > 2 && is_hex(text[at + 1]) && is_hex(text[at + 2]))
            at += 3;
        else
            break;
    }
    return at;
}

bool http_host_is_valid(const char *text, size_t len)
{
    size_t at = host_len(text, len);
    if (at == len)
        return true;
    if (text[at] != ':')
        return false;
    for (at++; at < len; at++)
        if (!is_digit(text[at]))
            return false;
    return true;
}
