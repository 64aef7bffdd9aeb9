/* json.c: see json.h. */
#include "json.h"

#include "utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (size_t n; *text; text += n) {
        unsigned char c = (unsigned char)*text;
        size_t length = utf8_length(text);
        n = length ? length : 1;
        if (!length)
            fputs("\\ufffd", to);
        else if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        /* Control characters, too: from U+0080 to U+009F. */
        else if (c == 0xc2 && (unsigned char)text[1] < 0xa0)
            fprintf(to, "\\u%04x", (unsigned char)text[1]);
        else
            fwrite(text, 1, n, to);
    }
    fputc('"', to);
}

/* The comma before a member, and its name. */
static void print_name(struct json *j, const char *name)
{
    if (j->has_more[j->depth])
        fputs(", ", j->to);
    j->has_more[j->depth] = true;
    if (!name)
        return;
    print_string(j->to, name);
    fputs(": ", j->to);
}

static void open_with(struct json *j, char begin, char end)
{
    assert(j->depth + 1 < JSON_DEPTH_MAX);
    fputc(begin, j->to);
    j->depth++;
    j->ends[j->depth] = end;
    j->has_more[j->depth] = false;
}

void json_object(struct json *j, const char *name)
{
    print_name(j, name);
    open_with(j, '{', '}');
}

void json_array(struct json *j, const char *name)
{
    print_name(j, name);
    open_with(j, '[', ']');
}

void json_close(struct json *j)
{
    assert(j->depth > 0);
    fputc(j->ends[j->depth--], j->to);
}

void json_begin(struct json *j, FILE *to)
{
    *j = (struct json){.to = to};
    json_object(j, NULL);
    json_integer(j, "version", JSON_VERSION);
}

void json_end(struct json *j)
{
    json_close(j);
    assert(j->depth == 0);
    fputc('\n', j->to);
}

void json_text(struct json *j, const char *name, const char *text)
{
    if (!text) {
        json_null(j, name);
        return;
    }
    print_name(j, name);
    print_string(j->to, text);
}

/* Three bytes as four digits; what is not there is 0, and its digits are '='. */
static void print_base64(FILE *to, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fputc('"', to);
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        unsigned bits = (unsigned)data[i] << 16 | (n > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                        (n > 2 ? data[i + 2] : 0);
        for (unsigned k = 0; k < 4; k++)
            fputc(k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=', to);
    }
    fputc('"', to);
}

static bool is_text(const char *text, size_t size)
{
    const char *end = text + size;

    for (size_t n; text < end; text += n)
        if (!(n = utf8_length(text)))
            return false;
    return true;
}

void json_data(struct json *j, const void *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text) {
        if (size)
            memcpy(text, data, size);
        text[size] = 0;
    }
    if (text && is_text(text, size)) {
        json_text(j, "data", text);
    } else {
        print_name(j, "base64");
        print_base64(j->to, data, size);
    }
    free(text);
}

void json_integer(struct json *j, const char *name, int64_t value)
{
    print_name(j, name);
    fprintf(j->to, "%" PRId64, value);
}

void json_unsigned(struct json *j, const char *name, uint64_t value)
{
    print_name(j, name);
    fprintf(j->to, "%" PRIu64, value);
}

void json_seconds(struct json *j, const char *name, double value)
{
    print_name(j, name);
    fprintf(j->to, "%.6f", value);
}

void json_boolean(struct json *j, const char *name, bool value)
{
    print_name(j, name);
    fputs(value ? "true" : "false", j->to);
}

void json_null(struct json *j, const char *name)
{
    print_name(j, name);
    fputs("null", j->to);
}
