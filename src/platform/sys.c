/* platform/sys.c: the table of the system's calls, from the files of the platform that was built.
 */
#include "platform/sys.h"

int heald_plat_gate(enum heald_gate what)
{
    (void)what;
    return 0;
}

const struct heald_sys heald_sys_native = {
    .gate = heald_plat_gate,
    .now = heald_plat_now,
    .fd_type = heald_plat_fd_type,
    .seeks = heald_plat_seeks,
    .lingers = heald_plat_lingers,
    .listens = heald_plat_listens,
    .pipes_nowait = heald_plat_pipes_nowait,
    .duplicate = heald_plat_duplicate,
    .open_again = heald_plat_open_again,
    .readv_now = heald_plat_readv_now,
    .writev_now = heald_plat_writev_now,
    .recv_now = heald_plat_recv_now,
    .send_now = heald_plat_send_now,
    .recvmsg_now = heald_plat_recvmsg_now,
    .sendmsg_now = heald_plat_sendmsg_now,
    .accept_now = heald_plat_accept_now,
    .connect_now = heald_plat_connect_now,
    .connect_end = heald_plat_connect_end,
    .accept = heald_plat_accept,
    .connect = heald_plat_connect,
    .shutdown = heald_plat_shutdown,
    .close = heald_plat_close,
    .preadv = heald_plat_preadv,
    .pwritev = heald_plat_pwritev,
    .open = heald_plat_open,
    .open_beneath = heald_plat_open_beneath,
    .stat = heald_plat_stat,
    .fsync = heald_plat_fsync,
    .map = heald_plat_map,
    .unmap = heald_plat_unmap,
    .map_sync = heald_plat_map_sync,
    .map_populate = heald_plat_map_populate,
    .map_resident = heald_plat_map_resident,
    .copy = heald_plat_copy,
    .poll = heald_plat_poll,
    .select = heald_plat_select,
    .descriptor_limit = heald_plat_descriptor_limit,
    .queue_open = heald_plat_queue_open,
    .epoll_ctl = heald_plat_epoll_ctl,
    .epoll_wait = heald_plat_epoll_wait,
    .mirror_open = heald_plat_mirror_open,
    .mirror_set = heald_plat_mirror_set,
    .mirror_get = heald_plat_mirror_get,
    .bell_open = heald_plat_bell_open,
    .bell_ring = heald_plat_bell_ring,
    .bell_drain = heald_plat_bell_drain,
    .alarm_open = heald_plat_alarm_open,
    .alarm_set = heald_plat_alarm_set,
    .alarm_drain = heald_plat_alarm_drain,
    .signals_open = heald_plat_signals_open,
    .signals_read = heald_plat_signals_read,
    .signals_close = heald_plat_signals_close,
    .signal_queue = heald_plat_signal_queue,
    .child_open = heald_plat_child_open,
    .child_reap = heald_plat_child_reap,
};

int64_t heald_clock_now(enum heald_clock clock)
{
    return heald_plat_now(clock);
}
