/*
 * http_request.c: see http_request.h.
 *
 * http_head.c checks each byte and finds the end of the head. llhttp parses the bytes that passed;
 * it hands out the target and the fields in portions of any size, which are put together here
 * within the limits. When the two disagree about the end of a head, the request is refused. The
 * verdict is made once, when the head is complete. No request of ours has a body: one that
 * announces a body is refused and its connection closed, so its bytes are never taken for a
 * request.
 */
#include "serve/http_request.h"

#include "serve/http_host.h"
#include "serve/http_target.h"

#include <string.h>
#include <strings.h>

static const char *const field_names[HTTP_FIELDS] = {
    [HTTP_HOST] = "host",
    [HTTP_CONTENT_LENGTH] = "content-length",
    [HTTP_TRANSFER_ENCODING] = "transfer-encoding",
    [HTTP_IF_MODIFIED_SINCE] = "if-modified-since",
    [HTTP_IF_NONE_MATCH] = "if-none-match",
    [HTTP_IF_RANGE] = "if-range",
    [HTTP_RANGE] = "range",
};

static struct http_parser *parser_of(llhttp_t *machine)
{
    return machine->data;
}

/* Ends the parsing with a verdict. The first one stands. */
static int refuse(struct http_parser *p, unsigned status)
{
    if (!p->request.status)
        p->request.status = status;
    p->request.keep_alive = false;
    return -1;
}

static int on_url(llhttp_t *machine, const char *at, size_t len)
{
    struct http_parser *p = parser_of(machine);
    struct http_request *r = &p->request;
    size_t room = HTTP_TARGET_MAX - r->target_len;
    size_t fit = len < room ? len : room;
    memcpy(r->target + r->target_len, at, fit);
    r->target_len += fit;
    r->target[r->target_len] = '\0';
    return fit < len ? refuse(p, 414) : 0;
}

