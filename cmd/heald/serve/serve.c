/* serve.c: `heald serve`: the options, and what is printed. */
#include "serve/serve.h"
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct serve_options {
    struct server_config config;
    bool is_logging;
};

#define FIELD(name)  offsetof(struct serve_options, name)
#define CONFIG(name) offsetof(struct serve_options, config.name)

static const struct option options[] = {
    {'l', "--listen", OPTION_TEXT, CONFIG(listen), 0, 0, "ADDR",
     "listen at this address: 127.0.0.1:80, [::1]:80, localhost:80, :80, unix:/path, unix:@name "
     "(default: 127.0.0.1:8080)"},
    {'p', "--port", OPTION_COUNT, CONFIG(port), 0, 65535, "N",
     "listen at this port; 0: the system chooses one"},
    {'L', "--list", OPTION_FLAG, CONFIG(is_listing), 0, 0, NULL,
     "list the names in a directory that has no index.html"},
    {0, "--dot-files", OPTION_FLAG, CONFIG(has_dot_files), 0, 0, NULL,
     "serve and list files whose names begin with a dot (default: status 404)"},
    {0, "--backend", OPTION_TEXT, CONFIG(backend), 0, 0, "NAME",
     "use this back end; heald backends lists them"},
    {'e', "--engine", OPTION_TEXT, CONFIG(engine), 0, 0, "NAME",
     "use this file engine; heald backends lists them"},
    {'c', "--max-connections", OPTION_COUNT, CONFIG(max_connections), 1, 1000000, "N",
     "maximum number of connections; a further one replaces the one that has been idle longest "
     "(default: 1024)"},
    {0, "--max-requests", OPTION_COUNT, CONFIG(max_requests), 1, 1000000000, "N",
     "maximum number of requests on one connection (default: 100000)"},
    {'w', "--timeout", OPTION_SECONDS, CONFIG(timeout_ns), 0, 86400, "SECONDS",
     "maximum time for a request to arrive, and for the client to take each 64 KiB of a response "
     "(default: 30)"},
    {0, "--idle-timeout", OPTION_SECONDS, CONFIG(idle_ns), 0, 86400, "SECONDS",
     "close a connection without a request after this time (default: 15)"},
    {'g', "--grace-period", OPTION_SECONDS, CONFIG(grace_ns), 0, 86400, "SECONDS",
     "after SIGTERM or SIGINT, maximum time for responses in flight (default: 10)"},
    {'o', "--log", OPTION_TEXT, CONFIG(log_path), 0, 0, "FILE",
     "append the access log to this file; -: standard output (default: -)"},
    {'q', "--no-log", OPTION_UNFLAG, FIELD(is_logging), 0, 0, NULL, "write no access log"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_serve = {
    .name = "serve",
    .run = run,
    .summary = "serve the files of a directory by HTTP",
    .arguments = "DIR",
    .arguments_max = 1,
    .options = options,
    .details =
        "Serves GET and HEAD, index.html, conditional requests and single ranges. Nothing outside "
        "DIR is served. SIGTERM and SIGINT end the server after the requests that have arrived are "
        "answered; a second signal ends it at once. SIGHUP reopens the file of --log.",
};

void serve_defaults(struct server_config *ret_config)
{
    *ret_config = (struct server_config){
        .listen = "127.0.0.1:8080",
        .port = SERVER_NO_PORT,
        .max_connections = 1024,
        .max_requests = 100000,
        .timeout_ns = 30 * HEALD_SEC,
        .idle_ns = 15 * HEALD_SEC,
        .grace_ns = 10 * HEALD_SEC,
        .log_path = "-",
    };
}

/* Takes away the socket's file, which a listener at "unix:/path" leaves. */
static void remove_socket(const char *url)
{
    if (strncmp(url, "unix:/", 6) == 0)
        unlink(url + 5);
}

int serve(const struct server_config *config, void (*what_next)(const char *url))
{
    char url[HEALD_ADDR_TEXT + 16];
    struct server *server = malloc(sizeof *server);
    if (!server)
        return options_refuse(&command_serve, "cannot allocate memory");
    int status = server_open(server, config, url, sizeof url);
    if (status) {
        free(server);
        return status;
    }
    printf("back end %s, engine %s\nlistening on %s\n", heald_loop_backend(server->loop),
           heald_loop_engine(server->loop), url);
    if (what_next)
        what_next(url);
    fflush(stdout);

    int error = server_run(server);
    if (error)
        options_refuse(&command_serve, "%s", heald_strerror(error));
    server_close(server);
    remove_socket(url);
    free(server);
    return error ? EXIT_ERROR : 0;
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    struct serve_options o = {.is_logging = true};
    const char *directory = NULL;
    (void)program;
    serve_defaults(&o.config);
    int status = options_parse(command, argc, argv, &o, &directory);
    if (status != OPTIONS_GO_ON)
        return status;
    if (!directory)
        return options_refuse(command, "a directory is required: heald serve DIR");
    o.config.directory = directory;
    if (!o.is_logging)
        o.config.log_path = NULL;
    return serve(&o.config, NULL);
}
