/*
 * test/conformance/reuse_listen.c: the number of a listener, or of a socket that connects, is used
 * again at once: which socket a connection belongs to.
 */
#include "conformance/reuse.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum kind { ACCEPT, ACCEPT_MULTISHOT, POLL, KINDS };
enum { QUEUED = 4, CLIENTS = 3, ROOM = 64 };

struct listening {
    struct heald_loop *loop;
    enum reuse_how how;
    enum reuse_when when;
    bool again; /* the number becomes a listener, not a socket of datagrams */
    int fd, client, pair[2];
    struct heald_addr addr, fresh_addr;
    struct probe op[KINDS], close, trigger, accept, read;
    struct reuse_end fresh;
    int fresh_client;
    char byte, got[ROOM];
    bool used;
};

static unsigned port_of(int fd, int (*name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof in;

    must(name(fd, (struct sockaddr *)&in, &len) == 0);
    return in.sin_port;
}

/* A connection of the old listener goes to nobody else. */
static void on_old(struct heald_op *op)
{
    struct listening *s = op->data;

    if (op != &s->op[POLL].op && op->result >= 0) {
        must(s->when == REUSE_DUE);
        must(port_of((int)op->result, getpeername) == port_of(s->client, getsockname));
        heald_close(op->loop, (int)op->result);
    }
    probe_completed(op);
}

static void use(struct listening *s)
{
    s->used = true;
    if (!s->again) {
        reuse_take(&s->fresh, REUSE_UDP, s->fd);
        heald_prep_recv(&s->read.op, s->fd, s->got, ROOM, 0);
        probe_start(s->loop, &s->read);
        return;
    }
    reuse_move(tcp_listen(8, &s->fresh_addr), s->fd);
    s->fresh_client = tcp_connect(&s->fresh_addr);
    heald_prep_accept(&s->accept.op, s->fd, NULL, NULL);
    probe_start(s->loop, &s->accept);
}

static void on_closed(struct heald_op *op)
{
    probe_completed(op);
    use(op->data);
}

static void replace(struct listening *s)
{
    s->close.op.data = s;
    if (reuse_close(s->loop, s->fd, s->how, &s->close.op, on_closed))
        use(s);
}

static void on_trigger(struct heald_op *op)
{
    probe_completed(op);
    replace(op->data);
}

static void replace_when_due(struct listening *s)
{
    must(heald_socketpair(SOCK_STREAM, s->pair) == 0);
    heald_prep_recv(&s->trigger.op, s->pair[0], &s->byte, 1, 0);
    s->trigger.op.data = s;
    must(heald_submit(s->loop, &s->trigger.op, on_trigger) == 0);
    turn_for(s->loop, 0);
    s->client = tcp_connect(&s->addr);
    must(write(s->pair[1], "x", 1) == 1);
    probe_end(&s->trigger);
    must(heald_close(s->loop, s->pair[0]) == 0);
    close(s->pair[1]);
}

static void check_fresh(struct listening *s)
{
    if (!s->again) {
        ck_assert_int_eq(probe_end(&s->read), 4);
        ck_assert_mem_eq(s->got, "new!", 4);
        close(s->fresh.peer);
    } else {
        int fd = (int)probe_end(&s->accept);
        ck_assert_int_ge(fd, 0);
        must(port_of(fd, getpeername) == port_of(s->fresh_client, getsockname));
        must(heald_close(s->loop, fd) == 0);
        close(s->fresh_client);
    }
    must(heald_close(s->loop, s->fd) == 0);
}

static void run_listening(struct listening *s, unsigned first)
{
    s->fd = tcp_listen(8, &s->addr);
    s->client = -1;
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned kind = (first + k) % KINDS;
        struct heald_op *op = &s->op[kind].op;
        if (kind == ACCEPT)
            heald_prep_accept(op, s->fd, NULL, NULL);
        else if (kind == ACCEPT_MULTISHOT)
            heald_prep_accept_multishot(op, s->fd);
        else
            heald_prep_poll(op, s->fd, POLLIN);
        op->data = s;
        must(heald_submit(s->loop, op, on_old) == 0);
    }
    if (s->when == REUSE_ARMED)
        turn_for(s->loop, 0);
    if (s->when == REUSE_CANCELLED)
        for (int i = 0; i < KINDS; i++)
            heald_cancel(&s->op[i].op);
    if (s->when == REUSE_DUE)
        replace_when_due(s);
    else
        replace(s);
    if (s->how == REUSE_CLOSE_OP)
        ck_assert_int_eq(probe_end(&s->close), 0);
    for (int i = 0; i < KINDS; i++) {
        int64_t result = probe_end(&s->op[i]);
        bool own = s->when == REUSE_DUE && i != ACCEPT_MULTISHOT && result >= 0;
        must(result == -ECANCELED || own);
    }
    if (!s->used)
        use(s);
    check_fresh(s);
    if (s->client >= 0)
        close(s->client);
}

