/*
 * service: servers that share the requests of any number of clients. A server may be killed at any
 * time: another one gets the request that it had.
 *
 *     service serve /NAME & service serve /NAME &
 *     service call /NAME MILLISECONDS TEXT...
 *     service end /NAME
 */
#include <heald/heald.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct heald_participant *me;
static struct heald_service *service;

/* Replies with the request in capitals, and who has served it. */
static int serve(void)
{
    struct heald_request request;
    char reply[1000];
    int err;

    while ((err = heald_service_receive(service, me, &request, HEALD_FOREVER)) == 0) {
        snprintf(reply, sizeof reply, "%ld: %.*s", (long)getpid(), (int)request.size,
                 (const char *)request.data);
        for (char *p = reply; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        err = heald_service_reply(&request, me, reply, strlen(reply));
        if (err && err != -ECANCELED) /* -ECANCELED: the client has given up, or has died */
            return err;
    }
    return err == -ENODATA ? 0 : err; /* -ENODATA: the service has ended */
}

static int call(struct heald_service_client *client, const char *text, int64_t ms)
{
    int64_t deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + ms * HEALD_MS;
    char reply[1000];
    struct heald_call c = {
        .request = text, .request_size = strlen(text), .reply = reply, .reply_size = sizeof reply};
    int err = heald_service_call(client, &c, deadline_ns);

    if (err)
        fprintf(stderr, "service: %s was %s\n", text, c.was_taken ? "begun" : "not begun");
    else if (printf("%.*s\n", (int)c.reply_size, reply) < 0 || fflush(stdout) != 0)
        err = -errno;
    return err;
}

int main(int argc, char **argv)
{
    struct heald_region_options room = {.heap = 1 << 18};
    struct heald_region *region = NULL;
    struct heald_service_client client;
    if (argc < 3)
        return 2;
    int err = heald_region_open(&region, argv[2], HEALD_REGION_CREATE, &room);
    if (!err)
        err = heald_attach(region, &me);
    if (!err)
        err = heald_service_open(me, "capitals", NULL, &service); /* NULL: default options */
    if (!err && strcmp(argv[1], "serve") == 0)
        err = serve();
    else if (!err && strcmp(argv[1], "end") == 0)
        err = heald_service_close(service, me);
    else if (!err && !(err = heald_service_client_open(service, me, &client))) {
        for (int i = 4; !err && i < argc; i++)
            err = call(&client, argv[i], atoi(argv[3]));
        heald_service_client_close(&client);
    }
    if (err)
        fprintf(stderr, "service: %s\n", heald_strerror(err));
    heald_detach(me);
    return heald_region_close(region) || err;
}
