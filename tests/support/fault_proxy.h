#pragma once
// A TCP relay on loopback that injects faults: delay, cut, half-open, truncation, slow reading. Also an HTTP
// CONNECT proxy. Runs on the test's io_context; faults apply to connections that exist and to later ones.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace emprops::test {

class FaultProxy {
  public:
    /// Relays to this port of 127.0.0.1; 0: an HTTP proxy that relays to where CONNECT says.
    FaultProxy(boost::asio::io_context& io, std::uint16_t target_port);
    ~FaultProxy();

    std::uint16_t port() const;

    struct Faults {
        std::chrono::milliseconds delay{0};            ///< before each piece is passed on
        bool blackhole = false;                        ///< half-open: nothing passes, nothing is closed
        bool refuse = false;                           ///< new connections are closed at once
        std::optional<std::uint64_t> cut_after_bytes;  ///< from the hub; then both sides are reset
        std::size_t piece_bytes = 64 * 1024;           ///< largest piece read at once (small: slow reading)
        /// Towards the hub, per connection and with small buffers, as a slow uplink; 0: as fast as it goes.
        std::uint64_t upload_per_second = 0;
        std::string refuse_path;  ///< a relayed request with this in its head is cut off
    };
    Faults faults;
    /// Resets every connection now.
    void cut();

    std::size_t connections() const;  ///< ever accepted
    /// As an HTTP proxy: the request heads it was sent.
    const std::vector<std::string>& requests() const;
    /// As an HTTP proxy: answer with this instead of 200.
    std::string refuse_with;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace emprops::test