static void run_when(int combination, enum reuse_when when)
{
    struct heald_loop *loop = loop_on(combination);

    for (unsigned first = 0; first < KINDS; first++)
        for (unsigned how = 0; how < REUSE_HOWS; how++)
            for (int again = 0; again < 2; again++) {
                struct listening s = {.loop = loop, .when = when, .again = again};
                s.how = (enum reuse_how)how;
                run_listening(&s, first);
            }
    loop_end(loop);
}

HEALD_CASE(a_listener_right_after_the_submit)
{
    run_when(_i, REUSE_SUBMITTED);
}

HEALD_CASE(a_listener_while_ops_wait)
{
    run_when(_i, REUSE_ARMED);
}

HEALD_CASE(a_listener_when_a_connection_is_due)
{
    run_when(_i, REUSE_DUE);
}

HEALD_CASE(a_listener_between_a_cancel_and_its_completion)
{
    run_when(_i, REUSE_CANCELLED);
}

/* The listener is closed in the callback of its first connection, while others wait in it. */
struct server {
    struct heald_loop *loop;
    struct heald_buf_group *group;
    enum reuse_how how;
    int fd, fresh_peer, accepted;
    struct probe accept, close, recv, stream[QUEUED];
    char got[ROOM];
    bool used;
};

static void on_stream(struct heald_op *op)
{
    struct server *s = op->data;

    /* A stream has no empty portions. */
    if (op->flags & HEALD_MORE) {
        must(op->result == 3);
        must(memcmp(heald_buf_data(s->group, op->buffer), "abc", 3) == 0);
        must(heald_buf_return(s->group, op->buffer) == 0);
    }
    probe_completed(op);
}

static void become_datagrams(struct server *s)
{
    struct reuse_end end;

    s->used = true;
    reuse_take(&end, REUSE_UDP, s->fd);
    s->fresh_peer = end.peer;
    heald_prep_recv(&s->recv.op, s->fd, s->got, ROOM, 0);
    probe_start(s->loop, &s->recv);
}

static void on_server_closed(struct heald_op *op)
{
    probe_completed(op);
    become_datagrams(op->data);
}

static void close_listener(struct server *s)
{
    s->close.op.data = s;
    if (reuse_close(s->loop, s->fd, s->how, &s->close.op, on_server_closed))
        become_datagrams(s);
}

static void on_accept(struct heald_op *op)
{
    struct server *s = op->data;

    if (op->result >= 0) {
        struct probe *p = &s->stream[s->accepted++];
        heald_prep_recv_multishot(&p->op, (int)op->result, s->group, 0);
        p->op.data = s;
        must(heald_submit(s->loop, &p->op, on_stream) == 0);
    }
    probe_completed(op);
    if (s->accepted == 1 && op->result >= 0)
        close_listener(s);
}

static void serve(struct server *s, const int client[CLIENTS], bool multishot)
{
    int streams[QUEUED] = {-1, -1, -1, -1};

    probe_end(&s->accept);
    ck_assert(s->accept.result == -ECANCELED || !multishot);
    if (s->how == REUSE_CLOSE_OP)
        ck_assert_int_eq(probe_end(&s->close), 0);
    if (!s->used)
        become_datagrams(s);
    ck_assert_int_eq(probe_end(&s->recv), 4);
    ck_assert_mem_eq(s->got, "new!", 4);
    for (int i = 0; i < CLIENTS; i++)
        close(client[i]);
    /* What was accepted are streams, with their data and their end; the other clients are refused.
     */
    for (int i = 0; i < s->accepted; i++) {
        streams[i] = s->stream[i].op.u.group.fd;
        ck_assert_int_eq(probe_end(&s->stream[i]), 0);
        ck_assert_int_le(s->stream[i].calls, 2);
        must(heald_close(s->loop, streams[i]) == 0);
    }
    must(heald_close(s->loop, s->fd) == 0);
    close(s->fresh_peer);
}

