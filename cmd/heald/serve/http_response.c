/* http_response.c: see http_response.h; the conditions and ranges of RFC 9110, 13 and 14. */
#include "serve/http_response.h"

#include "serve/http_date.h"
#include "serve/http_target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TAG_TEXT = 64 };

static void tag_of(const struct http_file *file, char ret_text[TAG_TEXT])
{
    snprintf(ret_text, TAG_TEXT, "\"%" PRIx64 "-%" PRIx32 "-%" PRIx64 "\"", (uint64_t)file->mtime,
             file->mtime_nsec, file->size);
}

/* Whether a list of entity tags names the one; the comparison is the weak one. */
static bool names_tag(const char *list, const char *tag)
{
    size_t len = strlen(tag);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (*at != '"')
            return false;
        if (strncmp(at, tag, len) == 0)
            return true;
        const char *end = strchr(at + 1, '"');
        if (!end)
            return false;
        at = end + 1;
    }
    return false;
}

/* Whether what the client has is still right: a tag decides, and only without tags the date. */
static bool is_unchanged(const struct http_request *r, const struct http_file *file)
{
    if (r->count[HTTP_IF_NONE_MATCH]) {
        char tag[TAG_TEXT];
        tag_of(file, tag);
        return names_tag(r->value[HTTP_IF_NONE_MATCH], tag);
    }
    int64_t since = http_date_parse(r->value[HTTP_IF_MODIFIED_SINCE]);
    return since >= 0 && file->mtime <= since;
}

/* Whether a range may be sent: no If-Range, or one that names exactly this file. */
static bool is_range_valid(const struct http_request *r, const struct http_file *file)
{
    if (!r->count[HTTP_IF_RANGE])
        return true;
    char text[TAG_TEXT];
    const char *value = r->value[HTTP_IF_RANGE];
    tag_of(file, text);
    if (value[0] == '"')
        return strcmp(value, text) == 0;
    return file->mtime >= 0 && http_date_parse(value) == file->mtime;
}

/* Reads digits at *at; false when there are none, or more than a file can have. */
static bool read_number(const char **at, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    if (p == *at)
        return false;
    *at = p;
    *ret_number = number;
    return true;
}

/*
 * Reads "bytes=FIRST-LAST", "bytes=FIRST-" or "bytes=-COUNT" for a file of that size. Returns 206
 * and the part, 416 when no byte of the file is in it, or 200 for everything else: several ranges,
 * other units, nonsense.
 */
static unsigned read_range(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
    uint64_t first = 0, last = UINT64_MAX, count = 0;
    if (strncmp(text, "bytes=", 6) != 0)
        return 200;
    text += 6;
    bool has_first = read_number(&text, &first);
    if (*text++ != '-')
        return 200;
    bool has_second = read_number(&text, has_first ? &last : &count);
    if (*text || (!has_first && !has_second) || last < first)
        return 200;

    if (!has_first)
        first = count < size ? size - count : 0;
    if (first >= size || (!has_first && count == 0))
        return 416;
    uint64_t to_end = size - first;
    *ret_first = first;
    *ret_len = last - first < to_end ? last - first + 1 : to_end;
    return 206;
}

void http_response_plan(const struct http_request *request, const struct http_file *file,
                        struct http_response *ret_response)
{
    struct http_response *response = ret_response;
    *response = (struct http_response){.status = 200, .length = file->size, .file = file};
    if (is_unchanged(request, file)) {
        response->status = 304;
        return;
    }
    /* A range is defined for GET alone. */
    if (request->count[HTTP_RANGE] != 1 || request->is_head || !is_range_valid(request, file))
        return;
    response->status =
        read_range(request->value[HTTP_RANGE], file->size, &response->first, &response->length);
}

static void add_file(const struct http_response *r, struct text *head)
{
    char tag[TAG_TEXT], date[HTTP_DATE_TEXT];
    if (r->status == 416) {
        text_addf(head, "Content-Range: bytes */%" PRIu64 "\r\n", r->file->size);
        return;
    }
    tag_of(r->file, tag);
    http_date_format(r->file->mtime, date);
    text_addf(head, "ETag: %s\r\n", tag);
    if (date[0])
        text_addf(head, "Last-Modified: %s\r\n", date);
    text_add(head, "Accept-Ranges: bytes\r\n");
    if (r->status == 206)
        text_addf(head, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", r->first,
                  r->first + r->length - 1, r->file->size);
}

void http_response_head(const struct http_response *response, const char *date, uint8_t minor,
                        struct text *head)
{
    const struct http_response *r = response;
    text_addf(head, "HTTP/1.1 %u %s\r\nServer: heald\r\nDate: %s\r\n", r->status,
              http_reason(r->status), date);
    if (r->file)
        add_file(r, head);
    if (r->type && r->status != 304)
        text_addf(head, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", r->type);
    if (r->status != 304)
        text_addf(head, "Content-Length: %" PRIu64 "\r\n", r->length);
    if (r->location)
        text_addf(head, "Location: %s\r\n", r->location);
    if (r->status == 405)
        text_add(head, "Allow: GET, HEAD\r\n");
    if (r->status == 503)
        text_add(head, "Retry-After: 1\r\n");
    if (!r->keep_alive)
        text_add(head, "Connection: close\r\n");
    else if (minor == 0)
        text_add(head, "Connection: keep-alive\r\n");
    text_add(head, "\r\n");
}

void http_response_location(const struct http_request *request, struct text *location)
{
    text_add(location, "/");
    text_add_url(location, request->path);
    text_add(location, *request->path ? "/" : "");
    text_add_query(location, http_target_query(request->target));
}

const char *http_reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}
