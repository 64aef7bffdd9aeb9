/* postgres CONNINFO QUERY: runs a query, and then prints the notifications of the channel `news`
 * until one is "end": libpq in a loop of heald. */
#include <heald/adapter/pq.h>
#include <heald/heald.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *query;
static int status = 1;

static void on_closed(struct heald_pq *pq)
{
    (void)pq;
    puts("closed");
}

static void run(struct heald_pq *pq, const char *sql)
{
    if (!PQsendQuery(pq->conn, sql))
        fprintf(stderr, "postgres: %s", PQerrorMessage(pq->conn));
    heald_pq_flush(pq);
}

static void on_ready(struct heald_pq *pq)
{
    run(pq, query);
}

static void on_result(struct heald_pq *pq, PGresult *result)
{
    static int is_listening;

    if (result && PQresultStatus(result) == PGRES_TUPLES_OK) {
        int rows = PQntuples(result);
        printf("%d rows%s%s\n", rows, rows ? ", the last: " : "",
               rows ? PQgetvalue(result, rows - 1, 0) : "");
    } else if (result) {
        printf("%s%s\n", PQresStatus(PQresultStatus(result)), PQresultErrorMessage(result));
    } else if (!is_listening) {
        is_listening = 1;
        run(pq, "LISTEN news");
    }
    fflush(stdout);
}

static void on_notify(struct heald_pq *pq, PGnotify *notify)
{
    printf("%s: %s\n", notify->relname, notify->extra);
    fflush(stdout);
    if (strcmp(notify->extra, "end") != 0)
        return;
    status = 0;
    heald_pq_close(pq, on_closed);
}

static void on_error(struct heald_pq *pq, const char *text)
{
    fprintf(stderr, "postgres: %s", text);
    heald_pq_close(pq, on_closed);
}

static const struct heald_pq_events events = {on_ready, on_result, on_notify, on_error};

int main(int argc, char **argv)
{
    struct heald_pq pq = {0};
    struct heald_loop *loop;

    signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || heald_loop_open(&loop, NULL) || heald_pq_open(&pq, loop, argv[1], &events)) {
        fprintf(stderr, "usage: postgres CONNINFO QUERY\n");
        return 1;
    }
    query = argv[2];
    heald_loop_run(loop);
    return heald_loop_close(loop) < 0 || status;
}