static int on_field(llhttp_t *machine, const char *at, size_t len)
{
    struct http_parser *p = parser_of(machine);
    for (size_t i = 0; i < len && p->field_len < HTTP_FIELD_MAX; i++) {
        char c = at[i];
        p->field[p->field_len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return 0;
}

static int on_field_complete(llhttp_t *machine)
{
    struct http_parser *p = parser_of(machine);
    p->field[p->field_len] = '\0';
    p->field_len = 0;
    p->value_len = 0;
    for (p->at = 0; p->at < HTTP_FIELDS; p->at++)
        if (strcmp(p->field, field_names[p->at]) == 0)
            break;
    if (p->at == HTTP_FIELDS)
        return 0;

    /* A second field of the name continues the list of the first, as RFC 9110 5.3 has it. */
    struct http_request *r = &p->request;
    char *value = r->value[p->at];
    if (r->count[p->at] < UINT8_MAX)
        r->count[p->at]++;
    p->value_len = strlen(value);
    if (p->value_len > 0 && p->value_len < HTTP_VALUE_MAX)
        value[p->value_len++] = ',';
    return 0;
}

static int on_value(llhttp_t *machine, const char *at, size_t len)
{
    struct http_parser *p = parser_of(machine);
    if (p->at == HTTP_FIELDS)
        return 0;
    if (len > HTTP_VALUE_MAX - p->value_len)
        p->value_len = HTTP_VALUE_MAX + 1; /* too long: stays so, see below */
    if (p->value_len > HTTP_VALUE_MAX)
        return p->at == HTTP_HOST ? refuse(p, 400) : 0;
    memcpy(p->request.value[p->at] + p->value_len, at, len);
    p->value_len += len;
    return 0;
}

static int on_value_complete(llhttp_t *machine)
{
    struct http_parser *p = parser_of(machine);
    if (p->at == HTTP_FIELDS)
        return 0;
    char *value = p->request.value[p->at];
    size_t len = p->value_len > HTTP_VALUE_MAX ? 0 : p->value_len;
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    value[len] = '\0';
    return 0;
}

static bool announces_body(const llhttp_t *machine)
{
    return (machine->flags & (F_CHUNKED | F_TRANSFER_ENCODING)) ||
           ((machine->flags & F_CONTENT_LENGTH) && machine->content_length > 0);
}

/*
 * Whether everybody who reads this head finds the same end of the request: RFC 9112, 6.1 to 6.3,
 * without the repairs that it allows. The only transfer coding is "chunked".
 */
static bool is_framed(const struct http_request *r)
{
    const char *length = r->value[HTTP_CONTENT_LENGTH];
    if (r->count[HTTP_TRANSFER_ENCODING])
        return r->minor == 1 && !r->count[HTTP_CONTENT_LENGTH] &&
               strcasecmp(r->value[HTTP_TRANSFER_ENCODING], "chunked") == 0;
    if (r->count[HTTP_CONTENT_LENGTH])
        return r->count[HTTP_CONTENT_LENGTH] == 1 && *length &&
               length[strspn(length, "0123456789")] == '\0';
    return true;
}

static bool has_valid_host(const struct http_request *r)
{
    unsigned count = r->count[HTTP_HOST];
    const char *host = r->value[HTTP_HOST];
    return count <= 1 && (count == 1 || r->minor == 0) && http_host_is_valid(host, strlen(host));
}

/* The first of the reasons to refuse a complete head, or 0. */
static unsigned verdict(const llhttp_t *machine, struct http_request *r)
{
    if (r->major != 1 || r->minor > 1)
        return 505;
    if (!has_valid_host(r) || !is_framed(r))
        return 400;
    if (machine->method != HTTP_GET && machine->method != HTTP_HEAD)
        return 405;
    if (r->count[HTTP_TRANSFER_ENCODING])
        return 411;
    if (announces_body(machine))
        return 413;
    return http_target_path(r->target, r->target_len, r->path, &r->is_directory);
}

static int on_head_complete(llhttp_t *machine)
{
    struct http_parser *p = parser_of(machine);
    struct http_request *r = &p->request;
    r->major = machine->http_major;
    r->minor = machine->http_minor;
    r->method = llhttp_method_name((llhttp_method_t)machine->method);
    r->is_head = machine->method == HTTP_HEAD;
    r->status = verdict(machine, r);
    r->keep_alive = llhttp_should_keep_alive(machine) && r->status != 400 && r->status != 505 &&
                    !announces_body(machine);
    return 1; /* no body follows, or none that is read */
}

static int on_message_complete(llhttp_t *machine)
{
    parser_of(machine)->is_complete = true;
    return HPE_PAUSED; /* so that execute() stops before the next request */
}

void http_parser_settings(llhttp_settings_t *ret_settings)
{
    llhttp_settings_init(ret_settings);
    ret_settings->on_url = on_url;
    ret_settings->on_header_field = on_field;
    ret_settings->on_header_field_complete = on_field_complete;
    ret_settings->on_header_value = on_value;
    ret_settings->on_header_value_complete = on_value_complete;
    ret_settings->on_headers_complete = on_head_complete;
    ret_settings->on_message_complete = on_message_complete;
}

void http_parser_init(struct http_parser *parser, const llhttp_settings_t *settings)
{
    llhttp_init(&parser->machine, HTTP_REQUEST, settings);
    parser->machine.data = parser;
    http_parser_next(parser);
}

void http_parser_next(struct http_parser *parser)
{
    struct http_request *r = &parser->request;
    llhttp_reset(&parser->machine);
    parser->head = (struct http_head){0};
    parser->field_len = 0;
    parser->value_len = 0;
    parser->at = HTTP_FIELDS;
    parser->is_complete = false;

    /* The texts are long: end them where they begin instead of wiping them. */
    r->status = 0;
    r->method = NULL;
    r->major = r->minor = 0;
    r->is_head = r->keep_alive = r->is_directory = false;
    r->target_len = 0;
    r->target[0] = r->path[0] = '\0';
    for (unsigned i = 0; i < HTTP_FIELDS; i++) {
        r->count[i] = 0;
        r->value[i][0] = '\0';
    }
}

static unsigned status_of(llhttp_errno_t error)
{
    return error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

bool http_parser_feed(struct http_parser *parser, const char *data, size_t len, size_t *ret_used)
{
    unsigned status = http_head_feed(&parser->head, data, len, ret_used);
    llhttp_errno_t error = llhttp_execute(&parser->machine, data, *ret_used);

    /* The parser comes first: it has seen only bytes before the one that the check refused. */
    if (parser->is_complete && status == HTTP_HEAD_COMPLETE)
        return true;
    if (error != HPE_OK)
        refuse(parser, status_of(error));
    else if (status == HTTP_HEAD_COMPLETE)
        refuse(parser, 400);
    else if (status)
        refuse(parser, status);
    return parser->request.status != 0;
}

bool http_parser_is_inside(const struct http_parser *parser)
{
    return parser->head.len > 0;
}
