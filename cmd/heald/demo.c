/*
 * demo.c: `heald demo`: for each back end a server as a child process, loaded from here, and then
 * one for the person who looks. The order of each row: start the child, read its URL from its
 * standard output, fetch, SIGTERM, await its end.
 */
#include "commands.h"
#include "json.h"
#include "serve/fetch.h"
#include "serve/serve.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 16, FEATURES_MAX = 16, GREETING = 512 };

#define START_NS (10 * HEALD_SEC)

struct demo_options {
    int64_t duration_ns;
    unsigned connections;
    bool is_json;
};

static const struct option options[] = {
    {0, "--duration", OPTION_SECONDS, offsetof(struct demo_options, duration_ns), 0, 600, "SECONDS",
     "load each back end for this long (default: 1)"},
    {'c', "--connections", OPTION_COUNT, offsetof(struct demo_options, connections), 1, 1000, "N",
     "number of connections (default: 32)"},
    {'j', "--json", OPTION_FLAG, offsetof(struct demo_options, is_json), 0, 0, NULL,
     "print JSON, and do not serve DIR"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_demo = {
    .name = "demo",
    .run = run,
    .summary = "compare the back ends, then serve a directory",
    .arguments = "[DIR]",
    .arguments_max = 1,
    .options = options,
    .details =
        "DIR is the current directory by default. Each response is compared with its file. If "
        "standard output is not a terminal, the command ends after the table.\n"
        "Exit status: 0 success; 1 a response was wrong; 2 an error; 130 interrupted.",
};

/* What one run of the demo holds. */
struct demo {
    const char *program;
    const char *directory;
    struct heald_loop *loop;
    struct heald_op term, intr;
    bool is_interrupted;
    struct json *json; /* NULL: for people */
    struct fetch_plan plan;
};

/* A server that was started. */
struct served {
    struct heald_child child;
    char greeting[GREETING]; /* what it printed */
    char engine[32];
};

static void on_signal(struct heald_op *op)
{
    struct demo *demo = op->data;
    if (op->result < 0)
        return;
    demo->is_interrupted = true;
    heald_loop_stop(op->loop);
}

/* Submits an op that was prepared and waits for it: its result. */
static int64_t await(struct demo *demo, struct heald_op *op, int64_t deadline_ns)
{
    struct heald_op *ops[1] = {op};
    op->deadline_ns = deadline_ns;
    int error = heald_submit(demo->loop, op, NULL);
    if (error)
        return error;
    while (heald_suspend(demo->loop, ops, 1, 1, HEALD_FOREVER) == -ECANCELED)
        heald_cancel(op); /* a signal: the op ends soon */
    return heald_op_result(op);
}

/* Reads what the child prints until its URL is there, and takes from it what the table needs. */
static int read_greeting(struct demo *demo, struct served *served)
{
    struct heald_op op = {0};
    size_t len = 0;
    int64_t deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + START_NS;
    const char *url = NULL;
    while (!url || !strchr(url, '\n')) {
        heald_prep_read(&op, served->child.stdio[1], served->greeting + len, GREETING - 1 - len,
                        HEALD_NO_OFFSET);
        int64_t n = await(demo, &op, deadline_ns);
        if (n <= 0)
            return n ? (int)n : -ECHILD;
        len += (size_t)n;
        served->greeting[len] = '\0';
        url = strstr(served->greeting, "http://");
    }
    char host[HEALD_ADDR_TEXT] = "";
    sscanf(url, "http://%100[^/]/", host);
    sscanf(served->greeting, "back end %*[^,], engine %31s", served->engine);
    return heald_addr_parse(host, &demo->plan.addr);
}

static int start_server(struct demo *demo, const char *backend, struct served *ret_served)
{
    const char *const argv[] = {demo->program, "serve", "--listen", "127.0.0.1:0",   "--no-log",
                                "--backend",   backend, "--",       demo->directory, NULL};
    struct heald_spawn spawn = {
        .file = demo->program,
        .argv = (char *const *)argv, /* which exec() does not write to */
        .stdio = {HEALD_STDIO_NULL, HEALD_STDIO_PIPE, HEALD_STDIO_INHERIT},
    };
    memset(ret_served, 0, sizeof *ret_served);
    return heald_spawn(&spawn, &ret_served->child);
}

/* Ends the child: 0 if it ended as it should. */
static int end_server(struct demo *demo, struct served *served)
{
    struct heald_op op = {0};
    struct heald_child_status status = {0};
    kill(served->child.pid, SIGTERM);
    int64_t result = -ECANCELED;
    while (result == -ECANCELED) {
        heald_prep_child(&op, served->child.pid, &status);
        result = await(demo, &op, HEALD_FOREVER);
    }
    heald_close(demo->loop, served->child.stdio[1]);
    if (result < 0)
        return (int)result;
    /* Ctrl-C goes to the child, too: with the SIGTERM that makes two signals. */
    if (WIFSIGNALED(status.status) && !demo->is_interrupted)
        options_refuse(&command_demo, "signal %d killed the server", WTERMSIG(status.status));
    return WIFEXITED(status.status) && WEXITSTATUS(status.status) == 0 ? 0 : -ECHILD;
}

static void print_row(const struct demo *demo, const char *backend, const struct served *served,
                      const struct fetch_result *result)
{
    double seconds = (double)result->elapsed_ns / (double)HEALD_SEC;
    char size[TABLE_NUMBER_SIZE];

    if (!demo->json) {
        printf("%-10s %-10s %10" PRIu64 " %8s %12.0f\n", backend, served->engine, result->requests,
               table_size(result->bytes, size), (double)result->requests / seconds);
        fflush(stdout);
        return;
    }
    json_object(demo->json, NULL);
    json_text(demo->json, "backend", backend);
    json_boolean(demo->json, "available", true);
    json_text(demo->json, "engine", served->engine);
    json_unsigned(demo->json, "requests", result->requests);
    json_unsigned(demo->json, "bytes", result->bytes);
    json_seconds(demo->json, "elapsed_s", seconds);
    json_unsigned(demo->json, "errors", result->errors);
    json_close(demo->json);
}

/* The row of a back end that this system lacks. */
static void print_absent(const struct demo *demo, const struct heald_feature *feature)
{
    if (!demo->json) {
        printf("%-10s %s\n", feature->name, feature->why);
        return;
    }
    json_object(demo->json, NULL);
    json_text(demo->json, "backend", feature->name);
    json_boolean(demo->json, "available", false);
    json_text(demo->json, "why", feature->why);
    json_close(demo->json);
}

static void print_heading(const struct demo *demo)
{
    double seconds = (double)demo->plan.duration_ns / (double)HEALD_SEC;

    if (!demo->json) {
        printf("%u files of %s, %u connections, each back end for %.1f s\n\n"
               "%-10s %-10s %10s %8s %12s\n",
               demo->plan.file_count, demo->directory, demo->plan.connections, seconds, "back end",
               "engine", "requests", "bytes", "requests/s");
        fflush(stdout);
        return;
    }
    json_begin(demo->json, stdout);
    json_text(demo->json, "directory", demo->directory);
    json_unsigned(demo->json, "files", demo->plan.file_count);
    json_unsigned(demo->json, "connections", demo->plan.connections);
    json_seconds(demo->json, "duration_s", seconds);
    json_array(demo->json, "rows");
}

/* One row of the table; 0 if all went well. */
static int measure(struct demo *demo, const char *backend)
{
    struct served served;
    struct fetch_result result = {0};
    int error = start_server(demo, backend, &served);
    if (error) {
        options_refuse(&command_demo, "cannot start %s: %s", demo->program, heald_strerror(error));
        return error;
    }
    error = read_greeting(demo, &served);
    if (!error)
        error = fetch_run(demo->loop, &demo->plan, &result);
    int end = end_server(demo, &served);
    if (demo->is_interrupted)
        return -EINTR;
    if (error || end) {
        options_refuse(&command_demo, "%s: %s", backend, heald_strerror(error ? error : end));
        return error ? error : end;
    }
    print_row(demo, backend, &served, &result);
    if (result.errors > 0) {
        options_refuse(&command_demo, "%s: %" PRIu64 " errors; first: %s", backend, result.errors,
                       result.problem);
        return -EIO;
    }
    return 0;
}

static int measure_all(struct demo *demo)
{
    struct heald_feature features[FEATURES_MAX];
    unsigned count = heald_backends(features, FEATURES_MAX);
    int status = 0;
    print_heading(demo);
    for (unsigned i = 0; i < count && i < FEATURES_MAX && !demo->is_interrupted; i++) {
        if (features[i].error)
            print_absent(demo, &features[i]);
        else if (measure(demo, features[i].name) < 0)
            status = EXIT_NO;
    }
    if (demo->json) {
        json_close(demo->json);
        json_end(demo->json);
    }
    return status;
}

static int await_signals(struct demo *demo)
{
    demo->term.data = demo->intr.data = demo;
    heald_prep_signal(&demo->term, SIGTERM, NULL);
    heald_prep_signal(&demo->intr, SIGINT, NULL);
    int error = heald_submit(demo->loop, &demo->term, on_signal);
    return error ? error : heald_submit(demo->loop, &demo->intr, on_signal);
}

/*
 * The part that runs in a loop of its own, so that the server afterwards has its signals to itself.
 */
static int run_table(struct demo *demo)
{
    struct fetch_file *files = calloc(FILES_MAX, sizeof *files);
    int count = files ? fetch_load(demo->directory, files, FILES_MAX) : -ENOMEM;
    int status = EXIT_ERROR;
    struct heald_why why = {""};
    struct heald_loop_options loop_options = {.ret_why = &why};
    int error = heald_loop_open(&demo->loop, &loop_options);
    if (count < 0) {
        options_refuse(&command_demo, "%s: %s", options_shown(demo->directory),
                       heald_strerror(count));
    } else if (count == 0) {
        options_refuse(&command_demo, "%s: contains no file to fetch", demo->directory);
    } else if (error) {
        options_refuse(&command_demo, "%s", why.text);
    } else if ((error = await_signals(demo))) {
        options_refuse(&command_demo, "signals: %s", heald_strerror(error));
    } else {
        demo->plan.files = files;
        demo->plan.file_count = (unsigned)count;
        status = measure_all(demo);
    }
    if (demo->loop) {
        heald_cancel(&demo->term);
        heald_cancel(&demo->intr);
        heald_loop_run(demo->loop);
        heald_loop_close(demo->loop);
    }
    if (count > 0)
        fetch_free(files, (unsigned)count);
    free(files);
    return status;
}

static void print_what_next(const char *url)
{
    printf("\nIn a browser:  %s\n"
           "Or elsewhere:  curl -i %s\n"
           "               wrk -t 2 -c 100 -d 5 %s\n"
           "Ctrl-C ends it.\n\n",
           url, url, url);
}

static int serve_person(const char *directory)
{
    struct server_config config;
    serve_defaults(&config);
    config.directory = directory;
    config.is_listing = true;
    int fd = heald_listen(config.listen, SOCK_STREAM, 0);
    if (fd >= 0)
        close(fd);
    else
        config.port = 0; /* another process uses the default one */
    printf("\n");
    return serve(&config, print_what_next);
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    struct demo_options o = {.duration_ns = HEALD_SEC, .connections = 32};
    const char *directory = ".";
    int status = options_parse(command, argc, argv, &o, &directory);
    if (status != OPTIONS_GO_ON)
        return status;

    struct json j;
    struct demo demo = {
        .program = program,
        .json = o.is_json ? &j : NULL,
        .directory = directory,
        .plan = {.duration_ns = o.duration_ns, .connections = o.connections},
    };
    status = run_table(&demo);
    if (demo.is_interrupted)
        return 130;
    if (status || o.is_json || !isatty(STDOUT_FILENO))
        return status;
    return serve_person(directory);
}
