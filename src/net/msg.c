/* net/msg.c: messages that carry descriptors. What came is hostile until it is counted.
 * Thread-safe. */
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static void set_up(struct heald_fd_msg *m, void *buf, size_t len)
{
    memset(m, 0, sizeof *m);
    m->iov.iov_base = buf;
    m->iov.iov_len = len;
    m->msg.msg_iov = &m->iov;
    m->msg.msg_iovlen = 1;
    m->msg.msg_control = m->control.room;
}

int heald_fd_msg_send(struct heald_fd_msg *m, const void *buf, size_t len, const int *fds,
                      unsigned count)
{
    if (count > HEALD_MSG_FDS || (count && !fds))
        return -EINVAL;
    set_up(m, (void *)buf, len);
    if (!count) {
        m->msg.msg_control = NULL;
        return 0;
    }
    m->msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    return 0;
}

void heald_fd_msg_recv(struct heald_fd_msg *m, void *buf, size_t len)
{
    set_up(m, buf, len);
    m->msg.msg_controllen = sizeof m->control.room;
}

/* The descriptors of one control message: as many as there is room for; the others are closed. */
static int take(struct cmsghdr *c, int *ret_fds, int have, unsigned max)
{
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fd;

    for (size_t i = 0; i < n; i++) {
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        if ((unsigned)have < max)
            ret_fds[have++] = fd;
        else
            heald__plat_close_passed(fd);
    }
    return have;
}

int heald_fd_msg_fds(struct heald_fd_msg *m, int *ret_fds, unsigned max)
{
    int have = 0;
    bool cut = m->msg.msg_flags & MSG_CTRUNC;

    if (m->msg.msg_control)
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg); c; c = CMSG_NXTHDR(&m->msg, c)) {
            if (c->cmsg_level != SOL_SOCKET)
                continue;
            if (c->cmsg_type == SCM_RIGHTS)
                have = take(c, ret_fds, have, cut ? 0 : max);
            else if (c->cmsg_type == heald__scm_pidfd)
                take(c, NULL, 0, 0); /* nobody asked for it here */
        }
    m->msg.msg_controllen = 0; /* The next call finds none. */
    return cut ? -EMSGSIZE : have;
}
