/*
 * http_target.c: see http_target.h. Pure.
 *
 * This is not what keeps a client inside the directory: heald_prep_open_beneath() does. It gives
 * each file one name, and refuses what only an attack would send.
 */
#include "serve/http_target.h"

#include "serve/http_host.h"

#include <string.h>
#include <strings.h>

/*
 * Where the path of a target begins: of "http://host:port/path", the absolute form, behind the
 * authority. NULL: the authority is invalid. An empty host is, though a field Host may be empty.
 */
static const char *path_start(const char *target, const char *end)
{
    static const char scheme[] = "http://";
    size_t len = sizeof scheme - 1;
    if ((size_t)(end - target) < len || strncasecmp(target, scheme, len) != 0)
        return target;
    const char *host = target + len;
    const char *slash = memchr(host, '/', (size_t)(end - host));
    if (!slash)
        slash = end;
    if (slash == host || *host == ':' || !http_host_is_valid(host, (size_t)(slash - host)))
        return NULL;
    return slash;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The character at *at, which moves behind it. Returns 0 or the status that refuses it. */
static unsigned decode(const char **at, const char *end, char *ret_char)
{
    const char *p = *at;
    if (*p != '%') {
        *ret_char = *p;
        *at = p + 1;
        return *p == '\0' ? 400 : 0;
    }
    if (end - p < 3 || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
        return 400;
    *ret_char = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
    *at = p + 3;
    if (*ret_char == '/')
        return 404;
    return *ret_char == '\0' ? 400 : 0;
}

/* Decodes the component at *at, up to a slash or the end, to `out`. */
static unsigned decode_component(const char **at, const char *end, char *out, size_t *ret_len)
{
    size_t len = 0;
    while (*at < end && **at != '/') {
        unsigned status = decode(at, end, out + len++);
        if (status)
            return status;
    }
    *ret_len = len;
    return len == 2 && memcmp(out, "..", 2) == 0 ? 400 : 0;
}

static bool is_skipped(const char *component, size_t len)
{
    return len == 0 || (len == 1 && component[0] == '.');
}

unsigned http_target_path(const char *target, size_t len, char *ret_path, bool *ret_is_directory)
{
    const char *end = target + strcspn(target, "?#");
    if (end > target + len)
        end = target + len;
    const char *at = path_start(target, end);
    size_t used = 0;
    ret_path[0] = '\0';
    *ret_is_directory = true;
    if (!at || (at == target && *at != '/'))
        return 400;

    while (at < end) {
        at++; /* the slash */
        char *component = ret_path + used + (used > 0);
        size_t component_len = 0;
        unsigned status = decode_component(&at, end, component, &component_len);
        if (status) {
            ret_path[used] = '\0';
            return status;
        }
        *ret_is_directory = is_skipped(component, component_len);
        if (*ret_is_directory)
            continue;
        if (used > 0)
            ret_path[used] = '/';
        used = (size_t)(component - ret_path) + component_len;
    }
    ret_path[used] = '\0';
    return 0;
}

bool http_target_is_hidden(const char *path)
{
    static const char known[] = ".well-known";
    size_t len = sizeof known - 1;
    if (strncmp(path, known, len) == 0 && (path[len] == '/' || path[len] == '\0'))
        path += len;
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

const char *http_target_query(const char *target)
{
    const char *query = strchr(target, '?');
    return query ? query : "";
}
