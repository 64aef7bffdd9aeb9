/* The listening socket and the wish to end, alike for all echo servers. */
#ifndef BENCH_LISTENER_H
#define BENCH_LISTENER_H

struct listener {
    int fd;
    int spare; /* given up for a moment when descriptors run out, see listener_accept() */
};

/*
 * Listens on 127.0.0.1.  The port is argv[1]; with 0 or nothing the kernel chooses, and
 * `port N` is printed on stdout in any case.  Ends the program on failure.
 */
void listener_open(struct listener *l, int argc, char **argv);
void listener_close(struct listener *l);

/*
 * The next connection, non-blocking and close-on-exec; -1 when there is none at the moment.  When
 * descriptors run out, the client is turned away: a level-triggered listener would spin otherwise.
 */
int listener_accept(struct listener *l);

/* A descriptor that becomes readable on SIGTERM or SIGINT, which are blocked from now on. */
int termination_open(void);

#endif
