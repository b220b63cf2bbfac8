#pragma once
// The conversation of one connection to Redis, without the connection: commands become bytes, bytes become answers, in
// their order; on a connection that subscribes, pushed messages. RESP2 by hiredis (its reader and formatter). Pure.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"
#include "supervisor/redis/wire/reply.h"

struct redisReader;

namespace emprops::redis {

struct PipelineLimits {
    /// One answer or message may have so many bytes, names and lengths included.
    std::size_t reply_bytes = 512u << 20;
    std::size_t reply_elements = 1u << 20;
};

class Pipeline {
  public:
    using Then = std::function<void(Reply)>;
    /// A message of a channel.
    struct Pushed {
        std::string channel;
        std::string text;
    };

    explicit Pipeline(PipelineLimits limits = {});
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    /// The bytes of a command whose answer goes to `then`.
    std::string ask(const Command& command, Then then);
    /// The bytes of a SUBSCRIBE: what it answers is no answer to a command. From then on there may be pushed messages.
    std::string subscribe(const std::vector<std::string>& channels);

    /// The bytes of a PING, whose answer nobody waits for.
    std::string ping();

    /// Calls `then` of each answer that is whole, and returns what was pushed. Errors: "bad_reply": nothing that follows
    /// can be understood. A callback may ask further; it must not end this object.
    Result<std::vector<Pushed>> take(std::string_view bytes);

    /// The connection is gone: every answer that is missing is `lost`, and the next connection begins.
    void lose(const std::string& why);

    std::size_t waiting() const { return waiting_.size(); }

  private:
    struct Building;

    void reset();

    const PipelineLimits limits_;
    std::unique_ptr<Building> building_;
    redisReader* reader_ = nullptr;
    std::deque<Then> waiting_;
    bool subscribed_ = false;
    std::size_t fed_bytes_ = 0;  ///< since the last whole answer
};

}  // namespace emprops::redis
