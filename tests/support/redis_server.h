#pragma once
// A real Redis on a free port of loopback, as a child of the test, and a client that waits for each answer. Debian ships
// the server's program with its tools (redis-tools), under another name, without a service.

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/redis/wire/reply.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

struct redisContext;

namespace emprops::test {

struct RedisServerOptions {
    bool append_only = false;  ///< every write survives a kill
    std::vector<std::string> more{};
};

class RedisServer {
  public:
    explicit RedisServer(RedisServerOptions options = {});
    ~RedisServer();

    std::string url() const;
    std::uint16_t port() const { return port_; }
    /// Throws std::runtime_error where there is no answer.
    redis::Reply ask(const redis::Command& command);
    /// The values of a hash.
    std::vector<std::pair<std::string, std::string>> hash(const std::string& key);
    std::string field(const std::string& key, const std::string& name);

    void start();
    void kill();
    void pause() { child_->signal(SIGSTOP); }
    void go_on() { child_->signal(SIGCONT); }

    /// As the API does: hash, then queue, then message.
    void submit(const std::string& id, const std::string& service, const std::string& payload = "{}",
                std::vector<std::pair<std::string, std::string>> more = {});

  private:
    void connect();

    const RedisServerOptions options_;
    TempDir folder_;
    std::uint16_t port_;
    std::unique_ptr<ChildProcess> child_;
    redisContext* client_ = nullptr;
    int submitted_ = 0;
};

}  // namespace emprops::test