HEALD_CASE(closed_in_its_own_callback)
{
    static char memory[8 * ROOM];
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    struct heald_addr addr;
    int client[CLIENTS];

    must(heald_buf_group_open(&group, loop, memory, 8, ROOM) == 0);
    for (unsigned n = 0; n < 4 * REUSE_HOWS; n++) {
        struct server s = {.loop = loop, .group = group, .how = (enum reuse_how)(n % REUSE_HOWS)};
        bool multishot = n / REUSE_HOWS % 2, armed = n / REUSE_HOWS / 2;
        s.fd = tcp_listen(8, &addr);
        if (multishot)
            heald_prep_accept_multishot(&s.accept.op, s.fd);
        else
            heald_prep_accept(&s.accept.op, s.fd, NULL, NULL);
        s.accept.op.data = &s;
        must(heald_submit(loop, &s.accept.op, on_accept) == 0);
        if (armed)
            turn_for(loop, 0);
        for (int i = 0; i < CLIENTS; i++) {
            client[i] = tcp_connect(&addr);
            must(send(client[i], "abc", 3, MSG_NOSIGNAL) == 3);
        }
        serve(&s, client, multishot);
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

/* A listener whose queue is full leaves the next connection half-way. */
static int full_listener(struct heald_addr *ret_addr, int ret_clients[2])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    must(fd >= 0);
    must(bind(fd, (struct sockaddr *)&in, sizeof in) == 0);
    must(listen(fd, 0) == 0);
    must(heald_local_addr(fd, ret_addr) == 0);
    for (int i = 0; i < 2; i++) {
        ret_clients[i] = heald_socket(ret_addr, SOCK_STREAM);
        connect(ret_clients[i], &ret_addr->u.sa, ret_addr->len);
    }
    return fd;
}

static void connect_anew(struct heald_loop *loop, struct probe *p, int fd,
                         const struct heald_addr *addr)
{
    reuse_move(heald_socket(addr, SOCK_STREAM), fd);
    heald_prep_connect(&p->op, fd, &addr->u.sa, addr->len);
    probe_start(loop, p);
}

/* One connect is withdrawn; the next on the same number is another's, with a result of its own. */
static void replace_connecting(struct heald_loop *loop, const struct heald_addr *full,
                               const struct heald_addr *good, enum reuse_when when,
                               enum reuse_how how)
{
    struct probe p[2] = {0}, c = {0}, w = {0};
    int fd = heald_socket(full, SOCK_STREAM);

    heald_prep_connect(&p[0].op, fd, &full->u.sa, full->len);
    probe_start(loop, &p[0]);
    heald_prep_send(&w.op, fd, "old", 3, 0);
    probe_start(loop, &w);
    if (when == REUSE_ARMED)
        turn_for(loop, 0);
    if (when == REUSE_CANCELLED)
        must(heald_cancel(&p[0].op) == 0);
    reuse_close(loop, fd, how, &c.op, probe_completed);
    if (how == REUSE_CLOSE_OP)
        ck_assert_int_eq(probe_end(&c), 0);
    connect_anew(loop, &p[1], fd, good);
    ck_assert_int_eq(probe_end(&p[1]), 0);
    ck_assert_int_eq(probe_end(&p[0]), -ECANCELED);
    probe_end(&w);
    must(w.result == -ECANCELED || (when == REUSE_CANCELLED && w.result == -EPIPE));
    struct heald_addr peer;
    must(heald_peer_addr(fd, &peer) == 0);
    ck_assert_uint_eq(((struct sockaddr_in *)&peer.u.sa)->sin_port,
                      ((const struct sockaddr_in *)&good->u.sa)->sin_port);
    must(heald_close(loop, fd) == 0);
}

HEALD_CASE(a_socket_that_connects)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr full, good;
    int clients[2], stuck = full_listener(&full, clients), listener = tcp_listen(64, &good);
    static const enum reuse_when whens[] = {REUSE_SUBMITTED, REUSE_ARMED, REUSE_CANCELLED};

    for (unsigned n = 0; n < 3 * REUSE_HOWS; n++)
        replace_connecting(loop, &full, &good, whens[n / REUSE_HOWS],
                           (enum reuse_how)(n % REUSE_HOWS));
    for (int i = 0; i < 2; i++)
        close(clients[i]);
    close(stuck);
    close(listener);
    loop_end(loop);
}

void add_reuse_listen(TCase *group)
{
    add_everywhere(group, a_listener_right_after_the_submit);
    add_everywhere(group, a_listener_while_ops_wait);
    add_everywhere(group, a_listener_when_a_connection_is_due);
    add_everywhere(group, a_listener_between_a_cancel_and_its_completion);
    add_everywhere(group, closed_in_its_own_callback);
    add_everywhere(group, a_socket_that_connects);
}
