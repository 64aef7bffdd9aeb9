/* http_date.h: the dates of HTTP and of the access log. */
#ifndef HEALD_CMD_HTTP_DATE_H
#define HEALD_CMD_HTTP_DATE_H

#include <stdint.h>
#include <time.h>

/* Room for "Sun, 06 Nov 1994 08:49:37 GMT" and, in the log, "06/Nov/1994:08:49:37 +0000". */
enum { HTTP_DATE_TEXT = 40 };

/* A year beyond 9999 gives an empty text, as the format has four digits for it. */
void http_date_format(int64_t seconds, char ret_text[HTTP_DATE_TEXT]);

/*
 * Reads the preferred form above: seconds since 1970, or -1. The two forms that RFC 9110 calls
 * obsolete are not read: a condition that is not understood is passed over, which is always right.
 */
int64_t http_date_parse(const char *text);

/* The present time, formatted once a second. Zero it once. */
struct http_clock {
    time_t second;
    char date[HTTP_DATE_TEXT];
    char log[HTTP_DATE_TEXT];
};

void http_clock_update(struct http_clock *clock);

#endif
