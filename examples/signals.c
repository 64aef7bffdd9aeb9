/* signals: SIGUSR1 and SIGTERM in the loop, with their senders; no handler is installed. */
#include <heald/heald.h>

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct waiter {
    struct heald_op op;
    struct heald_siginfo info;
};

struct waiters {
    struct waiter usr1, term;
};

static void on_usr1(struct heald_op *op)
{
    struct waiter *w = heald_container_of(op, struct waiter, op);

    if (op->flags & HEALD_MORE) {
        printf("SIGUSR1 from process %ld\n", (long)w->info.pid);
        fflush(stdout);
    }
}

static void on_term(struct heald_op *op)
{
    struct waiters *all = op->data;

    if (op->flags & HEALD_MORE) {
        printf("SIGTERM: the end\n");
        heald_cancel(&all->usr1.op); /* and so no op is left, and the loop ends */
        heald_cancel(&all->term.op);
    }
}

int main(void)
{
    struct waiters all = {.usr1.op.name = "SIGUSR1", .term.op.name = "SIGTERM"};
    struct heald_loop *loop;
    struct heald_why why;
    int err = heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why});

    if (err) {
        fprintf(stderr, "signals: %s\n", why.text);
        return 1;
    }
    all.term.op.data = &all;
    heald_prep_signal(&all.usr1.op, SIGUSR1, &all.usr1.info);
    heald_prep_signal(&all.term.op, SIGTERM, &all.term.info);
    if ((err = heald_submit(loop, &all.usr1.op, on_usr1)) ||
        (err = heald_submit(loop, &all.term.op, on_term))) {
        fprintf(stderr, "signals: %s\n", heald_strerror(err));
        return 1;
    }
    printf("kill -USR1 %ld, then kill %ld\n", (long)getpid(), (long)getpid());
    fflush(stdout);
    err = heald_loop_run(loop);
    return heald_loop_close(loop) < 0 || err;
}
