/*
 * test/aio/table.c: where glibc does not do what a case asks for; found by running it there
 * (`test-aio-libc libc-all`), glibc 2.36. On libheald-aio there are no allowances.
 */
#include "aio/suite.h"

static const struct {
    const char *feature, *name, *what;
} rows[] = {
    {"life", "started_request_is_a_copy",
     "tells as the block asks when the request ends, not when it began"},
    {"life", "queued_request_is_a_copy", "reads the block again when its turn comes"},
    {"files", "appended_in_order_through_duplicates",
     "keeps the order by descriptor, not by open file"},
    {"files", "not_held_up_by_a_hundred_pipes", "hangs: 20 threads, each held by a pipe"},
    {"order", "duplicates_in_order", "keeps the order by descriptor, not by open file"},
    {"order", "reads_do_not_hold_up_writes_of_a_socket",
     "hangs: one request at a time for a descriptor"},
    {"order", "reads_do_not_hold_up_writes_of_a_datagram_socket",
     "hangs: one request at a time for a descriptor"},
    {"order", "reads_do_not_hold_up_writes_of_a_terminal",
     "hangs: one request at a time for a descriptor"},
    {"order", "reads_do_not_hold_up_writes_of_a_fifo",
     "hangs: one request at a time for a descriptor"},
    {"order", "writes_do_not_hold_up_reads_of_a_socket",
     "hangs: one request at a time for a descriptor"},
    {"order", "forty_events_apart", "hangs: 20 threads, each held by an eventfd"},
    {"sync", "a_pipe_that_is_read_cannot_and_says_so",
     "hangs: one request at a time for a descriptor"},
    {"sync", "refused_call_leaves_its_error", "aio_error is still that of the request before"},
    {"close", "closed_writes_stay_with_their_file", "writes to the file that has the number then"},
    {"close", "replaced_writes_stay_with_their_file",
     "writes to the file that has the number then"},
    {"close", "writes_of_a_closed_range_stay_with_their_file",
     "writes to the file that has the number then"},
    {"close", "large_ones_stay_with_their_file", "writes to the file that has the number then"},
    {"close", "closed_appends_stay_with_their_file", "writes to the file that has the number then"},
    {"close", "closed_reads_stay_with_their_file", "reads from the file that has the number then"},
    {"close", "queued_writes_stay_with_their_pipe", "writes to the file that has the number then"},
    {"close", "queued_reads_stay_with_their_pipe", "reads from the file that has the number then"},
    {"close", "cancel_means_the_new_file", "cancels the requests of the file before"},
    {"close", "queued_syncs_end", "syncs the file that has the number then: EINVAL"},
    {"descriptors", "file_of_a_closed_number_goes_on",
     "hangs: it waits behind the request of the file that had the number before"},
    {"locks", "lock_after_writes_and_a_dup2", "writes to the file that has the number then"},
    {"locks", "lock_after_appends_and_a_dup2", "writes to the file that has the number then"},
    {"replace", "fclose_of_a_stream", "reads from the file that has the number then"},
    {"replace", "freopen_of_a_stream", "reads from the file that has the number then"},
    {"replace", "close_range_of_one", "reads from the file that has the number then"},
    {"replace", "closefrom_in_the_middle", "reads from the file that has the number then"},
    {"replace", "close_range_that_leaves_the_table", "hangs: its threads have the old table"},
    {"numbers", "all_that_is_unknown_is_closed_under_requests",
     "reads from the file that has the number then"},
    {"numbers", "writes_for_which_no_number_is_free",
     "writes to the file that has the number then"},
    {"numbers", "reads_for_which_no_number_is_free",
     "reads from the file that has the number then"},
    {"fork", "nothing_is_outstanding_in_the_child", "the child finds the requests of its parent"},
    {"fork", "the_childs_child_has_its_own", "hangs: the child waits for threads of its parent"},
    {"fork", "the_parent_does_not_see_the_childs",
     "hangs: the child waits for threads of its parent"},
    {"fork", "children_without_handlers_of_fork", "the child finds the requests of its parent"},
    {"fork", "forks_in_the_thick_of_it", "hangs: the child finds a lock taken"},
    {"fork", "bare_children_in_the_thick_of_it", "hangs: the child finds a lock taken"},
    {"suspend", "a_list_of_a_million", "crashes: a place on the stack for each entry"},
    {"suspend", "times_that_are_none", "takes a tv_nsec of 1000000000 and more"},
    {"suspend", "a_time_without_end", "the sum overflows: it does not wait"},
    {"handlers", "handlers_interrupt_one_thread",
     "hangs: aio_suspend takes a lock that was interrupted"},
    {"handlers", "handlers_interrupt_several_threads",
     "hangs: aio_suspend takes a lock that was interrupted"},
    {"steps", "a_handler_waits_for_another_threads",
     "hangs: aio_suspend takes a lock that was interrupted"},
    {"steps", "a_handler_forks", "hangs: the child finds a lock taken"},
    {"replace", "stopped_after_the_close_of_a_fifo",
     "reads from the file that has the number then"},
    {"replace", "stopped_after_the_close_of_a_pipe",
     "reads from the file that has the number then"},
    {"replace", "stopped_after_the_close_of_a_socket",
     "reads from the file that has the number then"},
    {"replace", "stopped_after_the_close_of_a_timed_socket",
     "reads from the file that has the number then"},
    {"sync", "by_a_duplicate_after_a_close", "keeps the order by descriptor, not by open file"},
    {"jumps", "out_of_suspend", "hangs: aio_suspend has left its lock taken"},
    {"jumps", "out_of_suspend_of_one_that_is_done", "hangs: aio_suspend has left its lock taken"},
    {"jumps", "many_jumps_out_of_a_wait",
     "leaves records of the wait on a stack that is another's by then"},
    {"jumps", "out_of_error", "hangs: aio_error has left its lock taken"},
    {"scarce", "read_gets_a_thread_when_there_is_room",
     "hangs: it waits for the thread that is there"},
    {"cancel", "one_among_many_costs_no_more", "looks through all requests of the descriptor"},
    {"list", "negative_number", "returns 0"},
    {"list", "signals_although_some_are_unknown", "returns 0; the items say EINVAL"},
    {"list", "interrupted_wait_cancels_nothing", "crashes: it wakes a waiter whose stack is gone"},
    {"notify", "the_named_thread_takes_the_signal", "tells nobody: it does not know that kind"},
    {"notify", "no_signal_is_lost_when_the_queue_is_full",
     "loses them, and aio_error says EAGAIN of what was done"},
    {"notify", "no_signal_is_lost_when_the_queue_is_small",
     "loses them, and aio_error says EAGAIN of what was done"},
    {"notify", "joinable_is_overridden", "starts a joinable thread, which nobody joins"},
    {"notify", "attributes_are_copied", "crashes: it keeps the pointer to the attributes"},
    {"notify", "a_call_is_not_lost_for_want_of_threads", "loses it"},
    {"notify", "callbacks_may_do_anything",
     "may hang: a cancel among requests of a file leaves the others to nobody"},
    {"programs", "a_filter_that_knows_no_io_uring",
     "hangs after fork: the child waits for threads of its parent"},
    {"programs", "a_filter_that_forbids_io_uring",
     "hangs after fork: the child waits for threads of its parent"},
    {"programs", "daemons", "hangs after fork: the child waits for threads of its parent"},
    {"threads", "threads_ask_where_no_more_are_to_be_had",
     "aio_return is 0 although aio_error says EAGAIN"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

int difference(const char *feature, const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].feature, feature) == 0 && strcmp(rows[i].name, name) == 0)
            return i;
    return -1;
}

const char *difference_text(int row)
{
    return rows[row].what;
}
