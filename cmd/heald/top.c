/*
 * top.c: `heald top`: what passes through queues, topics, services and bridges, again and again.
 *
 * On a terminal it has a screen of its own, without echo, and gives the terminal back in whatever
 * way it ends, but for SIGKILL. All that it waits for is in a loop.
 */
#include "commands.h"
#include "terminal.h"
#include "traffic.h"

#include <heald/heald.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { KEY_INTERRUPT = 3, BUFFER_SIZE = 64 * 1024, ROWS_DEFAULT = 24 };

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};

enum { CAUGHT = sizeof caught / sizeof caught[0] };

struct top_options {
    unsigned count;
    int64_t interval_ns;
    bool is_json;
};

static const struct option options[] = {
    {'i', "--interval", OPTION_SECONDS, offsetof(struct top_options, interval_ns), 0, 86400,
     "SECONDS", "the time between two looks (default: 1)"},
    {'N', "--count", OPTION_COUNT, offsetof(struct top_options, count), 1, UINT_MAX, "N",
     "end after N looks"},
    {'j', "--json", OPTION_FLAG, offsetof(struct top_options, is_json), 0, 0, NULL,
     "print a line of JSON for each look"},
    {0},
};

static int run_top(const struct command *command, const char *program, int argc, char **argv);

const struct command command_top = {
    .name = "top",
    .run = run_top,
    .summary = "show the rates of queues, topics, services and bridges",
    .arguments = "[NAME...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details = "NAME is /name or file:/path. By default all regions with names like /name are "
               "shown. On a terminal the fastest are shown until q or Ctrl-C is pressed; otherwise "
               "a table is printed each time. The command locks and changes nothing.",
};

struct top_signal {
    struct heald_op op;
    struct heald_siginfo info;
    struct top *top;
};

struct top {
    const struct command *command;
    const struct top_options *options;
    const char **names;
    unsigned name_count, looks;
    bool is_screen, is_over;
    int status;
    struct traffic traffic;
    struct heald_loop *loop;
    struct heald_op timer, key;
    struct top_signal signals[CAUGHT];
    struct termios terminal; /* as it was */
};

/* The loop ends when nothing is left to wait for. */
static void finish(struct top *t, int status)
{
    t->is_over = true;
    t->status = status;
    heald_cancel(&t->timer);
    heald_cancel(&t->key);
    for (unsigned i = 0; i < CAUGHT; i++)
        heald_cancel(&t->signals[i].op);
}

/* False: a region cannot be seen. */
static bool look(struct top *t)
{
    struct traffic now;
    struct snapshot c;
    bool all = snapshot_take(&c, t->command, t->names, t->name_count, false);

    traffic_take(&now, &c, t->traffic.taken_ns ? &t->traffic : NULL);
    snapshot_free(&c);
    traffic_free(&t->traffic);
    t->traffic = now;
    return all;
}

/* A line end on the last row moves the screen, so that row is left out. Where the title, an empty
 * line, the heads of the columns and a row do not fit, the first of these are left out. */
static void draw_screen(const struct top *t)
{
    unsigned height = terminal_rows(), rows = (height ? height : ROWS_DEFAULT) - 1;
    bool has_title = rows != 2;

    printf("\033[H\033[J");
    if (has_title)
        printf("queues, topics, services and bridges: %u, every %g s; q ends%s", t->traffic.count,
               (double)t->options->interval_ns / (double)HEALD_SEC,
               rows > 3   ? "\n\n"
               : rows > 1 ? "\n"
                          : "");
    if (rows > 1)
        traffic_print(&t->traffic, rows - 1 - has_title - (rows > 3), true);
}

static void draw(struct top *t)
{
    if (t->is_screen) {
        draw_screen(t);
    } else if (t->options->is_json) {
        traffic_print_json(&t->traffic);
    } else {
        if (t->looks)
            putchar('\n');
        traffic_print(&t->traffic, UINT_MAX, false);
    }
    if (fflush(stdout) || ferror(stdout))
        finish(t, EXIT_ERROR);
}

