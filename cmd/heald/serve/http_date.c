/* http_date.c: see http_date.h. Names of days and months by hand: strftime() has the locale's. */
#include "serve/http_date.h"

#include <stdio.h>
#include <string.h>

static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date_format(int64_t seconds, char ret_text[HTTP_DATE_TEXT])
{
    time_t when = (time_t)seconds;
    struct tm tm;
    ret_text[0] = '\0';
    if (!gmtime_r(&when, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return;
    snprintf(ret_text, HTTP_DATE_TEXT, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The number in `count` digits at text, or -1. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int month_of(const char *text)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(text, months[i], 3) == 0)
            return i;
    return -1;
}

/*
 * Days from 1970-01-01 in the Gregorian calendar; the year begins in March, so leap days come last.
 */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month < 2 ? year - 1 : year;
    int64_t shifted = (month + 10) % 12;
    int64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

int64_t http_date_parse(const char *text)
{
    static const char form[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    if (strlen(text) != sizeof form - 1)
        return -1;
    for (size_t i = 0; form[i]; i++)
        if (form[i] != 'a' && form[i] != '0' && form[i] != text[i])
            return -1;

    int day = digits(text + 5, 2), month = month_of(text + 8), year = digits(text + 12, 4);
    int hour = digits(text + 17, 2), minute = digits(text + 20, 2), second = digits(text + 23, 2);
    if (day < 1 || day > 31 || month < 0 || year < 1970 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return -1;
    int64_t minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute;
    return minutes * 60 + second;
}

void http_clock_update(struct http_clock *clock)
{
    time_t now = time(NULL);
    if (now == clock->second)
        return;
    clock->second = now;
    http_date_format((int64_t)now, clock->date);

    struct tm tm;
    char zone[8] = "+0000";
    clock->log[0] = '\0';
    if (!localtime_r(&now, &tm))
        return;
    strftime(zone, sizeof zone, "%z", &tm);
    snprintf(clock->log, sizeof clock->log, "%02d/%s/%04d:%02d:%02d:%02d %s", tm.tm_mday,
             months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec,
             zone);
}
