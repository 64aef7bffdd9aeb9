// Boost.Interprocess: message_queue.
#include "message.h"

#include <boost/interprocess/ipc/message_queue.hpp>

#include <memory>
#include <string>
#include <unistd.h>

using boost::interprocess::message_queue;

namespace
{

std::unique_ptr<message_queue> queues[MESSAGE_CHANNELS];
std::string names[MESSAGE_CHANNELS];

void open_queues(size_t size)
{
    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        names[i] = "heald-bench-" + std::to_string(getpid()) + "-" + std::to_string(i);
        queues[i] = std::make_unique<message_queue>(boost::interprocess::create_only,
                                                    names[i].c_str(), message_capacity(size), size);
    }
}

void attach(int)
{
}

void send_one(int channel, const void *data, size_t size)
{
    queues[channel]->send(data, size, 0);
}

void recv_one(int channel, void *data, size_t size)
{
    message_queue::size_type n;
    unsigned priority;
    queues[channel]->receive(data, size, n, priority);
}

int try_recv(int channel, void *data, size_t size)
{
    message_queue::size_type n;
    unsigned priority;
    return queues[channel]->try_receive(data, size, n, priority);
}

void close_all()
{
    for (const auto &name : names)
        message_queue::remove(name.c_str());
}

} // namespace

int main(int argc, char **argv)
{
    static const message_peer peer = {open_queues, attach,  send_one, recv_one, try_recv, close_all,
                                      nullptr,     nullptr, nullptr,  attach,   0};

    return message_main(&peer, argc, argv);
}
