#pragma once
// The WebSocket to ComfyUI: connected all the time, reconnected with back-off, read fast. One per connector
// process; it has a thread of its own, on which the handlers are called: they must not block.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/comfyui/settings.h"

namespace emprops::comfyui {

struct SocketHandlers {
    std::function<void(std::string_view)> on_text;
    std::function<void(std::string_view)> on_binary;
    std::function<void(bool up, const std::string& reason)> on_state;
    std::function<void(std::size_t)> on_bytes;  ///< came, of a frame that may not be whole yet
};

class Socket {
  public:
    /// Starts connecting. `settings` must outlive the object. `idle`: a server that gives no byte for so long, in
    /// running time, is given up. It never pings by itself; its loop can be blocked by loading a model for long.
    Socket(const Settings& settings, std::string client_id, SocketHandlers handlers, Ms idle = Ms{90'000});
    /// Closes and joins the thread.
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    /// Closes the connection and makes a new one; tries at once where it would have waited. From any thread.
    void reconnect();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::comfyui
