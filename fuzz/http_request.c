/*
 * fuzz/http_request.c: the bytes of a connection to `heald serve`, up to the decision what to
 * answer. The first byte of the input says in portions of which size the rest arrives; the
 * decisions must not depend on it.
 */
#include "fuzz.h"

#include "serve/http_request.h"
#include "serve/http_response.h"
#include "serve/http_target.h"

#include <string.h>

/* The decisions about the requests of one input, as a number that distinguishes them. */
struct verdicts {
    uint64_t hash;
    unsigned count;
};

static void mix(struct verdicts *v, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        v->hash = (v->hash ^ at[i]) * 1099511628211u;
}

/* No component that is empty, "." or "..", and no slash at an end. */
static void check_path(const char *path)
{
    if (!*path)
        return;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += at != path;
        size_t len = strcspn(at, "/");
        MUST(len > 0);
        MUST(len != 1 || at[0] != '.');
        MUST(len != 2 || at[0] != '.' || at[1] != '.');
        bool is_known = at == path && len == 11 && memcmp(at, ".well-known", len) == 0;
        MUST(at[0] != '.' || is_known || http_target_is_hidden(path));
    }
}

/* The head ends with the only empty line, and each line is one that we wrote. */
static void check_head(const struct text *head)
{
    MUST(!head->is_cut && strlen(head->buf) == head->len);
    MUST(strncmp(head->buf, "HTTP/1.1 ", 9) == 0);
    MUST(strstr(head->buf, "\r\n\r\n") == head->buf + head->len - 4);
    for (const char *at = head->buf; *at; at++) {
        MUST((*at == '\n') == (at > head->buf && at[-1] == '\r'));
        MUST((unsigned char)*at >= 0x20 || *at == '\r' || *at == '\n');
    }
}

static void check_answer(const struct http_request *r, struct verdicts *v)
{
    static const struct http_file file = {.size = 1000, .mtime = 784111777, .mtime_nsec = 5};
    struct http_response response;
    struct text head, location;
    char head_room[16384], location_room[16384 - HTTP_RESPONSE_HEAD_MAX];

    http_response_plan(r, &file, &response);
    MUST(response.status == 200 || response.status == 206 || response.status == 304 ||
         response.status == 416);
    MUST(response.first <= file.size && response.length <= file.size - response.first);
    MUST(response.status != 206 || response.length > 0);
    mix(v, &response.status, sizeof response.status);
    mix(v, &response.first, sizeof response.first);
    mix(v, &response.length, sizeof response.length);

    text_init(&location, location_room, sizeof location_room);
    http_response_location(r, &location);
    MUST(strncmp(location.buf, "//", 2) != 0);
    response.type = "text/plain";
    response.location = location.is_cut ? NULL : location.buf;
    response.keep_alive = r->keep_alive;
    text_init(&head, head_room, sizeof head_room);
    http_response_head(&response, "Sun, 06 Nov 1994 08:49:37 GMT", r->minor, &head);
    check_head(&head);
}

static void check_request(const struct http_request *r, struct verdicts *v)
{
    MUST(r->target_len <= HTTP_TARGET_MAX && strlen(r->target) == r->target_len);
    v->count++;
    if (r->status >= 400) {
        MUST(*http_reason(r->status) != 'I');
        mix(v, &r->status, sizeof r->status);
        mix(v, &r->keep_alive, 1);
        return;
    }
    MUST(r->status == 0 && r->method && strlen(r->path) <= r->target_len);
    check_path(r->path);
    mix(v, r->path, strlen(r->path));
    mix(v, &r->is_directory, 1);
    mix(v, &r->is_head, 1);
    mix(v, &r->keep_alive, 1);
    check_answer(r, v);
}

/* Reads requests as a connection does, `step` bytes at a time. */
static struct verdicts read_requests(const char *data, size_t size, size_t step)
{
    struct verdicts v = {.hash = 14695981039346656037u};
    llhttp_settings_t settings;
    struct http_parser *parser = malloc(sizeof *parser);
    MUST(parser);
    http_parser_settings(&settings);
    http_parser_init(parser, &settings);
    while (size > 0) {
        size_t len = size < step ? size : step, used = 0;
        bool is_complete = http_parser_feed(parser, data, len, &used);
        MUST(used <= len && (is_complete || used == len));
        data += used;
        size -= used;
        if (!is_complete)
            continue;
        check_request(&parser->request, &v);
        if (!parser->request.keep_alive)
            break;
        MUST(used > 0);
        http_parser_next(parser);
    }
    free(parser);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] ? data[0] : 1;
    const char *bytes = (const char *)data + 1;
    struct verdicts whole = read_requests(bytes, size - 1, size);
    struct verdicts parts = read_requests(bytes, size - 1, step);
    MUST(whole.hash == parts.hash && whole.count == parts.count);
    return 0;
}
