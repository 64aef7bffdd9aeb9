/* message/wait_ops.h: the waits of queues and topics; `memory` is the address of the message, the
 * slot, the loan or the sample, or the event. */
#ifndef HEALD_SRC_MESSAGE_WAIT_OPS_H
#define HEALD_SRC_MESSAGE_WAIT_OPS_H

#include "sync/wait_ops.h"

extern const struct sync_wait_ops heald__queue_send_wait_ops, heald__queue_recv_wait_ops,
    heald__queue_reserve_wait_ops, heald__queue_peek_wait_ops, heald__topic_loan_wait_ops,
    heald__topic_publish_wait_ops, heald__topic_take_wait_ops, heald__topic_event_wait_ops;

/* The same of services: the address of the call, or of the request. */
extern const struct sync_wait_ops heald__service_call_wait_ops, heald__service_receive_wait_ops;

#endif
