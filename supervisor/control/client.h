#pragma once
// The CLI's side of the control API: one blocking request over the Unix socket (libcurl). Not for the
// supervisor's loop.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::control {

class Client {
  public:
    explicit Client(std::filesystem::path socket) : socket_(std::move(socket)) {}

    /// The answer's JSON for 2xx. Errors: "unreachable" (no worker listens there: the sentence says so and
    /// what to do), or the API's own code and message.
    Result<ipc::Json> get(const std::string& path) const;
    Result<ipc::Json> post(const std::string& path, const ipc::Json& body) const;
    /// Calls `on_line` for each line until the worker ends the stream or `on_line` returns false.
    Result<> follow(const std::string& path,
                    const std::function<bool(const std::string& line)>& on_line) const;

  private:
    Result<ipc::Json> request(const std::string& path, const std::string* body) const;
    Error unreachable(const std::string& why) const;

    std::filesystem::path socket_;
};

}  // namespace emprops::control