static void on_time(struct heald_op *op)
{
    struct top *t = heald_container_of(op, struct top, timer);

    if (op->result < 0 || t->is_over)
        return;
    bool all = look(t);
    draw(t);
    if (!all)
        finish(t, EXIT_ERROR);
    else if (++t->looks == t->options->count)
        finish(t, t->status);
}

static void await_key(struct top *t);

/* At its end there are no keys any more. */
static void on_key(struct heald_op *op)
{
    struct top *t = heald_container_of(op, struct top, key);
    char key = 0;

    if (op->result < 0 || t->is_over)
        return;
    ssize_t n = read(STDIN_FILENO, &key, 1);
    if (n == 1 && (key == 'q' || key == 'Q' || key == KEY_INTERRUPT))
        finish(t, 0);
    else if (n == 1 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        await_key(t);
}

static void await_key(struct top *t)
{
    heald_prep_poll(&t->key, STDIN_FILENO, POLLIN);
    heald_submit(t->loop, &t->key, on_key); /* without it there are no keys, and no harm */
}

static void on_signal(struct heald_op *op)
{
    struct top_signal *s = heald_container_of(op, struct top_signal, op);

    if (op->result < 0 || s->top->is_over)
        return;
    if (s->info.signo != SIGWINCH) {
        finish(s->top, EXIT_SIGNAL + s->info.signo);
        return;
    }
    draw(s->top);
    heald_prep_signal(op, SIGWINCH, &s->info);
    heald_submit(op->loop, op, on_signal); /* cannot fail: the loop knows the signal */
}

static int await_signals(struct top *t)
{
    int err = 0;

    for (unsigned i = 0; i < CAUGHT && !err; i++) {
        t->signals[i].top = t;
        err = heald_prep_signal(&t->signals[i].op, caught[i], &t->signals[i].info);
        if (!err)
            err = heald_submit(t->loop, &t->signals[i].op, on_signal);
    }
    return err;
}

/* A screen of its own, no cursor, lines that are cut, and keys as they are pressed. */
static void begin_screen(struct top *t)
{
    struct termios raw = t->terminal;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    setvbuf(stdout, NULL, _IOFBF, BUFFER_SIZE);
    printf("\033[?1049h\033[?25l\033[?7l");
}

static void end_screen(const struct top *t)
{
    printf("\033[?7h\033[?25h\033[?1049l");
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &t->terminal);
}

static int run_loop(struct top *t)
{
    int64_t first_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + t->options->interval_ns;
    int err = t->is_screen ? await_signals(t) : 0;

    if (!err)
        err = heald_prep_timer_clock(&t->timer, HEALD_CLOCK_MONOTONIC, first_ns,
                                     t->options->interval_ns);
    if (!err)
        err = heald_submit(t->loop, &t->timer, on_time);
    if (!err && t->is_screen) {
        await_key(t);
        draw(t);
    }
    return err ? err : heald_loop_run(t->loop);
}

/* The first look is what the second is compared with. What it says of a name that is wrong is not
 * said on a screen that goes away. */
static int run(struct top *t)
{
    struct heald_why why;
    struct heald_loop_options loop_options = {.ret_why = &why};

    if (!look(t))
        return EXIT_ERROR;
    int err = heald_loop_open(&t->loop, &loop_options);
    if (err)
        return options_refuse(t->command, "%s", why.text);
    if (t->is_screen)
        begin_screen(t);
    err = run_loop(t);
    if (t->is_screen)
        end_screen(t);
    heald_loop_close(t->loop);
    if (err < 0)
        return options_refuse(t->command, "%s", heald_strerror(err));
    if (t->is_screen && t->status == EXIT_ERROR)
        look(t);
    return t->status;
}

static int run_top(const struct command *command, const char *program, int argc, char **argv)
{
    struct top_options o = {.interval_ns = HEALD_SEC};
    struct top t = {.command = command, .options = &o};
    int status = snapshot_parse(command, argc, argv, &o, &t.names, &t.name_count);

    (void)program;
    if (status != OPTIONS_GO_ON)
        return status;
    t.is_screen =
        !o.is_json && terminal_has_sequences() && tcgetattr(STDIN_FILENO, &t.terminal) == 0;
    status = run(&t);
    traffic_free(&t.traffic);
    free(t.names);
    return status;
}
