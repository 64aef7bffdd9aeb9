/*
 * access_log.c: see access_log.h. One thread. A log that cannot be written never stops the server:
 * lines that find no room are dropped and counted, and after an error nothing is logged any more;
 * both are said on stderr.
 */
#include "serve/access_log.h"

#include "commands.h"
#include "serve/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 20 * 1024, /* a target of 4 KiB, each byte escaped as four */
    WRITE_AT = ACCESS_LOG_HALF / 4,
    FLUSH_MS = 250,
    CLOSE_MS = 1000,
    CLOSE_CHUNK = 4096 /* PIPE_BUF on Linux: what a pipe that is ready takes without blocking */
};

static int open_file(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0640);
    return fd < 0 ? -errno : fd;
}

int access_log_open(struct access_log *log, struct heald_loop *loop, const char *path)
{
    log->loop = loop;
    log->fd = log->next_fd = -1;
    log->write.name = "access log";
    log->timer.name = "access log";
    log->write.op_class = log->timer.op_class = HEALD_BULK;
    if (path && strcmp(path, "-") != 0)
        log->path = path;
    if (path)
        log->fd = log->path ? open_file(path, 0) : STDOUT_FILENO;
    return path && log->fd < 0 ? log->fd : 0;
}

static void close_file(struct access_log *log)
{
    if (log->path && log->fd >= 0)
        heald_close(log->loop, log->fd);
    log->fd = -1;
}

/* No write is in flight: the reopened file takes the place of the old one. */
static void take_next(struct access_log *log)
{
    if (log->next_fd < 0)
        return;
    close_file(log);
    log->fd = log->next_fd;
    log->next_fd = -1;
}

static void fail(struct access_log *log, int error)
{
    options_refuse(&command_serve, "--log %s: cannot write: %s; the log is closed",
                   log->path ? log->path : "-", heald_strerror(error));
    close_file(log);
    take_next(log);
}

static void write_rest(struct access_log *log);
static void schedule(struct access_log *log);

static void on_written(struct heald_op *op)
{
    struct access_log *log = heald_container_of(op, struct access_log, write);
    unsigned half = 1 - log->filling;
    log->is_writing = false;
    if (op->result == -ECANCELED)
        return;
    if (op->result < 0) {
        fail(log, (int)op->result);
        return;
    }
    log->written += (size_t)op->result;
    if (log->is_stopped)
        return;
    if (log->written < log->len[half]) {
        write_rest(log);
    } else {
        take_next(log);
        schedule(log);
    }
}

static void write_rest(struct access_log *log)
{
    unsigned half = 1 - log->filling;
    heald_prep_write(&log->write, log->fd, log->half[half] + log->written,
                     log->len[half] - log->written, HEALD_NO_OFFSET);
    int error = heald_submit(log->loop, &log->write, on_written);
    log->is_writing = !error;
    if (error)
        fail(log, error);
}

/* Hands the half that was being filled to the writer, unless that one is busy. */
static void begin_write(struct access_log *log)
{
    if (log->is_writing || log->fd < 0 || log->len[log->filling] == 0)
        return;
    log->filling = 1 - log->filling;
    log->len[log->filling] = 0;
    log->written = 0;
    write_rest(log);
}

static void on_timer(struct heald_op *op)
{
    struct access_log *log = heald_container_of(op, struct access_log, timer);
    log->is_timed = false;
    if (!log->is_stopped)
        begin_write(log);
}

/* A half that is well filled is written at once, a few lines after a moment. */
static void schedule(struct access_log *log)
{
    size_t len = log->len[log->filling];
    if (log->is_stopped || log->is_writing || len == 0)
        return;
    if (len >= WRITE_AT) {
        begin_write(log);
    } else if (!log->is_timed) {
        heald_prep_timer(&log->timer, heald_now(log->loop) + FLUSH_MS * HEALD_MS);
        log->is_timed = heald_submit(log->loop, &log->timer, on_timer) == 0;
    }
}

static void format_line(struct text *line, const struct access_entry *e)
{
    text_addf(line, "%s - - [%s] \"", e->peer, e->date);
    if (e->method) {
        text_addf(line, "%s ", e->method);
        text_add_log(line, e->target, e->target_len);
        text_addf(line, " HTTP/%u.%u", e->major, e->minor);
    } else {
        text_add(line, "-");
    }
    text_addf(line, "\" %u %" PRIu64 "\n", e->status, e->bytes);
}

/* A FIFO without a reader is an error here; waiting for a reader would stop the server. */
void access_log_reopen(struct access_log *log)
{
    if (!log->path || log->is_stopped)
        return;
    int fd = open_file(log->path, O_NONBLOCK);
    if (fd < 0) {
        options_refuse(&command_serve, "--log %s: cannot reopen: %s; the old file stays in use",
                       log->path, heald_strerror(fd));
        return;
    }
    if (log->next_fd >= 0)
        close(log->next_fd);
    log->next_fd = fd;
    begin_write(log);
    if (!log->is_writing)
        take_next(log);
}

void access_log_add(struct access_log *log, const struct access_entry *entry)
{
    char *half = log->half[log->filling];
    size_t *len = &log->len[log->filling];
    struct text line;
    if (log->fd < 0)
        return;
    if (ACCESS_LOG_HALF - *len < LINE_MAX_BYTES) {
        log->dropped++;
        return;
    }
    text_init(&line, half + *len, LINE_MAX_BYTES);
    format_line(&line, entry);
    *len += line.len;
    schedule(log);
}

void access_log_stop(struct access_log *log)
{
    log->is_stopped = true;
    if (log->is_timed)
        heald_cancel(&log->timer);
    if (log->is_writing)
        heald_cancel(&log->write);
}

/* Writes while there is a reader. */
static void write_now(struct access_log *log, const char *at, size_t len)
{
    while (len > 0 && log->fd >= 0) {
        struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
        if (poll(&ready, 1, CLOSE_MS) <= 0)
            return;
        ssize_t n = write(log->fd, at, len < CLOSE_CHUNK ? len : CLOSE_CHUNK);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            fail(log, -errno);
            return;
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

void access_log_close(struct access_log *log)
{
    unsigned half = 1 - log->filling;
    write_now(log, log->half[half] + log->written, log->len[half] - log->written);
    write_now(log, log->half[log->filling], log->len[log->filling]);
    if (log->dropped)
        options_refuse(&command_serve,
                       "--log %s: %" PRIu64 " lines were dropped: the reader is too slow",
                       log->path ? log->path : "-", log->dropped);
    if (log->path && log->fd >= 0)
        close(log->fd);
    if (log->next_fd >= 0)
        close(log->next_fd);
}
