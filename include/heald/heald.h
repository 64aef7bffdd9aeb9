/* heald/heald.h: includes all public headers. */
#ifndef HEALD_HEALD_H
#define HEALD_HEALD_H

#include <heald/await.h>
#include <heald/barrier.h>
#include <heald/base.h>
#include <heald/broadcast.h>
#include <heald/channel.h>
#include <heald/cond.h>
#include <heald/describe.h>
#include <heald/file.h>
#include <heald/file_lock.h>
#include <heald/futex.h>
#include <heald/heap.h>
#include <heald/inspect.h>
#include <heald/io.h>
#include <heald/listener.h>
#include <heald/loop.h>
#include <heald/map.h>
#include <heald/mq.h>
#include <heald/mutex.h>
#include <heald/name.h>
#include <heald/net.h>
#include <heald/object.h>
#include <heald/once.h>
#include <heald/op.h>
#include <heald/path.h>
#include <heald/process.h>
#include <heald/queue.h>
#include <heald/region.h>
#include <heald/rwlock.h>
#include <heald/sem.h>
#include <heald/service.h>
#include <heald/stream.h>
#include <heald/sysv.h>
#include <heald/timer.h>
#include <heald/topic.h>
#include <heald/work.h>

#endif
