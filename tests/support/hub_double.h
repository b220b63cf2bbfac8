#pragma once
// A scripted hub on loopback: it accepts WebSockets (plain or TLS), records what comes, and sends what the
// test says. It decides nothing but the welcome. Runs on the test's own io_context, so a test is one thread:
// `until(io, condition)` runs everything.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/hub_tls.h"

namespace emprops::test {

/// Runs `io` until `condition` holds; false when it does not within `limit`.
bool until(boost::asio::io_context& io, const std::function<bool()>& condition,
           std::chrono::milliseconds limit = std::chrono::seconds(10));

class HubDouble {
  public:
    struct Peer {
        std::string path;                            ///< with the query
        std::map<std::string, std::string> headers;  ///< of its handshake, by lowercase name
        std::vector<std::string> frames;
        bool open = true;
        std::function<void(std::string)> send;
        std::function<void(std::uint16_t code, std::string reason)> close;
        std::function<void()> stop_reading;
        std::function<void()> ping;
        int pongs = 0;

        /// Frames that contain `text`.
        int count(const std::string& text) const;
    };

    /// Without certificates: plain. `require_client_certificate`: of the same authority.
    explicit HubDouble(boost::asio::io_context& io, std::optional<TestCertificates> certificates = {},
                       bool require_client_certificate = false, const std::string& address = "127.0.0.1");
    ~HubDouble();

    std::uint16_t port() const;
    /// In the order of their connections; they stay when they are closed.
    const std::vector<std::shared_ptr<Peer>>& peers() const;
    /// The newest open one whose path begins so; null when there is none.
    std::shared_ptr<Peer> peer(const std::string& path_prefix) const;
    /// What each connection is greeted with; empty: nothing. Default: connection_established.
    std::vector<std::string> greeting;
    bool close_after_greeting = false;
    /// Answers of its own, before the frame is recorded.
    std::function<void(Peer&, const std::string& frame)> on_frame;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace emprops::test
