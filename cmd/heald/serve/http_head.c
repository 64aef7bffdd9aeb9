/*
 * http_head.c: see http_head.h; RFC 9112, sections 2 to 5, without what they allow for old peers.
 *
 * A line ends with CR LF, the head with CR LF CR LF, and nothing else ends either. A server and a
 * proxy before it that disagree about the end of a head see different requests in the same bytes,
 * so that one client can put a request into another's connection. llhttp before 9.3 takes CR LF CR
 * and any byte for an end, and is lenient in more places; that is why this check comes first and
 * the parser only gets bytes that have passed.
 */
#include "serve/http_head.h"

#include <string.h>

/* What a method and the name of a field consist of: RFC 9110, 5.6.2. */
static bool is_token(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* No space and no control character. */
static bool is_target(unsigned char c)
{
    return c > ' ' && c != 0x7f;
}

static bool is_value(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static unsigned enter(struct http_head *head, enum http_head_state state)
{
    head->state = state;
    return HTTP_HEAD_MORE;
}

/* `c` must be `expected`. */
static unsigned expect(struct http_head *head, unsigned char c, char expected,
                       enum http_head_state next)
{
    return c == (unsigned char)expected ? enter(head, next) : 400;
}

static unsigned add_target(struct http_head *head, unsigned char c)
{
    if (c == ' ' && head->target_len > 0)
        return enter(head, HEAD_VERSION);
    if (!is_target(c))
        return 400;
    if (head->target_len == HTTP_TARGET_MAX)
        return 414;
    head->target_len++;
    return HTTP_HEAD_MORE;
}

/* Reads "HTTP/1.0" or "HTTP/1.1" and the CR behind it. 505: another number. */
static unsigned add_version(struct http_head *head, unsigned char c)
{
    static const char form[] = "HTTP/d.d";
    size_t at = head->version_len;
    if (at < sizeof form - 1) {
        bool is_right = form[at] == 'd' ? c >= '0' && c <= '9' : c == (unsigned char)form[at];
        head->version[head->version_len++] = (char)c;
        return is_right ? HTTP_HEAD_MORE : 400;
    }
    if (c != '\r')
        return 400;
    if (head->version[5] != '1' || head->version[7] > '1')
        return 505;
    return enter(head, HEAD_LINE_LF);
}

/* A part of a line: `end` leads to the state `next`, a byte that belongs there to `same`. */
static unsigned add_part(struct http_head *head, unsigned char c, bool belongs,
                         enum http_head_state same, char end, enum http_head_state next)
{
    if (c == (unsigned char)end)
        return enter(head, next);
    return belongs ? enter(head, same) : 400;
}

/* A line that begins with a space continues the one before it: obsolete, refused. */
static unsigned add(struct http_head *head, unsigned char c)
{
    switch (head->state) {
    case HEAD_BEGIN: return add_part(head, c, is_token(c), HEAD_METHOD, '\r', HEAD_BEGIN_LF);
    case HEAD_BEGIN_LF: return expect(head, c, '\n', HEAD_BEGIN);
    case HEAD_METHOD: return add_part(head, c, is_token(c), HEAD_METHOD, ' ', HEAD_TARGET);
    case HEAD_TARGET: return add_target(head, c);
    case HEAD_VERSION: return add_version(head, c);
    case HEAD_LINE_LF: return expect(head, c, '\n', HEAD_LINE);
    case HEAD_LINE: return add_part(head, c, is_token(c), HEAD_NAME, '\r', HEAD_END_LF);
    case HEAD_NAME: return add_part(head, c, is_token(c), HEAD_NAME, ':', HEAD_VALUE);
    case HEAD_VALUE: return add_part(head, c, is_value(c), HEAD_VALUE, '\r', HEAD_LINE_LF);
    case HEAD_END_LF: return c == '\n' ? HTTP_HEAD_COMPLETE : 400;
    }
    return 400;
}

unsigned http_head_feed(struct http_head *head, const char *data, size_t len, size_t *ret_used)
{
    unsigned status = HTTP_HEAD_MORE;
    size_t at = 0;
    while (at < len && status == HTTP_HEAD_MORE) {
        if (head->len == HTTP_HEAD_MAX) {
            status = 431;
            break;
        }
        status = add(head, (unsigned char)data[at]);
        if (status > HTTP_HEAD_COMPLETE)
            break;
        head->len++;
        at++;
    }
    *ret_used = at;
    return status;
}
