/* platform/sys.c: the table of the system's calls, from the files of the platform that was built.
 */
#include "platform/sys.h"

static int gate(enum heald_gate what)
{
    (void)what;
    return 0;
}

const struct heald_sys heald__sys_native = {
    .gate = gate,
    .now = heald__plat_now,
    .fd_type = heald__plat_fd_type,
    .seeks = heald__plat_seeks,
    .lingers = heald__plat_lingers,
    .listens = heald__plat_listens,
    .pipes_nowait = heald__plat_pipes_nowait,
    .duplicate = heald__plat_duplicate,
    .open_again = heald__plat_open_again,
    .readv_now = heald__plat_readv_now,
    .writev_now = heald__plat_writev_now,
    .recv_now = heald__plat_recv_now,
    .send_now = heald__plat_send_now,
    .recvmsg_now = heald__plat_recvmsg_now,
    .sendmsg_now = heald__plat_sendmsg_now,
    .accept_now = heald__plat_accept_now,
    .connect_now = heald__plat_connect_now,
    .connect_end = heald__plat_connect_end,
    .accept = heald__plat_accept,
    .connect = heald__plat_connect,
    .shutdown = heald__plat_shutdown,
    .close = heald__plat_close,
    .preadv = heald__plat_preadv,
    .pwritev = heald__plat_pwritev,
    .open = heald__plat_open,
    .open_beneath = heald__plat_open_beneath,
    .stat = heald__plat_stat,
    .fsync = heald__plat_fsync,
    .unlink = heald__plat_unlink,
    .mkdir = heald__plat_mkdir,
    .symlink = heald__plat_symlink,
    .link = heald__plat_link,
    .link_fd = heald__plat_link_fd,
    .rename = heald__plat_rename,
    .readlink = heald__plat_readlink,
    .chmod = heald__plat_chmod,
    .chown = heald__plat_chown,
    .utimens = heald__plat_utimens,
    .ftruncate = heald__plat_ftruncate,
    .fallocate = heald__plat_fallocate,
    .statfs = heald__plat_statfs,
    .file_lock = heald__plat_file_lock,
    .flock = heald__plat_flock,
    .map = heald__plat_map,
    .unmap = heald__plat_unmap,
    .map_sync = heald__plat_map_sync,
    .map_populate = heald__plat_map_populate,
    .map_resident = heald__plat_map_resident,
    .copy = heald__plat_copy,
    .poll = heald__plat_poll,
    .select = heald__plat_select,
    .descriptor_limit = heald__plat_descriptor_limit,
    .queue_open = heald__plat_queue_open,
    .epoll_ctl = heald__plat_epoll_ctl,
    .epoll_wait = heald__plat_epoll_wait,
    .mirror_open = heald__plat_mirror_open,
    .mirror_set = heald__plat_mirror_set,
    .mirror_get = heald__plat_mirror_get,
    .bell_open = heald__plat_bell_open,
    .bell_ring = heald__plat_bell_ring,
    .bell_drain = heald__plat_bell_drain,
    .alarm_open = heald__plat_alarm_open,
    .alarm_set = heald__plat_alarm_set,
    .alarm_drain = heald__plat_alarm_drain,
    .signals_open = heald__plat_signals_open,
    .signals_read = heald__plat_signals_read,
    .signals_close = heald__plat_signals_close,
    .signal_queue = heald__plat_signal_queue,
    .child_open = heald__plat_child_open,
    .child_reap = heald__plat_child_reap,
};

int64_t heald_clock_now(enum heald_clock clock)
{
    return heald__plat_now(clock);
}
