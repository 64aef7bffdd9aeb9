/* What heald's echo servers share. */
#define _GNU_SOURCE 1
#include "heald_serve.h"

#include "../common/common.h"

#include <signal.h>

static void on_term(struct heald_op *op)
{
    heald_loop_stop(op->loop);
}

int serve(struct heald_loop *loop, const char *port, heald_fn *on_accepted)
{
    struct heald_op accepter = {.name = "accepter"}, term = {.name = "term"};
    struct heald_addr addr;
    char text[HEALD_ADDR_TEXT];

    snprintf(text, sizeof text, "127.0.0.1:%s", port);
    int fd = heald_listen(text, SOCK_STREAM, 0);
    if (fd < 0 || heald_local_addr(fd, &addr))
        bench_die(text, -fd);
    heald_addr_format(&addr, text, sizeof text);
    printf("port %s\n", strrchr(text, ':') + 1);
    fflush(stdout);
    heald_prep_signal(&term, SIGTERM, NULL);
    heald_submit(loop, &term, on_term);
    heald_prep_accept_multishot(&accepter, fd);
    heald_submit(loop, &accepter, on_accepted);
    return heald_loop_run(loop) < 0;
}
