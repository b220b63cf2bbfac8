#pragma once
// One connection to Redis: TCP or TLS, commands out in batches, answers in. An object makes one connection at a time and
// can be used again after it ended. Event loop thread only; handlers and answers come from the event loop, never from
// inside a call.

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/redis/wire/address.h"
#include "supervisor/redis/wire/pipeline.h"

namespace emprops::redis {

class Connection {
  public:
    struct Handlers {
        std::function<void()> connected;
        std::function<void(Pipeline::Pushed)> pushed;
        /// It ended or could not be made: exactly once per connect(), unless drop() came first. What was asked has been
        /// answered as lost before. A sentence for a person, without a password.
        std::function<void(const std::string& why)> closed;
    };

    /// Of `settings` the timeouts and TLS files are used.
    Connection(boost::asio::any_io_executor executor, config::HubSettings settings, Handlers handlers);
    ~Connection();

    void connect(const hub::Target& target);
    /// Without a connection it is lost.
    void ask(const Command& command, Pipeline::Then then);
    void subscribe(const std::vector<std::string>& channels);
    /// Ends it; `closed` follows with `why`.
    void close(const std::string& why);
    /// Ends it at once, without handlers.
    void drop();
    /// Nothing waits for an answer.
    bool is_quiet() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace emprops::redis
