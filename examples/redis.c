/* redis SOCKET N: sends N commands at once to a Redis server, and prints the messages of the
 * channel `news` until one is "end": hiredis in a loop of heald. */
#include <heald/adapter/hiredis.h>
#include <heald/heald.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct heald_hiredis commands, messages;
static int is_lost;

static void on_value(redisAsyncContext *context, void *reply, void *user)
{
    const redisReply *r = reply;

    (void)context;
    (void)user;
    if (r) /* NULL: the connection is lost */
        printf("visits: %s\n", r->str);
    fflush(stdout);
}

static void on_message(redisAsyncContext *context, void *reply, void *user)
{
    const redisReply *r = reply;

    (void)context;
    (void)user;
    if (!r || r->elements != 3)
        return;
    if (r->element[2]->str && strcmp(r->element[2]->str, "end") == 0) {
        heald_hiredis_close(&commands);
        heald_hiredis_close(&messages);
        return;
    }
    printf("%s: %s\n", r->element[0]->str, r->element[2]->str ? r->element[2]->str : "news");
    fflush(stdout);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    if (status == REDIS_OK)
        return;
    fprintf(stderr, "redis: %s\n", context->errstr);
    is_lost = 1;
}

static int connect_to(struct heald_hiredis *redis, struct heald_loop *loop, const char *path)
{
    redisAsyncContext *context = redisAsyncConnectUnix(path);
    int err = heald_hiredis_open(redis, loop, context, NULL);

    if (err) {
        fprintf(stderr, "redis: %s: %s\n", path, context ? context->errstr : "no memory");
        return err;
    }
    return redisAsyncSetDisconnectCallback(context, on_disconnected);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;

    signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || heald_loop_open(&loop, NULL)) {
        fprintf(stderr, "usage: redis SOCKET N\n");
        return 1;
    }
    if (connect_to(&commands, loop, argv[1]) || connect_to(&messages, loop, argv[1]))
        return 1;
    redisAsyncCommand(commands.context, NULL, NULL, "SET visits 0");
    for (int i = 0; i < atoi(argv[2]); i++)
        redisAsyncCommand(commands.context, NULL, NULL, "INCR visits");
    redisAsyncCommand(commands.context, on_value, NULL, "GET visits");
    redisAsyncCommand(messages.context, on_message, NULL, "SUBSCRIBE news");
    heald_loop_run(loop); /* until both are disconnected */
    return heald_loop_close(loop) < 0 || is_lost;
}
