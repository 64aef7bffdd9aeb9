/*
 * logger: many processes write lines, and one puts them into a file or on standard output. It ends
 * when the last writer has ended, or was killed.
 *
 *     logger wait /NAME read [FILE] &
 *     make 2>&1 | logger wait /NAME write
 *
 * A line that begins with "!" is urgent: it overtakes the others. When the queue is full a writer
 * waits; with "drop" instead of "wait" it goes on at once, and the oldest line is lost.
 */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 240, USUAL = 0, URGENT, PRIORITIES };

static struct heald_participant *me;
static struct heald_queue *lines;

static int read_lines(const char *path)
{
    FILE *out = path ? fopen(path, "a") : stdout;
    struct heald_queue_info info;
    char line[LINE_SIZE];
    ssize_t n = out ? 0 : -errno;

    while (n >= 0) {
        n = heald_queue_recv(lines, me, line, sizeof line, NULL, HEALD_FOREVER);
        if (n >= 0 && (fprintf(out, "%.*s\n", (int)n, line) < 0 || fflush(out) != 0))
            n = -errno;
    }
    if (heald_queue_describe(lines, me, &info) == 0 && info.dropped)
        fprintf(stderr, "logger: %llu lines were dropped\n", (unsigned long long)info.dropped);
    if (path && out)
        fclose(out);
    return n == -EPIPE ? 0 : (int)n; /* -EPIPE: no writer is left */
}

static int write_lines(void)
{
    char line[LINE_SIZE];
    int err = heald_queue_join(lines, me); /* the reader does not end before this process does */

    while (!err && fgets(line, sizeof line, stdin))
        err = heald_queue_send(lines, me, line, strcspn(line, "\n"), *line == '!' ? URGENT : USUAL,
                               HEALD_FOREVER);
    return err;
}

int main(int argc, char **argv)
{
    struct heald_region_options room = {.heap = 1 << 17};
    struct heald_queue_options options = {.priorities = PRIORITIES, .message_max = LINE_SIZE};
    struct heald_region *region = NULL;

    if (argc < 4 || (strcmp(argv[1], "wait") != 0 && strcmp(argv[1], "drop") != 0)) {
        fprintf(stderr, "usage: logger wait|drop /NAME read [FILE]\n"
                        "       logger wait|drop /NAME write\n");
        return 2;
    }
    if (strcmp(argv[1], "drop") == 0)
        options.flags = HEALD_QUEUE_DROP_OLDEST;
    int err = heald_region_open(&region, argv[2], HEALD_REGION_CREATE, &room);
    if (!err)
        err = heald_attach(region, &me);
    if (!err)
        err = heald_queue_open(me, "lines", &options, &lines);
    if (!err)
        err = strcmp(argv[3], "read") == 0 ? read_lines(argv[4]) : write_lines();
    if (err)
        fprintf(stderr, "logger: %s\n", heald_strerror(err));
    heald_detach(me); /* a sender that detaches has left the queue */
    heald_region_close(region);
    return err != 0;
}
