/* progress.c: see progress.h. */
#include "progress.h"

#include <heald/heald.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_NS (HEALD_SEC / 2)

enum { SIZE_TEXT = 32 };

static int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

void progress_begin(struct progress *p, bool wanted, uint64_t total)
{
    *p = (struct progress){.is_shown = wanted && isatty(STDERR_FILENO),
                           .total = total,
                           .began_ns = now(),
                           .shown_ns = now()};
}

static const char *size_text(double bytes, char text[SIZE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    for (; bytes >= 1024 && unit < 5; unit++)
        bytes /= 1024;
    snprintf(text, SIZE_TEXT, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
    return text;
}

static void show(const struct progress *p)
{
    char size[SIZE_TEXT], rate[SIZE_TEXT], left[64] = "";
    double seconds = (double)(now() - p->began_ns) / (double)HEALD_SEC;
    double a_second = seconds > 0 ? (double)p->bytes / seconds : 0;

    if (p->total && p->bytes <= p->total && a_second > 0) {
        unsigned eta = (unsigned)((double)(p->total - p->bytes) / a_second);
        snprintf(left, sizeof left, "  %3.0f %%  ETA %u:%02u",
                 100 * (double)p->bytes / (double)p->total, eta / 60, eta % 60);
    }
    fprintf(stderr, "\r%s  %u:%02u  %s/s%s\x1b[K", size_text((double)p->bytes, size),
            (unsigned)seconds / 60, (unsigned)seconds % 60, size_text(a_second, rate), left);
}

void progress_add(struct progress *p, uint64_t bytes)
{
    p->bytes += bytes;
    if (!p->is_shown || now() - p->shown_ns < SHOW_NS)
        return;
    p->shown_ns = now();
    show(p);
}

void progress_end(struct progress *p)
{
    if (!p->is_shown)
        return;
    show(p);
    fputc('\n', stderr);
}
